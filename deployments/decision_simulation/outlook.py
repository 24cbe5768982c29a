"""Writes a simulated option down, and says what is to be expected of it."""

from collections.abc import Callable

from core.entry import EntryTerms
from core.request import Estimate, ResolutionOption
from core.rules import ApprovalLimits, OptionTemplate
from deployments.decision_simulation.options import Match, Subject, write_option
from deployments.decision_simulation.sampling import Samples, quantile
from deployments.decision_simulation.scoring import Outlook, Scales, faded_impact, remaining_share
from deployments.decision_simulation.triangular import Floats


def judged_option(
    match: Match,
    samples: Samples,
    scales: Scales,
    until_due_hours: float,
    limits: ApprovalLimits,
    subject: Subject,
    terms: Callable[[OptionTemplate], EntryTerms | None],
) -> ResolutionOption:
    """The option with its distributions, its chance to miss the target, and the tier that its cost needs.

    `terms` says what a visit of such a template waits for; each step of a plan has its own.
    """
    cost = estimate(samples.cost_usd)
    patience = remaining_share(samples.hours, scales.target_hours)
    in_time = int(samples.hours.searchsorted(until_due_hours, side="right"))
    return write_option(
        match.entry,
        cost=cost,
        hours=estimate(samples.hours),
        breach=round(1.0 - in_time / samples.hours.size, 4),
        impact=round(faded_impact(match.entry.template.satisfaction_impact, patience), 4),
        tier=limits.tier(cost.p90),
        note="" if match.plan else subject.note,
        source=match.source,
        citations=match.citations,
        plan=tuple(
            step.model_copy(update={"entry": terms(part.template)})
            for step, part in zip(match.plan, match.components, strict=True)
        ),
        terms=None if match.plan else terms(match.entry.template),
        issues=subject.issues,
    )


def outlook_of(option: ResolutionOption, match: Match, samples: Samples, scales: Scales) -> Outlook:
    """From the option as it is written down, so that a decision on the written option agrees."""
    left = remaining_share(samples.hours, scales.risk_half_life_hours)
    return Outlook(
        option_id=option.option_id,
        mean_cost_usd=option.estimated_cost_usd.mean,
        mean_hours=option.estimated_time_hours.mean,
        harm_avoided=match.entry.template.effectiveness * option.share_addressed * left,
        satisfaction_impact=option.resident_satisfaction_impact,
        breach_probability=option.sla_breach_probability,
    )


def estimate(ascending: Floats) -> Estimate:
    """Mean, median, 90th percentile and deciles of an ascending sample, to two decimals."""
    return Estimate(
        mean=round(float(ascending.sum()) / ascending.size, 2),
        p50=round(quantile(ascending, 0.5), 2),
        p90=round(quantile(ascending, 0.9), 2),
        deciles=tuple(round(quantile(ascending, tenth / 10), 2) for tenth in range(1, 10)),
    )
