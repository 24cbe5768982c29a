"""The section on the workforce simulation: against exact queueing results, and the fast path against full runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.rules import RuleBook
from models.report.document import Block, Heading, Paragraph, Table
from models.report.targets import Target
from models.simulation.agreement import Agreement, full_runs, systems, tables
from models.simulation.scenarios import Comparison, compare, scenarios
from models.text.figures import Interval

PAIRS = 50
TABLE_REPLICATIONS = 8000
RUNS = 4000
WITHIN = 0.02
DISTANCE = 0.05
SCENARIOS = 20
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class SimulationEvaluation:
    """How near the simulation is to what is known, and the fast path to the simulation."""

    full: tuple[Agreement, ...]
    tables: tuple[Agreement, ...]
    comparisons: tuple[Comparison, ...]


def evaluate_simulation(
    rules: RuleBook, say: Callable[[str], None], runs: int = RUNS, pairs: int = PAIRS, seed: int = 5
) -> SimulationEvaluation:
    """Measure everything; about four minutes on one core. Raises `ArtefactRefused`."""
    say("  the simulation against queueing theory ...")
    known = systems()
    full = [each for system in known for each in full_runs(system, pairs, system.hours, seed)]
    quick = [each for system in known for each in tables(system, TABLE_REPLICATIONS, seed)]
    say("  the fast path against full runs ...")
    compared = [compare(rules, scenario, runs, seed=seed) for scenario in scenarios()]
    return SimulationEvaluation(tuple(full), tuple(quick), tuple(compared))


def simulation(found: SimulationEvaluation) -> list[Block]:
    """Both comparisons as tables."""
    near = [each for each in found.comparisons if each.distance <= DISTANCE]
    agreed = [each for each in found.full if abs(each.deviation) <= WITHIN]
    speed = sum(each.full_s for each in found.comparisons) / sum(each.fast_s for each in found.comparisons)
    return [
        Heading(2, "Workforce simulation"),
        Paragraph(
            f"{len(agreed)} of {len(found.full)} mean times of the SimPy model are within {WITHIN:.0%} of the exact "
            "ones. Its runs are independent pairs with opposite uniforms, corrected by control variates; the tables' "
            "queue is read at independent moments. The intervals are Student's, of 95 %."
        ),
        Table(
            ["queue", "class", "exact hours", "full runs", "off by", "jobs", "within 2 %"],
            [_agreement(each, str(each.jobs)) for each in found.full],
        ),
        Table(
            ["the tables' queue", "class", "exact hours", "found", "off by", "replications", "within 2 %"],
            [_agreement(each, str(each.jobs)) for each in found.tables],
        ),
        Paragraph(
            f"In {len(near)} of {len(found.comparisons)} scenarios the completion times of the fast path, as it is "
            f"served, are within {DISTANCE} of those of full runs by Kolmogorov and Smirnov's distance. Samples of one "
            "distribution would be nearer than the noise in 95 of 100 cases or more. One full run for each replication "
            f"takes {speed:,.0f} times as long as the fast path."
        ),
        Table(
            ["option", "served by", "urgency", "reported", "ahead", "waits for", "P50 fast / full", "P90 fast / full",
             "distance", "noise", "verdict"],
            [_comparison(each) for each in found.comparisons],
        ),
    ]  # fmt: skip


def simulation_targets(found: SimulationEvaluation) -> tuple[Target, ...]:
    """How far off the means are at most, and in how many scenarios the fast path is near the full runs."""
    near = sum(each.distance <= DISTANCE for each in found.comparisons)
    return (
        Target("simulation: mean furthest from the exact one", "at most", WITHIN, _point(_furthest(found.full))),
        Target("simulation: the same, tables' queue", "at most", WITHIN, _point(_furthest(found.tables))),
        Target(f"fast path: scenarios within {DISTANCE} of full runs", "at least", SCENARIOS, _point(near), digits=0),
    )


def _furthest(found: Sequence[Agreement]) -> float:
    return max(abs(each.deviation) for each in found)


def _point(value: float) -> Interval:
    return Interval(value, value, value)


def _agreement(each: Agreement, number: str) -> tuple[str, ...]:
    verdict = "reached" if abs(each.deviation) <= WITHIN else "missed"
    off = f"{each.deviation:+.2%}"
    return each.system, each.urgency.value, f"{each.exact:.4f}", str(each.found), off, number, verdict


def _comparison(each: Comparison) -> tuple[str, ...]:
    scenario = each.scenario
    hour = scenario.begin + scenario.later
    ahead = ", ".join(f"{number} {urgency}" for urgency, number in scenario.backlog.items()) or "–"
    return (
        scenario.option_id, each.server, scenario.urgency.value, f"{DAYS[int(hour // 24) % 7]} {_clock(hour)}", ahead,
        each.traits, f"{each.fast_p50:.1f} / {each.full_p50:.1f}", f"{each.fast_p90:.1f} / {each.full_p90:.1f}",
        f"{each.distance:.3f}", f"{each.noise:.3f}", "reached" if each.distance <= DISTANCE else "missed",
    )  # fmt: skip


def _clock(hour: float) -> str:
    return f"{int(hour % 24):02d}:{round(hour % 1 * 60):02d}"
