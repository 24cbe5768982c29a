"""Every metric of the catalogue gets a value from the services as they are: a new one without emission fails here."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from adapters import build
from adapters.llm_offline import OfflineLanguageModel
from adapters.metrics_memory import MemoryMeter
from adapters.tokens import LocalTokens
from bench.one_process import assembled
from core import metrics as the
from core.labels import Category, Intent, Role, Urgency
from core.messages import AssessItem
from core.metrics import CATALOGUE
from core.models_config import ModelsConfig
from core.settings import Settings
from deployments.ai_processing.cascade import Cascade
from deployments.ai_processing.deployment import AIProcessing
from deployments.ai_processing.drift import LEAST
from deployments.decision_simulation.deployment import DecisionSimulation
from deployments.request_management.api.application import build_api
from tests.deployments.request_management.stage import MORNING, build_decided, build_decision, staged
from tests.gemini_server import GeminiServer

EMERGENCY = "water is pouring through my bathroom ceiling and the light is flickering"
PARCEL = "my parcel shows delivered yesterday but it is not in the locker"
QUESTION = "what time does the gym close?"
WITHIN_S = 30.0

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class .* from ClientSession:DeprecationWarning")

Client = Callable[[Role, str], httpx.AsyncClient]


@dataclass(frozen=True)
class House:
    """The four services in this process, with their values."""

    meter: MemoryMeter
    ai: AIProcessing
    client: Client

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not is_so():
                await asyncio.sleep(0.05)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncGenerator[House]:
    meter = MemoryMeter()
    ai = AIProcessing(settings, ModelsConfig.model_validate({"shadow": {"text": "text"}}), meter)
    decision = DecisionSimulation(settings, meter)
    tokens = LocalTokens(settings.local_key)
    async with assembled(settings, ai, decision, meter) as service:
        transport = httpx.ASGITransport(build_api(lambda: service, settings), raise_app_exceptions=False)

        def client(role: Role, sub: str) -> httpx.AsyncClient:
            headers = {"Authorization": f"Bearer {tokens.issue(role, sub)}"}
            return httpx.AsyncClient(transport=transport, base_url="http://testserver/api/v1", headers=headers)

        yield House(meter, ai, client)
    decision.close()


async def live(house: House) -> None:
    """An emergency, a question, and a parcel whose labels staff correct, whose option is chosen and carried out."""
    meter = house.meter
    async with house.client(Role.RESIDENT, "RES_A_101") as resident, house.client(Role.STAFF, "sam") as staff:
        for message in (EMERGENCY, QUESTION):
            await submit(resident, message)
        parcel = await submit(resident, PARCEL)
        path = f"/requests/{parcel['request_id']}"
        chosen = await resident.post(f"{path}/select-option", json={"option_id": parcel["options"][0]["option_id"]})
        assert chosen.status_code == 200, chosen.text
        other = "Low" if parcel["classification"]["urgency"] == "High" else "High"
        corrected = await staff.put(path, json={"urgency": other})
        assert corrected.status_code == 200, corrected.text
        assert (await resident.get("/requests/REQ_none")).status_code == 404
    await house.until(lambda: meter.sum_of(the.EXECUTIONS, status="Succeeded") >= 2 and the.QUEUE_DEPTH in meter.given)
    await house.until(lambda: the.DUE_WORK_LAG in meter.given)


async def submit(client: httpx.AsyncClient, message: str) -> dict[str, Any]:
    answer = await client.post("/requests", json={"message_text": message}, headers={"Prefer": "wait=20"})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def judge_many(house: House) -> None:
    """More messages than the shadow has room for, and enough for their labels' spread to be looked at."""
    now = datetime.now(UTC)
    texts = ("the tap drips", "you charged me twice", "my neighbour is loud")
    items = [AssessItem(message_text=f"{texts[place % 3]} {place}", at=now) for place in range(3 * LEAST)]
    await house.ai.assess(items)
    await house.until(lambda: the.SHADOW_DIFFERENCE in house.meter.given)


async def ask_language_model(settings: Settings, meter: MemoryMeter) -> None:
    """One message that the local models are unsure of, to a server that speaks Gemini's protocol."""
    server = GeminiServer()
    await server.start()
    try:
        changes = {"gemini_api_key": SecretStr("test-key"), "gemini_base_url": server.url}
        quoting = OfflineLanguageModel.open(settings.artefacts_dir / "kb")
        model = build.gemini(settings.model_copy(update=changes), "test-key", quoting, meter)
        cascade = Cascade(model, 0.9, deadline_s=5.0, meter=meter)
        (opinion,) = await cascade.second_opinions(["You charged me twice."], [0.5])
        assert opinion is not None
        await model.close()
    finally:
        await server.stop()


