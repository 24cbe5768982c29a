"""Prints how the served text model, the safety screen and the issue splitter do on the held-out voices."""

import sys
from collections.abc import Sequence

import numpy as np

from adapters.array_files import read_arrays
from adapters.build import embedder as open_embedder
from core.labels import Category, Urgency
from core.ports.intelligence import Embedder
from core.settings import load_settings
from deployments.ai_processing.safety import SafetyScreen
from deployments.ai_processing.text import HEADS, HeadName, TextModel, TextPrediction
from models.corpus_check import near_duplicates
from models.corpus_reader import Message, Split, read_corpus, split_test
from models.text.examples import from_messages
from models.text.heads import known_labels
from models.text.issues import score_issues
from models.text.measures import Alarm, alarm, expected_calibration_error, f1_by_label, macro_f1
from models.text.train import ARTEFACT, CANDIDATES, Embeddings, learn, likeliest_f1, open_screen, served_labels


def main() -> int:
    """Print the tables for the artefact in the settings' folder."""
    settings = load_settings()
    embedder = open_embedder(settings)
    artefact = read_arrays(settings.artefacts_dir / ARTEFACT, ARTEFACT)
    model, screen, embeddings = TextModel(artefact.arrays, artefact.version), open_screen(), Embeddings(embedder)
    split = split_test(read_corpus())
    judging = unseen(split, embedder)
    _say(f"{len(judging)} messages of held-out voices; {len(split.judging) - len(judging)} near-duplicates left out")
    predictions = predict(model, judging, embeddings)
    _print_heads(split.learning, judging, predictions, embeddings)
    _print_alarms(alarms(screen, judging, predictions))
    _print_categories(judging, predictions)
    _say("\nissues")
    for name, value in score_issues(model, embedder, judging).items():
        _say(f"{name:<24}{value:>10.3f}")
    return 0


def unseen(split: Split, embedder: Embedder) -> list[Message]:
    """The messages to judge by that are no near-duplicate of one of another voice."""
    pairs = near_duplicates((*split.learning, *split.judging), embedder)
    copied = {text for pair in pairs for text in (pair.first.text, pair.second.text)}
    return [message for message in split.judging if message.text not in copied]


def predict(model: TextModel, messages: Sequence[Message], embeddings: Embeddings) -> list[TextPrediction]:
    """What the served model says of each message."""
    vectors = embeddings.of(from_messages(messages))
    return model.predict([message.text for message in messages], vectors)


def alarms(screen: SafetyScreen, messages: Sequence[Message], found: Sequence[TextPrediction]) -> dict[str, Alarm]:
    """How the screen alone, the model alone and both call emergencies."""
    actual = np.array([message.urgency is Urgency.EMERGENCY for message in messages])
    fired = np.array([screen.screen(message.text) is not None for message in messages])
    called = np.array([prediction.urgency is Urgency.EMERGENCY for prediction in found])
    return {"screen": alarm(actual, fired), "model": alarm(actual, called), "both": alarm(actual, fired | called)}


def calibration_error(head: HeadName, messages: Sequence[Message], found: Sequence[TextPrediction]) -> float:
    """Expected calibration error of a head, where the message has a label of it."""
    rows, labels = known_labels(head, from_messages(messages))
    probabilities = [found[int(row)].probabilities(head) for row in rows]
    return expected_calibration_error(probabilities, labels)


def _print_heads(
    learning: Sequence[Message], judging: Sequence[Message], found: Sequence[TextPrediction], embeddings: Embeddings
) -> None:
    judged = from_messages(judging)
    _say(f"\n{'macro-F1':<24}" + "".join(f"{head:>10}" for head in HEADS))
    _row("always the commonest", {head: _commonest(head, judging) for head in HEADS})
    for name, blocks in CANDIDATES.items():
        scores = learn(learning, embeddings, blocks).scores(judged, embeddings.of(judged))
        _row(name, {head: likeliest_f1(head, judged, scores) for head in HEADS})
    _row("as served", {head: macro_f1(*served_labels(head, judged, found)) for head in HEADS})
    _row("ECE as served", {head: calibration_error(head, judging, found) for head in HEADS})


def _row(name: str, values: dict[HeadName, float]) -> None:
    _say(f"{name:<24}" + "".join(f"{value:>10.3f}" for value in values.values()))


def _commonest(head: HeadName, messages: Sequence[Message]) -> float:
    _, labels = known_labels(head, from_messages(messages))
    return macro_f1(labels, np.full(len(labels), np.bincount(labels).argmax()))


def _print_alarms(rows: dict[str, Alarm]) -> None:
    _say(f"\n{'Emergency':<24}{'recall':>10}{'precision':>10}{'called':>10}")
    for name, row in rows.items():
        _say(f"{name:<24}{row.recall:>10.3f}{row.precision:>10.3f}{row.called:>10}")


def _print_categories(messages: Sequence[Message], found: Sequence[TextPrediction]) -> None:
    _say(f"\n{'F1 by category':<24}")
    for place, value in f1_by_label(*served_labels("category", from_messages(messages), found)).items():
        _say(f"{list(Category)[place]:<24}{value:>10.3f}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
