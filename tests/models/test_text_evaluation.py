"""What a client sees, judged: the pieces on messages of known outcome, and the whole on the built model."""

from pathlib import Path

import numpy as np
import pytest

from core.labels import Category, Intent, Trade, Urgency
from core.request import Classification, Confidences, Issue
from core.settings import Settings
from deployments.ai_processing.text import HEADS, TextPrediction
from models.corpus_reader import Message, read_corpus, split
from models.text.alarms import KEYWORDS, MODEL, SCREEN, TOGETHER, alarm_figures, false_alarms, missed
from models.text.baselines import BASELINE, SERVED, compare
from models.text.cascade_evaluation import open_assessor
from models.text.judgements import (
    Judgement,
    RememberedReadings,
    client_labels,
    head_confidences,
    judge,
    open_remembering,
)
from models.text.keywords import label_by_keywords
from models.text.outside import SHARED_DATA, read_utterances, score_outside, utterances_file
from models.text.overruling import overrulings
from models.text.quantisation import compare as compare_quantised
from models.text.served import open_screen
from models.text.slices import language, length_band, slices
from models.text.splitting import split_figures


def judgement(
    text: str = "the tap drips",
    true: tuple[Category, Urgency, Trade | None] = (Category.MAINTENANCE, Urgency.MEDIUM, Trade.PLUMBING),
    found: tuple[Category, Urgency, Trade | None] | None = None,
    rule: str | None = None,
    issues: tuple[tuple[Issue, ...], tuple[Issue, ...]] = ((), ()),
    confidence: float = 0.8,
) -> Judgement:
    category, urgency, trade = found or true
    message = Message.model_construct(
        text=text, voice="a", category=true[0], urgency=true[1], trade=true[2], intent=Intent.SOLVE_PROBLEM,
        issues=issues[0],
    )  # fmt: skip
    client = Classification(
        category=category, urgency=urgency, trade=trade, intent=Intent.SOLVE_PROBLEM, confidence=confidence,
        confidences=Confidences(category=confidence, urgency=0.8, intent=0.8, trade=0.7 if trade else None),
        source="rules" if rule else "model", emergency=urgency is Urgency.EMERGENCY, safety_rule=rule,
        issues=issues[1], model_version="test",
    )  # fmt: skip
    prediction = prediction_of(category, urgency, trade or Trade.GENERAL)
    return Judgement(message, prediction, prediction.urgency is Urgency.EMERGENCY and rule is None, client)


def prediction_of(category: Category, urgency: Urgency, trade: Trade) -> TextPrediction:
    def likely(labels: type, label: str) -> dict[str, float]:
        return {each: 0.8 if each == label else 0.2 / (len(labels) - 1) for each in labels}  # type: ignore[arg-type]

    return TextPrediction(
        likely(Category, category), likely(Urgency, urgency), likely(Intent, Intent.SOLVE_PROBLEM),  # type: ignore[arg-type]
        likely(Trade, trade), emergency_threshold=0.5, several=False, counts=(), starts=(),  # type: ignore[arg-type]
    )  # fmt: skip


FIRE = (Category.MAINTENANCE, Urgency.EMERGENCY, Trade.GENERAL)
NOISE = (Category.COMMUNITY, Urgency.LOW, None)


def test_a_trade_is_judged_where_there_is_a_true_or_a_found_one() -> None:
    tap = (Category.MAINTENANCE, Urgency.MEDIUM, Trade.PLUMBING)
    judged = [judgement(), judgement(true=NOISE), judgement(true=NOISE, found=tap), judgement(true=tap, found=NOISE)]
    actual, found = client_labels("trade", judged)
    plumbing, none = HEADS["trade"].index(Trade.PLUMBING), len(HEADS["trade"])
    assert list(zip(actual.tolist(), found.tolist(), strict=True)) == [
        (plumbing, plumbing),
        (none, plumbing),
        (plumbing, none),
    ]


