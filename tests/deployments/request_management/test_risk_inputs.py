"""What risk is judged by: the present backlog of the store, and what a caller tells over HTTP."""

from typing import Any

import httpx

from bench.one_process import assembled
from core.identity import Principal
from core.labels import Role
from core.messages import AssessItem
from core.settings import Settings
from deployments.ai_processing.deployment import AIProcessing
from deployments.decision_simulation.deployment import DecisionSimulation
from deployments.request_management import circumstances
from deployments.request_management.intake import new_request_id
from deployments.request_management.schemas import Submission

RESIDENT = Principal("RES_A_101", Role.RESIDENT)
LEAK = {"message_text": "There is a leak under the sink, it is happening again", "category": "Maintenance"}


class Listening:
    """AIProcessing that remembers what it was given."""

    def __init__(self, ai: AIProcessing) -> None:
        self._ai = ai
        self.items: list[AssessItem] = []

    async def assess(self, items: list[AssessItem]) -> Any:
        self.items += items
        return await self._ai.assess(items)

    def health(self) -> Any:
        return self._ai.health()


async def test_a_request_is_judged_by_the_backlog(
    settings: Settings, ai: AIProcessing, decision: DecisionSimulation, monkeypatch: Any
) -> None:
    monkeypatch.setattr(circumstances, "WORKLOAD_SECONDS", -1.0)
    listening = Listening(ai)
    async with assembled(settings, listening, decision) as service:
        for _ in range(2):
            submission = Submission(message_text="the kitchen tap drips")
            await service.intake.submit(RESIDENT, submission, new_request_id(service.clock()), "corr", 10.0)
    first, second = listening.items
    assert first.backlog.topics == {}
    assert sum(second.backlog.topics["plumbing"].open.values()) == 1


async def test_risk_comes_with_its_reasons_in_words(staff: httpx.AsyncClient) -> None:
    swamped = {
        "topics": {"plumbing": {"open": {"High": 20, "Medium": 10}, "overdue": 9, "ended": 20, "breached": 14,
                                "mean_days": 12, "ended_since": "2026-01-01T00:00:00Z"}}
    }  # fmt: skip
    calm, busy = [
        (await staff.post("/predict-risk", json=LEAK | {"urgency": "High"} | more)).json()
        for more in ({}, {"backlog": swamped})
    ]
    assert calm["level"] in ("Low", "Medium", "High")
    assert busy["sla_breach_probability"] > calm["sla_breach_probability"]
    for factor in busy["factors"]:
        assert set(factor) == {"feature", "value", "contribution", "label"}
        assert factor["label"]
        assert "_" not in factor["label"]


async def test_impossible_counts_are_refused(staff: httpx.AsyncClient) -> None:
    for work in ({"overdue": -1}, {"ended": 10**400}, {"mean_days": 1e300}, {"open": {"Soon": 1}}):
        answer = await staff.post("/predict-risk", json=LEAK | {"backlog": {"topics": {"plumbing": work}}})
        assert answer.status_code == 422
