"""What a decision does to a request, and what becomes of one that nothing could decide; pure functions."""

from datetime import datetime, timedelta

from core.contract import rfc3339
from core.labels import ApprovalTier, Status
from core.messages import Assessment, ItemFailure, Resolved
from core.record import NextAction, RequestRecord
from core.request import Approval, Classification, ResolutionOption, Risk, Sla
from core.service_terms import ServiceTerms
from core.status import ENDED, UNJUDGED
from deployments.request_management import sla_clock
from deployments.request_management.change import SYSTEM, Change, Draft, require_status
from deployments.request_management.commands import (
    POLICY,
    commands_for_decision,
    early_alarm,
    emergency_command,
    review_alert,
    review_notice,
    unjudged_alert,
)
from deployments.request_management.lifecycle import choose, higher, require_option, show_execution
from deployments.request_management.orders import set_selection_aside

AUTONOMY = "Autonomy:"
"""How the trace's line begins that says why policy selects."""
LATEST_ACTION = timedelta(minutes=30)
"""So long after a person raised an emergency policy still acts on it; later on that person has."""


def apply_decision(
    record: RequestRecord, classification: Classification, risk: Risk, resolved: Resolved, now: datetime
) -> Change:
    """Store what was understood and decided, and start what policy starts or selects by itself, in one change."""
    require_status(record, Status.PROCESSING)
    draft = Draft(record, now, SYSTEM)
    draft.set(
        classification=classification,
        risk=risk,
        answer=resolved.answer,
        needs_attention=resolved.status in (Status.ESCALATED, Status.NEEDS_REVIEW),
    )
    _keep_decision(draft, resolved)
    draft.schedule(NextAction.PROCESS, None)
    draft.tell(
        "classified",
        f"Understood as {classification.category}, {classification.urgency}.",
        source=classification.source,
        safety_rule=classification.safety_rule,
        confidence=round(classification.confidence, 4),
    )
    # Told by a mark of its own, so that a page can say so in any language.
    unanswered = {"no_answer": True} if _is_unanswered(resolved) else {}
    draft.move(resolved.status, _decision_sentence(resolved), **unanswered)
    if resolved.act_now is not None:
        _act_at_once(draft, require_option(record, resolved.options, resolved.act_now), resolved)
    draft.send(commands_for_decision(record, classification, resolved, draft.at))
    show_execution(draft)
    if resolved.carry_out is not None:
        _carry_out(draft, require_option(record, resolved.options, resolved.carry_out), resolved)
    return draft.done()


def _keep_decision(draft: Draft, resolved: Resolved) -> None:
    draft.set(
        options=resolved.options, decision=resolved.decision, sla=_sla(draft.record, resolved.sla, resolved.terms)
    )
    draft.record_fields.update(trace=resolved.trace, retrieved=resolved.retrieved, terms=resolved.terms)


def _sla(record: RequestRecord, promised: Sla, terms: ServiceTerms | None) -> Sla:
    """What is promised now; the response and the pauses that a request had already stay."""
    before = record.request.sla
    return promised if before is None or terms is None else sla_clock.start(terms, before)


def _act_at_once(draft: Draft, option: ResolutionOption, resolved: Resolved) -> None:
    """Policy agrees to the emergency action in advance; the tier that its cost needs agrees afterwards.

    An agreement that an earlier action still waits for is not dropped: it becomes this one's.
    """
    escalation, required = resolved.decision.escalation, higher(option.approval, _owed_agreement(draft.record))
    deadlines = [at for at in (draft.record.document_by, resolved.document_by) if at is not None]
    document_by = min(deadlines, default=None)
    in_advance = {"granted_by": POLICY, "at": draft.at} if required.rank else {}
    approval = Approval(required=required).model_copy(update=in_advance)
    draft.set(selected_option_id=option.option_id, approval=approval)
    draft.record_fields.update(alarmed=True, document_by=document_by)
    draft.tell(
        "emergency_action",
        f"Policy starts this at once: {option.title}.",
        option_id=option.option_id,
        rule=escalation.rule if escalation else None,
    )
    if document_by is not None:
        whose = f" and agreed to by the {required}" if required.rank else ""
        draft.tell(
            "documentation_due",
            f"What was done is to be documented{whose} by {document_by:%Y-%m-%d %H:%M} UTC.",
            due_at=rfc3339(document_by),
            approval=str(required),
        )


def _owed_agreement(record: RequestRecord) -> ApprovalTier:
    approval = record.request.approval
    owed = record.document_by is not None and approval is not None and approval.granted_by == POLICY
    return approval.required if owed and approval is not None else ApprovalTier.NONE


def _carry_out(draft: Draft, option: ResolutionOption, resolved: Resolved) -> None:
    """Select in the resident's place, as the resident would; not beside orders, with which nobody judged its cost."""
    if draft.record.ordered_usd > 0:
        draft.tell("selection_left", "Other work was ordered already; policy leaves the selection open.", internal=True)
        return
    if draft.record.led_by is not None:
        draft.tell("left_to_lead", "Another request carries the work; policy selects nothing.", internal=True)
        return
    line = next((gate for gate in resolved.trace.gates if gate.startswith(AUTONOMY)), None)
    draft.actor = POLICY
    choose(draft, option, line)


def _decision_sentence(resolved: Resolved) -> str:
    if resolved.decision.escalation is not None:
        return resolved.decision.escalation.reason
    if resolved.status is Status.ANSWERED:
        return "The question was answered from the building's documents."
    if _is_unanswered(resolved):
        return "I don't know: the building's documents hold no sure answer. A person will answer you."
    if resolved.status is Status.NEEDS_REVIEW:
        return "A person will look at it."
    return f"{len(resolved.options)} options are ready to choose from."


