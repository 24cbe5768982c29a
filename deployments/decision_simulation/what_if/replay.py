"""Replays the same work in the present and in the changed system, replication by replication, and compares."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from core.errors import Invalid
from core.rules import RuleBook
from core.what_if import ComparedFigure, Comparison, WhatIfOrder, Work
from deployments.decision_simulation.simulation import ReportedJob
from deployments.decision_simulation.what_if.arrivals import arrivals_of, background, crews_and_vendors, span_of
from deployments.decision_simulation.what_if.chart import chart_of
from deployments.decision_simulation.what_if.kinds import Kinds, kinds_of
from deployments.decision_simulation.what_if.scenario import apply, warnings
from deployments.decision_simulation.what_if.statistics import paired
from deployments.decision_simulation.what_if.system import Outcome, Shared, System

Tell = Callable[[float], None]
"""Takes the share of the replications that are made."""

UNITS = {
    "sla_breach_share": "share",
    "sla_breaches": "requests",
    "late_response_share": "share",
    "cost_total_usd": "USD",
    "cost_mean_usd": "USD",
    "satisfaction_impact": "-1 to 1",
    "hours_to_done": "hours",
    "waiting_hours": "hours",
    "utilisation": "share",
}
WHOLE = tuple(UNITS)[:7]

Measures = dict[tuple[str, str | None], float]
"""The figures of one replication of one system, by name and resource."""


@dataclass(frozen=True)
class Pair:
    """One replication of both systems."""

    present: Measures
    changed: Measures
    counted: int


class Replay:
    """An order made ready: rules applied, options chosen. Raises `Invalid` for a change that is not legal or where
    there is nothing to replay."""

    def __init__(self, rules: RuleBook, order: WhatIfOrder, zone: ZoneInfo) -> None:
        self.order, self._rules, self._zone = order, rules, zone
        self._changed_rules = apply(rules, order.scenario)
        work = order.work
        self.kinds: Kinds = kinds_of(work, rules, self._changed_rules, zone, order.seed)
        kinds = self.kinds.kinds
        if not any(kind.counted for kind in kinds):
            raise Invalid("There is nothing to replay: no request of it has an option that somebody carries out.")
        self._span = span_of(work, zone)
        present = [(kind, kind.present) for kind in kinds]
        changed = [(kind, kind.changed) for kind in kinds]
        self._present = System(rules, rules, present, work, self._span, zone)
        self._changed = System(self._changed_rules, rules, changed, work, self._span, zone)

    def replicate(self, replication: int) -> Pair:
        """One replication of both systems, on the same arrivals and random numbers."""
        order = self.order
        arrivals = arrivals_of(order.work, self.kinds.kinds, self._span, order.seed, replication)
        shared: Shared = {}
        present = self._present.run(arrivals, self._others(self._rules, self._present, replication), shared)
        others = self._others(self._changed_rules, self._changed, replication)
        changed = self._changed.run(arrivals, others, shared)
        return Pair(_measures(present), _measures(changed), int(arrivals.counted.sum()))

    def compare(
        self, pairs: Iterable[Pair], tell: Tell | None = None, cancelled: Callable[[], bool] = bool
    ) -> Comparison:
        """The comparison of the replications, or of those that were made before it was cancelled.

        Raises `Invalid` where it was cancelled before two of them.
        """
        made: list[Pair] = []
        for pair in _until(pairs, cancelled):
            made.append(pair)
            if tell is not None:
                tell(len(made) / self.order.replications)
        if len(made) < 2:
            raise Invalid("It was cancelled before there was anything to compare.")
        return self._comparison(made)

    def _others(self, rules: RuleBook, system: System, replication: int) -> dict[str, list[ReportedJob]]:
        """Usual jobs of others: a vendor's other customers; for a backlog, also what comes in from now on."""
        crews = self.order.work.source == "backlog"
        servers = {
            key: one
            for key, one in crews_and_vendors(rules).items()
            if key in system.used and (crews or key in rules.vendors)
        }
        return background(servers, self._span, self.order.seed, replication)

    def _comparison(self, pairs: list[Pair]) -> Comparison:
        order, work = self.order, self.order.work
        figures = tuple(_figure(name, resource, pairs) for name, resource in _names(pairs))
        return Comparison(
            scenario=order.scenario,
            source=work.source,
            begin=work.begin,
            end=work.end,
            counted=round(float(np.mean([pair.counted for pair in pairs])), 2),
            skipped=self.kinds.skipped,
            switched=self.kinds.switched,
            replications=len(pairs),
            complete=len(pairs) == order.replications,
            seed=order.seed,
            kb_version=self._rules.kb_version,
            policy_version=self._rules.policy_version,
            figures=figures,
            notes=(*order.notes, *self._notes(work, figures)),
            chart=chart_of(figures),
        )

    def _notes(self, work: Work, figures: tuple[ComparedFigure, ...]) -> Iterator[str]:
        scenario = self.order.scenario
        yield from warnings(self._rules, scenario, self._changed_rules)
        if work.source == "synthetic":
            yield (
                "Synthetic: arrivals are drawn from the crews' usual jobs per week, spread evenly over the crews' own "
                "options, with hands-on times of the crews' usual mean; they are no requests that were made."
            )
        if self.kinds.unknown_options:
            yield f"{self.kinds.unknown_options} chosen options are in no document; the recommended ones are replayed."
        full = [f for f in figures if f.name == "utilisation" and f.changed.mean >= 1.0]
        for each in full:
            yield f"{each.resource} is asked for {each.changed.mean:.0%} of its duty hours with the change."
        same = all(f.difference.low == f.difference.high == 0.0 for f in figures)
        if same and not scenario.empty:
            yield "Nothing in this replay depends on what was changed."