async def sweep(folder: Path) -> MemoryMeter:
    """An approved job that nobody begins in time."""
    async with staged(folder) as stage:
        assessment, resolved = build_decision()
        await stage.add(build_decided(assessment, resolved))
        stage.clock.now = MORNING.replace(month=6)
        await stage.sweep()
        return stage.meter


async def test_every_metric_gets_a_value(settings: Settings, tmp_path: Path) -> None:
    async with opened(settings) as house:
        await live(house)
        await judge_many(house)
        meter = house.meter
        await ask_language_model(settings, meter)
        given = meter.given | (await sweep(tmp_path)).given
        assert {metric.name for metric in CATALOGUE} - {metric.name for metric in given} == set()
        check_figures(meter)
        check_labels(meter)


def check_figures(meter: MemoryMeter) -> None:
    assert meter.sum_of(the.REQUESTS) == 3
    assert meter.sum_of(the.REQUESTS, urgency="Emergency", status="Escalated") == 1
    assert meter.sum_of(the.REQUESTS, intent="answer_question", status="Answered") == 1
    assert meter.sum_of(the.REQUESTS, category="Deliveries", status="AwaitingSelection") == 1
    assert meter.sum_of(the.STATUS_CHANGES, status="Approved", by="resident") == 1
    assert meter.sum_of(the.STATUS_CHANGES, status="Processing", by="resident") == 3
    # The question was answered; staff corrected the parcel's labels, which is the response to it.
    assert meter.sum_of(the.TARGETS, target="resolution", met="true") == 1
    assert meter.sum_of(the.TARGETS, target="response", met="true") >= 2
    assert meter.sum_of(the.TARGETS, met="false") == 0
    assert meter.figures[the.CORRECTIONS] == {("urgency",): 1}
    assert meter.sum_of(the.REFUSALS, problem="not_found", status="404") == 1
    assert meter.sum_of(the.AUTOMATION, by="resident", category="Deliveries") == 1
    assert meter.sum_of(the.AUTOMATION, by="system") == 1
    assert meter.sum_of(the.GATES, gate="autonomy", passed="true") == 0
    assert meter.figure(the.MODELS_REFUSED) == 0
    assert meter.sum_of(the.MODEL_MESSAGES, arm="current") == 3 + 3 * LEAST
    assert meter.sum_of(the.SHADOW_SKIPPED, reason="dropped") >= 1
    assert meter.sum_of(the.LANGUAGE_MODEL_TOKENS, direction="read") == 1500
    assert meter.sum_of(the.LANGUAGE_MODEL_TOKENS, direction="written") == 60
    assert meter.sum_of(the.LANGUAGE_MODEL_COST) > 0
    assert meter.sum_of(the.OUTSIDE_CALLS, system="operations_desk", outcome="done") >= 2
    assert meter.figure(the.CIRCUITS, system="operations_desk") == 0
    assert meter.sum_of(the.NOTICES, channel="inbox", outcome="sent") >= 2
    # Three kinds of messages again and again are nothing like the messages that the models were tried on.
    assert meter.sum_of(the.DRIFT, label="category") > 0.2
    stages = set(meter.observed[the.STAGES])
    assert {("request_management", stage) for stage in ("accept", "history", "assess", "resolve", "store")} <= stages
    assert {("ai_processing", stage) for stage in ("screen", "text", "risk", "second_opinion")} <= stages
    assert {("decision_simulation", stage) for stage in ("look_up", "answer", "settle")} <= stages
    assert {("execution", "wait"), ("execution", "carry_out"), ("request_management", "until_judged")} <= stages


def check_labels(meter: MemoryMeter) -> None:
    """No id and no text among the labels, and of each only few values."""
    known = {str(each) for each in (*Category, *Urgency, *Intent)}
    for metric, values in [*meter.figures.items(), *meter.observed.items()]:
        for place, label in enumerate(metric.labels):
            found = {each[place] for each in values}
            assert len(found) <= 30, (metric.name, label)
            for value in found - known:
                assert len(value) <= 40, (metric.name, value)
                assert not value.startswith(("REQ_", "RES_", "EXE_")), (metric.name, value)
                assert value.count(" ") <= 1, (metric.name, value)
