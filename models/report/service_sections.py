"""The sections on what a message meets besides its labels: alarms, issues, other questions, cost, masking, speed."""

from models.report.document import Block, Bullets, Folded, Heading, Paragraph, Table
from models.text.alarms import SCREEN
from models.text.evaluate import TextEvaluation
from models.text.judgements import Judgement
from models.text.outside import SHARED_DATA

EXCERPT = 160


def alarms(found: TextEvaluation) -> list[Block]:
    """Emergencies."""
    rows = [
        (each.part, each.way, str(each.emergencies), str(each.called), str(each.recall), str(each.precision))
        for each in found.alarms
    ]
    return [
        Heading(2, "Emergencies"),
        Table(["voices", "called by", "emergencies", "called", "recall", "precision"], rows),
        Paragraph(
            "Keyword rules are the baseline. The model alone calls a message an emergency where it sees one in it or "
            "in one of its issues. The threshold from which it does was fitted on the voices of validation."
        ),
        *_overfitted(found),
        Folded(f"Emergencies that were missed ({len(found.missed)})", [_messages(found.missed)]),
        Folded(f"False alarms ({len(found.false_alarms)})", [_messages(found.false_alarms)]),
    ]


def _overfitted(found: TextEvaluation) -> list[Block]:
    screen = {each.part: each for each in found.alarms if each.way == SCREEN}
    if screen["validation"].recall.low <= screen["test"].recall.high:
        return []
    return [
        Paragraph(
            "**The screen does better on the voices of validation than chance explains:** its rules know them. What is "
            "fitted there on rules and model together, the threshold and the rules' own confidence, rests on figures "
            "that are too good, and only those of the test voices may be believed."
        )
    ]


def splitting(found: TextEvaluation) -> list[Block]:
    """Messages with several issues."""
    rows = [
        (each.way, str(each.several), str(each.same_number), str(each.exact), str(each.close), str(each.stays_one))
        for each in found.splitting
    ]
    columns = ["way", "messages with several", "same number", "exact split", "stricter split", "one stays one"]
    return [
        Heading(2, "Messages with several issues"),
        Table(columns, rows),
        Paragraph(
            "Exact: as many issues, and each holds at least 70 % of the words of its labelled one; what a person said "
            "besides may stand in either. Stricter: each shares half of the words of both, so that what is too long "
            "counts as wrong, too. The first two rows are the baselines."
        ),
    ]


def outside(found: TextEvaluation) -> list[Block]:
    """Questions that have nothing to do with a building."""
    other = next((each for each in found.heads["category"].labels if each.label == "Other"), None)
    own = (
        f"`Other` on the test voices: F1 {other.f1}, precision {other.precision}, recall {other.recall}."
        if other
        else ""
    )
    blocks: list[Block] = [Heading(2, "Out of scope"), Paragraph(own)]
    figures = found.outside
    if figures is None:
        return [*blocks, Paragraph(f"Not checked on other people's questions: `{SHARED_DATA}` holds none.")]
    taken = ", ".join(f"{category} {count}" for category, count in figures.taken_for.items())
    rows = [
        ("out of scope, called `Other`", str(figures.other_found), "0.000 (never `Other`)"),
        ("called `Other`, out of scope", str(figures.other_precision), "0.556 (always `Other`)"),
        ("bills and parcels, not called `Other`", str(figures.in_scope_kept), "0.000 (always `Other`)"),
        ("bills and parcels, with the very category", str(figures.in_scope_right), "0.750 (always Billing)"),
    ]
    return [
        *blocks,
        Paragraph(
            f"On {figures.questions} questions that a crowd wrote for an assistant of another kind (CLINC150): F1 of "
            f"`Other` {figures.other_f1}. Many of those on bills and parcels concern phone contracts, cards and "
            "orders rather than a home, so `Other` is often no mistake there."
        ),
        Table(["share", "found", "baseline"], rows),
        Paragraph(f"The questions out of scope were taken for: {taken}."),
    ]


def quantisation(found: TextEvaluation) -> list[Block]:
    """What int8 costs."""
    blocks: list[Block] = [Heading(2, "What quantising costs")]
    loss = found.quantisation
    if loss.encoder is None:
        blocks.append(Paragraph("The encoder's manifest holds no measurement."))
    else:
        rows = [(head, f"{one:.4f}", f"{two:.4f}", f"{two - one:+.4f}") for head, (one, two) in loss.encoder.items()]
        blocks += [
            Paragraph("Macro-F1 by the encoder alone on the voices of validation, as its build measured it:"),
            Table(["head", "original", "int8", "change"], rows),
        ]
    if loss.served is None:
        return [*blocks, Paragraph("As served it was not measured: `python -m models.text.quantisation` trains anew.")]
    rows = [
        (e.part, e.head, f"{e.original:.4f}", f"{e.quantised:.4f}", f"{e.change:+.4f} [{e.low:+.4f}, {e.high:+.4f}]")
        for e in loss.served.losses
    ]
    state = "" if loss.is_current else " **It was measured for an older encoder.**"
    network = "the very encoder" if loss.served.same_network else "another training by the same recipe"
    return [
        *blocks,
        Paragraph(f"Macro-F1 of the labels as served, each calibrated for itself; of {network}.{state}"),
        Table(["voices", "head", "original", "int8", "change"], rows),
    ]