def test_alarms_by_hand() -> None:
    judged = [
        judgement("fire in the stairs", FIRE, rule="fire"),
        judgement("the wall is glowing", FIRE),
        judgement("it is getting hot in here", FIRE, found=NOISE),
        judgement("my playlist is fire", NOISE, found=FIRE, rule="fire"),
        judgement("a loud party", NOISE),
    ]
    ways = {each.way: each for each in alarm_figures("test", judged)}
    assert (ways[SCREEN].recall.value, ways[SCREEN].precision.value) == (pytest.approx(1 / 3), 0.5)
    assert (ways[MODEL].recall.value, ways[MODEL].precision.value) == (pytest.approx(1 / 3), 1.0)
    assert (ways[TOGETHER].recall.value, ways[TOGETHER].precision.value) == (pytest.approx(2 / 3),) * 2
    assert ways[KEYWORDS].called == 2
    assert [each.message.text for each in missed(judged)] == ["it is getting hot in here"]
    assert [each.message.text for each in false_alarms(judged)] == ["my playlist is fire"]


def test_confidences_are_those_that_the_client_is_given() -> None:
    ruled = judgement("fire", FIRE, found=(Category.OTHER, Urgency.EMERGENCY, None), rule="fire", confidence=0.7)
    confidences, right = head_confidences("category", [judgement(), ruled])
    assert (confidences.tolist(), right.tolist()) == ([0.8, 0.7], [True, False])
    assert head_confidences("trade", [ruled])[0].size == 0


def test_splits_by_hand() -> None:
    def issue(text: str) -> Issue:
        return Issue(text=text, category=Category.BILLING, urgency=Urgency.LOW)

    true = (issue("my rent was charged twice"), issue("the late fee is wrong"))
    whole = "my rent was charged twice. also the late fee is wrong"
    judged = [
        judgement(whole, NOISE, issues=(true, true)),
        judgement(whole, NOISE, issues=(true, ())),
        judgement("one thing. said in two sentences", NOISE),
    ]
    never, sentences, served = split_figures(judged)
    assert (never.exact.value, never.stays_one.value) == (0.0, 1.0)
    assert (sentences.exact.value, sentences.stays_one.value) == (1.0, 0.0)
    assert (served.exact.value, served.close.value, served.stays_one.value) == (0.5, 0.5, 1.0)


def test_what_rules_spoil_is_counted_apart_from_what_issues_do() -> None:
    own = judgement(true=NOISE)
    by_rule = judgement("fire", true=NOISE, found=FIRE, rule="fire")
    by_rule = Judgement(by_rule.message, own.prediction, False, by_rule.found)
    by_issue = Judgement(own.message, own.prediction, False, judgement(true=NOISE, found=FIRE).found)
    category = overrulings([own, by_rule, by_issue])[0]
    assert (category.spoiled_by_rules, category.spoiled_by_issues, category.mended) == (1, 1, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no hay agua caliente", "Spanish"),
        ("¿A qué hora cierra el gym?", "Spanish"),
        ("the señora upstairs is loud and I can not sleep", "English"),
        ("no hot water", "English"),
        ("👍", "English"),
    ],
)
def test_the_language_is_told_by_small_words(text: str, expected: str) -> None:
    assert language(text) == expected


def test_slices_cover_every_message_once_for_each_cut() -> None:
    judged = [judgement(), judgement("no hay agua", NOISE), judgement("a " * 70, FIRE)]
    found = slices(judged)
    for by in ("voice", "length", "language", "category", "urgency", "issues"):
        assert sum(each.messages for each in found if each.by == by) == 3
    assert [length_band("w " * count) for count in (4, 5, 61)] == ["1-4 words", "5-12 words", "61 words and more"]


@pytest.mark.parametrize(
    ("text", "category", "urgency", "intent"),
    [
        ("I smell gas in the kitchen", Category.MAINTENANCE, Urgency.EMERGENCY, Intent.SOLVE_PROBLEM),
        ("what time does the pool close?", Category.AMENITIES, Urgency.LOW, Intent.ANSWER_QUESTION),
        ("let me speak to the manager about my rent", Category.BILLING, Urgency.MEDIUM, Intent.HUMAN_ESCALATION),
        ("kkkk", Category.OTHER, Urgency.MEDIUM, Intent.SOLVE_PROBLEM),
    ],
)
def test_keyword_rules(text: str, category: Category, urgency: Urgency, intent: Intent) -> None:
    found = label_by_keywords(text)
    assert (found["category"], found["urgency"], found["intent"]) == (category, urgency, intent)


