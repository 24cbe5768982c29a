"""Makes the text model: fits the lexical heads beside the encoder, and calibrates both together."""

import shutil
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import adapters.message_encoder_onnx
import core.labels
import deployments.ai_processing.issues
import deployments.ai_processing.lexicon
import deployments.ai_processing.safety
import deployments.ai_processing.safety_patterns
import deployments.ai_processing.safety_scope
import deployments.ai_processing.text
import deployments.ai_processing.text_features
import models.corpus_reader
from adapters.array_files import write_arrays
from adapters.artefacts import REFERENCE, BuildReport, files_hash
from adapters.message_encoder_onnx import ENCODER, TOKENIZER, OnnxMessageEncoder
from core.labels import Urgency
from core.ports.intelligence import MessageEncoder, Reading
from deployments.ai_processing.issues import SIGN_OF_ALARM, split_issues
from deployments.ai_processing.lexicon import VERSION as LEXICON_VERSION
from deployments.ai_processing.safety import SafetyFinding, SafetyScreen
from deployments.ai_processing.text import HEADS, HeadName, TextModel, TextPrediction, raises_several
from models.corpus_reader import Message, split
from models.text.cascade_evaluation import open_assessor
from models.text.encoder_artefact import corpus_files
from models.text.examples import GLOSSARY, Example, for_learning, from_messages
from models.text.heads import Heads, best_trust, fit, head_columns, known_labels
from models.text.judgements import classify
from models.text.measures import Floats, Places, macro_f1
from models.text.served import SAFETY_RULES, open_screen

LEAST_PRECISION = 0.85
"""Of all alarms, the rules' and the model's, so many must be true on the voices of validation: 0.80 is the aim, and
unseen voices lose a few points. No more than it takes for people to go on believing alarms: a miss costs more."""
KEPT_WHOLE = 0.96
"""Of the messages with one issue, so many must not be split on the voices of validation. On them the threshold lies
where several issues are about as likely as one; 0.98 left six more of a hundred with several unsplit."""
LIBRARIES = ("numpy", "onnxruntime", "scikit-learn", "scipy", "tokenizers")
MODULES = ("examples", "heads", "measures", "train")


def inputs_hash() -> str:
    """Hash of the corpus, the glossary, the safety rules and the code that fits and serves."""
    served = (
        adapters.message_encoder_onnx,
        core.labels,
        deployments.ai_processing.issues,
        deployments.ai_processing.lexicon,
        deployments.ai_processing.safety,
        deployments.ai_processing.safety_patterns,
        deployments.ai_processing.safety_scope,
        deployments.ai_processing.text,
        deployments.ai_processing.text_features,
        models.corpus_reader,
    )
    code = [Path(__file__).with_name(f"{name}.py") for name in MODULES]
    used = [Path(str(module.__file__)) for module in served]
    return files_hash([*corpus_files(), GLOSSARY, SAFETY_RULES, *code, *used])


def train(corpus: Sequence[Message], encoder_folder: Path, folder: Path) -> BuildReport:
    """Copy the encoder and write the arrays into `folder`; under a minute.

    What is learned comes from the training voices; weights between the two sources of scores, temperatures and
    thresholds from the validation voices; the metrics named `test.` from voices that had no part in any of this.
    """
    splits = split(corpus)
    examples = for_learning(splits.training)
    for name in (ENCODER, TOKENIZER):
        shutil.copyfile(encoder_folder / name, folder / name)
    encoder = OnnxMessageEncoder(folder)
    lexical = fit([example for example in examples if not example.starts])
    arrays = calibrated_arrays(encoder, lexical, open_screen(), splits.validation)
    write_arrays(folder, arrays)
    model = TextModel(encoder, arrays, "unsaved")
    return BuildReport(
        built_with={name: version(name) for name in LIBRARIES},
        metrics={
            **_metrics("validation", model, splits.validation),
            **_metrics("test", model, splits.test),
            "emergency_threshold": round(model.emergency_threshold, 4),
            "rule_precision": round(model.rule_precision.urgency, 4),
            "rule_category_precision": round(model.rule_precision.category, 4),
        },
        details={
            "learned_from": len(splits.training),
            "terms": len(lexical.features.vocabulary),
            "encoder": "all-MiniLM-L6-v2, fine-tuned, int8",
            REFERENCE: label_shares(model, splits.test),
        },
        corpus_hash=files_hash(corpus_files()),
        labels={str(head): labels for head, labels in HEADS.items()},
    )


