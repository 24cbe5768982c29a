"""Waiting-time tables: against the full simulation, against Erlang, and how they are kept."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from core.errors import ArtefactRefused
from core.labels import Crew, Urgency
from core.messages import ResolveItem, Workload
from core.rules import OptionTemplate, RuleBook, Triangle
from deployments.decision_simulation.duty import ALWAYS
from deployments.decision_simulation.sampling import Job, sample_completion, uniform_block
from deployments.decision_simulation.triangular import Floats
from deployments.decision_simulation.waiting import TableSettings, WaitingTimes, crew_waits
from deployments.decision_simulation.workforce import CrewModel, crew_models, simulate_option, triangular_durations

FINE = TableSettings(replications=300, offsets_hours=(0.0, 5.0, 7.0), probes=2)
TRAVEL, WORK = Triangle(low=0.1, mode=0.3, high=0.8), Triangle(low=1, mode=2, high=5)
NOTHING, PARTS = Triangle(low=0, mode=0, high=0), Triangle(low=2, mode=24, high=72)


def distance(first: Floats, second: Floats) -> float:
    """Kolmogorov and Smirnov's: the largest difference between the distribution functions."""
    first, second = np.sort(first), np.sort(second)
    points = np.concatenate([first, second])
    left = np.searchsorted(first, points, side="right") / first.size
    right = np.searchsorted(second, points, side="right") / second.size
    return float(np.abs(left - right).max())


@pytest.mark.parametrize(
    ("begin", "backlog", "urgency", "lead", "later"),
    [
        (34.0, {Urgency.HIGH: 3, Urgency.MEDIUM: 8}, Urgency.HIGH, NOTHING, 0.0),
        (34.0, {Urgency.HIGH: 3, Urgency.MEDIUM: 8}, Urgency.LOW, NOTHING, 0.0),
        (8.5, {Urgency.HIGH: 5, Urgency.MEDIUM: 6}, Urgency.MEDIUM, NOTHING, 6.0),
        (131.0, {}, Urgency.EMERGENCY, NOTHING, 0.0),
        (131.0, {Urgency.HIGH: 4}, Urgency.MEDIUM, PARTS, 0.0),
    ],
)
def test_the_tables_agree_with_the_full_simulation(
    rules: RuleBook,
    make_template: Callable[..., OptionTemplate],
    begin: float,
    backlog: dict[Urgency, int],
    urgency: Urgency,
    lead: Triangle,
    later: float,
) -> None:
    """For a request that comes when the tables are made, and for one that comes `later` hours afterwards."""
    model = crew_models(rules)[Crew.PLUMBING]
    now = begin + later
    job = Job(
        request=0,
        template=make_template("visit", work_hours=WORK, lead_hours=lead),
        travel_hours=TRAVEL,
        clock=model.clock_for(urgency),
        waits=crew_waits(model, backlog, begin, FINE, seed=1).quantiles(urgency, now),
        begin=now,
        urgency=urgency,
        limits=rules.approvals.limits[Urgency.EMERGENCY],
        office_clock=ALWAYS,
        office_waits=np.zeros(1),
    )
    fast = sample_completion([job], [uniform_block(3, 2048)])[0].hours
    travel, work = triangular_durations(TRAVEL), triangular_durations(WORK)
    full = simulate_option(
        model,
        urgency,
        triangular_durations(lead),
        lambda rng, number: travel(rng, number) + work(rng, number),
        begin,
        backlog,
        replications=300,
        seed=7,
        later_hours=later,
    )
    assert distance(fast, full) <= 0.1


def test_the_tables_of_a_plain_queue_have_erlangs_mean() -> None:
    """M/M/2 at 60 % load, read after a day: C(2, 1.2) / (2 - 1.2) = 0.5625 hours."""
    model = CrewModel(
        Crew.GENERAL,
        2,
        ALWAYS,
        False,
        {Urgency.MEDIUM: 1.2},
        lambda rng, number: np.zeros(number),
        lambda rng, number: rng.exponential(1.0, number),
    )
    settings = TableSettings(replications=60, quantiles=400, offsets_hours=tuple(range(0, 169, 12)), probes=8)
    waits = crew_waits(model, {}, 0.0, settings, seed=2).hours[Urgency.MEDIUM.rank, 2:]
    assert waits.mean() == pytest.approx(0.5625, rel=0.08)


