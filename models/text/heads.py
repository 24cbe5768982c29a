"""Fits the linear heads and their calibration, at training time only."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np

from deployments.ai_processing.text import HEADS, HeadName
from deployments.ai_processing.text_features import BLOCKS, TextFeatures
from models.text.examples import Example
from models.text.measures import Floats, Places

# scikit-learn and SciPy have no types of their own.
_sparse: Any = import_module("scipy.sparse")
_linear_model: Any = import_module("sklearn.linear_model")
_exceptions: Any = import_module("sklearn.exceptions")

INVERSE_REGULARISATION = 5.0
ITERATIONS = 120
TEMPERATURES: Floats = np.geomspace(0.3, 4.0, 120)


class _Fitted(Protocol):
    coef_: Floats
    intercept_: Floats
    classes_: Places


@dataclass(frozen=True)
class Heads:
    """All heads side by side: scores = features @ weights + bias, columns in the order of `HEADS`."""

    features: TextFeatures
    weights: Floats
    bias: Floats

    def scores(self, examples: Sequence[Example], embeddings: Sequence[bytes]) -> Floats:
        """Raw scores of shape (n, labels of all heads)."""
        rows = [self.features.sparse(e.text, vector) for e, vector in zip(examples, embeddings, strict=True)]
        return np.stack([values @ self.weights[indices] + self.bias for indices, values in rows])


def fit(examples: Sequence[Example], embeddings: Sequence[bytes], blocks: Sequence[str]) -> Heads:
    """Logistic regression for every head on these blocks of `BLOCKS`; the weights of all others are 0."""
    features = TextFeatures.fit(example.text for example in examples)
    matrix = _matrix(features, examples, embeddings, blocks)
    columns = [_fit_head(head, matrix, examples) for head in HEADS]
    return Heads(
        features,
        np.concatenate([weights for weights, _ in columns], axis=1),
        np.concatenate([bias for _, bias in columns]),
    )


def head_columns(head: HeadName) -> slice:
    """Where a head's labels lie among the columns of the scores."""
    names = list(HEADS)
    start = sum(len(HEADS[name]) for name in names[: names.index(head)])
    return slice(start, start + len(HEADS[head]))


def known_labels(head: HeadName, examples: Sequence[Example]) -> tuple[Places, Places]:
    """Which examples have a label of this head, and the label's place in `HEADS`."""
    labels = [getattr(example, head) for example in examples]
    rows = [row for row, label in enumerate(labels) if label is not None]
    return np.array(rows, dtype=np.intp), np.array([HEADS[head].index(labels[row]) for row in rows], dtype=np.intp)


def log_probabilities(scores: Floats) -> Floats:
    """Log-softmax over the last axis."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def best_temperature(scores: Floats, labels: Places) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017); `labels` are column numbers."""
    rows = np.arange(len(labels))
    losses = [-log_probabilities(scores / temperature)[rows, labels].mean() for temperature in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def _matrix(
    features: TextFeatures, examples: Sequence[Example], embeddings: Sequence[bytes], blocks: Sequence[str]
) -> Any:
    kept = np.zeros(features.size, dtype=bool)
    for block in blocks:
        kept[BLOCKS[block]] = True
    rows: list[Places] = []
    columns: list[Places] = []
    values: list[Floats] = []
    for row, (example, embedding) in enumerate(zip(examples, embeddings, strict=True)):
        indices, found = features.sparse(example.text, embedding)
        keep = kept[indices]
        columns.append(indices[keep])
        values.append(found[keep])
        rows.append(np.full(int(keep.sum()), row, dtype=np.intp))
    shape = (len(examples), features.size)
    return _sparse.csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape)


def _fit_head(head: HeadName, matrix: Any, examples: Sequence[Example]) -> tuple[Floats, Floats]:
    rows, labels = known_labels(head, examples)
    model = _linear_model.LogisticRegression(
        C=INVERSE_REGULARISATION, max_iter=ITERATIONS, tol=1e-3, class_weight="balanced"
    )
    with warnings.catch_warnings():
        # The penalty bounds the weights; the last digits of the optimum change no label.
        warnings.simplefilter("ignore", _exceptions.ConvergenceWarning)
        fitted = cast(_Fitted, model.fit(matrix[rows], labels))
    weights = np.zeros((matrix.shape[1], len(HEADS[head])))
    bias = np.full(len(HEADS[head]), -30.0)
    weights[:, fitted.classes_] = fitted.coef_.T
    bias[fitted.classes_] = fitted.intercept_
    return weights, bias
