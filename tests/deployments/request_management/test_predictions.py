"""Predictions against what became of the requests: what is counted, what is left out, and who is told."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.labels import Category, Role, Status, Trade, Urgency
from core.record import LabelCorrection, RequestRecord
from core.request import Event, Pause, RequestId, ResolutionNote, Risk, Sla
from deployments.request_management import predictions
from deployments.request_management.predictions import hours_taken, judged_category, was_escalated
from tests.builders import NOON, build_classification, build_event, build_full_record
from tests.deployments.request_management.light import Light, open_light

HOUR = timedelta(hours=1)
PERIOD = {"since": "2025-01-01T00:00:00Z", "before": "2026-03-03T00:00:00Z"}


def sla(at: datetime, **changes: Any) -> Sla:
    due = {"response_due_at": at + HOUR, "resolution_due_at": at + 8 * HOUR, "basis": "sla#High"}
    return Sla.model_validate(due | changes)


def done(
    after_hours: float, *, at: datetime = NOON, cost: float | None = None, record: Any = None, **request: Any
) -> RequestRecord:
    """A request of which the options' p50 is 4 hours and 110 dollars, and the p90 11.25 hours and 210.5 dollars."""
    end = at + after_hours * HOUR
    note = ResolutionNote(resolution_notes="Done", actual_cost_usd=cost, resolved_by="sam", resolved_at=end)
    fields: dict[str, Any] = {
        "status": Status.CLOSED, "created_at": at, "updated_at": end, "resolution": note,
        "selected_option_id": "option-0", "sla": sla(at),
    }  # fmt: skip
    made = build_full_record(**fields | request)
    return made.model_copy(update={"last_event": 1, **(record or {})})


async def put(light: Light, *records: RequestRecord, events: tuple[Event, ...] = ()) -> None:
    for each in records:
        told = [build_event(1), *events]
        assert await light.ports.store.create(each.model_copy(update={"last_event": len(told)}), told)


async def ask(light: Light, **query: str) -> dict[str, Any]:
    async with light.client(Role.MANAGER, "mia") as client:
        answer = await client.get("/statistics/predictions", params=PERIOD | query)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def test_time_and_cost_are_those_of_the_selected_option(tmp_path: Path) -> None:
    async with open_light(tmp_path) as light:
        await put(light, done(3, cost=100.0), done(4), done(10, cost=400.0), done(20), done(5, building_id="B"))
        await put(light, build_full_record(status=Status.IN_PROGRESS), done(2, status=Status.CANCELLED))
        await put(light, done(1, duplicate_of=RequestId("REQ_x")), done(1, selected_option_id=None))
        told = await ask(light, building_id="A")
    assert (told["done"], told["still_open"], told["left_out"]) == (6, 1, 0)
    assert (told["hours"]["count"], told["cost_usd"]["count"]) == (4, 2)
    assert told["hours"]["within_p50"]["share"] == 0.5
    assert told["hours"]["within_p90"]["share"] == 0.75
    # Errors: -1, 0, 6, 16.
    assert (told["hours"]["median_error"], told["hours"]["median_absolute_error"]) == (3.0, 3.5)
    assert told["cost_usd"]["within_p90"]["share"] == 0.5
    assert told["sla_breach"]["count"] == 6


async def test_confidence_is_that_of_the_system_before_anybody_corrected_it(tmp_path: Path) -> None:
    right, wrong = done(1), done(1)
    moved = correction(Category.DELIVERIES, Category.MAINTENANCE, 0.55)
    wrong = wrong.model_copy(update={"corrections": (moved,)})
    async with open_light(tmp_path) as light:
        await put(light, right, wrong)
        told = (await ask(light))["category"]
    assert [(one["mean_predicted"], one["happened"]["share"]) for one in told["bins"]] == [(0.55, 0.0), (0.8125, 1.0)]
    assert told["brier_score"] == pytest.approx((0.55**2 + 0.1875**2) / 2)


def correction(before: Category | None, after: Category, confidence: float | None) -> LabelCorrection:
    return LabelCorrection(
        at=NOON, by="sam", category_before=before, category_after=after, urgency_before=Urgency.LOW,
        urgency_after=Urgency.LOW, model_version="cascade-1", confidence=confidence,
    )  # fmt: skip


def test_what_a_correction_says_of_the_category() -> None:
    billing, work = Category.BILLING, Category.MAINTENANCE
    only_urgency = done(1, record={"corrections": (correction(work, work, 0.7),)})
    assert judged_category(only_urgency) == (0.7, True)
    and_back = (correction(work, billing, 0.7), correction(billing, work, 1.0))
    assert judged_category(done(1, record={"corrections": and_back})) == (0.7, True)
    nobody_judged = done(1, record={"corrections": (correction(None, work, None),)})
    assert judged_category(nobody_judged) is None
    request = done(1).request
    assert request.classification is not None
    by_a_person = request.classification.model_copy(update={"source": "user"})
    assert judged_category(done(1, classification=by_a_person)) is None


def test_the_resident_and_a_reopening_stop_the_clock() -> None:
    pauses = (
        Pause(since=NOON + HOUR, until=NOON + 3 * HOUR, why="resident"),
        Pause(since=NOON + 5 * HOUR, until=NOON + 6 * HOUR, why="resolved"),
        Pause(since=NOON + 9 * HOUR, until=NOON + 30 * HOUR, why="resident"),
    )
    assert hours_taken(done(10, sla=sla(NOON, pauses=pauses)).request, ()) == 6.0
    assert hours_taken(done(10, sla=None).request, ()) == 10.0
    # Of the first pause only the hour after the choice was time of the option.
    assert hours_taken(done(10, sla=sla(NOON, pauses=pauses)).request, [chosen(2)]) == 5.0