def test_a_backlog_lengthens_the_wait_of_what_comes_after_it_and_not_of_emergencies(rules: RuleBook) -> None:
    model, settings = crew_models(rules)[Crew.PLUMBING], TableSettings(replications=10)
    idle = crew_waits(model, {}, 34.0, settings, 1)
    busy = crew_waits(model, {Urgency.HIGH: 10}, 34.0, settings, 1)
    for urgency in (Urgency.LOW, Urgency.MEDIUM, Urgency.HIGH):
        assert busy.quantiles(urgency, 34.0).mean() > idle.quantiles(urgency, 34.0).mean() + 3.0
    assert busy.quantiles(Urgency.EMERGENCY, 34.0).mean() < 0.2


def test_less_urgent_work_never_waits_less(rules: RuleBook) -> None:
    model = crew_models(rules)[Crew.HVAC]
    hours = crew_waits(model, {Urgency.MEDIUM: 4}, 34.0, TableSettings(replications=10), 1).hours
    for low, high in pairwise(hours):
        assert (low >= high - 1e-9).all()


def test_an_overloaded_crew_has_long_but_finite_waits(rules: RuleBook) -> None:
    model = crew_models(rules)[Crew.HVAC]
    settings = TableSettings(replications=2, patience_hours=100.0)
    hours = crew_waits(model, {Urgency.HIGH: 200}, 34.0, settings, 1).hours
    assert np.isfinite(hours).all()
    assert hours[Urgency.LOW.rank, 0].min() > 50.0


def test_only_crews_with_another_backlog_are_computed_anew(
    rules: RuleBook, make_item: Callable[..., ResolveItem]
) -> None:
    at = make_item().at
    times = WaitingTimes(rules, ZoneInfo("UTC"), TableSettings(replications=2))
    with pytest.raises(ArtefactRefused):
        _ = times.tables
    first = times.refresh(Workload(), at, seed=1)
    assert times.refresh(Workload(), at + timedelta(hours=1), seed=2) is first
    busy = Workload(open_by_crew={Crew.PLUMBING: {Urgency.HIGH: 5}})
    second = times.refresh(busy, at, seed=3)
    assert second.version != first.version
    assert second.waits[Crew.OFFICE] is first.waits[Crew.OFFICE]
    assert second.waits[Crew.PLUMBING] is not first.waits[Crew.PLUMBING]
    third = times.refresh(busy, at + timedelta(days=1), seed=3)
    assert third.waits[Crew.OFFICE] is not second.waits[Crew.OFFICE]


def test_the_same_seed_backlog_and_moment_give_the_same_version(
    rules: RuleBook, make_item: Callable[..., ResolveItem]
) -> None:
    at = make_item().at
    versions = [
        WaitingTimes(rules, ZoneInfo("UTC"), TableSettings(replications=2)).refresh(Workload(), at, seed).version
        for seed in (1, 1, 2)
    ]
    assert versions[0] == versions[1] != versions[2]


def test_a_request_from_just_before_the_forecast_has_its_first_wait(rules: RuleBook) -> None:
    model = crew_models(rules)[Crew.PLUMBING]
    waits = crew_waits(model, {Urgency.HIGH: 10}, 34.0, TableSettings(replications=4), 1)
    assert np.array_equal(waits.quantiles(Urgency.LOW, 33.9), waits.quantiles(Urgency.LOW, 34.0))
    assert waits.quantiles(Urgency.LOW, 34.0).mean() > waits.quantiles(Urgency.LOW, 38.0).mean()


def test_what_if_keeps_nothing(waiting: WaitingTimes, make_item: Callable[..., ResolveItem]) -> None:
    before = waiting.tables
    busy = Workload(open_by_crew={Crew.PLUMBING: {Urgency.HIGH: 20}})
    other = waiting.what_if(busy, frozenset({Crew.PLUMBING}), make_item().at, seed=1)
    assert other.version != before.version
    assert waiting.tables is before


def test_an_option_of_a_crew_that_no_document_describes_is_refused(rules: RuleBook) -> None:
    without = {crew: one for crew, one in rules.crews.items() if crew is not Crew.HVAC}
    with pytest.raises(ArtefactRefused, match="hvac"):
        WaitingTimes(rules.model_copy(update={"crews": without}), ZoneInfo("UTC"))
