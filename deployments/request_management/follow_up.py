"""What is done about a request by itself when its time has come: one pure function for each kind of timer.

Each gives the change, or None where the timer is not due, as where another replica was sooner. A timer that has fired
is taken off in the very change that it causes; one whose time has moved is set anew, without a word.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from core.contract import rfc3339
from core.execution import ExecutionCommand
from core.labels import Status
from core.record import NextAction, RequestRecord
from core.request import Sla
from core.service_terms import ServiceTerms
from core.status import ENDED
from deployments.request_management import sla_clock
from deployments.request_management.change import SYSTEM, Change, Draft
from deployments.request_management.commands import documentation_notice, selection_reminder, target_notice
from deployments.request_management.promises import outside_quiet_hours

Effect = Callable[[RequestRecord, datetime], Change | None]


def warn_of_target(record: RequestRecord, now: datetime) -> Change | None:
    """Staff are told that the target is near."""

    def warn(draft: Draft, sla: Sla, terms: ServiceTerms) -> None:
        draft.set(sla=sla_clock.warn(sla, now))
        due = rfc3339(sla.resolution_due_at)
        told = target_notice(draft.record, "wrn", "target_near")
        _alert(draft, told, "sla_warning", "The target is near.", internal=True, due_at=due, basis=sla.basis)

    return _of_clock(record, NextAction.SLA_WARNING, now, warn)


def breach_response(record: RequestRecord, now: datetime) -> Change | None:
    """Nobody has acted in time; it is escalated to staff."""

    def breach(draft: Draft, sla: Sla, terms: ServiceTerms) -> None:
        draft.set(sla=sla.model_copy(update={"response_breached": True}))
        message = "Nobody has acted on it in time; staff were told."
        told = target_notice(draft.record, "rsp", "response_missed")
        _alert(draft, told, "response_breached", message, due_at=rfc3339(sla.response_due_at), basis=sla.basis)

    return _of_clock(record, NextAction.RESPONSE_BREACH, now, breach)


def breach_target(record: RequestRecord, now: datetime) -> Change | None:
    """It was not done in time; it is escalated to staff."""

    def breach(draft: Draft, sla: Sla, terms: ServiceTerms) -> None:
        draft.set(sla=sla.model_copy(update={"breached": True}))
        message = "It was not done in time; staff were told."
        told = target_notice(draft.record, "brc", "target_missed")
        _alert(draft, told, "sla_breached", message, due_at=rfc3339(sla.resolution_due_at), basis=sla.basis)

    return _of_clock(record, NextAction.SLA_BREACH, now, breach)


def remind_of_selection(record: RequestRecord, now: datetime) -> Change | None:
    """The resident is reminded to choose, outside quiet hours."""
    if not _is_due(record, NextAction.REMIND, now):
        return None
    draft = Draft(record, now, SYSTEM)
    if record.request.status is not Status.AWAITING_SELECTION or record.terms is None:
        draft.schedule(NextAction.REMIND, None)
        return draft.done()
    if record.led_by is not None:
        # There is nothing to choose while another request carries the work; afterwards there is again.
        later = now + timedelta(hours=record.terms.remind_after_hours)
        draft.schedule(NextAction.REMIND, outside_quiet_hours(later, record.terms))
        return draft.done()
    allowed = outside_quiet_hours(now, record.terms)
    draft.schedule(NextAction.REMIND, allowed if allowed > now else None)
    if allowed <= now:
        draft.tell("reminded", "The resident was reminded to choose an option.")
        draft.send((selection_reminder(record),))
    return draft.done()


def ask_for_documentation(record: RequestRecord, now: datetime) -> Change | None:
    """Staff are reminded of what an emergency's action still needs, and told again when its time is over."""
    if not _is_due(record, NextAction.DOCUMENT, now):
        return None
    draft, due = Draft(record, now, SYSTEM), record.document_by
    overdue = due is not None and now >= due
    draft.schedule(NextAction.DOCUMENT, None if overdue else due)
    if due is None:
        return draft.done()
    draft.set(needs_attention=True)
    kind, sentence = (
        ("documentation_overdue", f"What policy started was to be documented and agreed to by {due:%H:%M} UTC.")
        if overdue
        else ("documentation_reminder", f"What policy started must be documented and agreed to by {due:%H:%M} UTC.")
    )
    draft.tell(kind, sentence, internal=True, due_at=rfc3339(due))
    draft.send((documentation_notice(record, due, overdue=overdue),))
    return draft.done()


def close_unconfirmed(record: RequestRecord, now: datetime) -> Change | None:
    """The resident has had their time to say that it is not done."""
    if not _is_due(record, NextAction.AUTO_CLOSE, now):
        return None
    draft = Draft(record, now, SYSTEM)
    draft.schedule(NextAction.AUTO_CLOSE, None)
    if record.request.status is Status.RESOLVED:
        draft.move(Status.CLOSED, "Closed, as nobody said that it is not done.")
    return draft.done()


EFFECTS: Mapping[NextAction, Effect] = {
    NextAction.RESPONSE_BREACH: breach_response,
    NextAction.SLA_WARNING: warn_of_target,
    NextAction.SLA_BREACH: breach_target,
    NextAction.DOCUMENT: ask_for_documentation,
    NextAction.REMIND: remind_of_selection,
    NextAction.AUTO_CLOSE: close_unconfirmed,
}
"""What needs nothing but the record."""


def _is_due(record: RequestRecord, action: NextAction, now: datetime) -> bool:
    due = record.pending.get(action)
    return due is not None and due <= now


def _of_clock(
    record: RequestRecord, action: NextAction, now: datetime, happen: Callable[[Draft, Sla, ServiceTerms], None]
) -> Change | None:
    if not _is_due(record, action, now):
        return None
    draft, sla, terms = Draft(record, now, SYSTEM), record.request.sla, record.terms
    moment = None
    if sla is not None and terms is not None:
        moment = sla_clock.timers(sla, terms, now, record.request.status not in ENDED).get(action)
        if moment is not None and moment <= now:
            happen(draft, sla, terms)
            moment = None
    draft.schedule(action, moment)
    return draft.done()


def _alert(
    draft: Draft,
    told: ExecutionCommand,
    kind: str,
    sentence: str,
    *,
    internal: bool = False,
    due_at: str,
    basis: str,
) -> None:
    draft.set(needs_attention=True)
    draft.tell(kind, sentence, internal=internal, due_at=due_at, basis=basis)
    draft.send((told,))