def calibrated_arrays(
    encoder: MessageEncoder, lexical: Heads, screen: SafetyScreen, validation: Sequence[Message]
) -> dict[str, NDArray[Any]]:
    """What `TextModel` serves from, beside the encoder."""
    examples, texts = from_messages(validation), [message.text for message in validation]
    readings, findings = encoder.read(texts), [screen.screen(text) for text in texts]
    read, by_words = np.array([reading.scores for reading in readings]), lexical.scores(texts)
    scale, weights, bias = np.ones(read.shape[1]), lexical.weights.copy(), lexical.bias.copy()
    for head in HEADS:
        columns = head_columns(head)
        rows, labels = known_labels(head, examples)
        trust = best_trust(read[rows, columns], by_words[rows, columns], labels)
        scale[columns] *= trust.encoder
        weights[:, columns] *= trust.lexical
        bias[columns] *= trust.lexical
        by_words[:, columns] *= trust.lexical
    arrays = {
        **{f"{head}.labels": np.array(labels) for head, labels in HEADS.items()},
        "lexicon": np.array(LEXICON_VERSION),
        "vocabulary": np.array(lexical.features.vocabulary),
        "idf": lexical.features.idf.astype(np.float32),
        "encoder_scale": scale.astype(np.float32),
        "weights": weights.astype(np.float32),
        "bias": bias.astype(np.float32),
        "emergency_threshold": np.array(1.0),
        "rule_precision": np.array(rule_precision(findings, validation)),
        "several_threshold": np.array(several_threshold(readings, validation)),
    }
    alarm = alarm_probabilities(TextModel(encoder, arrays, "without a threshold"), texts)
    fired = np.array([finding is not None for finding in findings])
    return {**arrays, "emergency_threshold": np.array(emergency_threshold(alarm, fired, validation))}


def rule_precision(findings: Sequence[SafetyFinding | None], messages: Sequence[Message]) -> tuple[float, float]:
    """How often an alarm of the rules is true, and how often its category is, counted with one doubtful case more."""
    fired = [(found, message) for found, message in zip(findings, messages, strict=True) if found]
    urgent = sum(message.urgency is Urgency.EMERGENCY for _, message in fired)
    about = sum(found.category is message.category for found, message in fired)
    return (urgent + 0.5) / (len(fired) + 1), (about + 0.5) / (len(fired) + 1)


def alarm_probabilities(model: TextModel, texts: Sequence[str]) -> Floats:
    """How probable an Emergency is to the model: in the whole message, or as served in one of its issues."""
    wholes = model.predict(texts)
    return np.array([_alarm(model, text, whole) for text, whole in zip(texts, wholes, strict=True)])


def _alarm(model: TextModel, text: str, whole: TextPrediction) -> float:
    probability = whole.urgency_probabilities[Urgency.EMERGENCY]
    if probability < SIGN_OF_ALARM:
        return probability
    parts = model.predict(split_issues(text, whole))
    return max([probability, *(part.urgency_probabilities[Urgency.EMERGENCY] for part in parts)])


def emergency_threshold(probabilities: Floats, fired: NDArray[np.bool_], messages: Sequence[Message]) -> float:
    """The lowest probability from which on `LEAST_PRECISION` of all alarms are true, those of the rules included."""
    actual = np.array([message.urgency is Urgency.EMERGENCY for message in messages])
    for threshold in np.linspace(0.05, 0.6, 111).tolist():
        called = fired | (probabilities >= threshold)
        if (actual & called).sum() >= LEAST_PRECISION * called.sum():
            return threshold
    return 0.6


def several_threshold(readings: Sequence[Reading], messages: Sequence[Message]) -> float:
    """The lowest probability of several issues from which `KEPT_WHOLE` of the messages with one stay whole."""
    ones = [reading for reading, message in zip(readings, messages, strict=True) if not message.issues]
    for threshold in np.linspace(0.1, 0.9, 81).tolist():
        whole = sum(not raises_several(reading.counts, threshold) for reading in ones)
        if whole >= KEPT_WHOLE * len(ones):
            return threshold
    return 0.9


def served_labels(
    head: HeadName, examples: Sequence[Example], predictions: Sequence[TextPrediction]
) -> tuple[Places, Places]:
    """The true labels of this head and those chosen when serving, where there is a true one, as places in `HEADS`."""
    rows, labels = known_labels(head, examples)
    name = "maintenance_trade" if head == "trade" else head
    chosen = [HEADS[head].index(getattr(predictions[int(row)], name)) for row in rows]
    return labels, np.array(chosen, dtype=np.intp)


def label_shares(model: TextModel, messages: Sequence[Message]) -> dict[str, dict[str, float]]:
    """What part of the messages gets each value of a label, as a client is answered; a trade's, of those with one.

    Against it the spread of what is served is compared.
    """
    found = classify(open_assessor(model, open_screen()), [message.text for message in messages])
    counted = {head: Counter(str(label) for each in found if (label := getattr(each, head))) for head in HEADS}
    return {
        str(head): {str(label): round(counted[head][label] / counted[head].total(), 6) for label in labels}
        for head, labels in HEADS.items()
    }


def _metrics(part: str, model: TextModel, messages: Sequence[Message]) -> dict[str, float]:
    examples = from_messages(messages)
    predictions = model.predict([message.text for message in messages])
    return {
        f"{part}.{head}_macro_f1": round(macro_f1(*served_labels(head, examples, predictions)), 4) for head in HEADS
    }
