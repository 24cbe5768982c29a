"""Reaches a stored decision again from its trace, byte for byte."""

import base64
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from core.errors import AppError, ArtefactRefused, NotFound
from core.labels import Urgency
from core.messages import DecisionTrace, ResolveItem, Retrieved
from core.ports.intelligence import ProposedOption
from core.request import Decision
from core.rules import RuleBook
from deployments.decision_simulation.case import Case, later_key
from deployments.decision_simulation.engine import DecisionEngine, Settled
from deployments.decision_simulation.triangular import Floats

_BESIDES = frozenset({"embedding", "answered", "zone", "proposals", "passages"})
"""What a trace's inputs hold besides the item."""


def as_recorded(item: ResolveItem) -> ResolveItem:
    """The item as a trace will hold it, with times in milliseconds: deciding on this one makes a replay exact."""
    return ResolveItem.model_validate(item.model_dump(mode="json"))


def record_inputs(case: Case, vector: bytes, zone: str) -> dict[str, Any]:
    """The item as JSON, what it was looked up by as base64, and whatever else a decision depends on.

    Passages count only where a language model drafted options, which must quote them.
    """
    passages = case.passages if case.proposals else ()
    return {
        **case.item.model_dump(mode="json"),
        "embedding": base64.b64encode(vector).decode(),
        "answered": case.answered,
        "zone": zone,
        "proposals": [proposal.model_dump(mode="json") for proposal in case.proposals],
        "passages": [passage.model_dump(mode="json") for passage in passages],
    }


def replay(trace: DecisionTrace, rules: RuleBook) -> Decision:
    """The decision that the trace led to; nothing is embedded or looked up again.

    `rules` are those of all buildings, as they were compiled then. Raises `ArtefactRefused` where they are not those
    that the decision was made with, `NotFound` where its inputs were erased with the resident's data.
    """
    return replay_case(trace, rules).decision


def replay_case(trace: DecisionTrace, rules: RuleBook, engine: DecisionEngine | None = None) -> Settled:
    """As `replay`, with everything that came of the case; an `engine` of these rules and zone saves making one."""
    if trace.inputs.get("erased"):
        raise NotFound("What this decision rested on was erased with the resident's data; it can't be reached again.")
    if (trace.kb_version, trace.policy_version) != (rules.kb_version, rules.policy_version):
        raise ArtefactRefused(
            f"The decision was made with knowledge base {trace.kb_version} and policy {trace.policy_version}, not with "
            f"{rules.kb_version} and {rules.policy_version}; replay it with the documents of that version."
        )
    waits = {server: np.array(quantiles) for server, quantiles in trace.waiting_hours.items()}

    def recorded(server: str, urgency: Urgency, hour: float) -> Floats:
        return waits.get(later_key(server, hour), waits[server])

    case = Case(
        item=_item(trace.inputs),
        seed=trace.seed,
        replications=trace.replications,
        waits=recorded,
        answered=trace.inputs["answered"],
        # Traces that are older than drafted options have neither.
        passages=tuple(map(Retrieved.model_validate, trace.inputs.get("passages", ()))),
        proposals=tuple(map(ProposedOption.model_validate, trace.inputs.get("proposals", ()))),
    )
    settled = (engine or DecisionEngine(rules, ZoneInfo(trace.inputs["zone"]))).settle([case])[0]
    if isinstance(settled, AppError):
        raise settled
    return settled


def _item(inputs: dict[str, Any]) -> ResolveItem:
    return ResolveItem.model_validate({name: value for name, value in inputs.items() if name not in _BESIDES})
