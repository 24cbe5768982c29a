"""Who does the work, as the simulation needs to know them: crews, and vendors with queues of their own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from core.errors import ArtefactRefused
from core.estate import Triangle, Vendor
from core.labels import Crew, Urgency
from core.rules import CrewRules, EntryRules, OptionTemplate, RuleBook
from deployments.decision_simulation.duty import ALWAYS, WEEK_HOURS, DutyClock, duty_clock
from deployments.decision_simulation.triangular import Floats, corners, triangular_quantiles

Durations = Callable[[np.random.Generator, int], Floats]
"""Draws so many durations, in hours."""

VENDOR_WARM_UP_HOURS = WEEK_HOURS


class Rank(IntEnum):
    """Who gets a technician first."""

    OFF_DUTY = 0
    EMERGENCY = 2
    ON_CALL_REST = 3
    BOOKED = 4
    BEGUN = 5
    """Interrupted by an emergency or the end of a shift: finished before a waiting job is begun."""
    HIGH = 6
    MEDIUM = 8
    LOW = 10


RANKS: Mapping[Urgency, Rank] = {
    Urgency.EMERGENCY: Rank.EMERGENCY,
    Urgency.HIGH: Rank.HIGH,
    Urgency.MEDIUM: Rank.MEDIUM,
    Urgency.LOW: Rank.LOW,
}
PREEMPTING = frozenset({Rank.EMERGENCY, Rank.BOOKED})
"""These take a technician away from a lesser job, which resumes later with what was left of it."""


@dataclass(frozen=True)
class ServerModel:
    """What the simulation needs to know of one crew or vendor."""

    key: str
    """The crew's name or the vendor's id."""
    technicians: int
    """Jobs that are done at the same time: a crew's technicians, a vendor's teams."""
    clock: DutyClock
    """When it does what is not an emergency."""
    on_call: bool
    """One technician serves emergencies outside the duty hours."""
    jobs_per_hour: Mapping[Urgency, float]
    travel_hours: Durations
    job_hours: Durations
    warm_up_hours: float = 0.0
    """Where nobody reports the queue, since others are served from it too: how long before a forecast it is run, from
    an empty one."""

    def clock_for(self, urgency: Urgency) -> DutyClock:
        """The hours in which jobs of this urgency are served."""
        return ALWAYS if self.on_call and urgency is Urgency.EMERGENCY else self.clock

    def busy_hours(self, rng: np.random.Generator, number: int) -> Floats:
        """Travel and hands-on work together of so many usual jobs."""
        return self.travel_hours(rng, number) + self.job_hours(rng, number)


def crew_models(rules: RuleBook) -> dict[str, ServerModel]:
    """The models of all crews, by name."""
    return {crew.value: server_model(crew_rules, rules.entry) for crew, crew_rules in rules.crews.items()}


def server_models(rules: RuleBook) -> dict[str, ServerModel]:
    """The models of all crews and vendors, by key.

    Raises `ArtefactRefused` for a vendor that has a crew's name, and for an option of a crew or vendor that no
    document describes.
    """
    if clashes := sorted(set(rules.vendors) & {crew.value for crew in Crew}):
        raise ArtefactRefused(f"The vendor {', '.join(clashes)} has the name of a crew; give it another id.")
    needed = {server_key(entry.template) for entry in rules.options} | {Crew.OFFICE.value}
    if absent := sorted(needed - {crew.value for crew in rules.crews} - set(rules.vendors)):
        raise ArtefactRefused(
            f"No document describes the crew or vendor {', '.join(absent)}; add it to a workforce or vendor document."
        )
    return crew_models(rules) | {key: server_model(vendor, rules.entry) for key, vendor in rules.vendors.items()}


def server_model(rules: CrewRules | Vendor, entry: EntryRules) -> ServerModel:
    """The model of a crew or vendor as the knowledge base describes it."""
    return ServerModel(
        key=rules.crew.value if isinstance(rules, CrewRules) else rules.vendor_id,
        technicians=rules.technicians if isinstance(rules, CrewRules) else rules.teams,
        clock=duty_clock(rules, entry),
        on_call=rules.on_call_outside_shift,
        jobs_per_hour={urgency: rules.jobs_per_week.get(urgency, 0.0) / WEEK_HOURS for urgency in Urgency},
        travel_hours=triangular_durations(rules.travel_hours),
        job_hours=triangular_durations(rules.job_hours),
        warm_up_hours=0.0 if isinstance(rules, CrewRules) else VENDOR_WARM_UP_HOURS,
    )


def server_key(template: OptionTemplate) -> str:
    """Whose queue serves an option: its vendor's id, else its crew's name."""
    return template.vendor or template.crew.value


def server_rules(rules: RuleBook, template: OptionTemplate) -> CrewRules | Vendor:
    """What the knowledge base says of whoever serves an option."""
    return rules.vendors[template.vendor] if template.vendor else rules.crews[template.crew]


def triangular_durations(triangle: Triangle) -> Durations:
    """Durations from a triangle."""
    shape = corners([triangle])
    return lambda rng, number: triangular_quantiles(shape, rng.random((1, number)))[0]
