"""An incident: requests of one building that are about one fault. What may become of it, as pure functions."""

import hashlib
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from core.contract import Contract, Probability, UtcTime
from core.errors import Invalid, WrongState
from core.labels import Status
from core.request import BuildingId, RequestId, ResidentId
from core.status import ENDED
from deployments.request_management.likeness import Matter
from deployments.request_management.matters import SYSTEMS

MOST_MEMBERS = 200
MOST_TITLE = 200
"""Characters of a title."""


class IncidentStatus(StrEnum):
    """How an incident stands."""

    PROPOSED = "Proposed"
    ACCEPTED = "Accepted"
    DISMISSED = "Dismissed"
    ENDED = "Ended"


ACTIVE = frozenset({IncidentStatus.PROPOSED, IncidentStatus.ACCEPTED})


class Incident(Contract):
    """As it is stored: what is intended. Where `settled` is False, the requests are still to be brought in step."""

    incident_id: str
    building_id: BuildingId
    status: IncidentStatus
    title: str
    lead: RequestId
    """The request that the work is done on; the others follow it."""
    members: tuple[RequestId, ...]
    """With the lead."""
    candidates: tuple[RequestId, ...] = ()
    """Proposed after the incident was accepted."""
    left: tuple[RequestId, ...] = ()
    """Taken out; not proposed for it again."""
    subscribers: tuple[ResidentId, ...] = ()
    """Who follow it without a request in it."""
    unsubscribed: tuple[ResidentId, ...] = ()
    """Who want to hear no more of it, although they have a request in it."""
    likeness: dict[str, Probability] = Field(default_factory=dict[str, Probability])
    """How likely each request belonged to it, when it was proposed."""
    proposed_by: str
    decided_by: str | None = None
    decided_at: UtcTime | None = None
    created_at: UtcTime
    updated_at: UtcTime
    settled: bool = True


def incident_id_of(lead: RequestId) -> str:
    """The same for the same first request, so that two replicas propose one incident; the request can't be told."""
    return f"INC_{hashlib.sha256(f'incident:{lead}'.encode()).hexdigest()[:20]}"


def propose(building_id: BuildingId, first: Matter, second: Matter, probability: float, now: datetime) -> Incident:
    """A new incident of two requests, led by the earlier one."""
    lead, other = sorted((first, second), key=lambda matter: (matter.at, matter.request_id))
    return Incident(
        incident_id=incident_id_of(RequestId(lead.request_id)),
        building_id=building_id,
        status=IncidentStatus.PROPOSED,
        title=title_of(building_id, lead, other),
        lead=RequestId(lead.request_id),
        members=(RequestId(lead.request_id), RequestId(other.request_id)),
        likeness={other.request_id: round(probability, 4)},
        proposed_by="system",
        created_at=now,
        updated_at=now,
    )


def title_of(building_id: BuildingId, first: Matter, second: Matter) -> str:
    """What it is of and where, in the system's words and never in a resident's: the whole building may read it."""
    named = first.mentions.systems & second.mentions.systems if first.mentions and second.mentions else ()
    common = [system for system in SYSTEMS if system in named]
    topics = [first.trade or first.category, second.trade or second.category]
    topic = next((str(topic) for topic in topics if topic is not None), "Fault")
    name = SYSTEMS[common[0]][0] if common else topic.capitalize()
    return f"{name}: reported from several homes of building {building_id}"[:MOST_TITLE]


def add_proposal(incident: Incident, request_id: RequestId, probability: float, now: datetime) -> Incident:
    """With one more request that seems to belong; to an accepted one, for staff to agree to."""
    known = {*incident.members, *incident.candidates, *incident.left}
    if request_id in known or incident.status not in ACTIVE or len(known) >= MOST_MEMBERS:
        return incident
    where = "members" if incident.status is IncidentStatus.PROPOSED else "candidates"
    more: dict[str, object] = {where: (*getattr(incident, where), request_id)}
    likeness = {**incident.likeness, request_id: round(probability, 4)}
    return incident.model_copy(update={**more, "likeness": likeness, "updated_at": now})


