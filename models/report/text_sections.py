"""The sections on labels: what was chosen, how good it is, how sure it is, and for whom it is worse."""

from collections.abc import Sequence
from pathlib import Path

from deployments.ai_processing.text import HEADS, HeadName
from models.corpus_reader import Message
from models.report import pictures
from models.report.document import Block, Folded, Heading, Paragraph, Picture, Table
from models.text.baselines import BASELINE, KEYWORDS, TF_IDF, Result
from models.text.evaluate import HeadFigures, TextEvaluation
from models.text.overruling import overrulings


def judged_on(found: TextEvaluation) -> list[Block]:
    """What was learned from and what judged by."""
    splits = found.splits
    parts = {"training": splits.training, "validation": splits.validation, "test": splits.test}
    return [
        Heading(2, "What the figures are of"),
        Table(
            ["part", "messages", "voices", "several issues", "emergencies", "used for"],
            [_part(name, messages) for name, messages in parts.items()],
        ),
        Paragraph(
            "No voice is in two parts. All figures are of the test voices where nothing else is said, and of what a "
            "client is answered: rules, model and split issues together, without a language model. Brackets hold 95 % "
            "intervals: macro-F1 by bootstrap over messages, shares by Wilson's formula. They say how far chance among "
            "these writers' messages reaches. **The test voices are few**, so another writer may fare worse or better "
            "than the interval says; the lowest and highest single voice are given for that. All messages were written "
            "for this purpose by authors in the role of residents; none is a real resident's."
        ),
    ]


def choice(found: TextEvaluation, folder: Path) -> list[Block]:
    """The comparison that the choice was made by."""
    pictures.draw_comparison(found.comparison, folder / "comparison.png")
    return [
        Heading(2, "How the classifier was chosen"),
        Paragraph(
            "Macro-F1 of the labels by themselves: without the safety rules, and with the trade judged on Maintenance "
            "messages alone. All learned from the same texts of the training voices. The choice was made on the voices "
            "of validation; as the last row's weights and thresholds were fitted on them too, its figures there are "
            f"somewhat too good. `gain` is over {BASELINE}, paired on the same messages."
        ),
        Heading(3, "Validation voices"),
        _comparison(found.comparison, "validation"),
        Heading(3, "Test voices"),
        _comparison(found.comparison, "test"),
        Picture("comparison.png", "Macro-F1 of each candidate with 95 % intervals"),
    ]


def labels(found: TextEvaluation, folder: Path) -> list[Block]:
    """Each head as a client sees it."""
    pictures.draw_confusion(found.heads, folder / "confusion.png")
    return [
        Heading(2, "Labels, as a client sees them"),
        Table(
            ["label", "macro-F1", "lowest to highest voice", KEYWORDS, TF_IDF],
            [_head_row(each, found.comparison) for each in found.heads.values()],
        ),
        Paragraph(
            "The trade is judged wherever there is a true or a found one, so that a wrong category counts against it; "
            "the two baselines, as in the comparison above, on Maintenance messages alone, which flatters them. Every "
            f"label right: {found.confidence.all_right} of the messages."
        ),
        Paragraph(
            "What became of the text model's own labels, in messages: the baseline is to leave them as they are."
        ),
        Table(
            ["label", "right, spoiled by a safety rule", "right, spoiled by the leading issue", "wrong, mended"],
            [
                (each.head, str(each.spoiled_by_rules), str(each.spoiled_by_issues), str(each.mended))
                for each in overrulings(found.test)
            ],
        ),
        Picture("confusion.png", "Confusion matrices: counts of messages, shaded by share of the true label"),
        *(Folded(f"{head}: each label", [_label_table(figures)]) for head, figures in found.heads.items()),
    ]


