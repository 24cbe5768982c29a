"""Tells which figures of the rules a what-if question usually changes, and within which range that makes sense."""

from collections.abc import Iterator

from core.estate import MOST_AT_ONCE
from core.rules import RuleBook
from core.what_if_figures import ChangeableFigure, ChangeableFigures, ChangeableVendor, SensibleRange

ROOM = 3.0
"""A range reaches to so many times the present value."""
LEAST_ROOM = 5.0
"""At least so much more people than now."""


def changeable(rules: RuleBook) -> ChangeableFigures:
    """The figures as they stand; every value of a range is one that `scenario.apply` takes, weights normalised."""
    return ChangeableFigures(
        policy_version=rules.policy_version,
        figures=(*_technicians(rules), *_teams(rules), *_weights(rules), *_targets(rules)),
        vendors=tuple(_vendors(rules)),
    )


def _technicians(rules: RuleBook) -> Iterator[ChangeableFigure]:
    for crew, crew_rules in sorted(rules.crews.items()):
        yield ChangeableFigure(
            path=f"crews.{crew}.technicians",
            kind="technicians",
            subject=crew,
            label=f"Technicians of the {crew} crew",
            unit="technicians",
            present=crew_rules.technicians,
            range=_people(crew_rules.technicians),
        )


def _teams(rules: RuleBook) -> Iterator[ChangeableFigure]:
    for name, vendor in sorted(rules.vendors.items()):
        yield ChangeableFigure(
            path=f"vendors.{name}.teams",
            kind="teams",
            subject=name,
            label=f"Teams of {vendor.name}",
            unit="teams",
            present=vendor.teams,
            range=_people(vendor.teams),
        )


def _people(present: int) -> SensibleRange:
    return SensibleRange(low=1, high=min(max(present * ROOM, present + LEAST_ROOM), MOST_AT_ONCE), step=1)


def _weights(rules: RuleBook) -> Iterator[ChangeableFigure]:
    for situation, weights in rules.scoring.weights.items():
        for factor, present in weights.model_dump().items():
            yield ChangeableFigure(
                path=f"weights.{situation}.{factor}",
                kind="weight",
                subject=factor,
                situation=situation,
                label=f"Weight of {factor} in the situation {situation}",
                unit="share",
                present=present,
                range=SensibleRange(low=0, high=1, step=0.01),
            )


def _targets(rules: RuleBook) -> Iterator[ChangeableFigure]:
    for urgency, target in sorted(rules.response_targets.items(), key=lambda pair: pair[0].rank, reverse=True):
        yield ChangeableFigure(
            path=f"response_targets.{urgency}.response_hours",
            kind="response_hours",
            subject=urgency,
            label=f"Hours until somebody must act on a request of urgency {urgency}",
            unit="hours",
            present=target.response_hours,
            range=_hours(target.response_hours),
        )
        yield ChangeableFigure(
            path=f"response_targets.{urgency}.resolution_hours",
            kind="resolution_hours",
            subject=urgency,
            label=f"Hours until a request of urgency {urgency} must be done",
            unit="hours",
            present=target.resolution_hours,
            range=_hours(target.resolution_hours),
        )


def _hours(present: float) -> SensibleRange:
    """A target of minutes moves by minutes, one of days by hours."""
    step = 0.05 if present < 1 else 0.25 if present < 8 else 1.0
    return SensibleRange(low=step, high=max(present * ROOM, 1.0), step=step)


def _vendors(rules: RuleBook) -> Iterator[ChangeableVendor]:
    everything = [*rules.options, *(one for override in rules.overrides.values() for one in override.options)]
    used = [entry.template.vendor for entry in everything]
    for name, vendor in sorted(rules.vendors.items()):
        yield ChangeableVendor(vendor_id=name, name=vendor.name, options=used.count(name), licences=vendor.licences)
