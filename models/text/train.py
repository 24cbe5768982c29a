"""Trains the text model: compares three kinds of features, calibrates the best and writes its arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import core.labels
import deployments.ai_processing.lexicon
import deployments.ai_processing.safety
import deployments.ai_processing.text
import deployments.ai_processing.text_features
import models.corpus_reader
from adapters.array_files import write_arrays
from adapters.artefacts import BuildReport, files_hash
from adapters.safety_rules import read_safety_rules
from core.labels import Urgency
from core.ports.intelligence import Embedder
from deployments.ai_processing.lexicon import VERSION as LEXICON_VERSION
from deployments.ai_processing.safety import SafetyScreen
from deployments.ai_processing.text import HEADS, HeadName, TextModel, TextPrediction
from models.corpus_reader import CORPUS, Message, split_test, validation_splits
from models.text.examples import GLOSSARY, Example, for_learning, from_messages
from models.text.heads import (
    Heads,
    best_temperature,
    fit,
    head_columns,
    known_labels,
    log_probabilities,
)
from models.text.measures import Floats, Places, macro_f1

ARTEFACT = "text"
SAFETY_RULES = Path(deployments.ai_processing.safety.__file__).parent / "safety_rules.yaml"
CANDIDATES: dict[str, tuple[str, ...]] = {
    "tf-idf": ("terms",),
    "embedding": ("embedding",),
    "embedding+lexical": ("embedding", "concepts", "shape", "terms"),
}
"""Kinds of features that are compared, by name: blocks of `text_features.BLOCKS`."""
MISS_COST = 3.0
"""How many false alarms a missed emergency is worth when the threshold is chosen."""
LIBRARIES = ("numpy", "scikit-learn", "scipy")


@dataclass
class Embeddings:
    """Remembers the embedding of each text, since folds and candidates share them."""

    embedder: Embedder
    known: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def of(self, examples: Sequence[Example]) -> list[bytes]:
        """The examples' unit vectors, in order."""
        missing = sorted({example.text for example in examples} - self.known.keys())
        self.known.update(zip(missing, self.embedder.embed(missing), strict=True))
        return [self.known[example.text] for example in examples]


@dataclass(frozen=True)
class Validation:
    """Scores for the development voices, each by heads that never saw it."""

    examples: list[Example]
    scores: Floats

    def macro_f1(self) -> dict[HeadName, float]:
        """By head."""
        return {head: likeliest_f1(head, self.examples, self.scores) for head in HEADS}


def inputs_hash() -> str:
    """Hash of the corpus, the glossary, the safety rules and the code that makes and serves the heads."""
    modules = (
        core.labels,
        deployments.ai_processing.lexicon,
        deployments.ai_processing.safety,
        deployments.ai_processing.text,
        deployments.ai_processing.text_features,
        models.corpus_reader,
    )
    code = [path for path in Path(__file__).parent.glob("*.py") if path.name not in ("evaluate.py", "issues.py")]
    served = [Path(str(module.__file__)) for module in modules]
    return files_hash([*CORPUS.glob("*.jsonl"), GLOSSARY, SAFETY_RULES, *code, *served])


def train(corpus: Sequence[Message], embedder: Embedder, folder: Path) -> BuildReport:
    """Write the arrays of the best candidate into `folder`; about a minute.

    The candidate, the temperatures and the emergency threshold are chosen on voices that the judged heads never saw;
    the final heads learn from all development voices. The metrics are of the two voices held out from all of this.
    """
    embeddings = Embeddings(embedder)
    split = split_test(corpus)
    validations = {name: validate(split.learning, embeddings, blocks) for name, blocks in CANDIDATES.items()}
    chosen = max(validations, key=lambda name: float(np.mean(list(validations[name].macro_f1().values()))))
    heads = learn(split.learning, embeddings, CANDIDATES[chosen])
    arrays = serving_arrays(heads, validations[chosen], rule_precision(split.learning))
    write_arrays(folder, arrays)
    return BuildReport(
        built_with={name: version(name) for name in LIBRARIES},
        metrics=_metrics(validations, split.judging, embeddings, TextModel(arrays, "unsaved")),
        details={"features": chosen, "terms": len(heads.features.vocabulary), "learned_from": len(split.learning)},
    )


def learn(messages: Sequence[Message], embeddings: Embeddings, blocks: Sequence[str]) -> Heads:
    """Heads from these messages, their parts and the glossary."""
    examples = for_learning(messages)
    return fit(examples, embeddings.of(examples), blocks)


