"""Measures proposals on the written scenarios: `python -m models.likeness.evaluate PART`, `test` by default.

The baselines are the same category and trade within 24 hours, and the vectors alone with the cosine that did best on
the parts that the weights were fitted on.
"""

import sys
from collections.abc import Callable, Sequence
from typing import get_args

from adapters import build
from core.settings import load_settings
from deployments.request_management.likeness import model
from models.likeness.measures import Tally, f1, measured, tally
from models.likeness.replay import cosine_above, linked, propose, same_labels, without_labels
from models.likeness.scenarios import Pair, Part, Scenario, read

Method = Callable[[Scenario], set[Pair]]
COSINES = tuple(round(0.2 + 0.025 * step, 3) for step in range(29))


def counts_of(scenarios: Sequence[Scenario], method: Method, *, of_one_resident: bool) -> list[Tally]:
    """What a method does on each scenario."""
    golds = (one.repeats if of_one_resident else one.same_fault for one in scenarios)
    return [tally(method(scenario), gold) for scenario, gold in zip(scenarios, golds, strict=True)]


def methods(fit: Sequence[Scenario], *, of_one_resident: bool) -> dict[str, Method]:
    """The served model and what it is compared with."""

    def by_cosine(least: float) -> Method:
        return lambda scenario: linked(scenario, cosine_above(least), of_one_resident=of_one_resident)

    best = max(COSINES, key=lambda least: f1(counts_of(fit, by_cosine(least), of_one_resident=of_one_resident)))
    return {
        "served": lambda scenario: propose(scenario, model())[of_one_resident],
        "served, labels hidden": lambda scenario: propose(without_labels(scenario), model())[of_one_resident],
        "same category and trade in 24 h": lambda one: linked(one, same_labels, of_one_resident=of_one_resident),
        f"cosine of {best} and more": by_cosine(best),
    }


def misses(scenarios: Sequence[Scenario], *, of_one_resident: bool) -> list[str]:
    """Each wrong pair of the served model in words."""
    lines: list[str] = []
    for scenario in scenarios:
        gold = scenario.repeats if of_one_resident else scenario.same_fault
        proposed = propose(scenario, model())[of_one_resident]
        for pair in sorted(proposed ^ gold):
            kind = "false" if pair in proposed else "missed"
            old, new = (scenario.texts[place] for place in pair)
            lines.append(f"  {kind:6} {scenario.name} ({scenario.about}): {old!r} / {new!r}")
    return lines


def report(part: Part) -> str:
    """The figures of a part, with every miss."""
    embedder = build.embedder(load_settings())
    fit = [*read("fit", embedder), *read("tuning", embedder)]
    scenarios = read(part, embedder)
    lines = [f"{len(scenarios)} scenarios of the part {part}, {sum(len(one.texts) for one in scenarios)} messages"]
    for what, of_one_resident in (("incidents", False), ("repeats", True)):
        lines.append(f"\n{what}, by pairs, with 95 % intervals over scenarios")
        for name, method in methods(fit, of_one_resident=of_one_resident).items():
            counts = counts_of(scenarios, method, of_one_resident=of_one_resident)
            found = measured(counts)
            wanted = sum(one.hits + one.missed for one in counts)
            lines.append(
                f"  {name:32} precision {found['precision']}  recall {found['recall']}  F1 {f1(counts):.3f}  "
                f"({wanted} pairs to find)"
            )
        lines += misses(scenarios, of_one_resident=of_one_resident)
    return "\n".join(lines)


def main() -> None:
    """Print the report."""
    named = sys.argv[1] if len(sys.argv) > 1 else "test"
    part = next((one for one in get_args(Part) if one == named), None)
    if part is None:
        sys.exit("usage: python -m models.likeness.evaluate [fit|tuning|check|test]")
    print(report(part))  # noqa: T201


if __name__ == "__main__":
    main()
