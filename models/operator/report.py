"""The written report of a training, in Markdown."""

from collections.abc import Mapping
from typing import Any

from models.operator.study import DurationFigures, Findings, Judgement

RISKS = ("recurrence", "sla_breach", "escalation")


def written(details: Mapping[str, Any], findings: Findings, servable: Mapping[str, float]) -> str:
    """What was trained on, how well it predicts, and what could not be learned."""
    parts = [
        f"# What was learned from {details['trained_on']}\n",
        f"{details['reports']} reports from {details['first_report']} to {details['last_report']}; new reports known "
        f"until {details['reports_until']}, closures until {details['closures_until']}. "
        f"Content {details['history_content'][:12]}.\n",
        "Trained on the first part by time, measured on the last. Brackets hold 95 % intervals (bootstrap over "
        "places); `gain` is the model's AUC less the row's, paired; `by chance` is what ECE "
        "would be in the mean if every stated probability were true.\n",
    ]
    for judgement in findings.judgements:
        parts += _target(judgement)
    parts += _durations(findings)
    if findings.missing:
        parts.append("## Not learned\n")
        parts.append("\n".join(f"- {name}: {why}" for name, why in findings.missing.items()) + "\n")
    parts += _servable(details, servable)
    return "\n".join(parts)


def _target(judgement: Judgement) -> list[str]:
    how = "only what was settled when the test began was trained on" if judgement.embargo else "first part, last part"
    rows = [
        f"| {name} | {each.auc} | {each.gain} | {each.brier:.3f} | {each.ece:.3f} | {each.ece_by_chance:.3f} "
        f"| {each.mean:.3f} |"
        for name, each in judgement.results.items()
    ]
    blends = "; ".join(f"{share} {loss:.4f}" for share, loss in judgement.blends.items())
    tried = "; ".join(f"{name} {loss:.4f}" for name, loss in judgement.tried.items())
    return [
        f"## {judgement.target} ({how})\n",
        f"{judgement.means.capitalize()}. Trained on {judgement.trained} (rate {judgement.rate_trained:.3f}), tested "
        f"on {judgement.tested} (rate {judgement.rate_tested:.3f}); {judgement.left_out} left out as not settled, "
        f"{judgement.undecided} because their status does not tell whether they were dealt with.\n",
        "| | AUC | gain | Brier | ECE | by chance | mean stated |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *rows,
        f"\nChosen: {judgement.chosen}; calibration {judgement.calibration}. Log loss on later parts of the training "
        f"period, each at its own level: {tried}. By the trees' share: {blends}.\n",
    ]


def _durations(findings: Findings) -> list[str]:
    if not findings.durations:
        return ["## Time to close\n", "Too few closed reports to train on.\n"]
    rows = [
        f"| p{100 * each.quantile:.0f} | {each.model_loss} | {each.baseline_loss} | {each.gain} "
        f"| {_coverage(each.model_coverage, each.model_judged)} "
        f"| {_coverage(each.baseline_coverage, each.baseline_judged)} |"
        for each in findings.durations
    ]
    return [
        "## Time to close\n",
        f"Tested on {findings.durations[0].tested}. Pinball loss in days, cut at what the export could show; coverage "
        "is the share closed within the quantile, of those whose quantile could be seen.\n",
        *(_source(each) for each in findings.durations),
        "| | loss | category's (Kaplan-Meier) | gain | coverage | category's |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
    ]


def _source(figures: DurationFigures) -> str:
    losses = ", ".join(f"{name} {loss:.3f}" for name, loss in figures.on_folds.items())
    what = "the category's" if figures.by_category else "the model's"
    return (
        f"p{100 * figures.quantile:.0f}: {what} is stated; losses on later parts of the training period: "
        f"{losses}; {figures.visible_on_folds:.0%} of the model's lay within what was seen there.\n"
    )


def _coverage(share: float, judged: int) -> str:
    return f"{share:.3f} of {judged}" if judged else "all stated beyond what could be seen"


def _servable(details: Mapping[str, Any], figures: Mapping[str, float]) -> list[str]:
    if not figures:
        reasons = "\n".join(f"- {why}" for why in details["not_servable_because"])
        return ["## Servable risk artefact\n", f"Not written; what is missing:\n\n{reasons}\n"]
    rows = [
        f"| {risk} | {figures[f'{risk}_rate']:.3f} | {figures[f'{risk}_auc']:.3f} | {figures[f'{risk}_ece']:.3f} "
        f"| {figures[f'{risk}_baseline_auc']:.3f} | {figures[f'{risk}_tested']:.0f} |"
        for risk in RISKS
    ]
    return [
        "## Servable risk artefact\n",
        "| risk | rate | AUC | ECE | AUC of the matter's rate | tested on |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
    ]
