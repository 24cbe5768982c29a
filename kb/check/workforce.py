"""Looks at crews and vendors: whether each is stated, on duty at all, and able to keep up with its work."""

from collections import Counter
from collections.abc import Iterator

from core.estate import Triangle, Vendor
from core.labels import Crew
from core.rules import CrewRules
from kb.check.finding import Finding, error
from kb.check.library import Library
from kb.check.lines import key_line
from kb.reader import Document

HIGHEST_UTILISATION = 0.85
"""The share of its shift that a crew may be busy, before waiting times grow without bound."""


def find(library: Library) -> Iterator[Finding]:
    """Crews that are missing, and crews and vendors that have no shift or too much to do."""
    stated = library.items(lambda rules: rules.crews)
    counts = Counter(crew.crew for _, crew in stated)
    for crew in Crew:
        if not counts[crew] and not library.may_state("crews"):
            yield error("missing_crew", "-", f"No document in force states the crew {crew}.")
    for document in library.general:
        for place, rules in enumerate(document.front.rules.crews):
            yield from _load(document, rules, f"The crew {rules.crew}", ("crews", place))
        for place, vendor in enumerate(document.front.rules.vendors):
            yield from _load(document, vendor, f"The vendor {vendor.vendor_id}", ("vendors", place))


def _load(document: Document, rules: CrewRules | Vendor, name: str, place: tuple[str, int]) -> Iterator[Finding]:
    if rules.shift_end_hour <= rules.shift_start_hour:
        code, message = "shift", f"{name} ends its shift at {rules.shift_end_hour:g}, before it begins."
    elif (busy := utilisation(rules)) >= HIGHEST_UTILISATION:
        message = f"{name} is busy {busy:.0%} of its shift, and must be below {HIGHEST_UTILISATION:.0%}."
        code = "overloaded"
    else:
        return
    yield error(code, document.front.id, message, key_line(document.source, "rules", *place))


def utilisation(rules: CrewRules | Vendor) -> float:
    """The share of its shift that a crew or vendor is busy: hours of jobs and travel a week over hours on duty a week.

    A crew has one job for each technician at a time, a vendor one for each team.
    """
    servers = rules.teams if isinstance(rules, Vendor) else rules.technicians
    job = _mean(rules.job_hours) + _mean(rules.travel_hours)
    on_duty = servers * (rules.shift_end_hour - rules.shift_start_hour) * (5 if rules.weekdays_only else 7)
    return sum(rules.jobs_per_week.values()) * job / on_duty


def _mean(figures: Triangle) -> float:
    return (figures.low + figures.mode + figures.high) / 3
