"""Reaches a stored decision again from its trace, byte for byte."""

import base64
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from core.errors import AppError, ArtefactRefused
from core.labels import Crew, Urgency
from core.messages import DecisionTrace, ResolveItem
from core.request import Decision
from core.rules import RuleBook
from deployments.decision_simulation.engine import Case, DecisionEngine
from deployments.decision_simulation.triangular import Floats


def record_inputs(item: ResolveItem, vector: bytes, answered: bool | None, zone: str) -> dict[str, Any]:
    """The item as JSON, what it was looked up by as base64, and the two other things that a decision depends on."""
    return {
        **item.model_dump(mode="json"),
        "embedding": base64.b64encode(vector).decode(),
        "answered": answered,
        "zone": zone,
    }


def replay(trace: DecisionTrace, rules: RuleBook) -> Decision:
    """The decision that the trace led to; nothing is embedded or looked up again.

    Raises `ArtefactRefused` where the rules are not those that the decision was made with.
    """
    if (trace.kb_version, trace.policy_version) != (rules.kb_version, rules.policy_version):
        raise ArtefactRefused(
            f"The decision was made with knowledge base {trace.kb_version} and policy {trace.policy_version}, not with "
            f"{rules.kb_version} and {rules.policy_version}; replay it with the documents of that version."
        )
    item, answered, zone = _read_inputs(trace.inputs)
    waits = {crew: np.array(quantiles) for crew, quantiles in trace.waiting_hours.items()}

    def recorded(crew: Crew, urgency: Urgency, hour: float) -> Floats:
        return waits[crew]

    case = Case(item=item, seed=trace.seed, replications=trace.replications, waits=recorded, answered=answered)
    settled = DecisionEngine(rules, ZoneInfo(zone)).settle([case])[0]
    if isinstance(settled, AppError):
        raise settled
    return settled.decision


def _read_inputs(inputs: dict[str, Any]) -> tuple[ResolveItem, bool | None, str]:
    own = {"embedding", "answered", "zone"}
    fields = {name: value for name, value in inputs.items() if name not in own}
    return ResolveItem.model_validate(fields), inputs["answered"], inputs["zone"]
