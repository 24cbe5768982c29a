"""How a request follows its incident: joins it, leaves it, ends with its lead. Pure functions; None for no change."""

from collections.abc import Collection, Sequence
from datetime import datetime

from core.labels import Status
from core.record import NextAction, RequestRecord
from core.request import RequestId, ResidentId
from core.status import ENDED
from deployments.request_management.change import SYSTEM, Change, Draft
from deployments.request_management.ending import end_work
from deployments.request_management.subscribers import tell

_TO_RESOLVED: dict[Status, tuple[Status, ...]] = {
    Status.AWAITING_SELECTION: (Status.ESCALATED,),
    Status.ESCALATED: (),
    Status.NEEDS_REVIEW: (),
    Status.IN_PROGRESS: (),
    Status.REOPENED: (Status.IN_PROGRESS,),
}
"""From where a request may be resolved together with others, and what lies between."""


def join(
    record: RequestRecord, incident_id: str, title: str, lead: RequestId, actor: str, now: datetime
) -> Change | None:
    """The request is one of an open incident's, and its resident is told so; from then on `lead` carries the work."""
    request = record.request
    led_by = None if lead == request.request_id else lead
    if request.incident_id == incident_id:
        return _led_by(record, led_by, now)
    draft = Draft(record, now, actor)
    draft.set(incident_id=incident_id)
    draft.record_fields["led_by"] = led_by
    if led_by is None and request.status in ENDED:
        # It ended while it was made the leader, so that no later change will say so.
        draft.schedule(NextAction.INCIDENT, now)
    message = f"Others report the same fault; staff deal with all of it as one: {title}."
    draft.tell("incident_joined", message, incident_id=incident_id)
    draft.send(tell(record, "joined", (request.resident_id,), "incident_joined"))
    return draft.done()


def free(record: RequestRecord, incident_id: str, now: datetime) -> Change | None:
    """The incident is over: what is still open in it has work of its own again."""
    return _led_by(record, None, now) if record.request.incident_id == incident_id else None


def _led_by(record: RequestRecord, led_by: RequestId | None, now: datetime) -> Change | None:
    if record.led_by == led_by:
        return None
    draft = Draft(record, now, SYSTEM)
    draft.record_fields["led_by"] = led_by
    return draft.done()


def leave(record: RequestRecord, incident_id: str, actor: str, now: datetime) -> Change | None:
    """The request goes its own way again, and its resident is told so."""
    request = record.request
    if request.incident_id != incident_id:
        return None
    draft = Draft(record, now, actor)
    draft.set(incident_id=None)
    draft.record_fields.update(subscribers=(), led_by=None)
    draft.schedule(NextAction.INCIDENT, None)
    message = "Your request is dealt with by itself again, apart from what others report."
    draft.tell("incident_left", message, incident_id=incident_id)
    if request.status not in ENDED:
        draft.send(tell(record, "left", (request.resident_id,), "incident_left"))
    return draft.done()


def lead(record: RequestRecord, subscribers: Sequence[ResidentId], now: datetime) -> Change | None:
    """The lead knows whom to tell."""
    if record.subscribers == tuple(subscribers):
        return None
    draft = Draft(record, now, SYSTEM)
    draft.record_fields["subscribers"] = tuple(subscribers)
    return draft.done()


def look_again(record: RequestRecord, at: datetime, now: datetime) -> Change | None:
    """From then on the incident is looked at again, whatever becomes of whoever is at it."""
    if record.pending.get(NextAction.INCIDENT) == at:
        return None
    draft = Draft(record, now, SYSTEM)
    draft.schedule(NextAction.INCIDENT, at)
    return draft.done()


def looked(
    record: RequestRecord, timers: Collection[datetime | None], before: datetime | None, now: datetime
) -> Change | None:
    """What was to be looked at is done: `before` is the timer again; one set by others meanwhile stands."""
    present = record.pending.get(NextAction.INCIDENT)
    if present not in timers or present == before:
        return None
    draft = Draft(record, now, SYSTEM)
    draft.schedule(NextAction.INCIDENT, before)
    return draft.done()


