"""What truly moves the outcomes of a request at the moment of its writing; for an oracle, never for serving."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from core.labels import Crew, Urgency
from models.histories.causes import KINDS
from models.histories.hazards import YEAR, age_after_repair, season
from models.histories.tickets import Fault, Ticket
from models.histories.world import Cause, Site

if TYPE_CHECKING:
    from models.histories.service import Service

NAMES = (
    "own_hazard",
    "home_hazard",
    "shared_hazard",
    "relapses",
    "multiplier",
    "virtual_age",
    "poor_fix_chance",
    "relapse_days",
    "kind",
    "season_ahead",
    "true_urgency",
    "question",
    "misrouted",
    "already_in_work_days",
    "work_hours",
    "parts_chance",
    "needs_entry",
    "queue_ahead",
    "queue_length",
    "technicians_free",
    "hours_to_opening",
    "opening_slack",
    "weekly_hours",
    "planned_load",
    "skill",
    "patience_days",
    "assertive",
    "trust",
    "writes",
    "at_home",
    "vulnerable",
    "days_to_moving",
    "complaints_on_matter",
    "waited_days",
    "right_crew_queue",
)
INDEX_OF_KIND = {kind.name: index for index, kind in enumerate(KINDS)}
WINDOW = 180.0


def latents(ticket: Ticket, site: Site, service: Service, now: float) -> tuple[float, ...]:
    """One number for each of `NAMES`; nothing of it lies after `now`."""
    root = ticket.follow_up_of or ticket
    fault = root.faults[0]
    return (
        *_hazards(root, fault, site, service, now),
        *_work(ticket, fault, site, service, now),
        *_people(ticket, root, fault, site, now),
    )


def _hazards(root: Ticket, fault: Fault, site: Site, service: Service, now: float) -> tuple[float, ...]:
    cause, kind = fault.cause, fault.cause.kind
    matter = (kind.category, kind.trade)
    aged = cause.age + max(0.0, now - cause.since)
    renewed = age_after_repair(aged, cause.building.renewal)
    own = ((renewed + WINDOW) / cause.scale) ** kind.shape - (renewed / cause.scale) ** kind.shape
    others = [each for each in root.home.causes if each is not cause and _matter(each) == matter]
    shared = [each for each in cause.building.causes if each is not cause and _matter(each) == matter]
    return (
        own,
        sum(_seasonal(each, now) for each in others),
        sum(_seasonal(each, now) for each in shared) / len(cause.building.homes),
        float(cause.relapses),
        cause.multiplier,
        aged / cause.scale,
        service.poor_chance(site.teams[kind.crew], cause),
        kind.relapse_days,
        float(INDEX_OF_KIND[kind.name]),
        season((now + 90.0) % YEAR, kind.peak_day, kind.swing),
    )


def _matter(cause: Cause) -> tuple[object, object]:
    return cause.kind.category, cause.kind.trade


def _seasonal(cause: Cause, now: float) -> float:
    ahead = season((now + 90.0) % YEAR, cause.kind.peak_day, 0.6 * cause.kind.swing)
    return cause.exposure(now, WINDOW) * ahead


def _work(ticket: Ticket, fault: Fault, site: Site, service: Service, now: float) -> tuple[float, ...]:
    kind = fault.cause.kind
    answer = ticket.follow_up_of is not None or fault.question
    crew = Crew.OFFICE if ticket.follow_up_of else service.crew_by_labels(ticket, kind, answer)
    team, urgency = site.teams[crew], ticket.classification.urgency
    opening = (team.opening(now) - now) * 24.0
    return (
        float(fault.urgency.rank),
        float(answer),
        float(crew is not kind.crew),
        now - fault.job.ticket.written if fault.job else -1.0,
        0.25 if answer else kind.work_hours,
        0.0 if answer else kind.parts,
        float(fault.cause.home is not None and kind.trade is not None and not answer),
        float(team.ahead(-urgency.rank)) / team.technicians,
        float(len(team.waiting)),
        float(team.free),
        opening,
        (ticket.due - now) * 24.0 - opening,
        team.weekly_hours,
        team.load,
        team.skill,
    )


def _people(ticket: Ticket, root: Ticket, fault: Fault, site: Site, now: float) -> tuple[float, ...]:
    resident = ticket.resident
    right = site.teams[fault.cause.kind.crew]
    return (
        math.log(resident.patience_days),
        resident.assertive,
        resident.trust,
        resident.writes,
        resident.at_home,
        float(resident.vulnerable),
        resident.leaves - now,
        float(len(root.complaints)),
        now - root.written,
        float(right.ahead(-float(Urgency.MEDIUM.rank))),
    )
