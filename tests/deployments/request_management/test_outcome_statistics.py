"""Statistics: what they count against a naive computation, and over HTTP."""

import statistics as standard
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.labels import Category, Role, Status, Urgency
from core.ports.store import OutcomeFacts
from core.request import RequestId
from core.status import ENDED, UNJUDGED
from deployments.request_management.outcome_statistics import Statistics, count, quantile
from tests.builders import NOON, build_event, build_full_record
from tests.deployments.request_management.light import open_light

outcomes = st.builds(
    OutcomeFacts,
    request_id=st.just(RequestId("REQ_1")),
    building_id=st.sampled_from("AB"),
    category=st.none() | st.sampled_from(Category),
    urgency=st.none() | st.sampled_from(Urgency),
    status=st.sampled_from(Status),
    created_at=st.just(NOON),
    resolved_at=st.none() | st.integers(0, 10**7).map(lambda seconds: NOON + timedelta(seconds=seconds)),
    breached=st.booleans(),
    response_breached=st.booleans(),
    escalated=st.booleans(),
    reopened=st.integers(0, 3),
    automated=st.booleans(),
    corrected=st.booleans(),
    cost_usd=st.none() | st.floats(0, 10**6),
    rating=st.none() | st.integers(1, 5),
)


async def one_by_one(facts: Sequence[OutcomeFacts]) -> AsyncIterator[OutcomeFacts]:
    for one in facts:
        yield one


def share(part: Sequence[Any], whole: Sequence[Any]) -> float | None:
    return len(part) / len(whole) if whole else None


def naive(facts: Sequence[OutcomeFacts]) -> dict[str, Any]:
    done = [one for one in facts if one.status in (Status.RESOLVED, Status.CLOSED, Status.ANSWERED)]
    judged = [one for one in facts if one.status not in UNJUDGED]
    aimed = [one for one in judged if one.category is not None]
    first = [one for one in aimed if one in done or one.response_breached]
    second = [one for one in aimed if one in done or one.breached]
    again = [one for one in facts if one in done or one.reopened]
    labelled = [one for one in facts if one.category is not None]
    hours = [(one.resolved_at - one.created_at).total_seconds() / 3600 for one in facts if one.resolved_at is not None]
    costs = [one.cost_usd for one in facts if one.cost_usd is not None]
    ratings = [one.rating for one in facts if one.rating is not None]
    deciles = standard.quantiles(hours, n=10, method="inclusive") if len(hours) > 1 else hours * 9
    return {
        "volume": len(facts),
        "open": len([one for one in facts if one.status not in ENDED]),
        "response_sla_met": share([one for one in first if not one.response_breached], first),
        "resolution_sla_met": share([one for one in second if not one.breached], second),
        "reopen_rate": share([one for one in again if one.reopened], again),
        "automation_rate": share([one for one in judged if one.automated], judged),
        "escalation_rate": share([one for one in judged if one.escalated], judged),
        "correction_rate": share([one for one in labelled if one.corrected], labelled),
        "hours": (len(hours), deciles[4] if hours else None, deciles[8] if hours else None),
        "mean_hours": standard.fmean(hours) if hours else None,
        "cost": (sum(costs) if costs else None, standard.fmean(costs) if costs else None),
        "costs": (len(costs), len([one for one in facts if one.resolved_at is not None and one.cost_usd is None])),
        "rating": (len(ratings), standard.fmean(ratings) if ratings else None),
    }


def told(found: Statistics) -> dict[str, Any]:
    times, cost = found.time_to_resolve_hours, found.cost_usd
    names = {"time_to_resolve_hours", "cost_usd", "rating"}
    return found.model_dump(exclude=names) | {
        "hours": (times.count, times.p50, times.p90),
        "mean_hours": times.mean,
        "cost": (cost.total, cost.mean),
        "costs": (cost.known, cost.unknown),
        "rating": (found.rating.count, found.rating.mean),
    }


def flat(values: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{name}.{place}": one
        for name, value in values.items()
        for place, one in enumerate(value if isinstance(value, tuple) else (value,))
    }


@given(st.lists(outcomes, max_size=40))
async def test_all_and_each_group_are_what_a_naive_computation_says(facts: list[OutcomeFacts]) -> None:
    for group_by, key in (("building", "building_id"), ("category", "category"), ("urgency", "urgency")):
        overall, groups = await count(one_by_one(facts), group_by)  # pyright: ignore[reportArgumentType]
        assert flat(told(overall)) == pytest.approx(flat(naive(facts)))
        assert {group.value for group in groups} == {getattr(one, key) for one in facts}
        for group in groups:
            own = [one for one in facts if getattr(one, key) == group.value]
            assert flat(told(group.statistics)) == pytest.approx(flat(naive(own)))


@given(st.lists(st.floats(0, 10**6), min_size=2, max_size=50))
def test_quantiles_are_those_of_the_standard_library(values: list[float]) -> None:
    deciles = standard.quantiles(values, n=10, method="inclusive")
    assert quantile(sorted(values), 0.9) == pytest.approx(deciles[8])
    assert quantile(sorted(values), 0.5) == pytest.approx(standard.median(values))


async def test_a_period_without_requests_gives_nulls() -> None:
    overall, groups = await count(one_by_one([]), "category")
    assert groups == ()
    shares = ("response_sla_met", "resolution_sla_met", "reopen_rate", "automation_rate", "escalation_rate")
    assert [getattr(overall, name) for name in (*shares, "correction_rate")] == [None] * 6
    assert overall.time_to_resolve_hours.p50 is None
    assert overall.cost_usd.total is None
    assert overall.rating.mean is None


async def test_staff_get_those_of_their_buildings_in_the_period(tmp_path: Path) -> None:
    async with open_light(tmp_path) as light:
        for building_id, hours in (("A", 0), ("A", -2), ("B", -1), ("C", -24 * 40)):
            made = NOON + timedelta(hours=hours)
            record = build_full_record(building_id=building_id, created_at=made, updated_at=made)
            stored = record.model_copy(update={"last_event": 1})
            assert await light.ports.store.create(stored, [build_event(1)])
        async with light.client(Role.STAFF, "sam", buildings=["A", "C"]) as client:
            own = (await client.get("/statistics", params={"group_by": "building"})).json()
            assert own["overall"]["volume"] == 2
            assert [(group["value"], group["statistics"]["volume"]) for group in own["groups"]] == [("A", 2)]
            assert (await client.get("/statistics", params={"building_id": "B"})).status_code == 404
            since = {"since": "2026-01-01T00:00:00Z", "before": NOON.isoformat()}
            assert (await client.get("/statistics", params=since)).json()["overall"]["volume"] == 2
            wrong = {"since": NOON.isoformat(), "before": NOON.isoformat()}
            assert (await client.get("/statistics", params=wrong)).status_code == 422
            assert (await client.get("/statistics", params={"group_by": "resident"})).status_code == 422
        async with light.client(Role.MANAGER, "mia") as client:
            everything = (await client.get("/statistics")).json()
            assert everything["overall"]["volume"] == 3
        async with light.client(Role.RESIDENT, "RES_A_101") as client:
            assert (await client.get("/statistics")).status_code == 403