def end_with_lead(record: RequestRecord, incident_id: str, title: str, now: datetime) -> Change | None:
    """The fault is fixed: resolved where the status allows it, so that the resident may still reopen it.

    An Emergency is left to staff, who look at each home; so is work that was ordered and has not begun.
    """
    request = record.request
    if request.incident_id != incident_id or request.status in ENDED or _was_told(record, incident_id):
        return None
    draft = Draft(record, now, SYSTEM)
    draft.record_fields["led_by"] = None
    draft.tell("incident_ended", f"The fault is reported as fixed: {title}.", incident_id=incident_id)
    emergency = request.classification is not None and request.classification.emergency
    between = None if emergency else _TO_RESOLVED.get(request.status)
    if between is None:
        draft.set(needs_attention=True)
        draft.record_fields["news"] = (*record.news, _told(record, incident_id))
        return draft.done()
    for status in between:
        draft.move(status, "It is dealt with together with the other reports of the same fault.")
    notes = f"Fixed together with the other reports of the same fault: {title}."
    end_work(draft, notes)
    draft.send(tell(record, "ended", (request.resident_id,), "incident_ended", title=title))
    return draft.done()


def ended_with_lead(record: RequestRecord) -> bool:
    """Whether nobody by name resolved it, as `end_with_lead` does; staff, and who does its work, do so in theirs."""
    resolution = record.request.resolution
    return record.request.status is Status.RESOLVED and resolution is not None and resolution.resolved_by == SYSTEM


def _told(record: RequestRecord, incident_id: str) -> str:
    return f"{incident_id}:ended:{record.request.reopened}"


def _was_told(record: RequestRecord, incident_id: str) -> bool:
    return _told(record, incident_id) in record.news


def attached_text(record: RequestRecord, attached: RequestId, text: str, actor: str, now: datetime) -> Change | None:
    """The resident wrote the same again; once for each request that is attached."""
    mark = f"attached:{attached}"
    if mark in record.news:
        return None
    draft = Draft(record.model_copy(update={"news": (*record.news, mark)}), now, actor)
    draft.tell("repeated", f"The resident wrote again: “{text}”", request_id=attached)
    return draft.done()


def attach(record: RequestRecord, earlier: RequestId, actor: str, now: datetime) -> Change | None:
    """This request ends, the earlier one goes on; what was ordered stays ordered.

    Raises `IllegalTransition` where the status machine has no way to an end from here.
    """
    if record.request.duplicate_of == earlier:
        return None
    draft = Draft(record, now, actor)
    draft.set(duplicate_of=earlier, needs_attention=False)
    draft.tell("attached", "It was attached to the earlier request that says the same.", request_id=earlier)
    if draft.status is Status.AWAITING_APPROVAL:
        draft.set(selected_option_id=None, approval=None)
        draft.record_fields["selected_by"] = None
        draft.move(Status.AWAITING_SELECTION, "The selection is not needed any more.")
    if draft.status is Status.AWAITING_SELECTION:
        draft.move(Status.CANCELLED, "Cancelled: the earlier request goes on.")
    else:
        for status in _TO_RESOLVED.get(draft.status, ()):
            draft.move(status, "It is dealt with together with the earlier request.")
        end_work(draft, "The earlier request that says the same goes on.")
    return draft.done()


def note_duplicates(record: RequestRecord, found: Sequence[RequestId], now: datetime) -> Change | None:
    """What the same resident seems to have said before and is still open."""
    if record.request.possible_duplicates == tuple(found) or record.request.status in ENDED:
        return None
    draft = Draft(record, now, SYSTEM)
    draft.set(possible_duplicates=tuple(found))
    draft.tell("possible_duplicate", "An earlier request that is still open seems to say the same.", count=len(found))
    return draft.done()
