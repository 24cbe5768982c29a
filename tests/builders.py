"""Records, decisions, events and messages to try things with."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

from core.execution import ExecutionCommand
from core.execution_labels import ActionKind
from core.labels import ApprovalTier, Category, Crew, Intent, RiskLevel, Situation, Status, Trade, Urgency
from core.messages import DecisionTrace, Resolved, Retrieved
from core.ports.queue import QueueMessage
from core.record import RequestRecord
from core.request import (
    Citation,
    Classification,
    Decision,
    Escalation,
    Estimate,
    Event,
    FactorScores,
    OptionScore,
    Request,
    ResolutionOption,
    Risk,
    RiskFactor,
    Sla,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def build_classification(
    category: Category = Category.MAINTENANCE,
    urgency: Urgency = Urgency.MEDIUM,
    trade: Trade | None = None,
) -> Classification:
    return Classification(
        category=category,
        urgency=urgency,
        intent=Intent.SOLVE_PROBLEM,
        trade=trade,
        confidence=0.8125,
        source="model",
        emergency=urgency is Urgency.EMERGENCY,
        model_version="cascade-1",
    )


def build_record(
    *,
    after_s: float = 0,
    category: Category | None = None,
    urgency: Urgency | None = None,
    trade: Trade | None = None,
    record: dict[str, Any] | None = None,
    **request: Any,
) -> RequestRecord:
    """A new request made `after_s` after noon, classified where a category is given."""
    made = NOON + timedelta(seconds=after_s)
    fields: dict[str, Any] = {
        "request_id": f"REQ_{uuid4().hex}",
        "resident_id": "RES_A_101",
        "building_id": "A",
        "message_text": "The tap drips",
        "status": Status.SUBMITTED,
        "version": 1,
        "created_at": made,
        "updated_at": made,
    }
    if category or urgency:
        fields["classification"] = build_classification(
            category or Category.MAINTENANCE, urgency or Urgency.MEDIUM, trade
        )
    return RequestRecord(request=Request(**fields | request), **{"correlation_id": "corr-1"} | (record or {}))


def build_option(option_id: str = "plumber-visit", crew: Crew = Crew.PLUMBING) -> ResolutionOption:
    return ResolutionOption.model_validate(
        {
            "option_id": option_id,
            "title": "A plumber comes",
            "action": ActionKind.DISPATCH_WORK_ORDER,
            "crew": crew,
            "steps": ("Ring first", "Replace the washer"),
            "estimated_cost_usd": Estimate(mean=120.1, p50=110.0, p90=210.5),
            "estimated_time_hours": Estimate(mean=5.3, p50=4.0, p90=11.25),
            "sla_breach_probability": 0.05,
            "resident_satisfaction_impact": 0.4,
            "approval": ApprovalTier.NONE,
            "reasoning": "It drips.",
            "source": "catalog",
            "citations": (Citation(doc_id="plumbing", section="Taps", quote="Replace the washer."),),
        }
    )


def build_full_record(**request: Any) -> RequestRecord:
    """A request with everything that a decision leaves behind, of the size that is usual."""
    weights = FactorScores(urgency=0.3, time=0.25, cost=0.2, satisfaction=0.15, compliance=0.1)
    options = tuple(build_option(f"option-{number}") for number in range(4))
    scores = tuple(OptionScore(option_id=option.option_id, total=0.7, factors=weights) for option in options)
    passage = Retrieved(
        doc_id="plumbing",
        title="Taps",
        section="Drips",
        doc_type="procedure",
        building_id="all",
        text="…" * 400,
        score=0.7,
    )
    return build_record(
        category=Category.MAINTENANCE,
        urgency=Urgency.HIGH,
        trade=Trade.PLUMBING,
        record={
            "retrieved": (passage,) * 5,
            "trace": DecisionTrace(
                inputs={"message_text": "The tap drips", "embedding": "QUJD" * 512, "history": [{"n": 1.1}] * 20},
                seed=7,
                replications=200,
                method="tables",
                model_versions={"cascade": "1"},
                kb_version="k1",
                policy_version="p1",
                workforce_version="w1",
                waiting_hours={option.option_id: [hour * 0.37 for hour in range(32)] for option in options},
            ),
            "outbox": (
                ExecutionCommand.model_validate(
                    {
                        "execution_id": "EXE_1",
                        "request_id": None,
                        "urgency": Urgency.HIGH,
                        "actions": ({"action": ActionKind.NOTIFY, "parameters": {"text": "On the way", "at": 1.5}},),
                        "correlation_id": "corr-1",
                        "requested_by": "system",
                    }
                ),
            ),
        },
        **{
            "status": Status.AWAITING_SELECTION,
            "risk": Risk(
                score=0.4,
                level=RiskLevel.MEDIUM,
                recurrence_probability=0.2,
                sla_breach_probability=0.1,
                escalation_probability=0.05,
                factors=tuple(RiskFactor(feature=f"f{n}", value=n / 3, contribution=n / 7) for n in range(12)),
                model_version="risk-1",
            ),
            "options": options,
            "decision": Decision(
                recommended_option_id=options[0].option_id,
                scores=scores,
                weights=weights,
                situation=Situation.STANDARD,
                policy_version="p1",
                kb_version="k1",
                seed=7,
                explanation="It is cheap.",
            ),
            "sla": Sla(response_due_at=NOON, resolution_due_at=NOON, basis="sla#response_targets"),
        }
        | request,
    )


def build_event(sequence: int, **fields: Any) -> Event:
    return Event.model_validate(
        {"sequence": sequence, "at": NOON, "kind": "noted", "actor": "system", "message": f"Event {sequence}"} | fields
    )


def build_message(message_id: str | None = None, **fields: Any) -> QueueMessage:
    known: dict[str, Any] = {
        "message_id": message_id or f"MSG_{uuid4().hex}",
        "type": "aam.execution.v1",
        "data": {"execution_id": "EXE_1", "attempt": 1},
        "time": NOON,
        "correlation_id": "corr-1",
    }
    return QueueMessage(**known | fields)


def build_escalation() -> Decision:
    """A decision that leaves it to a person."""
    even = FactorScores(urgency=0.2, time=0.2, cost=0.2, satisfaction=0.2, compliance=0.2)
    return Decision(
        recommended_option_id=None,
        scores=(),
        weights=even,
        situation=Situation.STANDARD,
        policy_version="p1",
        kb_version="k1",
        seed=1,
        explanation="A person decides.",
        escalation=Escalation(reason="It came back.", rule="escalation#recurrence"),
    )


@dataclass(frozen=True)
class Judged:
    """What the two thinking services say of one message."""

    classification: Classification
    risk: Risk
    resolved: Resolved


def build_resolved(
    status: Literal[Status.AWAITING_SELECTION, Status.ANSWERED, Status.ESCALATED, Status.NEEDS_REVIEW],
    *,
    act_now: bool = False,
) -> Judged:
    """A decision that leads to this status; with `act_now` an emergency."""
    record = build_full_record()
    request = record.request
    assert request.decision is not None
    assert request.risk is not None
    assert request.sla is not None
    assert record.trace is not None
    escalated = status is Status.ESCALATED
    return Judged(
        classification=build_classification(urgency=Urgency.EMERGENCY if act_now else Urgency.MEDIUM),
        risk=request.risk,
        resolved=Resolved(
            status=status,
            options=request.options,
            decision=build_escalation() if escalated else request.decision,
            act_now=request.options[0].option_id if act_now else None,
            sla=request.sla,
            trace=record.trace,
        ),
    )