def replay(
    rules: RuleBook,
    order: WhatIfOrder,
    zone: ZoneInfo,
    tell: Tell | None = None,
    cancelled: Callable[[], bool] = bool,
) -> Comparison:
    """Run the order here, one replication after the other; equal orders give equal comparisons.

    Raises `Invalid` for a change that is not legal, where there is nothing to replay, or where it was cancelled before
    there was anything to compare.
    """
    prepared = Replay(rules, order, zone)
    return prepared.compare(map(prepared.replicate, range(order.replications)), tell, cancelled)


def _until(pairs: Iterable[Pair], cancelled: Callable[[], bool]) -> Iterator[Pair]:
    for pair in pairs:
        yield pair
        if cancelled():
            return


def _measures(outcome: Outcome) -> Measures:
    values = dict(
        zip(
            WHOLE,
            (
                outcome.breached.mean() if outcome.breached.size else np.nan,
                outcome.breached.sum(),
                outcome.answered_late.mean() if outcome.breached.size else np.nan,
                outcome.cost_usd.sum(),
                outcome.cost_usd.mean() if outcome.breached.size else np.nan,
                outcome.impact.mean() if outcome.breached.size else np.nan,
                outcome.hours.mean() if outcome.breached.size else np.nan,
            ),
            strict=True,
        )
    )
    whole: Measures = {(name, None): float(value) for name, value in values.items()}
    waits: Measures = {("waiting_hours", key): value for key, value in outcome.waiting_hours.items()}
    return whole | waits | {("utilisation", key): value for key, value in outcome.utilisation.items()}


def _names(pairs: list[Pair]) -> list[tuple[str, str | None]]:
    """Every figure, those of the whole first, then by crew and vendor."""
    found = {name for pair in pairs for name in (*pair.present, *pair.changed)}
    return sorted(found, key=lambda name: (name[1] is not None, name[1] or "", list(UNITS).index(name[0])))


def _figure(name: str, resource: str | None, pairs: list[Pair]) -> ComparedFigure:
    key, absent = (name, resource), 0.0 if name == "utilisation" else np.nan
    present = np.array([pair.present.get(key, absent) for pair in pairs])
    changed = np.array([pair.changed.get(key, absent) for pair in pairs])
    one, other, difference = paired(present, changed)
    return ComparedFigure(
        name=name, unit=UNITS[name], resource=resource, present=one, changed=other, difference=difference
    )
