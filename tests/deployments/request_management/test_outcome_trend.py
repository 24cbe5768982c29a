"""How requests went over time: every request in exactly one interval, and what the route answers to whom."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.labels import Role, Status
from core.ports.store import OutcomeFacts
from core.request import RequestId
from deployments.request_management.outcome_statistics import count
from deployments.request_management.outcome_trend import Interval, first_day, intervals, tally
from tests.builders import NOON, build_event, build_full_record
from tests.deployments.request_management.light import Light, open_light

NEW_YORK = ZoneInfo("America/New_York")
# Around both changes of the clock.
moments = st.datetimes(datetime(2025, 10, 1), datetime(2026, 4, 1), timezones=st.just(UTC))


def made(at: datetime, status: Status = Status.CLOSED, *, breached: bool = False) -> OutcomeFacts:
    return OutcomeFacts(
        request_id=RequestId("REQ_1"), building_id="A", category="Billing", urgency="Low", status=status,  # type: ignore[arg-type]
        created_at=at, resolved_at=at + timedelta(hours=1), breached=breached, response_breached=False,
        escalated=False, reopened=0, automated=False, corrected=False, cost_usd=None, rating=None,
    )  # fmt: skip


async def one_by_one(facts: Sequence[OutcomeFacts]) -> AsyncIterator[OutcomeFacts]:
    for each in facts:
        yield each


@given(st.lists(moments, min_size=1, max_size=30), st.sampled_from(["day", "week"]))
async def test_every_request_is_in_its_own_interval(times: list[datetime], interval: Interval) -> None:
    facts = [made(at) for at in sorted(times)]
    since, before = facts[0].created_at, facts[-1].created_at + timedelta(milliseconds=1)
    found = await tally(one_by_one(facts), interval, NEW_YORK)
    spans = list(intervals(since, before, interval, NEW_YORK))
    assert sum(each.volume for each in found.values()) == len(facts)
    assert set(found) <= {day for day, _, _ in spans}
    for (_, _, end), (_, begin, _) in pairwise(spans):
        assert end == begin
    for day, begin, end in spans:
        inside = [one for one in facts if begin <= one.created_at < end]
        if not inside:
            assert day not in found
            continue
        overall, _ = await count(one_by_one(inside), None)
        assert found[day].statistics() == overall


def test_a_week_begins_on_monday_where_the_houses_are() -> None:
    # Monday, 2 March, 04:59 UTC is Sunday evening in New York.
    assert first_day(datetime(2026, 3, 2, 4, 59, tzinfo=UTC), "week", NEW_YORK) == date(2026, 2, 23)
    assert first_day(datetime(2026, 3, 2, 5, 0, tzinfo=UTC), "week", NEW_YORK) == date(2026, 3, 2)


def test_the_day_on_which_the_clock_changes_has_23_hours() -> None:
    since, before = datetime(2026, 3, 8, 12, tzinfo=UTC), datetime(2026, 3, 8, 13, tzinfo=UTC)
    ((day, begin, end),) = intervals(since, before, "day", NEW_YORK)
    assert day == date(2026, 3, 8)
    assert end.astimezone(UTC) - begin.astimezone(UTC) == timedelta(hours=23)


async def fill(light: Light) -> None:
    for days, building_id in ((0, "A"), (1, "B"), (8, "A"), (9, "A")):
        at = NOON - timedelta(days=days)
        record = build_full_record(building_id=building_id, created_at=at, updated_at=at)
        assert await light.ports.store.create(record.model_copy(update={"last_event": 1}), [build_event(1)])


async def test_the_route_tells_weeks_and_days_with_those_without_requests(tmp_path: Path) -> None:
    async with open_light(tmp_path) as light:
        await fill(light)
        period = {"since": "2026-02-16T05:00:00Z", "before": "2026-03-09T04:00:00Z"}
        async with light.client(Role.MANAGER, "mia") as client:
            told = (await client.get("/statistics/trend", params=period)).json()
            volumes = [one["statistics"]["volume"] for one in told["items"]]
            # Sunday, 1 March, and the Saturday and Sunday before, NOON being Monday, 2 March.
            assert volumes == [2, 1, 1]
            assert [one["complete"] for one in told["items"]] == [True, True, True]
            assert told["items"][0]["begin"] == "2026-02-16T05:00:00.000Z"
            assert told["time_zone"] == "America/New_York"
            daily = (await client.get("/statistics/trend", params=period | {"interval": "day"})).json()
            assert len(daily["items"]) == 21
            assert sum(one["statistics"]["volume"] for one in daily["items"]) == 4
            usual = (await client.get("/statistics/trend")).json()
            assert not usual["items"][-1]["complete"]
        async with light.client(Role.STAFF, "sam", buildings=["A"]) as client:
            own = (await client.get("/statistics/trend", params=period)).json()
            assert [one["statistics"]["volume"] for one in own["items"]] == [2, 0, 1]
            assert own["items"][1]["statistics"]["resolution_sla_met"] is None
            assert (await client.get("/statistics/trend", params={"building_id": "B"})).status_code == 404


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"since": "2026-01-02T00:00:00Z", "before": "2026-01-02T00:00:00Z"}, "earlier than"),
        ({"since": "2024-01-02T00:00:00Z", "before": "2026-01-02T00:00:00Z", "interval": "day"}, "more than 400"),
        ({"since": "0001-01-01T00:00:00Z", "before": "0001-01-02T00:00:00Z"}, "must lie between"),
        ({"since": "9999-12-30T00:00:00Z", "before": "9999-12-31T00:00:00Z"}, "must lie between"),
        ({"interval": "month"}, "interval"),
    ],
)
async def test_periods_that_it_refuses(tmp_path: Path, query: dict[str, str], told: str) -> None:
    async with open_light(tmp_path) as light, light.client(Role.STAFF, "sam") as client:
        answer = await client.get("/statistics/trend", params=query)
        assert answer.status_code == 422
        assert told in answer.text


async def test_residents_may_not(tmp_path: Path) -> None:
    async with open_light(tmp_path) as light, light.client(Role.RESIDENT, "RES_A_101") as client:
        assert (await client.get("/statistics/trend")).status_code == 403
        assert (await client.get("/statistics/predictions")).status_code == 403
