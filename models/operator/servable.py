"""The service's own three risk targets from an operator's history, as the artefact that the service reads."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from adapters.risk_artefact import BOOSTER_SUFFIX, SPECIFICATION
from core.labels import Intent, Status, Urgency
from core.messages import AssessItem, BuildingFacts, PastRequest
from core.request import Classification, RequestId
from deployments.ai_processing.features import FEATURE_NAMES, WINDOW, matrix
from deployments.ai_processing.risk import (
    TARGETS,
    RiskSpecification,
    Target,
    TargetSpecification,
    Weights,
    combined_score,
)
from models.operator.features import Floats, Rows, Timeline
from models.operator.history import History, Report
from models.operator.targets import Target as Outcome
from models.operator.targets import breaches_target, is_escalated, recurs_within
from models.risk.dataset import Part
from models.risk.measures import auc, calibration_error
from models.risk.train import HIGH_QUANTILE, MEDIUM_QUANTILE, Fitted, fit

MOST_PAST = 50
"""As many earlier requests as the service's store gives."""
LEAST_OF_EACH = 20
HOLD_SHARE = 0.2


@dataclass(frozen=True)
class Replay:
    """The reports that the service could have read, as it would have been given them."""

    reports: list[Report]
    features: Rows
    outcomes: dict[Target, Floats]


@dataclass(frozen=True)
class Parts:
    """The three periods, one after the other."""

    fit: slice
    hold: slice
    test: slice


def obstacles(history: History) -> list[str]:
    """Why no servable model can come of this history; empty where one can."""
    mapped = [each for each in history.reports if each.category is not None]
    if not mapped:
        return ["no category is mapped to one of the service's"]
    found = ["no urgency is mapped"] if not any(each.urgency for each in mapped) else []
    outcomes = _outcomes(replace(history, reports=mapped))
    missing = ((target, outcomes[target].lacks(LEAST_OF_EACH)) for target in TARGETS)
    return found + [f"{target}: {why}" for target, why in missing if why]


def replay(history: History) -> Replay:
    """Every report with a category and an urgency as an `AssessItem`, and what became of it."""
    usable = [each for each in history.reports if each.category is not None and each.urgency is not None]
    part = replace(history, reports=usable)
    items = assess_items(usable)
    features = matrix(items, [classification(each) for each in usable])
    return Replay(usable, features, {target: each.outcomes for target, each in _outcomes(part).items()})


def write(history: History, folder: Path, test_share: float) -> dict[str, float]:
    """Boosters and specification into `folder`; returns the figures on the last part of the history.

    Raises `ValueError` where a period has one outcome only.
    """
    played = replay(history)
    parts = _parts(played, test_share)
    fitted: dict[Target, Fitted] = {target: _fit(played, target, parts) for target in TARGETS}
    specification = _specify(fitted, played.features[parts.hold])
    for target, each in fitted.items():
        each.booster.save_model(str(folder / f"{target}{BOOSTER_SUFFIX}"))
    (folder / SPECIFICATION).write_text(specification.model_dump_json(indent=1))
    return _measure(played, fitted, parts)


def classification(report: Report) -> Classification:
    """The labels that the operator gave. What an export can't tell is the same for all, so that no tree looks at it."""
    if report.category is None or report.urgency is None:
        raise ValueError("a report without category or urgency can't be served")
    return Classification(
        category=report.category,
        trade=report.trade,
        urgency=report.urgency,
        intent=report.intent or Intent.SOLVE_PROBLEM,
        confidence=1.0,
        source="user",
        emergency=report.urgency is Urgency.EMERGENCY,
        model_version="operator",
    )


def assess_items(reports: Sequence[Report]) -> list[AssessItem]:
    """What the service would have been given with each report: only what was known when it was created."""
    residents = _Shelf(reports, [each.resident or each.place for each in reports])
    buildings = _Shelf(reports, [each.building for each in reports])
    return [
        AssessItem(
            message_text=report.text,
            at=report.created_at,
            history=tuple(past_request(each, report.created_at) for each in residents.before(index)[-MOST_PAST:][::-1]),
            building=_facts(buildings.before(index), buildings.open_at(index)),
        )
        for index, report in enumerate(reports)
    ]


def past_request(report: Report, at: datetime) -> PastRequest:
    """An earlier report as it stood at a moment. Without a time of its own an escalation shows once it is closed."""
    closed_at = report.closed_at if report.closed_at is not None and report.closed_at < at else None
    noticed = report.escalated_at or report.closed_at
    return PastRequest(
        request_id=RequestId(report.source_id),
        resident_id=report.resident or report.place or "",
        category=report.category,
        trade=report.trade,
        urgency=report.urgency,
        status=Status.CLOSED if closed_at else Status.IN_PROGRESS,
        created_at=report.created_at,
        resolved_at=closed_at,
        breached=_breached(report, closed_at, at),
        escalated=bool(report.escalated) and noticed is not None and noticed < at,
    )


def _breached(report: Report, closed_at: datetime | None, at: datetime) -> bool:
    if report.target_hours is None:
        return False
    due = report.created_at + timedelta(hours=report.target_hours)
    return at >= due if closed_at is None else closed_at > due


