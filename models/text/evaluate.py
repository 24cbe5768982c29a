"""Measures the text model on voices that it never saw; every figure as data (`python -m models.text.evaluate`)."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from adapters.artefacts import load
from adapters.build import embedder as open_embedder
from core.settings import Settings, load_settings
from deployments.ai_processing.text import HEADS, HeadName
from models.corpus_check import CorpusFindings, check
from models.corpus_reader import Message, Splits, read_corpus, split
from models.text import cascade_evaluation as cascade
from models.text.alarms import AlarmFigures, alarm_figures, false_alarms, missed
from models.text.baselines import Result, compare
from models.text.encoder_artefact import ARTEFACT as ENCODER
from models.text.figures import (
    Calibration,
    CoveragePoint,
    Interval,
    LabelFigures,
    calibration,
    confusion,
    coverage_curve,
    label_figures,
    macro_f1_interval,
    share,
)
from models.text.judgements import Judgement, OpenedText, client_labels, head_confidences, judge, open_remembering
from models.text.masking_evaluation import MaskingFigures
from models.text.masking_evaluation import compare as compare_masked
from models.text.outside import OutsideFigures, read_utterances, score_outside, utterances_file
from models.text.quantisation import QuantisationFigures, read_report
from models.text.served import ARTEFACT, open_screen
from models.text.slices import Slice, slices
from models.text.speed import SpeedFigures, measure_speed
from models.text.splitting import SplitFigures, split_figures


@dataclass(frozen=True)
class HeadFigures:
    """One label of a message, as a client sees it."""

    head: HeadName
    macro_f1: Interval
    voices: tuple[float, float]
    """The lowest and the highest macro-F1 of a single voice."""
    labels: tuple[LabelFigures, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Rows: true labels in the order of `HEADS`, and "none"; columns: found ones."""
    calibration: Calibration
    """Of the text model's probability of its likeliest label."""
    coverage: tuple[CoveragePoint, ...]


@dataclass(frozen=True)
class ConfidenceFigures:
    """Of the whole answer."""

    coverage: tuple[CoveragePoint, ...]
    """By the confidence in the least certain label; `accuracy` is the share with every label right."""
    all_right: Interval


@dataclass(frozen=True)
class CascadeFigures:
    """What is sent on to a language model; none was asked."""

    floor: float
    sent_on: Interval
    highest_floor: float
    """That keeps to the aim."""
    now: cascade.Trade
    trades: tuple[cascade.Trade, ...]
    wrong_below: dict[HeadName, float]


@dataclass(frozen=True)
class QuantisationLoss:
    """Macro-F1 on the voices of validation by the encoder alone, before and after; None where not known."""

    encoder: dict[HeadName, tuple[float, float]] | None
    served: QuantisationFigures | None
    """The text model as it serves, if it was measured."""
    is_current: bool
    """`served` was measured for the encoder at hand."""


@dataclass(frozen=True)
class TextEvaluation:
    """Everything that is known of the text model."""

    version: str
    splits: Splits
    test: tuple[Judgement, ...]
    comparison: tuple[Result, ...]
    heads: dict[HeadName, HeadFigures]
    confidence: ConfidenceFigures
    slices: tuple[Slice, ...]
    alarms: tuple[AlarmFigures, ...]
    missed: tuple[Judgement, ...]
    false_alarms: tuple[Judgement, ...]
    splitting: tuple[SplitFigures, ...]
    outside: OutsideFigures | None
    quantisation: QuantisationLoss
    cascade: CascadeFigures
    masking: dict[HeadName, MaskingFigures]
    speed: SpeedFigures
    corpus: CorpusFindings


