"""Each gate is counted once for each option that met it."""

from adapters.metrics_memory import MemoryMeter
from core.metrics import GATES
from core.request import OptionId
from deployments.decision_simulation.gate_metrics import count_autonomy, count_gates
from deployments.decision_simulation.gates import Gate

ONE, TWO, WITHHELD = OptionId("one"), OptionId("two"), "three"


def test_what_binds_an_option_fails_its_gate_and_everything_else_passes() -> None:
    meter = MemoryMeter()
    gates = [
        Gate("Building", "No document lists it.", "doc#buildings"),
        Gate("Approval", "one needs the manager.", "doc#approvals", ONE),
        Gate("Quiet hours", "two waits.", "doc#entry", TWO),
        Gate("Quiet hours", "two's second part waits.", "doc#entry", TWO),
        Gate("Licence", "three is not offered.", "doc#vendors", WITHHELD),
    ]
    count_gates(meter, gates, [ONE, TWO])
    assert {values: figure for values, figure in meter.figures[GATES].items()} == {
        ("licence", "true"): 2,
        ("licence", "false"): 1,
        ("approval", "true"): 1,
        ("approval", "false"): 1,
        ("budget", "true"): 2,
        ("entry_notice", "true"): 2,
        ("quiet_hours", "true"): 1,
        ("quiet_hours", "false"): 1,
    }


def test_without_options_nothing_is_asked() -> None:
    meter = MemoryMeter()
    count_gates(meter, [], [])
    assert not meter.given


def test_autonomy_is_a_gate_of_its_own() -> None:
    meter = MemoryMeter()
    count_autonomy(meter, selects=False)
    count_autonomy(meter, selects=True)
    assert meter.figures[GATES] == {("autonomy", "false"): 1, ("autonomy", "true"): 1}
