"""Histories of many sites, as the samples that models are trained and judged on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from core.messages import AssessItem
from core.request import Classification
from models.histories.register import WINDOW_DAYS
from models.histories.simulation import Moment, Simulation
from models.histories.tickets import Ticket
from models.histories.world import Conditions

USUAL = Conditions()


@dataclass(frozen=True)
class Sample:
    """A request as it came, and what became of it."""

    site: int
    ticket: int
    """Its number at the site."""
    building_id: str
    day: float
    """Days since the first day of the simulation."""
    item: AssessItem
    classification: Classification
    latents: tuple[float, ...]
    """What moved the outcomes, in the order of `latents.NAMES`; unknown to any feature."""
    recurred: bool
    """The same home wrote about the same matter anew within 180 days; asking after an open request does not count."""
    breached: bool
    """It was not done by its target."""
    escalated: bool
    """The resident asked for a person, complained or reopened it, after writing it."""


def generate(
    seed: str, sites: Iterable[int], days: float, conditions: Conditions = USUAL, *, first_day: float = 0.0
) -> list[Sample]:
    """The requests of these sites from a day and up to another, in the order of sites and time.

    Every site has its own stream of random numbers, so that a site is the same whichever others are asked for, and
    the samples up to a day are the same however many days follow.
    """
    return [sample for number in sites for sample in _site(seed, number, (first_day, days), conditions)]


def outcomes(ticket: Ticket, tickets: list[Ticket]) -> tuple[bool, bool, bool]:
    """Whether it recurred, was breached and was escalated, once 180 days have passed since its writing."""
    return _outcomes(ticket, _written_by_matter([each for each in tickets if each.home is ticket.home]))


def _site(seed: str, number: int, span: tuple[float, float], conditions: Conditions) -> Iterator[Sample]:
    simulation = Simulation(seed, number, conditions, span)
    simulation.run(span[1] + WINDOW_DAYS)
    later = _written_by_matter(simulation.register.tickets)
    for moment in simulation.moments:
        yield _sample(number, moment, later)


def _written_by_matter(tickets: list[Ticket]) -> dict[tuple[object, ...], list[float]]:
    """Days on which a matter was raised anew, by home and matter."""
    written: dict[tuple[object, ...], list[float]] = {}
    for ticket in tickets:
        if ticket.follow_up_of is None:
            written.setdefault(_key(ticket), []).append(ticket.written)
    return written


def _key(ticket: Ticket) -> tuple[object, ...]:
    return ticket.home.building.building_id, ticket.home.number, *ticket.matter


def _sample(number: int, moment: Moment, later: dict[tuple[object, ...], list[float]]) -> Sample:
    ticket = moment.ticket
    recurred, breached, escalated = _outcomes(ticket, later)
    return Sample(
        site=number,
        ticket=ticket.number,
        building_id=ticket.home.building.building_id,
        day=ticket.written,
        item=moment.item,
        classification=moment.classification,
        latents=moment.latents,
        recurred=recurred,
        breached=breached,
        escalated=escalated,
    )


def _outcomes(ticket: Ticket, later: dict[tuple[object, ...], list[float]]) -> tuple[bool, bool, bool]:
    root, until = ticket.follow_up_of or ticket, ticket.written + WINDOW_DAYS
    return (
        any(ticket.written < day <= until for day in later.get(_key(ticket), [])),
        ticket.breached,
        any(ticket.written < day <= until for day in root.complaints),
    )