def test_no_text_is_read_twice() -> None:
    class Counting:
        def __init__(self) -> None:
            self.texts: list[str] = []

        def read(self, texts: list[str]) -> list[object]:
            self.texts += texts
            return [object() for _ in texts]

    encoder = Counting()
    remembered = RememberedReadings(encoder)  # type: ignore[arg-type]
    one, two, three = remembered.read(["a", "b", "a"])
    assert one is three
    assert one is not two
    assert remembered.read(["b"]) == [two]
    assert encoder.texts == ["a", "b"]


def test_utterances_are_looked_for_where_they_are_said_to_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(SHARED_DATA, str(tmp_path))
    assert utterances_file() is None
    file = tmp_path / "assistant_utterances" / "utterances.csv"
    file.parent.mkdir()
    file.write_text("text,intent,proxy_category\nwho won the cup,oos,out_of_scope\nmy rent,bill_due,billing\n")
    assert utterances_file() == file
    assert [each.category for each in read_utterances(file)] == [Category.OTHER, Category.BILLING]


def test_on_unseen_voices_a_client_sees_what_is_expected(built_settings: Settings, tmp_path: Path) -> None:
    """Every third message of the test voices end to end; floors below what was measured, as machines train unlike."""
    opened = open_remembering(built_settings.artefacts_dir / "text")
    judged = judge(split(read_corpus()).test[::3], opened.model, open_screen())
    for head, floor in {"category": 0.9, "urgency": 0.79, "intent": 0.91, "trade": 0.86}.items():
        known = [each for each in judged if getattr(each.message, head) is not None]
        assert sum(each.right(head) for each in known) / len(known) > floor, head  # type: ignore[arg-type]
    ways = {each.way: each for each in alarm_figures("test", judged)}
    assert ways[TOGETHER].recall.value >= max(ways[SCREEN].recall.value, ways[MODEL].recall.value)
    assert ways[TOGETHER].recall.value > 0.9 > ways[KEYWORDS].recall.value
    assert ways[TOGETHER].precision.value > 0.6
    assert split_figures(judged)[-1].stays_one.value > 0.93
    stated, right = head_confidences("category", judged)
    assert stated[right].mean() > stated[~right].mean() + 0.1
    file = tmp_path / "utterances.csv"
    file.write_text(
        "text,intent,proxy_category\nwho won the world cup in 1998,oos,out_of_scope\n"
        "how do i pay my rent bill,pay_bill,billing\nwhere is my package,order_status,parcel_delivery\n"
    )
    outside = score_outside(read_utterances(file), open_assessor(opened.model, open_screen()))
    assert (outside.questions, outside.other_found.value, outside.in_scope_kept.value) == (3, 1.0, 1.0)
    assert outside.other_f1.value == 1.0


def test_quantising_nothing_costs_nothing(built_settings: Settings) -> None:
    """The same encoder on both sides, on few messages."""
    from models.corpus_reader import Splits
    from models.text.examples import read_glossary
    from models.text.heads import fit

    opened = open_remembering(built_settings.artefacts_dir / "text")
    parts = split(read_corpus())
    few = Splits(parts.training[:1], parts.validation[::12], parts.test[::24])
    losses = compare_quantised(few, opened.encoder, opened.encoder, fit(read_glossary()))
    assert {(each.part, each.head) for each in losses} == {(p, h) for p in ("validation", "test") for h in HEADS}
    assert {each.change for each in losses} == {0.0}


def test_candidates_are_compared_on_the_same_messages(built_settings: Settings) -> None:
    """On a few messages: enough to see that the chosen one leads and that each is judged for every head."""
    from adapters.build import embedder
    from models.corpus_reader import Splits

    opened, parts = open_remembering(built_settings.artefacts_dir / "text"), split(read_corpus())
    few = Splits(parts.training[::40], parts.validation[::20], parts.test[::12])
    results = compare(few, embedder(built_settings), opened)
    found = {(each.candidate, each.part, each.head): each for each in results}
    assert len(found) == len(results) == 7 * 2 * len(HEADS)
    for head in HEADS:
        assert found[BASELINE, "test", head].gain.value == 0.0
        assert found[SERVED, "test", head].macro_f1.value > found[BASELINE, "test", head].macro_f1.value
        value = found[SERVED, "test", head].macro_f1.value - found[BASELINE, "test", head].macro_f1.value
        assert found[SERVED, "test", head].gain.value == pytest.approx(value)
    assert np.isfinite([each.macro_f1.low for each in results]).all()
