"""What is left of a request when its resident's data are erased: pure functions, and safe to apply again.

What is kept is named; a field that nobody has thought of here is left out, and a test fails until somebody has.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core.erasure import ERASED, ErasureScope
from core.execution_labels import ActionKind
from core.messages import DecisionTrace
from core.record import NextAction, RequestRecord
from core.request import (
    Classification,
    Decision,
    Event,
    ExecutionSummary,
    Request,
    ResolutionOption,
)
from deployments.request_management.change import SYSTEM, Change, Draft

EVENT = "erased"
KEPT_OF_REQUEST = frozenset(
    {
        "request_id",
        "building_id",
        "status",
        "created_at",
        "risk",
        "selected_option_id",
        "sla",
        "incident_id",
        "duplicate_of",
        "reopened",
    }
)
REPLACED_OF_REQUEST = frozenset(
    {
        "resident_id",
        "message_text",
        "version",
        "updated_at",
        "classification",
        "options",
        "decision",
        "answer",
        "approval",
        "execution",
        "feedback",
        "resolution",
    }
)
DROPPED_OF_REQUEST = frozenset({"unit", "preferences", "attachments", "needs_attention", "possible_duplicates"})
KEPT_OF_RECORD = frozenset(
    {
        "chosen_category",
        "chosen_urgency",
        "ordered_usd",
        "orders",
        "costs",
        "last_command",
        "alarmed",
        "document_by",
        "waiting_for",
        "published",
        "terms",
        "last_event",
        "led_by",
        "news",
        "calls",
        "retrieved",
        "timers",
        "next_action",
        "next_action_at",
        "attempts",
    }
)
REPLACED_OF_RECORD = frozenset(
    {"request", "correlation_id", "selected_by", "corrections", "objections", "subscribers", "trace"}
)
DROPPED_OF_RECORD = frozenset({"outbox", "emergency_raised_at"})
"""The outbox is empty by then."""

_PLAIN_DETAILS = frozenset(
    {
        "actions",
        "approval",
        "basis",
        "category_after",
        "category_before",
        "category_said",
        "code",
        "comment_id",
        "cost_usd",
        "due_at",
        "execution_id",
        "from",
        "incident_id",
        "option_id",
        "request_id",
        "resolution_due_at",
        "response_due_at",
        "rule",
        "safety_rule",
        "source",
        "template_id",
        "to",
        "urgency_after",
        "urgency_before",
        "waiting_for",
    }
)
_STEP_DETAILS = frozenset(str(kind) for kind in ActionKind)
"""What came of an outside call: an id or a status, or an error, which may quote."""
_IDENTIFIER = re.compile(r"[A-Za-z]+(-\d+)?")


def erase_record(record: RequestRecord, scope: ErasureScope, now: datetime) -> RequestRecord:
    """The record without personal data, one version later; figures, labels, times and costs stay."""
    before = record.request
    replaced: dict[str, Any] = {**_common(before, scope), "version": before.version + 1, "updated_at": now}
    kept: dict[str, Any] = {name: getattr(before, name) for name in KEPT_OF_REQUEST}
    return _around(record, Request(**kept, **replaced), scope)


def erase_events(events: Sequence[Event], scope: ErasureScope) -> tuple[Event, ...]:
    """The timeline without words: what happened when, by whom, with figures and ids."""
    return tuple(
        event.model_copy(
            update={
                "actor": scope.renamed(event.actor),
                "message": ERASED,
                "details": {name: _detail(name, value, scope) for name, value in event.details.items()},
            }
        )
        for event in events
    )


def note_erasure(record: RequestRecord, now: datetime) -> Change | None:
    """The timeline's word of it, by which those who keep copies learn of it; None where it was said before."""
    if EVENT in record.news:
        return None
    draft = Draft(record, now, SYSTEM)
    draft.record_fields["news"] = (*record.news, EVENT)
    draft.tell(EVENT, "The personal data in this request were erased.")
    return draft.done()


def forget_subscriber(record: RequestRecord, resident_id: str, now: datetime) -> Change | None:
    """The resident is told no more of somebody else's request."""
    rest = tuple(one for one in record.subscribers if one != resident_id)
    if rest == record.subscribers:
        return None
    draft = Draft(record, now, SYSTEM)
    draft.record_fields["subscribers"] = rest
    return draft.done()


