"""The ways of labelling that were compared before one was chosen, all trained on the voices of training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import numpy as np

from core.ports.intelligence import Embedder
from deployments.ai_processing.text import HEADS, HeadName
from models.corpus_reader import Message, Splits
from models.text.examples import Example, for_learning, from_messages
from models.text.figures import Interval, macro_f1_gain, macro_f1_interval
from models.text.heads import fit_head, head_columns, known_labels
from models.text.judgements import OpenedText
from models.text.keywords import label_by_keywords
from models.text.measures import Floats, Places
from models.text.train import served_labels

# scikit-learn and XGBoost are typed in part only.
_extraction: Any = import_module("sklearn.feature_extraction.text")
_xgboost: Any = import_module("xgboost")

Labels = dict[HeadName, Places]
"""Found labels of every message, as places in `HEADS`."""
COMMONEST, KEYWORDS = "always the commonest label", "keyword rules"
TF_IDF, EMBEDDING = "TF-IDF + logistic regression", "sentence embedding + logistic regression"
TREES = "sentence embedding + XGBoost"
ENCODER, SERVED = "fine-tuned encoder alone", "encoder + lexical heads (chosen)"
BASELINE = TF_IDF
"""What gains are measured against: the strongest that needs no network."""


@dataclass(frozen=True)
class Result:
    """How one way of labelling did for one head on one part of the messages."""

    candidate: str
    part: str
    head: HeadName
    macro_f1: Interval
    gain: Interval
    """Over `BASELINE`."""


def compare(splits: Splits, embedder: Embedder, opened: OpenedText) -> tuple[Result, ...]:
    """Every candidate on the voices of validation, by which the choice was made, and of the test.

    The trade is judged on Maintenance messages, whatever their category was taken for.
    """
    examples = [example for example in for_learning(splits.training) if not example.starts]
    parts = {"validation": splits.validation, "test": splits.test}
    candidates: dict[str, Callable[[Sequence[Message]], Labels]] = {
        COMMONEST: _commonest(examples),
        KEYWORDS: _by_keywords,
        TF_IDF: _tf_idf(examples),
        **_embedded(examples, embedder),
        ENCODER: lambda messages: _encoder_alone(messages, opened),
        SERVED: lambda messages: _as_served(messages, opened),
    }
    results: list[Result] = []
    for part, messages in parts.items():
        found = {name: label(messages) for name, label in candidates.items()}
        results += [_result(name, part, head, messages, found) for name in found for head in HEADS]
    return tuple(results)


def _result(name: str, part: str, head: HeadName, messages: Sequence[Message], found: Mapping[str, Labels]) -> Result:
    rows, actual = known_labels(head, from_messages(messages))
    own, baseline = found[name][head][rows], found[BASELINE][head][rows]
    size = len(HEADS[head])
    return Result(name, part, head, macro_f1_interval(actual, own, size), macro_f1_gain(actual, own, baseline, size))


def _commonest(examples: Sequence[Example]) -> Callable[[Sequence[Message]], Labels]:
    places = {head: int(np.bincount(known_labels(head, examples)[1]).argmax()) for head in HEADS}

    def label(messages: Sequence[Message]) -> Labels:
        return _of_each_head(lambda head: np.full(len(messages), places[head]))

    return label


def _by_keywords(messages: Sequence[Message]) -> Labels:
    found = [label_by_keywords(message.text) for message in messages]
    return _of_each_head(lambda head: np.array([HEADS[head].index(each[head]) for each in found]))


def _tf_idf(examples: Sequence[Example]) -> Callable[[Sequence[Message]], Labels]:
    """Words and pairs of words, and logistic regression."""
    terms = _extraction.TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, strip_accents="unicode")
    matrix = terms.fit_transform([example.text for example in examples])
    heads = {head: fit_head(head, matrix, examples) for head in HEADS}

    def label(messages: Sequence[Message]) -> Labels:
        rows = terms.transform([message.text for message in messages])
        return _of_each_head(lambda head: _likeliest(rows @ heads[head][0] + heads[head][1]))

    return label


def _embedded(examples: Sequence[Example], embedder: Embedder) -> dict[str, Callable[[Sequence[Message]], Labels]]:
    """Two ways to learn from the vectors of the sentence embedder, which reads no text twice."""
    known: dict[str, Floats] = {}

    def vectors(texts: Sequence[str]) -> Floats:
        unread = [text for text in dict.fromkeys(texts) if text not in known]
        for text, vector in zip(unread, embedder.embed(unread), strict=True):
            known[text] = np.frombuffer(vector, dtype="<f4").astype(np.float64)
        return np.stack([known[text] for text in texts])

    matrix = vectors([example.text for example in examples])
    linear = {head: fit_head(head, matrix, examples) for head in HEADS}
    trees = {head: _fit_trees(head, matrix, examples) for head in HEADS}

    def by_regression(messages: Sequence[Message]) -> Labels:
        rows = vectors([message.text for message in messages])
        return _of_each_head(lambda head: _likeliest(rows @ linear[head][0] + linear[head][1]))

    def by_trees(messages: Sequence[Message]) -> Labels:
        rows = vectors([message.text for message in messages])
        return _of_each_head(lambda head: cast(Places, trees[head].predict(rows)).astype(np.intp))

    return {EMBEDDING: by_regression, TREES: by_trees}


def _fit_trees(head: HeadName, matrix: Floats, examples: Sequence[Example]) -> Any:
    rows, labels = known_labels(head, examples)
    weights = len(labels) / np.bincount(labels)[labels]
    model = _xgboost.XGBClassifier(
        n_estimators=120, max_depth=4, learning_rate=0.2, subsample=0.8, colsample_bytree=0.25, max_bin=64,
        tree_method="hist", n_jobs=2, random_state=0,
    )  # fmt: skip
    return model.fit(matrix[rows], labels, sample_weight=weights)


def _encoder_alone(messages: Sequence[Message], opened: OpenedText) -> Labels:
    scores = np.array([reading.scores for reading in opened.encoder.read([message.text for message in messages])])
    return _of_each_head(lambda head: _likeliest(scores[:, head_columns(head)]))


def _as_served(messages: Sequence[Message], opened: OpenedText) -> Labels:
    predictions = opened.model.predict([message.text for message in messages])
    examples = from_messages(messages)
    labels: dict[HeadName, Places] = {}
    for head in HEADS:
        rows, _ = known_labels(head, examples)
        labels[head] = np.zeros(len(messages), dtype=np.intp)
        labels[head][rows] = served_labels(head, examples, predictions)[1]
    return labels


def _of_each_head(find: Callable[[HeadName], Places]) -> Labels:
    return {head: find(head) for head in HEADS}


def _likeliest(scores: Floats) -> Places:
    return np.asarray(scores).argmax(axis=1)