def _is_unanswered(resolved: Resolved) -> bool:
    return resolved.status is Status.NEEDS_REVIEW and resolved.trace.inputs.get("answered") is False


def keep_assessment(record: RequestRecord, assessment: Assessment, now: datetime) -> Change | None:
    """Keep what was understood while nothing can decide; an emergency is alerted at once, and once only.

    None where that was done before.
    """
    require_status(record, Status.PROCESSING)
    labels = assessment.classification
    alarm = labels.emergency and not record.alarmed
    if record.request.classification == labels and not alarm:
        return None
    draft = Draft(record, now, SYSTEM)
    draft.set(classification=labels, risk=assessment.risk)
    if alarm:
        draft.set(needs_attention=True)
        draft.record_fields["alarmed"] = True
        draft.tell("alarm_raised", "The person on call was alerted to an emergency.", safety_rule=labels.safety_rule)
        draft.send((early_alarm(record, labels),))
    return draft.done()


def give_to_person(
    record: RequestRecord, failure: ItemFailure, now: datetime, assessment: Assessment | None = None
) -> Change:
    """The system can't do its part: the person on call is told at once, with all that was understood.

    What policy promises is asked for as soon as it can say.
    """
    require_status(record, Status.PROCESSING)
    draft = Draft(record, now, SYSTEM)
    draft.set(needs_attention=True)
    if assessment is not None:
        draft.set(classification=assessment.classification, risk=assessment.risk)
    labels = draft.fields.get("classification", record.request.classification)
    draft.schedule(NextAction.PROCESS, None)
    draft.schedule(NextAction.REVISE, now)
    safety_rule = failure.safety_rule or (labels.safety_rule if labels else None)
    draft.move(
        Status.NEEDS_REVIEW,
        f"A person will look at it: {failure.detail}",
        code=failure.code,
        safety_rule=safety_rule,
    )
    if record.alarmed:
        draft.send((review_notice(record, failure.detail),))
    elif safety_rule is not None or (labels is not None and labels.emergency):
        draft.record_fields["alarmed"] = True
        advice = failure.safety_advice or (labels.safety_advice if labels else None)
        draft.send((unjudged_alert(record, safety_rule, advice),))
    else:
        draft.send((review_alert(record, failure.detail),))
    return draft.done()


def apply_terms(record: RequestRecord, sla: Sla, terms: ServiceTerms, now: datetime) -> Change | None:
    """Promise what policy promises on the labels as they are now; None where it need not be asked any more."""
    if NextAction.REVISE not in record.pending:
        return None
    draft = Draft(record, now, SYSTEM)
    draft.schedule(NextAction.REVISE, None)
    draft.record_fields["terms"] = terms
    request = record.request
    if request.status not in ENDED:
        _promise(draft, _sla(record, sla, terms))
    elif request.sla is None and request.resolution is not None:
        # It was done before anybody could say until when it had to be.
        _promise(draft, sla_clock.stop(sla, terms, request.resolution.resolved_at))
    return draft.done()


def _promise(draft: Draft, sla: Sla) -> None:
    draft.set(sla=sla)
    draft.tell(
        "targets_set",
        f"To be answered by {_shown(sla.response_due_at)} and done by {_shown(sla.resolution_due_at)} UTC.",
        response_due_at=rfc3339(sla.response_due_at),
        resolution_due_at=rfc3339(sla.resolution_due_at),
        basis=sla.basis,
    )


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def awaits_emergency_action(record: RequestRecord, now: datetime) -> bool:
    """Whether policy's action for an emergency that a person raised is still to begin."""
    labels, raised_at = record.request.classification, record.emergency_raised_at
    return (
        raised_at is not None
        and now - raised_at <= LATEST_ACTION
        and labels is not None
        and labels.emergency
        and record.request.status not in ENDED | UNJUDGED
    )


def start_emergency_action(
    record: RequestRecord, judged: Classification, resolved: Resolved, now: datetime
) -> Change | None:
    """Start what policy does about an emergency that a person raised; None where `judged` is not what it is any more.

    The person on call was alerted when it was raised.
    """
    if not awaits_emergency_action(record, now) or record.request.classification != judged:
        return None
    draft = Draft(record, now, SYSTEM)
    draft.schedule(NextAction.REVISE, None)
    draft.record_fields["emergency_raised_at"] = None
    if resolved.act_now is None:
        return _without_action(draft, resolved, "Policy names no action of its own for it; staff decide.")
    set_selection_aside(draft)
    _keep_decision(draft, resolved)
    option = require_option(record, resolved.options, resolved.act_now)
    draft.record_fields["selected_by"] = POLICY
    _act_at_once(draft, option, resolved)
    draft.set(needs_attention=True)
    draft.send((emergency_command(record, judged, resolved, option, draft.at, alert=False),))
    show_execution(draft)
    return draft.done()


def _without_action(draft: Draft, resolved: Resolved, why: str) -> Change:
    draft.tell("emergency_action_left", why)
    draft.record_fields["terms"] = resolved.terms
    _promise(draft, _sla(draft.record, resolved.sla, resolved.terms))
    return draft.done()


def leave_emergency_to_staff(record: RequestRecord, failure: ItemFailure, now: datetime) -> Change | None:
    """Policy can't act on an emergency that a person raised; the person on call was alerted, and its terms follow."""
    if record.emergency_raised_at is None:
        return None
    draft = Draft(record, now, SYSTEM)
    draft.record_fields["emergency_raised_at"] = None
    draft.tell("emergency_action_left", f"Policy could not act; staff decide: {failure.detail}", code=failure.code)
    return draft.done()
