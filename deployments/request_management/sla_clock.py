"""The clocks of one request: pausing, stopping and going on, and when something about them is due. Pure functions.

The house's clock counts the hours of its target (`ServiceTerms.clock`) and stands still while the resident has
something to do, and between the end of the work and a reopening. A house's due time is later by the hours of its own
clock that lie in those of `Sla.pauses` that began before it. A statute's clock never stands still, and an emergency's
waits for no resident.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from core.record import NextAction
from core.request import Pause, Sla
from core.service_terms import ServiceTerms, hours_between, later


def start(terms: ServiceTerms, sla: Sla) -> Sla:
    """`sla` under these terms: those of a decision, or of labels that a person corrected.

    What happened stays: the response, and the pauses, in the hours of the new clock. Under an emergency's terms none
    for the resident counts. What was missed or warned of under other terms is judged anew.
    """
    kept = sla
    if not terms.may_pause:
        pauses = tuple(pause for pause in sla.pauses if pause.why == "resolved")
        kept = sla.model_copy(update={"paused": False, "paused_at": None, "pauses": pauses})
    started = _with_pauses(kept, terms, kept.pauses)
    late = sla.response_met_at is not None and sla.response_met_at > started.response_due_at
    return started.model_copy(update={"warned_at": None, "response_breached": late, "breached": False})


def timers(sla: Sla, terms: ServiceTerms, now: datetime, open: bool) -> dict[NextAction, datetime]:
    """When a response is missed, staff are warned and the target is missed; nothing of a request that is not `open`.

    Only what did not happen yet; a moment before `now` is due at once. While the house's clock stands still only a
    statute's times count. A warning that the breach has overtaken is left out.
    """
    if not open:
        return {}
    response, resolution = _running(sla, terms)
    found: dict[NextAction, datetime] = {}
    if response is not None and sla.response_met_at is None and not sla.response_breached:
        found[NextAction.RESPONSE_BREACH] = response
    if resolution is not None and not sla.breached:
        found[NextAction.SLA_BREACH] = resolution
        if sla.warned_at is None and now < resolution:
            found[NextAction.SLA_WARNING] = _warning(sla, terms, resolution)
    return found


def breaches(sla: Sla, terms: ServiceTerms, now: datetime) -> tuple[NextAction, ...]:
    """What is missed at this moment and not noted yet: `RESPONSE_BREACH`, `SLA_BREACH`, or both."""
    due = timers(sla, terms, now, open=True)
    missed = (NextAction.RESPONSE_BREACH, NextAction.SLA_BREACH)
    return tuple(action for action in missed if action in due and due[action] < now)


def breach(sla: Sla, terms: ServiceTerms, now: datetime) -> Sla:
    """With everything noted that is missed at this moment."""
    missed = breaches(sla, terms, now)
    return sla.model_copy(
        update={
            "response_breached": sla.response_breached or NextAction.RESPONSE_BREACH in missed,
            "breached": sla.breached or NextAction.SLA_BREACH in missed,
        }
    )


def warn(sla: Sla, now: datetime) -> Sla:
    """Staff were told that the target is near; they are told once."""
    return sla if sla.warned_at is not None else sla.model_copy(update={"warned_at": now})


def respond(sla: Sla, terms: ServiceTerms, now: datetime) -> Sla:
    """Somebody acted on it for the first time, in time or not; later ones change nothing."""
    if sla.response_met_at is not None:
        return sla
    late = sla.response_breached or NextAction.RESPONSE_BREACH in breaches(sla, terms, now)
    return sla.model_copy(update={"response_met_at": now, "response_breached": late})


def pause(sla: Sla, terms: ServiceTerms, now: datetime) -> Sla:
    """The house's clock stands still from now on, unless it does already or may not: an emergency waits for nobody.

    The shown due times stay as they are until `resume`.
    """
    if sla.paused or not terms.may_pause:
        return sla
    return sla.model_copy(update={"paused": True, "paused_at": now})


def resume(sla: Sla, terms: ServiceTerms, now: datetime) -> Sla:
    """The house's clock goes on with what was left of its time at the pause; nothing where it never stood still."""
    if not sla.paused:
        return sla
    going = sla.model_copy(update={"paused": False, "paused_at": None})
    return _paused(going, terms, sla.paused_at or now, now, "resident")


def stop(sla: Sla, terms: ServiceTerms, now: datetime) -> Sla:
    """It is resolved: the pause, if there is one, ends, what was missed is noted, and who ends it has responded."""
    return respond(breach(resume(sla, terms, now), terms, now), terms, now)


def continue_after_reopen(sla: Sla, terms: ServiceTerms, resolved_at: datetime, now: datetime) -> Sla:
    """The house's clock goes on with what was left when it was resolved; a statute's went on all the while.

    The time in between does not count against an emergency's target either: nobody was waiting then.
    """
    return _paused(sla, terms, resolved_at, now, "resolved")


def _paused(
    sla: Sla, terms: ServiceTerms, since: datetime, until: datetime, why: Literal["resident", "resolved"]
) -> Sla:
    ended = Pause(since=since, until=max(since, until), why=why)
    return _with_pauses(sla, terms, (*sla.pauses, ended))


def _with_pauses(sla: Sla, terms: ServiceTerms, pauses: Sequence[Pause]) -> Sla:
    due = terms.due(pauses)
    return sla.model_copy(
        update={
            "pauses": tuple(pauses),
            "response_due_at": due.response,
            "resolution_due_at": due.resolution,
            "basis": due.basis,
        }
    )


def _running(sla: Sla, terms: ServiceTerms) -> tuple[datetime | None, datetime | None]:
    """The times that count now, for the response and for the resolution; None where no clock for it runs."""
    if not sla.paused:
        return sla.response_due_at, sla.resolution_due_at
    done = terms.statutory_resolution_due_at
    begun = min((each for each in (terms.statutory_response_due_at, done) if each is not None), default=None)
    return _missed_before(sla, sla.response_due_at) or begun, _missed_before(sla, sla.resolution_due_at) or done


def _missed_before(sla: Sla, due: datetime) -> datetime | None:
    """The due time where it had passed when the clock was stopped."""
    return due if sla.paused_at is not None and due < sla.paused_at else None


def _warning(sla: Sla, terms: ServiceTerms, resolution: datetime) -> datetime:
    """When the share of the time to the resolution target has passed, in the hours of the clock that it is by."""
    start, share = terms.created_at, terms.warn_at_share
    if resolution == terms.statutory_resolution_due_at:
        clock = terms.statutory_resolution_clock
        whole = hours_between(terms.calendar, clock, start, resolution)
        return later(terms.calendar, clock, start, whole * share)
    whole = terms.hours_between(start, terms.house_resolution_due_at)
    return terms.after(terms.later(start, whole * share), sla.pauses)
