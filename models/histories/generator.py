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


def generate(seed: str, sites: Iterable[int], days: float, conditions: Conditions = USUAL) -> list[Sample]:
    """The requests of these sites up to a day, in the order of sites and time.

    Every site has its own stream of random numbers, so that a site is the same whichever others are asked for, and
    the samples up to a day are the same however many days follow.
    """
    return [sample for number in sites for sample in _site(seed, number, days, conditions)]


def _site(seed: str, number: int, days: float, conditions: Conditions) -> Iterator[Sample]:
    simulation = Simulation(seed, number, conditions)
    simulation.run(days + WINDOW_DAYS)
    later = _written_by_matter(simulation.register.tickets)
    for moment in simulation.moments:
        if moment.ticket.written < days:
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
    root = ticket.follow_up_of or ticket
    days = later.get(_key(ticket), [])
    return Sample(
        site=number,
        building_id=ticket.home.building.building_id,
        day=ticket.written,
        item=moment.item,
        classification=moment.classification,
        latents=moment.latents,
        recurred=any(ticket.written < day <= ticket.written + WINDOW_DAYS for day in days),
        breached=ticket.breached,
        escalated=any(day > ticket.written for day in root.complaints),
    )