def confidence(found: TextEvaluation, folder: Path) -> list[Block]:
    """Calibration, and what abstaining buys."""
    floor = found.cascade.floor
    pictures.draw_reliability(found.heads, folder / "reliability.png")
    pictures.draw_coverage(found.heads, found.confidence, floor, folder / "coverage.png")
    named = {head: each.calibration for head, each in found.heads.items()}
    return [
        Heading(2, "Confidence, and abstaining"),
        Table(
            ["confidence of", "calibration error", "by chance alone"],
            [(name, str(each.error), f"{each.by_chance:.3f}") for name, each in named.items()],
        ),
        Paragraph(
            "Expected calibration error over ten bins of equal width. The baseline is the last column: what "
            "confidences that are true to the letter would show on so many messages. Resampling adds noise, so the "
            "intervals lie higher than the error itself. These are the confidences that a client is given for "
            "each label, after rules and issues had their say; `confidence` itself is that of the category."
        ),
        Picture("reliability.png", "Reliability: stated confidence and share right; grey bars: how many messages"),
        Table(["answered from", *HEADS, "client: every label"], _coverage_rows(found)),
        Paragraph("Each cell: share answered → share of these that is right. The first row answers everything."),
        Picture("coverage.png", "Coverage and accuracy as the floor rises"),
    ]


def sliced(found: TextEvaluation, folder: Path) -> list[Block]:
    """The slice report."""
    overall = found.confidence.all_right.value
    pictures.draw_slices(found.slices, overall, folder / "slices.png")
    rows = [
        (each.by, each.name, str(each.messages), *(str(each.right[head]) for head in HEADS), str(each.all_right),
         str(each.category_f1))
        for each in found.slices
    ]  # fmt: skip
    return [
        Heading(2, "Slices"),
        Paragraph(
            f"Shares of messages with the right label, of Maintenance messages for the trade; the baseline is all "
            f"messages together, {overall:.3f} with every label right. The language is told by its small words."
        ),
        Picture("slices.png", "Share of messages with every label right, by slice, with 95 % intervals"),
        Folded(
            "All slices in numbers",
            [Table(["by", "slice", "messages", *HEADS, "every label", "category macro-F1"], rows)],
        ),
    ]


def _part(name: str, messages: Sequence[Message]) -> tuple[str, ...]:
    uses = {"training": "learning", "validation": "choosing, calibrating", "test": "judging alone"}
    several = sum(bool(message.issues) for message in messages)
    emergencies = sum(message.urgency == "Emergency" for message in messages)
    voices = len({message.voice for message in messages})
    return name, str(len(messages)), str(voices), str(several), str(emergencies), uses[name]


def _comparison(results: Sequence[Result], part: str) -> Table:
    names = list(dict.fromkeys(result.candidate for result in results))
    cells = {(each.candidate, each.head): each for each in results if each.part == part}
    rows = [(name, *(_compared(cells[name, head]) for head in HEADS)) for name in names]
    return Table(["candidate", *HEADS], rows)


def _compared(result: Result) -> str:
    gain = "" if result.candidate == BASELINE else f"; gain {result.gain.value:+.3f}"
    spread = "" if not gain else f" [{result.gain.low:+.3f}, {result.gain.high:+.3f}]"
    return f"{result.macro_f1}{gain}{spread}"


def _head_row(found: HeadFigures, results: Sequence[Result]) -> tuple[str, ...]:
    low, high = found.voices
    baselines = [_baseline(results, name, found.head) for name in (KEYWORDS, TF_IDF)]
    return found.head, str(found.macro_f1), f"{low:.3f} to {high:.3f}", *baselines


def _baseline(results: Sequence[Result], name: str, head: HeadName) -> str:
    return next(str(e.macro_f1) for e in results if (e.candidate, e.head, e.part) == (name, head, "test"))


def _label_table(found: HeadFigures) -> Table:
    rows = [(e.label, str(e.support), str(e.f1), str(e.precision), str(e.recall)) for e in found.labels]
    return Table(["label", "messages", "F1", "precision", "recall"], rows)


def _coverage_rows(found: TextEvaluation) -> list[tuple[str, ...]]:
    curves = [*(each.coverage for each in found.heads.values()), found.confidence.coverage]
    rows: list[tuple[str, ...]] = []
    for floor in sorted({0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, found.cascade.floor}):
        points = [min(curve, key=lambda point: abs(point.floor - floor)) for curve in curves]
        mark = " (set)" if floor == found.cascade.floor else ""
        rows.append((f"{floor:.2f}{mark}", *(f"{100 * p.coverage:.1f} % → {p.accuracy:.3f}" for p in points)))
    return rows
