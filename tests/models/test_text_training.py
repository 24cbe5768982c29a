"""Training the text model: learns from what it is given, and its measures are those of the textbooks."""

from pathlib import Path

import numpy as np
import pytest

from adapters.array_files import read_arrays
from adapters.artefacts import build_once, load
from adapters.embedder_onnx import OnnxEmbedder
from core.errors import Invalid
from core.labels import Category, Urgency
from core.settings import Settings
from deployments.ai_processing.text import HEADS, TextModel
from models.corpus_reader import read_corpus, split_test
from models.text.evaluate import alarms, predict, unseen
from models.text.examples import for_learning, read_glossary
from models.text.heads import best_temperature, fit, head_columns, log_probabilities
from models.text.issues import score_issues
from models.text.measures import alarm, expected_calibration_error, f1_by_label, macro_f1
from models.text.train import Embeddings, emergency_threshold, open_screen


def test_macro_f1_by_hand() -> None:
    actual, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    assert f1_by_label(actual, predicted) == {0: pytest.approx(2 / 3), 1: pytest.approx(0.5)}
    assert macro_f1(actual, predicted) == pytest.approx(7 / 12)


def test_an_alarm_by_hand() -> None:
    found = alarm(np.array([True, True, False, False]), np.array([True, False, True, False]))
    assert (found.recall, found.precision, found.called) == (0.5, 0.5, 2)


def test_calibration_error_by_hand() -> None:
    probabilities = [[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]]
    assert expected_calibration_error(probabilities, np.array([0, 0, 0, 1])) == pytest.approx(0.1)


def test_the_temperature_of_overconfident_scores_is_above_one() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 4000)
    honest = np.eye(3)[labels] * 1.5 + random.gumbel(size=(4000, 3)) * 0.6
    best = best_temperature(honest, labels)
    assert best_temperature(honest * 3, labels) == pytest.approx(3 * best, rel=0.05)


def test_the_threshold_falls_where_a_miss_costs_more_than_it_saves() -> None:
    emergency = HEADS["urgency"].index(Urgency.EMERGENCY)
    probabilities = np.array([0.5, 0.4, 0.3, 0.2, 0.1])
    scores = np.zeros((5, 4))
    scores[:, emergency] = np.log(probabilities / (1 - probabilities) * 3)
    assert np.exp(log_probabilities(scores))[:, emergency] == pytest.approx(probabilities)
    labels = np.where([True, True, True, False, False], emergency, 0)
    assert 0.2 < emergency_threshold(scores, labels) <= 0.3


def test_heads_learn_what_they_are_shown(real_embedder: OnnxEmbedder) -> None:
    examples = read_glossary()
    vectors = real_embedder.embed([example.text for example in examples])
    scores = fit(examples, vectors, ["embedding", "terms"]).scores(examples, vectors)
    predicted = scores[:, head_columns("category")].argmax(axis=1)
    right = [list(Category)[place] is e.category for place, e in zip(predicted.tolist(), examples, strict=True)]
    assert np.mean(right) > 0.95


def test_blocks_that_are_left_out_have_no_weight(real_embedder: OnnxEmbedder) -> None:
    examples = read_glossary()[::4]
    heads = fit(examples, real_embedder.embed([example.text for example in examples]), ["embedding"])
    assert np.abs(heads.weights[:384]).max() > 0
    assert np.abs(heads.weights[384:]).max() == 0


@pytest.mark.parametrize(
    "line", ["no tabs", "a\tBilling\tplumbing\tLow\tsolve_problem", "a\tBilling\t\tSoon\tsolve_problem"]
)
def test_a_wrong_phrase_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "glossary.tsv"
    path.write_text(line)
    with pytest.raises(Invalid, match="line 1"):
        read_glossary(path)


def test_parts_of_messages_and_the_glossary_are_learned_from_too() -> None:
    messages = read_corpus()
    several = [message for message in messages if message.issues]
    expected = len(several) + sum(len(message.issues) for message in several) + len(read_glossary())
    assert len(for_learning(several)) == expected


def test_the_built_model_does_on_unseen_voices_what_its_manifest_says(
    built_settings: Settings, real_embedder: OnnxEmbedder
) -> None:
    """Floors a little below what was measured, so that a change for the worse is seen."""
    metrics = load(built_settings.artefacts_dir / "text", "text").metrics
    assert metrics["test.category_macro_f1"] > 0.76
    assert metrics["test.urgency_macro_f1"] > 0.66
    assert metrics["test.intent_macro_f1"] > 0.86
    assert metrics["test.trade_macro_f1"] > 0.82
    for head in HEADS:
        chosen = metrics[f"validation.embedding+lexical.{head}_macro_f1"]
        assert chosen > metrics[f"validation.tf-idf.{head}_macro_f1"]
        assert chosen > metrics[f"validation.embedding.{head}_macro_f1"]


def test_emergencies_of_unseen_voices(built_settings: Settings, real_embedder: OnnxEmbedder) -> None:
    artefact = read_arrays(built_settings.artefacts_dir / "text", "text")
    model, embeddings = TextModel(artefact.arrays, artefact.version), Embeddings(real_embedder)
    judging = unseen(split_test(read_corpus()), real_embedder)
    found = alarms(open_screen(), judging, predict(model, judging, embeddings))
    assert found["screen"].precision > 0.8
    assert found["both"].recall >= max(found["screen"].recall, found["model"].recall)
    assert found["both"].recall > 0.88
    assert score_issues(model, real_embedder, judging)["exact_one"] > 0.95


def test_training_twice_gives_the_same_artefact(real_embedder: OnnxEmbedder, tmp_path: Path) -> None:
    from adapters.array_files import write_arrays
    from adapters.artefacts import BuildReport
    from models.text.train import CANDIDATES, Validation, serving_arrays

    examples = read_glossary()[::3]
    vectors = real_embedder.embed([example.text for example in examples])

    def make(folder: Path) -> BuildReport:
        heads = fit(examples, vectors, CANDIDATES["embedding+lexical"])
        write_arrays(folder, serving_arrays(heads, Validation(examples, heads.scores(examples, vectors)), 0.9))
        return BuildReport(built_with={})

    first, second = (build_once(tmp_path / name, "text", "same", make).version for name in ("one", "two"))
    assert first == second
