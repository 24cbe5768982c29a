"""Fits the lexical heads and how much they and the encoder are trusted, at training time only."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np

from deployments.ai_processing.text import HEADS, HeadName
from deployments.ai_processing.text_features import TextFeatures
from models.text.examples import Example
from models.text.measures import Floats, Places

# scikit-learn and SciPy have no types of their own.
_sparse: Any = import_module("scipy.sparse")
_linear_model: Any = import_module("sklearn.linear_model")
_exceptions: Any = import_module("sklearn.exceptions")

INVERSE_REGULARISATION = 5.0
ITERATIONS = 120
SCALES: Floats = np.arange(0.3, 2.6, 0.1)
SHARES: Floats = np.arange(0.0, 1.05, 0.1)


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

    def scores(self, texts: Sequence[str]) -> Floats:
        """Log-odds of shape (n, labels of all heads)."""
        rows = [self.features.sparse(text) for text in texts]
        return np.stack([values @ self.weights[indices] + self.bias for indices, values in rows])


@dataclass(frozen=True)
class Trust:
    """What the log-odds of the encoder and of the lexical heads are multiplied by before they are added."""

    encoder: float
    lexical: float


def fit(examples: Sequence[Example]) -> Heads:
    """Logistic regression for every head on the lexical features."""
    features = TextFeatures.fit(example.text for example in examples)
    matrix = _matrix(features, [example.text for example in examples])
    columns = [fit_head(head, matrix, examples) for head in HEADS]
    return Heads(
        features,
        np.concatenate([weights for weights, _ in columns], axis=1),
        np.concatenate([bias for _, bias in columns]),
    )


def fit_head(head: HeadName, matrix: Any, examples: Sequence[Example]) -> tuple[Floats, Floats]:
    """Weights and bias of a logistic regression on rows of features, dense or sparse."""
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


def best_trust(encoder: Floats, lexical: Floats, labels: Places) -> Trust:
    """The two factors with the least negative log-likelihood: calibration (Guo et al. 2017) with a second opinion."""
    rows = np.arange(len(labels))

    def loss(trust: Trust) -> float:
        return -float(
            log_probabilities(trust.encoder * encoder + trust.lexical * lexical)[rows, labels].mean(dtype=np.float64)
        )

    return min((Trust(float(scale), float(share)) for scale in SCALES for share in SHARES), key=loss)


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


def _matrix(features: TextFeatures, texts: Sequence[str]) -> Any:
    found = [features.sparse(text) for text in texts]
    rows = np.repeat(np.arange(len(texts)), [len(indices) for indices, _ in found])
    columns = np.concatenate([indices for indices, _ in found])
    values = np.concatenate([values for _, values in found])
    return _sparse.csr_matrix((values, (rows, columns)), shape=(len(texts), features.size))