def chosen(after_hours: float, option_id: str = "option-0", kind: str = "option_selected") -> Event:
    return build_event(2, kind=kind, at=NOON + after_hours * HOUR, details={"option_id": option_id})


@pytest.mark.parametrize(
    ("events", "hours"),
    [
        ([], 10.0),
        ([chosen(4)], 6.0),
        ([chosen(0.25, kind="emergency_action")], 9.75),
        ([chosen(4, kind="decided")], 10.0),
        ([chosen(1), chosen(3, "option-1"), chosen(6)], 4.0),
        ([chosen(1), chosen(3, "option-1")], 9.0),
        ([chosen(1), chosen(12)], 9.0),
    ],
)
def test_the_time_counts_from_the_last_choice_of_the_option(events: list[Event], hours: float) -> None:
    assert hours_taken(done(10, sla=None).request, events) == hours


async def test_an_hour_before_the_choice_is_not_the_options(tmp_path: Path) -> None:
    async with open_light(tmp_path) as light:
        # 13 hours after the report, beyond the p90, but 3 after the choice, within the p50.
        await put(light, done(13), events=(chosen(10),))
        told = (await ask(light))["hours"]
    assert (told["within_p50"]["share"], told["median_error"]) == (1.0, -1.0)


@pytest.mark.parametrize(
    ("actor", "to", "expected"),
    [
        ("RES_A_101", "Escalated", True),
        ("RES_A_101", "Reopened", True),
        ("sam", "Escalated", False),
        ("system", "Escalated", False),
        ("RES_A_101", "Cancelled", False),
    ],
)
async def test_only_the_resident_escalates(tmp_path: Path, actor: str, to: str, *, expected: bool) -> None:
    moved = Event(sequence=2, at=NOON, kind="status_changed", actor=actor, message="Moved.", details={"to": to})
    assert was_escalated(done(1).request, [moved]) is expected
    async with open_light(tmp_path) as light:
        await put(light, done(1), events=(moved,))
        told = (await ask(light))["escalation"]
    assert (told["count"], told["happened"]["share"]) == (1, float(expected))


async def test_a_recurrence_counts_once_180_days_are_over(tmp_path: Path) -> None:
    old, older = NOON - timedelta(days=200), NOON - timedelta(days=400)
    async with open_light(tmp_path) as light:
        await put(light, done(1, at=old), done(1, at=older, resident_id="RES_A_102"), done(1))
        # Of the same trade in time but cancelled, of the same trade after too long, and of another trade.
        cancelled = done(1, at=old + HOUR, status=Status.CANCELLED)
        late = done(1, at=older + timedelta(days=181), resident_id="RES_A_102", risk=None)
        other = done(1, at=old + 2 * HOUR, risk=None, classification=build_classification(trade=Trade.ELECTRICAL))
        await put(light, cancelled, late, other)
        none = (await ask(light))["recurrence"]
        assert (none["count"], none["happened"]["share"]) == (2, 0.0)
        await put(light, done(1, at=old + timedelta(days=179), risk=None))
        one = (await ask(light))["recurrence"]
    assert (one["count"], one["happened"]["share"]) == (2, 0.5)


async def test_a_missed_target_is_one(tmp_path: Path) -> None:
    risk = Risk.model_validate(
        {"score": 0.8, "level": "High", "recurrence_probability": 0.2, "sla_breach_probability": 0.9,
         "escalation_probability": 0.1, "model_version": "risk-1"}
    )  # fmt: skip
    async with open_light(tmp_path) as light:
        await put(light, done(9, risk=risk, sla=sla(NOON, breached=True)), done(2))
        told = (await ask(light))["sla_breach"]
    assert [(one["mean_predicted"], one["happened"]["share"]) for one in told["bins"]] == [(0.1, 0.0), (0.9, 1.0)]
    assert told["brier_score"] == pytest.approx(0.01)


async def test_the_oldest_are_left_out_beyond_what_one_answer_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "MOST_READ", 2)
    async with open_light(tmp_path) as light:
        await put(light, *(done(hours, at=NOON - hours * HOUR) for hours in (1, 2, 30)))
        told = await ask(light)
    assert (told["done"], told["left_out"], told["hours"]["count"]) == (3, 1, 2)
    assert told["hours"]["within_p50"]["share"] == 1.0


async def test_staff_are_told_of_their_buildings_alone(tmp_path: Path) -> None:
    async with open_light(tmp_path) as light:
        await put(light, done(3), done(4, building_id="B"))
        async with light.client(Role.STAFF, "sam", buildings=["B"]) as client:
            own = (await client.get("/statistics/predictions", params=PERIOD)).json()
            assert (own["done"], own["hours"]["count"]) == (1, 1)
            assert (await client.get("/statistics/predictions", params={"building_id": "A"})).status_code == 404
            nothing = {"since": PERIOD["before"], "before": PERIOD["since"]}
            assert (await client.get("/statistics/predictions", params=nothing)).status_code == 422


async def test_of_nothing_everything_is_null(tmp_path: Path) -> None:
    async with open_light(tmp_path) as light:
        told = await ask(light)
    assert told["done"] == 0
    assert told["hours"]["within_p90"] is None
    assert told["category"] == {"count": 0, "mean_predicted": None, "happened": None, "brier_score": None, "bins": []}