def is_erased(record: RequestRecord, events: Sequence[Event], scope: ErasureScope) -> bool:
    """Whether nothing is left to erase."""
    if record.request.resident_id != scope.pseudonym:
        return False
    told = [event for event in events if event.kind != EVENT]
    again = erase_record(record, scope, record.request.updated_at)
    as_it_was = again.request.model_copy(update={"version": record.request.version})
    return again.model_copy(update={"request": as_it_was}) == record and list(erase_events(told, scope)) == told


def identifiers_in(record: RequestRecord, events: Sequence[Event]) -> set[str]:
    """Ids under which answers about the request may be kept for a retry."""
    named = {
        value
        for event in events
        for name, value in event.details.items()
        if name.endswith("_id") and isinstance(value, str)
    }
    return {record.request.request_id, *record.orders, *named}


def _common(before: Request, scope: ErasureScope) -> dict[str, Any]:
    approval, feedback, resolution = before.approval, before.feedback, before.resolution
    return {
        "resident_id": scope.pseudonym,
        "message_text": ERASED,
        "classification": before.classification and _classification(before.classification),
        "options": tuple(map(_option, before.options)),
        "decision": before.decision and _decision(before.decision),
        "answer": before.answer and before.answer.model_copy(update={"text": ERASED}),
        "approval": approval and approval.model_copy(update={"granted_by": scope.renamed(approval.granted_by)}),
        "execution": before.execution and _execution(before.execution),
        "feedback": feedback and feedback.model_copy(update={"comment": feedback.comment and ERASED}),
        "resolution": resolution
        and resolution.model_copy(
            update={"resolution_notes": ERASED, "resolved_by": scope.renamed(resolution.resolved_by)}
        ),
    }


def _around(record: RequestRecord, request: Request, scope: ErasureScope) -> RequestRecord:
    kept: dict[str, Any] = {name: getattr(record, name) for name in KEPT_OF_RECORD}
    replaced: dict[str, Any] = {
        "request": request,
        "correlation_id": ERASED,
        "selected_by": scope.renamed(record.selected_by),
        "corrections": tuple(one.model_copy(update={"by": scope.renamed(one.by)}) for one in record.corrections),
        "objections": tuple(
            one.model_copy(update={"by": scope.renamed(one.by), "comment": one.comment and ERASED})
            for one in record.objections
        ),
        "subscribers": tuple(one for one in record.subscribers if one != scope.resident_id),
        "trace": record.trace and _trace(record.trace),
    }
    erased = RequestRecord(**kept, **replaced)
    return _without_timer(erased, NextAction.DISPATCH)


def _without_timer(record: RequestRecord, action: NextAction) -> RequestRecord:
    rest = {kind: at for kind, at in record.pending.items() if kind is not action}
    if rest == record.timers:
        return record
    first = min(rest, key=lambda kind: rest[kind], default=None)
    next_at = None if first is None else rest[first]
    return record.model_copy(update={"timers": rest, "next_action": first, "next_action_at": next_at, "attempts": 0})


def _classification(labels: Classification) -> Classification:
    issues = tuple(issue.model_copy(update={"text": ERASED}) for issue in labels.issues)
    return labels.model_copy(update={"issues": issues})


def _option(option: ResolutionOption) -> ResolutionOption:
    """A catalogue's title and steps are no person's; a language model's may quote the message."""
    if option.source == "catalog":
        return option.model_copy(update={"reasoning": ERASED})
    return option.model_copy(update={"title": ERASED, "steps": (), "plan": (), "reasoning": ERASED})


def _decision(decision: Decision) -> Decision:
    escalation = decision.escalation and decision.escalation.model_copy(update={"reason": ERASED})
    return decision.model_copy(update={"explanation": ERASED, "counterfactuals": (), "escalation": escalation})


def _execution(execution: ExecutionSummary) -> ExecutionSummary:
    steps = tuple(step.model_copy(update={"error": step.error and ERASED}) for step in execution.steps)
    return execution.model_copy(update={"steps": steps})


def _trace(trace: DecisionTrace) -> DecisionTrace:
    """Of the inputs, the labels' words that others go by; the message, the vector and the history are gone."""
    judged: dict[str, Any] = trace.inputs.get("classification") or {}
    kept = {"classification": {"urgency": judged["urgency"]}} if "urgency" in judged else {}
    return trace.model_copy(update={"inputs": {"erased": True, **kept}})


def _detail(name: str, value: str | float | bool | None, scope: ErasureScope) -> str | float | bool | None:
    if not isinstance(value, str):
        return value
    is_plain = name in _PLAIN_DETAILS or (name in _STEP_DETAILS and _IDENTIFIER.fullmatch(value))
    return scope.renamed(value) if is_plain else ERASED