def validate(development: Sequence[Message], embeddings: Embeddings, blocks: Sequence[str]) -> Validation:
    """Scores of every development message by heads that learned from other voices."""
    examples: list[Example] = []
    scores: list[Floats] = []
    for split in validation_splits(development):
        judged = from_messages(split.judging)
        examples += judged
        scores.append(learn(split.learning, embeddings, blocks).scores(judged, embeddings.of(judged)))
    return Validation(examples, np.concatenate(scores))


def likeliest_f1(head: HeadName, examples: Sequence[Example], scores: Floats) -> float:
    """Macro-F1 of the likeliest labels; the trade over messages of Maintenance only."""
    rows, labels = known_labels(head, examples)
    predicted = scores[rows, head_columns(head)].argmax(axis=1)
    return macro_f1(labels, predicted)


def serving_arrays(heads: Heads, validation: Validation, precision: float) -> dict[str, NDArray[Any]]:
    """What `TextModel` serves from; the temperatures are divided into the weights."""
    weights, bias, scores = heads.weights.copy(), heads.bias.copy(), validation.scores.copy()
    for head in HEADS:
        columns = head_columns(head)
        rows, labels = known_labels(head, validation.examples)
        temperature = best_temperature(scores[rows, columns], labels)
        for array in (weights, bias, scores):
            array[..., columns] /= temperature
    _, urgencies = known_labels("urgency", validation.examples)
    return {
        **{f"{head}.labels": np.array(labels) for head, labels in HEADS.items()},
        "vocabulary": np.array(heads.features.vocabulary),
        "idf": heads.features.idf.astype(np.float32),
        "weights": weights.astype(np.float32),
        "bias": bias.astype(np.float32),
        "lexicon": np.array(LEXICON_VERSION),
        "emergency_threshold": np.array(emergency_threshold(scores[:, head_columns("urgency")], urgencies)),
        "rule_precision": np.array(precision),
    }


def served_labels(
    head: HeadName, examples: Sequence[Example], predictions: Sequence[TextPrediction]
) -> tuple[Places, Places]:
    """The true labels of this head and those chosen when serving, where there is a true one, as places in `HEADS`."""
    rows, labels = known_labels(head, examples)
    name = "maintenance_trade" if head == "trade" else head
    chosen = [HEADS[head].index(getattr(predictions[int(row)], name)) for row in rows]
    return labels, np.array(chosen, dtype=np.intp)


def emergency_threshold(scores: Floats, labels: Places) -> float:
    """The probability from which calling it an Emergency costs least, a miss counting `MISS_COST` false alarms."""
    emergency = HEADS["urgency"].index(Urgency.EMERGENCY)
    probabilities = np.exp(log_probabilities(scores))[:, emergency]
    actual = labels == emergency
    thresholds = np.linspace(0.05, 0.6, 111)
    costs = [
        MISS_COST * int((actual & (probabilities < each)).sum()) + int((~actual & (probabilities >= each)).sum())
        for each in thresholds
    ]
    return float(thresholds[int(np.argmin(costs))])


def rule_precision(development: Sequence[Message]) -> float:
    """How often a message on which a rule fires is an Emergency, with one imagined case of each kind added."""
    screen = open_screen()
    fired = [message for message in development if screen.screen(message.text)]
    right = sum(message.urgency is Urgency.EMERGENCY for message in fired)
    return (right + 1) / (len(fired) + 2)


def open_screen() -> SafetyScreen:
    """The life-safety screen with the reviewed rules."""
    return SafetyScreen.from_rules(read_safety_rules(SAFETY_RULES))


def _metrics(
    validations: dict[str, Validation], judging: Sequence[Message], embeddings: Embeddings, model: TextModel
) -> dict[str, float]:
    found = {
        f"validation.{name}.{head}_macro_f1": value
        for name, validation in validations.items()
        for head, value in validation.macro_f1().items()
    }
    examples = from_messages(judging)
    predictions = model.predict([example.text for example in examples], embeddings.of(examples))
    for head in HEADS:
        found[f"test.{head}_macro_f1"] = macro_f1(*served_labels(head, examples, predictions))
    found["emergency_threshold"] = model.emergency_threshold
    found["rule_precision"] = model.rule_precision
    return {name: round(value, 4) for name, value in found.items()}
