"""Sampling of costs and times: exact marginals, common random numbers, approvals, and batches like single calls."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.estate import Part, Triangle
from core.execution_labels import ActionKind
from core.labels import Trade, Urgency
from core.rules import OptionTemplate, RuleBook
from deployments.decision_simulation.duty import ALWAYS, DutyClock
from deployments.decision_simulation.sampling import (
    DRAWS,
    Job,
    approval_hours,
    quantile,
    sample_completion,
    uniform_block,
)
from deployments.decision_simulation.triangular import Floats, corners, triangular_quantiles

fixed_job = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
DAYS = DutyClock(tuple((day * 24.0 + 8, day * 24.0 + 16) for day in range(7)))
HOUR = Triangle(low=1, mode=1, high=1)
NO_TIME = Triangle(low=0, mode=0, high=0)


@pytest.fixture
def job(rules: RuleBook, make_template: Callable[..., OptionTemplate]) -> Job:
    return Job(
        request=0,
        template=make_template("visit"),
        travel_hours=HOUR,
        clock=ALWAYS,
        waits=np.zeros(4),
        begin=10.0,
        urgency=Urgency.MEDIUM,
        limits=rules.approvals.limits[Urgency.MEDIUM],
        office_clock=ALWAYS,
        office_waits=np.full(4, 5.0),
    )


@given(
    st.lists(st.floats(0, 1000), min_size=3, max_size=3).map(sorted),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=2, max_size=8).map(sorted),
)
def test_triangular_quantiles_invert_the_distribution(shape: list[float], levels: list[float]) -> None:
    low, mode, high = shape
    values = triangular_quantiles(corners([Triangle(low=low, mode=mode, high=high)]), np.array([levels]))[0]
    slack = 1e-9 * (1 + high)
    assert (np.diff(values) >= -slack).all()
    assert (values >= low - slack).all()
    assert (values <= high + slack).all()
    for level, value in zip(levels, values, strict=True):
        if high - low > 1e-3 and mode - low > 1e-3 and value <= mode:
            assert (value - low) ** 2 / ((high - low) * (mode - low)) == pytest.approx(level, abs=1e-6)


def test_uniform_blocks_are_spread_evenly_and_reproducible() -> None:
    block = uniform_block(7, 512)
    assert block.rows.shape == (DRAWS, 512)
    for row in (*block.rows, block.of_part("valve")):
        assert np.array_equal(np.sort((row * 512).astype(int)), np.arange(512))
    assert np.abs(np.corrcoef(block.rows) - np.eye(DRAWS)).max() < 0.2
    assert block.rows.tobytes() == uniform_block(7, 512).rows.tobytes()
    assert not np.array_equal(block.rows, uniform_block(8, 512).rows)


def test_distribution_functions_are_nearer_than_with_independent_orders() -> None:
    """The sum of two uniforms, of which the distribution is known, beside a plain Latin hypercube."""
    rng, size = np.random.default_rng(1), 512
    places = (np.arange(size) + 0.5) / size

    def error(rows: Floats) -> float:
        total = np.sort(rows.sum(axis=0))
        exact = np.where(total < 1, total**2 / 2, 1 - (2 - total) ** 2 / 2)
        return float(np.abs(exact - places).max())

    def plain() -> Floats:
        return (rng.permuted(np.tile(np.arange(size), (2, 1)), axis=1) + rng.random((2, size))) / size

    blocks = np.mean([error(uniform_block(seed, size).rows[:2]) for seed in range(40)])
    assert blocks < 0.75 * np.mean([error(plain()) for _ in range(40)])


def test_the_means_are_those_of_the_triangles(job: Job) -> None:
    sample = sample_completion([job], [uniform_block(1, 512)])[0]
    assert sample.cost_usd.mean() == pytest.approx((100 + 180 + 400) / 3, rel=0.02)
    assert sample.hours.mean() == pytest.approx(1.0 + (0.5 + 1.5 + 3) / 3 + 5.0, rel=0.01)


def test_what_needs_an_approval_waits_for_the_office_and_an_emergency_does_not(
    job: Job, make_template: Callable[..., OptionTemplate]
) -> None:
    cheap = replace(job, template=make_template("cheap", cost_usd=Triangle(low=50, mode=60, high=70)))
    emergency = replace(job, urgency=Urgency.EMERGENCY)
    dear, quick, urgent = sample_completion([job, cheap, emergency], [uniform_block(1, 512)])
    assert dear.hours - quick.hours == pytest.approx(5.0)
    assert urgent.hours == pytest.approx(quick.hours)


def test_nobody_travels_for_a_task_at_a_desk(job: Job, make_template: Callable[..., OptionTemplate]) -> None:
    desk = replace(job, template=make_template("call", action=ActionKind.CREATE_STAFF_TASK))
    visit, call = sample_completion([job, desk], [uniform_block(1, 512)])
    assert visit.hours - call.hours == pytest.approx(1.0)


def test_work_is_done_on_duty_only(job: Job) -> None:
    late = replace(job, clock=DAYS, begin=15.5, office_waits=np.zeros(1))
    hours = sample_completion([late], [uniform_block(1, 512)])[0].hours + 15.5
    assert (hours > 24 + 8).all()
    assert (hours % 24 <= 16 + 1e-6).all()


def test_options_of_a_request_share_their_randomness_and_requests_do_not(job: Job) -> None:
    blocks = [uniform_block(1, 512), uniform_block(2, 512)]
    first, twin, other = sample_completion([job, job, replace(job, request=1)], blocks)
    assert np.array_equal(first.hours, twin.hours)
    assert not np.array_equal(first.hours, other.hours)


def test_long_jobs_cost_more(job: Job, make_template: Callable[..., OptionTemplate]) -> None:
    """With cost equal to work in shape, both have the same quantile in about seven of ten replications."""
    same = Triangle(low=0, mode=1, high=4)
    alike = replace(
        job,
        template=make_template("alike", cost_usd=same, work_hours=same),
        travel_hours=NO_TIME,
    )
    block = uniform_block(3, 4096)
    follows = block.rows[4] < 0.7
    assert follows.mean() == pytest.approx(0.7, abs=0.01)
    sample = sample_completion([alike], [block])[0]
    assert np.abs(sample.cost_usd - sample.hours).max() < 0.1


def test_a_batch_gives_what_single_calls_give(job: Job, make_template: Callable[..., OptionTemplate]) -> None:
    jobs = [
        replace(
            job, request=index, begin=index * 7.3, clock=DAYS if index % 2 else ALWAYS, waits=np.arange(4.0) * index
        )
        for index in range(9)
    ]
    blocks = [uniform_block(index, 512) for index in range(9)]
    batch = sample_completion(jobs, blocks)
    for index, one in enumerate(jobs):
        alone = sample_completion([replace(one, request=0)], [blocks[index]])[0]
        assert np.array_equal(alone.hours, batch[index].hours)
        assert np.array_equal(alone.cost_usd, batch[index].cost_usd)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40), st.floats(0, 1))
def test_quantile_is_numpys(values: list[float], level: float) -> None:
    ascending = np.sort(np.array(values))
    assert quantile(ascending, level) == pytest.approx(float(np.quantile(ascending, level)), rel=1e-9, abs=1e-9)


def test_nothing_to_sample_is_nothing() -> None:
    assert sample_completion([], []) == []


def part(in_stock: float, hours: float, part_id: str = "valve") -> Part:
    wait = Triangle(low=hours, mode=hours * 1.5, high=hours * 3)
    return Part(part_id=part_id, name="Valve", trade=Trade.PLUMBING, cost_usd=HOUR, in_stock=in_stock, lead_hours=wait)


def test_a_missing_part_delays_the_visit(job: Job) -> None:
    block = uniform_block(1, 512)
    plain, rare = sample_completion([job, replace(job, parts=(part(0.25, 100.0),))], [block])
    delayed = (rare.hours > 100.0).mean()
    assert delayed == pytest.approx(0.75, abs=0.01)
    assert rare.hours.mean() - plain.hours.mean() == pytest.approx(0.75 * 100 * 5.5 / 3, rel=0.02)


def test_options_that_share_a_part_share_its_fate_and_other_parts_have_their_own(job: Job) -> None:
    block, valve, pump = uniform_block(1, 512), part(0.5, 40.0), part(0.5, 40.0, "pump")
    first, twin = sample_completion([replace(job, parts=(valve,)), replace(job, parts=(valve, valve))], [block])
    assert np.array_equal(first.hours, twin.hours)
    both = sample_completion([replace(job, parts=(valve, pump))], [block])[0]
    assert (both.hours > 40.0).mean() == pytest.approx(0.75, abs=0.06)


@given(seed=st.integers(0, 2**62), stock=st.floats(0, 1), rarer=st.floats(0, 1), slower=st.floats(1, 5))
@fixed_job
def test_a_longer_lead_time_of_a_part_never_shortens_completion(
    job: Job, seed: int, stock: float, rarer: float, slower: float
) -> None:
    jobs = [replace(job, clock=DAYS, parts=(one,)) for one in (part(stock, 10.0), part(stock * rarer, 10.0 * slower))]
    usual, longer = sample_completion(jobs, [uniform_block(seed, 64)])
    assert (longer.hours >= usual.hours - 1e-6).all()


@given(seed=st.integers(0, 2**62))
@fixed_job
def test_the_same_seed_gives_the_same_bytes(job: Job, seed: int) -> None:
    ours = replace(job, parts=(part(0.5, 40.0),), clock=DAYS)
    first, second = (sample_completion([ours], [uniform_block(seed, 64)])[0] for _ in range(2))
    assert first.hours.tobytes() == second.hours.tobytes()
    assert first.cost_usd.tobytes() == second.cost_usd.tobytes()


@given(seed=st.integers(0, 2**62), place=st.integers(0, 2), stock=st.floats(0, 1))
@fixed_job
def test_another_option_leaves_the_samples_of_the_others_as_they_are(
    job: Job, seed: int, place: int, stock: float
) -> None:
    options = [job, replace(job, parts=(part(0.5, 40.0),))]
    more = [*options[:place], replace(job, parts=(part(stock, 9.0, "pump"),), clock=DAYS), *options[place:]]
    block = uniform_block(seed, 64)
    without, found = sample_completion(options, [block]), sample_completion(more, [block])
    kept = [sample for index, sample in enumerate(found) if index != min(place, len(options))]
    for one, other in zip(without, kept, strict=True):
        assert one.hours.tobytes() == other.hours.tobytes()
        assert one.cost_usd.tobytes() == other.cost_usd.tobytes()


def test_what_waits_for_an_approval_finds_the_queue_of_that_hour(job: Job) -> None:
    """The office answers after five hours; the queue of ten hours is gone by then."""
    busy = replace(job, waits=np.full(4, 10.0))
    later = approval_hours(busy.office_clock, busy.office_waits, busy.begin)
    assert later == (15.0,)
    known = replace(busy, later_waits=((15.0, np.zeros(4)),))
    half = replace(busy, later_waits=((20.0, np.zeros(4)),))
    stale, fresh, between = sample_completion([busy, known, half], [uniform_block(1, 512)])
    assert stale.hours - fresh.hours == pytest.approx(10.0)
    assert stale.hours - between.hours == pytest.approx(5.0)


def test_a_plan_waits_for_the_approval_that_its_sum_needs_once_and_first(job: Job) -> None:
    cheap = replace(job, template=job.template.model_copy(update={"cost_usd": Triangle(low=200, mode=200, high=200)}))
    block = [uniform_block(1, 64)]
    alone = sample_completion([cheap], block)[0]
    first, second = sample_completion([replace(cheap, plan=0), replace(cheap, plan=0, first=False)], block)
    # Nobody need agree to $200, but somebody to $400; the second step begins when that is over.
    assert first.hours == pytest.approx(alone.hours + 5.0)
    assert second.hours == pytest.approx(alone.hours)
    others = sample_completion([replace(cheap, plan=0), replace(cheap, plan=1)], block)
    assert others[0].hours == pytest.approx(alone.hours)
    urgent = [replace(cheap, plan=0, urgency=Urgency.EMERGENCY) for _ in range(9)]
    assert sample_completion(urgent, block)[0].hours == pytest.approx(alone.hours)
