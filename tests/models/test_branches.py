"""True probabilities: futures from the very state of a request, fair to what was drawn once."""

import math

import pytest

from models.histories.branches import Choice, Truth, true_probabilities
from models.histories.generator import USUAL, generate
from models.histories.simulation import Simulation
from models.histories.tickets import Ticket

CHOICE = Choice(share=0.4, first_day=205.0, last_day=240.0, branches=6)


@pytest.fixture(scope="module")
def truths() -> list[Truth]:
    return list(true_probabilities("branches", [1], CHOICE))


def test_one_seed_gives_the_same_futures(truths: list[Truth]) -> None:
    few = Choice(CHOICE.share, CHOICE.first_day, 215.0, CHOICE.branches)
    assert list(true_probabilities("branches", [1], few)) == [each for each in truths if each.day < 215.0]


def test_futures_of_one_request_differ(truths: list[Truth]) -> None:
    assert len(truths) >= 8
    assert any(0 < count < each.branches for each in truths for count in each.happened)


def test_each_belongs_to_a_request_that_was_written(truths: list[Truth]) -> None:
    written = {sample.ticket: sample.day for sample in generate("branches", [1], 240.0, first_day=205.0)}
    assert all(written[each.ticket] == each.day for each in truths)


def test_what_happened_is_one_of_the_futures(truths: list[Truth]) -> None:
    """What came about once differs from the mean of the futures by no more than chance does."""
    samples = {sample.ticket: sample for sample in generate("branches", [1], 240.0, first_day=205.0)}
    for place, outcome in enumerate(("recurred", "breached", "escalated")):
        stated = [each.happened[place] / each.branches for each in truths]
        seen = sum(getattr(samples[each.ticket], outcome) for each in truths)
        spread = math.sqrt(sum(p * (1 - p) * (1 + 1 / CHOICE.branches) for p in stated) + 1.0)
        assert abs(seen - sum(stated)) < 3.5 * spread


def test_watching_changes_nothing() -> None:
    def days(watch: object) -> list[tuple[float, str]]:
        simulation = Simulation("branches", 1, USUAL, watch=watch)  # type: ignore[arg-type]
        simulation.run(210.0)
        return [(each.ticket.written, each.ticket.text) for each in simulation.moments]

    seen: list[float] = []

    def watch(_: Simulation, ticket: Ticket) -> None:
        seen.append(ticket.written)

    assert days(watch) == days(None)
    assert seen == [day for day, _ in days(None)]


def test_a_branch_goes_on_from_its_present() -> None:
    simulation = Simulation("branches", 1, USUAL)
    simulation.run(200.0)
    before = len(simulation.register.tickets)
    simulation.branch("another")
    simulation.run(200.0)
    assert len(simulation.register.tickets) == before
    simulation.run(260.0)
    straight = Simulation("branches", 1, USUAL)
    straight.run(260.0)
    later = [each.text for each in simulation.register.tickets[before:]]
    assert later
    assert later != [each.text for each in straight.register.tickets[before:]]
    assert min(each.written for each in simulation.register.tickets[before:]) >= 200.0