def accept(incident: Incident, by: str, title: str | None, now: datetime, leader: RequestId | None = None) -> Incident:
    """Staff agree to all that is proposed; once more, to what was proposed since, or to finish what was left.

    `leader` is the request among its members that carries the work; it can't be another one later, which might have
    ordered the work. Raises `Invalid`, `WrongState`.
    """
    _require_active(incident)
    members = tuple(dict.fromkeys((*incident.members, *incident.candidates)))
    if leader is not None and incident.status is IncidentStatus.ACCEPTED and leader != incident.lead:
        raise WrongState("The incident is accepted already, and led by another request.")
    if leader is not None and leader not in members:
        raise Invalid(f"Request {leader[:80]} is not in this incident and can't lead it.")
    return incident.model_copy(
        update={
            "status": IncidentStatus.ACCEPTED,
            "title": title or incident.title,
            "lead": leader or incident.lead,
            "members": members,
            "candidates": (),
            "decided_by": by,
            "decided_at": now,
            "updated_at": now,
            "settled": False,
        }
    )


def dismiss(incident: Incident, by: str, now: datetime) -> Incident:
    """Staff say that it is none; where it was accepted, its requests go their own ways again."""
    if incident.status is IncidentStatus.DISMISSED:
        return incident
    _require_active(incident)
    changes = {"status": IncidentStatus.DISMISSED, "decided_by": by, "decided_at": now, "updated_at": now}
    return incident.model_copy(update={**changes, "settled": incident.status is IncidentStatus.PROPOSED})


def change_members(
    incident: Incident, add: tuple[RequestId, ...], remove: tuple[RequestId, ...], now: datetime
) -> Incident:
    """Staff put requests in and take others out. Raises `Invalid` for its lead or for too many."""
    _require_active(incident)
    if incident.lead in remove:
        raise Invalid("The lead request can't be taken out; dismiss the incident, and it is proposed anew.")
    members = tuple(one for one in dict.fromkeys((*incident.members, *add)) if one not in remove)
    if len(members) > MOST_MEMBERS:
        raise Invalid(f"An incident has at most {MOST_MEMBERS} requests.")
    left = tuple(one for one in dict.fromkeys((*incident.left, *remove)) if one not in add)
    return incident.model_copy(
        update={
            "members": members,
            "candidates": tuple(one for one in incident.candidates if one not in (*add, *remove)),
            "left": left,
            "updated_at": now,
            "settled": incident.settled and incident.status is IncidentStatus.PROPOSED,
        }
    )


def unsubscribe(incident: Incident, resident: ResidentId, now: datetime) -> Incident:
    """The resident hears no more of it."""
    return incident.model_copy(
        update={
            "subscribers": tuple(one for one in incident.subscribers if one != resident),
            "unsubscribed": tuple(dict.fromkeys((*incident.unsubscribed, resident))),
            "updated_at": now,
            "settled": False,
        }
    )


def subscribe(incident: Incident, resident: ResidentId, now: datetime) -> Incident:
    """The resident is told of it from now on, with or without a request in it."""
    _require_active(incident)
    return incident.model_copy(
        update={
            "subscribers": tuple(dict.fromkeys((*incident.subscribers, resident))),
            "unsubscribed": tuple(one for one in incident.unsubscribed if one != resident),
            "updated_at": now,
            "settled": False,
        }
    )


def forget(incident: Incident, resident: str) -> Incident:
    """The incident without this resident, whose data are erased; their requests stay in it under a pseudonym."""
    return incident.model_copy(
        update={
            "subscribers": tuple(one for one in incident.subscribers if one != resident),
            "unsubscribed": tuple(one for one in incident.unsubscribed if one != resident),
        }
    )


def after_lead(incident: Incident, status: Status, heirs: tuple[RequestId, ...], now: datetime) -> Incident:
    """What the lead's new status means: its work ends the incident, its withdrawal hands it to the first heir."""
    changes: dict[str, object] = {}
    if status is Status.CANCELLED and heirs and incident.status is IncidentStatus.ACCEPTED:
        members = tuple(one for one in incident.members if one != incident.lead)
        changes = {"lead": heirs[0], "members": members, "left": (*incident.left, incident.lead)}
    elif status in ENDED and incident.status is IncidentStatus.ACCEPTED:
        changes = {"status": IncidentStatus.ENDED}
    elif status is Status.REOPENED and incident.status is IncidentStatus.ENDED:
        changes = {"status": IncidentStatus.ACCEPTED}
    if not changes:
        return incident
    return incident.model_copy(update={**changes, "updated_at": now, "settled": False})


def _require_active(incident: Incident) -> None:
    if incident.status not in ACTIVE:
        raise WrongState(f"The incident is {incident.status}.")
