"""Which gates the options of a decision met, and which of them bound one, as metrics."""

from collections.abc import Mapping, Sequence

from core.metrics import GATES, Meter
from core.request import OptionId
from deployments.decision_simulation.gates import Gate

LABELS: Mapping[str, str] = {
    "Licence": "licence",
    "Approval": "approval",
    "Budget": "budget",
    "Entry notice": "entry_notice",
    "Quiet hours": "quiet_hours",
}
"""The metric's label for each gate of single options, by the gate's name."""


def count_gates(meter: Meter, gates: Sequence[Gate], options: Sequence[OptionId]) -> None:
    """Count each gate once for each option: the offered ones, and those that a gate withheld."""
    bound = {(gate.name, gate.option_id) for gate in gates if gate.option_id is not None}
    asked = [*options, *sorted({option for name, option in bound if option not in options and name == "Licence"})]
    for name, label in LABELS.items():
        # What nobody holds the licence for is asked nothing else.
        met = [option for option in asked if option in options or name == "Licence"]
        failed = sum((name, option) in bound for option in met)
        meter.add(GATES, failed, gate=label, passed="false")
        meter.add(GATES, len(met) - failed, gate=label, passed="true")


def count_autonomy(meter: Meter, *, selects: bool) -> None:
    """Count whether policy may select the recommended option in the resident's place."""
    meter.add(GATES, gate="autonomy", passed=str(selects).lower())