def cascade(found: TextEvaluation) -> list[Block]:
    """What is sent on to a language model."""
    figures = found.cascade
    rows = [
        (
            f"{e.floor:.2f}",
            f"{e.sent_on:.3f}",
            f"{e.local_kept:.3f}",
            f"{e.break_even:.3f}",
            f"{e.with_opinions(1.0):.3f}",
        )
        for e in figures.trades
    ]
    below = ", ".join(f"{head} {share:.0%}" for head, share in figures.wrong_below.items())
    return [
        Heading(2, "What is sent on to a language model"),
        Paragraph(
            f"With the floor of {figures.floor:.2f} that is set, {figures.sent_on} of the messages are sent on; the "
            f"highest floor that keeps to the aim is {figures.highest_floor:.2f}. Of the wrong local labels, these lie "
            f"below the floor, where an opinion could mend them: {below}. No language model was asked: what one can "
            "buy is bounded by the last column. The baseline is never asking: every label right on "
            f"{found.confidence.all_right}."
        ),
        Folded(
            "By floor",
            [
                Table(
                    ["floor", "sent on", "right of those kept", "break-even", "all right, with perfect opinions"], rows
                )
            ],
        ),
    ]


def masking(found: TextEvaluation) -> list[Block]:
    """What masking costs."""
    rows = [
        (head, *(f"{value:.3f}" for value in (e.agreement, e.agreement_renamed, e.right, e.right_masked)))
        for head, e in found.masking.items()
    ]
    count = len(found.test)
    return [
        Heading(2, "Masking personal data"),
        Table(
            ["head", "same label when masked", "same with other names (baseline)", "right", "right when masked"], rows
        ),
        Paragraph(f"Shares of the {count} test messages that have the label; by chance they vary by about 0.01."),
    ]


def speed(found: TextEvaluation) -> list[Block]:
    """Time and memory."""
    figures = found.speed
    rows = [
        ("one message, p50", f"{figures.p50_ms:.1f} ms", f"{figures.wall_p50_ms:.1f} ms"),
        ("batches of 32, messages a second", f"{figures.per_second:.0f}", f"{figures.wall_per_second:.0f}"),
    ]
    return [
        Heading(2, "Speed and memory"),
        Table(["assess: labels, issues and risk", "CPU time of one core", "by the clock"], rows),
        Paragraph(
            f"Best of five rounds over {figures.messages:.0f} test messages, one thread, while "
            f"{figures.load:.1f} processes wanted one of {figures.cores:.0f} cores. At its peak the process held "
            f"{figures.peak_mib:.0f} MiB, with Ray Serve loaded as in a replica."
        ),
    ]


def corpus(found: TextEvaluation) -> list[Block]:
    """Whether the test can be trusted."""
    findings = found.corpus
    said = [
        f"Messages that two voices wrote in nearly the same words: {len(findings.repeated)}; of these, in two of "
        f"training, validation and test: {len(findings.leaking)}. Texts of at most four words may recur.",
        f"Nearly equal texts that are labelled differently: {len(findings.contradicting)}.",
    ]
    return [Heading(2, "The corpus"), Bullets(said)]


def misses(found: TextEvaluation) -> list[Block]:
    """Every wrong label of the test, for whoever wants to know why."""
    wrong = [each for each in found.test if not each.all_right]
    return [
        Heading(2, "Appendix: every message with a wrong label"),
        Folded(f"{len(wrong)} of {len(found.test)} messages", [_messages(wrong)]),
    ]


def _messages(judged: "tuple[Judgement, ...] | list[Judgement]") -> Table:
    rows = [
        (_excerpt(each.message.text), each.message.voice, _labels(each.message), _labels(each.found),
         each.found.safety_rule or "", f"{each.found.confidence:.2f}")
        for each in judged
    ]  # fmt: skip
    return Table(["message", "voice", "true", "found", "rule", "confidence"], rows)


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT else line[: EXCERPT - 1].rstrip() + "…"


def _labels(labelled: object) -> str:
    heads = ("category", "trade", "urgency", "intent")
    return ", ".join(str(value) for head in heads if (value := getattr(labelled, head)) is not None)