def evaluate(settings: Settings, tell: Callable[[str], None] = print) -> TextEvaluation:
    """Measure the built text model; some minutes on two cores. Raises `ArtefactRefused`."""
    splits = split(read_corpus())
    opened, screen = open_remembering(settings.artefacts_dir / ARTEFACT), open_screen()
    tell("  the speed of a replica ...")
    speed = measure_speed()
    tell("  the messages of held-out voices ...")
    test, validation = judge(splits.test, opened.model, screen), judge(splits.validation, opened.model, screen)
    tell("  what else could have been chosen ...")
    comparison = compare(splits, open_embedder(settings), opened)
    return TextEvaluation(
        version=opened.model.version,
        splits=splits,
        test=tuple(test),
        comparison=comparison,
        heads={head: head_figures(head, test) for head in HEADS},
        confidence=confidence_figures(test),
        slices=slices(test),
        alarms=(*alarm_figures("validation", validation), *alarm_figures("test", test)),
        missed=tuple(missed(test)),
        false_alarms=tuple(false_alarms(test)),
        splitting=split_figures(test),
        outside=_outside(opened),
        quantisation=_quantisation(settings),
        cascade=_cascade(splits.test, opened, settings.llm_confidence_floor),
        masking={**compare_masked(splits.test, opened.model)},
        speed=speed,
        corpus=check((*splits.training, *splits.validation, *splits.test)),
    )


def head_figures(head: HeadName, judged: Sequence[Judgement]) -> HeadFigures:
    """Figures of one head, end to end."""
    actual, found = client_labels(head, judged)
    size = len(HEADS[head])
    by_voice = [
        macro_f1_interval(*client_labels(head, [each for each in judged if each.message.voice == voice]), size).value
        for voice in sorted({each.message.voice for each in judged})
    ]
    confidences, right = head_confidences(head, judged)
    return HeadFigures(
        head=head,
        macro_f1=macro_f1_interval(actual, found, size),
        voices=(min(by_voice), max(by_voice)),
        labels=label_figures(actual, found, HEADS[head]),
        confusion=confusion(actual, found, size + 1),
        calibration=calibration(confidences, right),
        coverage=coverage_curve(confidences, right),
    )


def confidence_figures(judged: Sequence[Judgement]) -> ConfidenceFigures:
    """How far the stated confidence can be trusted."""
    least = np.array([each.found.least_confidence for each in judged])
    all_right = np.array([each.all_right for each in judged])
    return ConfidenceFigures(
        coverage=coverage_curve(least, all_right),
        all_right=share(int(all_right.sum()), len(judged)),
    )


def _outside(opened: OpenedText) -> OutsideFigures | None:
    file = utterances_file()
    if file is None:
        return None
    return score_outside(read_utterances(file), cascade.open_assessor(opened.model, open_screen()))


def _quantisation(settings: Settings) -> QuantisationLoss:
    manifest = load(settings.artefacts_dir / ENCODER, ENCODER)
    metrics = manifest.metrics
    names: dict[HeadName, tuple[str, str]] = {
        head: (f"original.{head}_macro_f1", f"int8.{head}_macro_f1") for head in HEADS
    }
    known = all(name in metrics for pair in names.values() for name in pair)
    both: dict[HeadName, tuple[float, float]] = {
        head: (metrics[one], metrics[two]) for head, (one, two) in names.items() if known
    }
    served = read_report(settings.state_dir)
    return QuantisationLoss(
        encoder=both or None,
        served=served,
        is_current=served is not None and served.encoder == manifest.version,
    )


def _cascade(messages: Sequence[Message], opened: OpenedText, floor: float) -> CascadeFigures:
    judged = cascade.judge(messages, cascade.open_assessor(opened.model, open_screen()))
    now = cascade.trade_off(judged, floor)
    return CascadeFigures(
        floor=floor,
        sent_on=share(round(now.sent_on * len(judged)), len(judged)),
        highest_floor=cascade.highest_floor(judged),
        now=now,
        trades=tuple(cascade.trade_off(judged, each) for each in sorted({*cascade.FLOORS, floor})),
        wrong_below=cascade.wrong_below(judged, floor),
    )


def main() -> int:
    """Print the main figures; `python -m models.report` writes all of them."""
    found = evaluate(load_settings())
    for result in found.comparison:
        _say(f"{result.part:<12}{result.candidate:<40}{result.head:<10}{result.macro_f1}")
    for head, figures in found.heads.items():
        _say(f"{'client':<12}{'as a client sees it':<40}{head:<10}{figures.macro_f1}")
    for each in found.alarms:
        _say(f"{each.part:<12}{each.way:<40}recall {each.recall}, precision {each.precision}")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
