"""Keeps a request's promises in step with its status: its clock, and what is to happen later by itself."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from core.labels import Status
from core.record import NextAction, RequestRecord
from core.request import Sla
from core.service_terms import ServiceTerms
from core.status import ENDED
from deployments.request_management import sla_clock

CLOCK_TIMERS = (NextAction.RESPONSE_BREACH, NextAction.SLA_WARNING, NextAction.SLA_BREACH)

Schedule = dict[NextAction, datetime | None]
"""When each of these is to happen; None for never."""


def keep(
    before: RequestRecord, after: RequestRecord, now: datetime, *, responds: bool
) -> tuple[RequestRecord, Schedule]:
    """`after` with its clock as it stands after the change from `before`, and the timers that this changes.

    `responds` says that somebody has acted on the request, which is what the resident was promised first. Without
    terms there is no clock to keep.
    """
    sla, terms = after.request.sla, after.terms
    schedule = _documentation(before, after, now)
    if sla is not None and terms is not None:
        kept = _clock(before, after, sla, terms, now, responds)
        if kept != sla:
            after = after.model_copy(update={"request": after.request.model_copy(update={"sla": kept})})
        if _turned(before, after):
            schedule |= _clock_timers(after, kept, terms, now) | _status_timers(before, after, terms, now)
    elif after.request.status is not before.request.status:
        schedule |= dict.fromkeys((NextAction.REMIND, NextAction.AUTO_CLOSE))
    if after.request.status in (Status.CLOSED, Status.CANCELLED):
        schedule[NextAction.REVISE] = None
    return after, schedule


def outside_quiet_hours(moment: datetime, terms: ServiceTerms) -> datetime:
    """The moment itself, or the end of the quiet hours that it lies in, in UTC."""
    zone = ZoneInfo(terms.calendar.time_zone)
    local = moment.astimezone(zone)
    if not _is_quiet(local.time(), terms.quiet_start, terms.quiet_end):
        return moment
    day = local.date() + timedelta(days=local.time() >= terms.quiet_end)
    return datetime.combine(day, terms.quiet_end, zone).astimezone(UTC)


def _is_quiet(at: time, start: time, end: time) -> bool:
    return start <= at < end if start <= end else at >= start or at < end


def _turned(before: RequestRecord, after: RequestRecord) -> bool:
    """Whether anything changed that a timer hangs on."""
    return (
        before.request.status is not after.request.status
        or before.request.sla != after.request.sla
        or before.terms != after.terms
    )


def _waits(record: RequestRecord) -> bool:
    # Who follows another request has nothing to choose.
    chooses = record.request.status is Status.AWAITING_SELECTION and record.led_by is None
    return chooses or record.waiting_for is not None


def _clock(
    before: RequestRecord, after: RequestRecord, sla: Sla, terms: ServiceTerms, now: datetime, responds: bool
) -> Sla:
    was, status = before.request.status, after.request.status
    if status in ENDED:
        if was in ENDED:
            return sla
        # Who gives up on a request has not been answered.
        return sla_clock.resume(sla, terms, now) if status is Status.CANCELLED else sla_clock.stop(sla, terms, now)
    if was in ENDED:
        sla = sla_clock.continue_after_reopen(sla, terms, _ended_at(before), now)
    if responds:
        sla = sla_clock.respond(sla, terms, now)
    return sla_clock.pause(sla, terms, now) if _waits(after) else sla_clock.resume(sla, terms, now)


def _ended_at(record: RequestRecord) -> datetime:
    request = record.request
    if request.resolution is not None:
        return request.resolution.resolved_at
    # An answer is the response.
    answered_at = request.sla.response_met_at if request.sla else None
    return answered_at or request.updated_at


def _clock_timers(after: RequestRecord, sla: Sla, terms: ServiceTerms, now: datetime) -> Schedule:
    wanted = sla_clock.timers(sla, terms, now, after.request.status not in ENDED)
    return {kind: wanted.get(kind) for kind in CLOCK_TIMERS}


def _status_timers(before: RequestRecord, after: RequestRecord, terms: ServiceTerms, now: datetime) -> Schedule:
    status, changed = after.request.status, Schedule()
    entered = status is not before.request.status or before.terms is None
    if status is not Status.AWAITING_SELECTION:
        changed[NextAction.REMIND] = None
    elif entered:
        changed[NextAction.REMIND] = outside_quiet_hours(now + timedelta(hours=terms.remind_after_hours), terms)
    if status is not Status.RESOLVED:
        changed[NextAction.AUTO_CLOSE] = None
    elif entered:
        changed[NextAction.AUTO_CLOSE] = now + timedelta(hours=terms.confirm_within_hours)
    return changed


def _documentation(before: RequestRecord, after: RequestRecord, now: datetime) -> Schedule:
    """Staff are reminded when half of the time has passed, and told again when all of it has."""
    if after.document_by == before.document_by:
        return {}
    if after.document_by is None:
        return {NextAction.DOCUMENT: None}
    return {NextAction.DOCUMENT: now + max(timedelta(), after.document_by - now) / 2}