class _Shelf:
    """The reports of each resident or building in the order of time."""

    def __init__(self, reports: Sequence[Report], keys: Sequence[str | None]) -> None:
        self._reports, self._keys = reports, keys
        self._members: dict[str, list[Report]] = {}
        self._made: dict[str, list[datetime]] = {}
        self._closed: dict[str, list[datetime]] = {}
        for report, key in zip(reports, keys, strict=True):
            if key is not None:
                self._members.setdefault(key, []).append(report)
                self._made.setdefault(key, []).append(report.created_at)
                # Closed nobody knows when: open for nobody.
                end = report.closed_at or (report.created_at if report.closed else None)
                if end is not None:
                    self._closed.setdefault(key, []).append(end)
        for ends in self._closed.values():
            ends.sort()

    def before(self, index: int) -> list[Report]:
        """Those of the same key that were made before this report, at most 180 days."""
        key, at = self._keys[index], self._reports[index].created_at
        if key is None:
            return []
        made = self._made[key]
        return self._members[key][bisect.bisect_left(made, at - WINDOW) : bisect.bisect_left(made, at)]

    def open_at(self, index: int) -> int:
        """How many of the same key were open when this report was made."""
        key, at = self._keys[index], self._reports[index].created_at
        if key is None:
            return 0
        return bisect.bisect_left(self._made[key], at) - bisect.bisect_left(self._closed.get(key, []), at)


def _facts(recent: list[Report], still_open: int) -> BuildingFacts:
    topics = Counter(str(each.trade or each.category) for each in recent if each.category is not None)
    return BuildingFacts(requests_180d=len(recent), same_trade_180d=dict(topics), open_requests=still_open)


def _outcomes(history: History) -> dict[Target, Outcome]:
    timeline = Timeline.of(history)
    return {
        "recurrence": recurs_within(history, timeline, WINDOW.days),
        "sla_breach": breaches_target(history, timeline),
        "escalation": is_escalated(history, timeline),
    }


def _parts(played: Replay, test_share: float) -> Parts:
    """Cut by time so that the test is the last share of the reports of which all three outcomes are known."""
    known = np.flatnonzero(~np.isnan(np.stack(list(played.outcomes.values()), axis=1)).any(axis=1))
    cut = int(known[int((1.0 - test_share) * len(known))])
    hold = int(known[int((1.0 - test_share) * (1.0 - HOLD_SHARE) * len(known))])
    return Parts(slice(0, hold), slice(hold, cut), slice(cut, len(played.reports)))


def _part(played: Replay, target: Target, period: slice) -> Part:
    """The reports of a period with a known outcome; the columns of the other targets are not looked at."""
    outcomes = np.stack([played.outcomes[each][period] for each in TARGETS], axis=1)
    known = ~np.isnan(played.outcomes[target][period])
    rows = played.features[period][known]
    return Part(samples=[], features=rows, latents=np.empty((len(rows), 0), np.float32), outcomes=outcomes[known])


def _fit(played: Replay, target: Target, parts: Parts) -> Fitted:
    fitting, holding = _part(played, target, parts.fit), _part(played, target, parts.hold)
    index = TARGETS.index(target)
    for part in (fitting, holding):
        if not 0.0 < part.outcomes[:, index].sum() < len(part.outcomes):
            raise ValueError(f"{target}: a part of the training period has one outcome only")
    return fit(target, fitting, holding)


def _specify(fitted: dict[Target, Fitted], holding: Rows) -> RiskSpecification:
    targets: dict[Target, TargetSpecification] = {target: each.specification for target, each in fitted.items()}
    draft = RiskSpecification(features=FEATURE_NAMES, targets=targets, medium_from=0.5, high_from=0.5)
    probabilities = np.stack([fitted[target].probabilities(holding) for target in TARGETS], axis=1)
    scores = combined_score(probabilities, Weights.of(draft))
    medium, high = np.quantile(scores, [MEDIUM_QUANTILE, HIGH_QUANTILE])
    return draft.model_copy(update={"medium_from": float(medium), "high_from": float(high)})


def _measure(played: Replay, fitted: dict[Target, Fitted], parts: Parts) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for index, target in enumerate(TARGETS):
        test = _part(played, target, parts.test)
        outcomes, stated = test.outcomes[:, index], fitted[target].probabilities(test.features)
        metrics[f"{target}_auc"] = round(auc(outcomes, stated), 4)
        metrics[f"{target}_ece"] = round(calibration_error(outcomes, stated), 4)
        metrics[f"{target}_rate"] = round(float(outcomes.mean()), 4)
        metrics[f"{target}_tested"] = float(len(outcomes))
        metrics[f"{target}_baseline_auc"] = round(auc(outcomes, _matter_rates(played, target, parts)), 4)
    return metrics


def _matter_rates(played: Replay, target: Target, parts: Parts) -> Floats:
    """The baseline: the training period's rate of the same category and trade."""
    outcomes = played.outcomes[target]
    matters = np.array([report.matter for report in played.reports])
    training = slice(0, parts.test.start)
    trained = outcomes[training]
    overall = float(np.nanmean(trained))
    rates: dict[str, float] = {}
    for name in set(matters[training].tolist()):
        own = trained[matters[training] == name]
        rates[name] = float(np.nanmean(own)) if (~np.isnan(own)).any() else overall
    asked = matters[parts.test][~np.isnan(outcomes[parts.test])]
    return np.array([rates.get(name, overall) for name in asked.tolist()])
