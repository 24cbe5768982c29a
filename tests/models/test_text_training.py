"""Training the text model: learns from what it is given, and its measures are those of the textbooks."""

import math
from pathlib import Path

import numpy as np
import pytest

from adapters.artefacts import load
from adapters.message_encoder_onnx import OnnxMessageEncoder
from core.errors import Invalid
from core.labels import Category, Intent, Trade, Urgency
from core.ports.intelligence import Reading
from core.settings import Settings
from deployments.ai_processing.safety import SafetyFinding
from deployments.ai_processing.text import HEADS, TextModel
from models.corpus_reader import Message, read_corpus, split
from models.text.encoder_artefact import build
from models.text.examples import Example, for_learning, issue_starts, join_messages, read_glossary
from models.text.heads import best_trust, fit, head_columns, known_labels, log_probabilities
from models.text.measures import alarm, f1_by_label, macro_f1
from models.text.served import open_screen
from models.text.train import (
    KEPT_WHOLE,
    calibrated_arrays,
    emergency_threshold,
    rule_precision,
    several_threshold,
)
from models.text.tuning import Recipe, start_tokens


@pytest.fixture(scope="module")
def corpus() -> tuple[Message, ...]:
    return read_corpus()


class ShoutReader:
    """An encoder that knows one thing: capital letters are an Emergency."""

    def read(self, texts: list[str]) -> list[Reading]:
        return [self._read(text) for text in texts]

    def _read(self, text: str) -> Reading:
        scores = np.zeros(sum(map(len, HEADS.values())))
        scores[head_columns("urgency").start + HEADS["urgency"].index(Urgency.EMERGENCY)] = 4.0 * text.isupper() - 2.0
        return Reading(tuple(scores.tolist()), (1.0, 0.0, 0.0, 0.0), ())


def test_macro_f1_by_hand() -> None:
    actual, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    assert f1_by_label(actual, predicted) == {0: pytest.approx(2 / 3), 1: pytest.approx(0.5)}
    assert macro_f1(actual, predicted) == pytest.approx(7 / 12)


def test_an_alarm_by_hand() -> None:
    found = alarm(np.array([True, True, False, False]), np.array([True, False, True, False]))
    assert (found.recall, found.precision, found.called) == (0.5, 0.5, 2)


def test_overconfident_scores_are_trusted_less_and_useless_ones_not_at_all() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 4000)
    honest = np.eye(3)[labels] * 1.5 + random.gumbel(size=(4000, 3)) * 0.6
    noise = random.normal(size=(4000, 3))
    once, doubled = best_trust(honest, noise, labels), best_trust(honest * 2, noise, labels)
    assert doubled.encoder == pytest.approx(once.encoder / 2, abs=0.1)
    assert once.lexical <= 0.1


def test_log_probabilities_sum_to_one() -> None:
    found = log_probabilities(np.array([[1000.0, 999.0], [-3.0, 5.0]]))
    assert np.exp(found).sum(axis=1) == pytest.approx([1.0, 1.0])


def test_the_lexical_heads_learn_what_they_are_shown() -> None:
    examples = read_glossary()
    scores = fit(examples).scores([example.text for example in examples])
    rows, labels = known_labels("category", examples)
    assert np.mean(scores[rows, head_columns("category")].argmax(axis=1) == labels) > 0.95


def test_the_threshold_of_alarms_keeps_to_its_precision_with_the_rules(corpus: tuple[Message, ...]) -> None:
    quiet = [message for message in corpus if message.category is Category.BILLING][:80]
    loud = [message.model_copy(update={"urgency": Urgency.EMERGENCY}) for message in quiet[:40]]
    messages = [*loud, *quiet[40:]]
    silent, fired = np.zeros(80, dtype=bool), np.arange(80) < 40
    probabilities = np.where(np.arange(80) < 40, 0.5, 0.1)
    probabilities[60:] = 0.4
    assert 0.4 < emergency_threshold(probabilities, silent, messages) <= 0.5
    assert emergency_threshold(np.where(np.arange(80) < 40, 0.5, 0.01), silent, messages) < 0.1
    place = np.arange(80)
    few = np.where(place < 10, 0.5, np.where((place >= 40) & (place < 46), 0.2, 0.01))
    assert emergency_threshold(few, fired, messages) <= 0.2, "six false alarms with the forty true ones of the rules"
    assert emergency_threshold(few, silent, messages) > 0.2, "six with ten"


def test_the_precision_of_the_rules_is_counted_on_what_fired(corpus: tuple[Message, ...]) -> None:
    (gas,) = [message for message in corpus if message.urgency is Urgency.EMERGENCY and message.trade is Trade.PEST][:1]
    finding = SafetyFinding("x", "x", "x", gas.category, gas.trade, "x")
    calm = gas.model_copy(update={"urgency": Urgency.LOW})
    assert rule_precision([finding] * 3 + [None], [gas, gas, calm, calm]) == (2.5 / 4, 3.5 / 4)


