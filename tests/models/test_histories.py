"""The generated histories are reproducible, causal in time, and each cause has its effect."""

import hashlib
from random import Random
from statistics import mean

import pytest

from core.labels import Category, Intent, Trade, Urgency
from kb.compile import compile_documents
from models.histories import latents
from models.histories.causes import SUMMER
from models.histories.crews import weekday
from models.histories.generator import Sample, generate
from models.histories.hazards import YEAR, age_after_repair, age_at_failure, next_failure
from models.histories.register import WINDOW_DAYS
from models.histories.tickets import START, due_day, moment
from models.histories.world import Conditions

DAYS = 300.0


def digest(samples: list[Sample]) -> str:
    whole = hashlib.sha256()
    for sample in samples:
        whole.update(sample.item.model_dump_json().encode())
        whole.update(sample.classification.model_dump_json().encode())
        whole.update(repr((sample.latents, sample.recurred, sample.breached, sample.escalated)).encode())
    return whole.hexdigest()


@pytest.fixture(scope="module")
def usual() -> list[Sample]:
    return generate("test", [0, 1], DAYS)


def test_one_seed_gives_one_history(usual: list[Sample]) -> None:
    assert digest(generate("test", [0, 1], DAYS)) == digest(usual)
    assert digest(generate("other", [0], 250.0)) != digest([each for each in usual if each.site == 0])


def test_a_site_does_not_depend_on_the_others(usual: list[Sample]) -> None:
    alone = generate("test", [1], DAYS)
    assert digest(alone) == digest([each for each in usual if each.site == 1])


def test_a_longer_run_changes_nothing_that_came_before(usual: list[Sample]) -> None:
    """Features, latents and outcomes of a request hold nothing that is decided by how long the simulation runs."""
    longer = [sample for sample in generate("test", [0, 1], DAYS + 60.0) if sample.day < DAYS]
    # An outcome may still come about later than 180 days after the end of the shorter run.
    assert [(each.item, each.classification, each.latents) for each in longer] == [
        (each.item, each.classification, each.latents) for each in usual
    ]
    assert [each.recurred for each in longer] == [each.recurred for each in usual]


def test_the_history_holds_only_the_past(usual: list[Sample]) -> None:
    assert any(sample.item.history for sample in usual)
    for sample in usual:
        written = [past.created_at for past in sample.item.history]
        assert written == sorted(written, reverse=True)
        assert all(at < sample.item.at for at in written)
        assert all((sample.item.at - at).days <= WINDOW_DAYS for at in written)
        assert all(past.resolved_at is None or past.resolved_at <= sample.item.at for past in sample.item.history)


def test_every_label_occurs(usual: list[Sample]) -> None:
    labels = [sample.classification for sample in usual]
    assert {each.category for each in labels} == set(Category)
    assert {each.trade for each in labels} == {None, *Trade}
    assert {each.urgency for each in labels} == set(Urgency)
    assert {each.intent for each in labels} == set(Intent)
    assert all((each.trade is None) == (each.category is not Category.MAINTENANCE) for each in labels)


def test_every_outcome_happens_to_some_and_not_to_most(usual: list[Sample]) -> None:
    for outcome in ("recurred", "breached", "escalated"):
        assert 0.05 < mean(getattr(sample, outcome) for sample in usual) < 0.6


def test_latents_have_their_names(usual: list[Sample]) -> None:
    assert all(len(sample.latents) == len(latents.NAMES) for sample in usual)


def test_older_things_fail_more() -> None:
    def repairs(ageing: float) -> int:
        samples = generate("test", [2], DAYS, Conditions(ageing=ageing))
        return sum(sample.classification.category is Category.MAINTENANCE for sample in samples)

    assert repairs(3.0) > 1.2 * repairs(0.1)


def test_overloaded_crews_breach_more() -> None:
    """Of what can wait for the crew's day; emergencies are served at any time, and Low has a month."""

    def breaches(load: float) -> float:
        samples = generate("test", range(2, 6), 420.0, Conditions(crew_load=load), first_day=240.0)
        waiting = (Urgency.MEDIUM, Urgency.HIGH)
        return mean(sample.breached for sample in samples if sample.classification.urgency in waiting)

    assert breaches(1.7) > 1.1 * breaches(0.4)


def test_impatient_residents_escalate_more() -> None:
    def escalations(patience: float) -> float:
        return mean(sample.escalated for sample in generate("test", [2], DAYS, Conditions(patience=patience)))

    assert escalations(0.3) > 1.2 * escalations(3.0)


def test_poor_fixes_make_matters_recur() -> None:
    def recurrences(poor: float) -> float:
        return mean(sample.recurred for sample in generate("test", [2], DAYS, Conditions(poor_fixes=poor)))

    assert recurrences(2.5) > 1.2 * recurrences(0.0)


def test_a_memoryless_law_has_its_mean() -> None:
    rng = Random(1)
    days = [next_failure(rng, 0.0, 50.0, scale=200.0, shape=1.0, peak_day=None, swing=0.0) for _ in range(4000)]
    assert mean(days) == pytest.approx(200.0, rel=0.05)


def test_a_worn_thing_fails_sooner() -> None:
    assert age_at_failure(900.0, 1000.0, 2.0, 1.0) - 900.0 < age_at_failure(0.0, 1000.0, 2.0, 1.0)


def test_failures_gather_in_their_season() -> None:
    rng = Random(1)
    days = [
        next_failure(rng, 0.0, 0.0, scale=4000.0, shape=1.0, peak_day=SUMMER, swing=0.9) % YEAR for _ in range(2000)
    ]
    in_season = sum(abs(day - SUMMER) < YEAR / 4 for day in days)
    assert in_season > 0.7 * len(days)


def test_a_full_renewal_makes_new() -> None:
    assert age_after_repair(800.0, 1.0) == 0.0
    assert age_after_repair(800.0, 0.25) == 600.0


def test_weekdays_are_those_of_the_calendar() -> None:
    assert all(weekday(day) == moment(day).weekday() for day in range(14))
    assert moment(0.0) == START


def test_targets_are_those_of_the_documents() -> None:
    """Calendar days run through, business days stop over the weekend; day 5 is a Friday."""
    stated = compile_documents().response_targets
    assert due_day(5.5, Urgency.HIGH) == pytest.approx(5.5 + stated[Urgency.HIGH].resolution_hours / 24.0)
    assert stated[Urgency.MEDIUM].clock == "business"
    days = stated[Urgency.MEDIUM].resolution_hours / 24.0
    assert due_day(5.5, Urgency.MEDIUM) == pytest.approx(5.5 + days + 2.0 * (days // 5), abs=1e-6)