def test_the_threshold_of_several_issues_leaves_most_messages_whole(corpus: tuple[Message, ...]) -> None:
    ones = [message for message in corpus if not message.issues][:100]
    doubtful = math.floor(100 * (1 - KEPT_WHOLE)) + 1
    readings = [Reading((), (0.0, 0.0, -9.0, -9.0), ()) for _ in range(doubtful)]
    readings += [Reading((), (3.0, 0.0, -9.0, -9.0), ()) for _ in range(100 - doubtful)]
    assert several_threshold(readings, ones) > 0.5


def test_calibrated_arrays_serve(corpus: tuple[Message, ...]) -> None:
    """What is written is what the text model reads, and an alarm of the encoder's alone comes through."""
    lexical = fit(read_glossary())
    shouted = [
        message.model_copy(update={"text": message.text.upper()}) if message.urgency is Urgency.EMERGENCY else message
        for message in split(corpus).validation[::4]
    ]
    encoder = ShoutReader()
    model = TextModel(encoder, calibrated_arrays(encoder, lexical, open_screen(), shouted), "test")
    calm, loud = model.predict(["the tap drips a little", "THE TAP DRIPS A LITTLE"])
    probability = Urgency.EMERGENCY
    assert loud.urgency_probabilities[probability] > 10 * calm.urgency_probabilities[probability]
    assert loud.urgency is Urgency.EMERGENCY
    assert calm.trade is Trade.PLUMBING


@pytest.mark.parametrize(
    "line", ["no tabs", "a\tBilling\tplumbing\tLow\tsolve_problem", "a\tBilling\t\tSoon\tsolve_problem"]
)
def test_a_wrong_phrase_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "glossary.tsv"
    path.write_text(line)
    with pytest.raises(Invalid, match="line 1"):
        read_glossary(path)


def test_joined_messages_say_where_each_begins(corpus: tuple[Message, ...]) -> None:
    joined = join_messages(split(corpus).training, 60, seed=3)
    known = {message.text[:12].lower() for message in corpus}
    assert len(joined) == 60
    for example in joined:
        assert len(example.starts) >= 2
        assert all(example.text[start : start + 12].lower() in known for start in example.starts[1:-1])
    assert joined == join_messages(split(corpus).training, 60, seed=3)


def test_parts_of_messages_are_learned_from_too(corpus: tuple[Message, ...]) -> None:
    several = [message for message in split(corpus).training if message.issues]
    texts = {example.text for example in for_learning(several)}
    assert {issue.text for message in several for issue in message.issues} <= texts
    assert {phrase.text for phrase in read_glossary()} <= texts


def test_issues_begin_where_they_stand(corpus: tuple[Message, ...]) -> None:
    several = [message for message in corpus if message.issues]
    for message in several:
        starts = issue_starts(message)
        assert len(starts) == len(message.issues)
        assert all(0 <= start < len(message.text) for start in starts)


def test_a_start_is_the_token_that_holds_it() -> None:
    offsets = [(0, 0), (0, 3), (4, 7), (7, 9), (0, 0)]
    assert start_tokens(offsets, [4]) == [2]
    assert start_tokens(offsets, [3]) == [2], "a space belongs to the word behind it"
    assert start_tokens(offsets, [50]) == []


def test_an_encoder_of_a_few_steps_is_exported_and_reads(corpus: tuple[Message, ...], tmp_path: Path) -> None:
    """Too little to learn from, but everything from the examples to the file is gone through."""
    voices = split(corpus)
    # Of fewer than three messages by one voice, none are joined, which keeps this short.
    one_each = list({m.voice: m for m in voices.training if len(m.text.split()) < 12}.values())
    few = [*one_each, *voices.validation[:6]]
    report = build(few, tmp_path, Recipe(epochs=1, batch=32, frozen_layers=5), tell=lambda _: None)
    assert {f"int8.{head}_macro_f1" for head in HEADS} <= set(report.metrics)
    first, again = OnnxMessageEncoder(tmp_path).read(["the tap drips", "the tap drips"])
    assert first == again
    assert len(first.scores) == sum(map(len, HEADS.values()))
    assert [place for place, _ in first.starts] == [0, 4, 8]


def test_the_built_model_does_on_unseen_voices_what_is_expected(built_settings: Settings) -> None:
    """Floors a little below what was measured, so that a change for the worse is seen."""
    metrics = load(built_settings.artefacts_dir / "text", "text").metrics
    floors = {"category": 0.88, "urgency": 0.80, "intent": 0.92, "trade": 0.88}
    for head, floor in floors.items():
        assert metrics[f"test.{head}_macro_f1"] > floor, head


def test_an_example_may_lack_an_intent() -> None:
    examples = [
        Example("a", Category.BILLING, Urgency.LOW, None, None),
        Example("b", Category.OTHER, Urgency.LOW, Intent.SOLVE_PROBLEM, None),
    ]
    rows, labels = known_labels("intent", examples)
    assert (rows.tolist(), labels.tolist()) == ([1], [HEADS["intent"].index(Intent.SOLVE_PROBLEM)])
