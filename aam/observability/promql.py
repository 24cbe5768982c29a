"""Reads PromQL, as far as dashboards and alerts use it: what it asks for exists, and its labels meet.

It is stricter than Prometheus, to which an unknown metric or label is an empty answer and no error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from aam.configuration.findings import unknown
from aam.observability.promql_tokens import PromqlError, Token, tokens
from aam.observability.series import Series, known_series

Form = Literal["scalar", "vector", "range"]

AGGREGATIONS = frozenset({"sum", "avg", "min", "max", "count"})
OF_COUNTERS = frozenset({"rate", "increase", "irate"})
OF_RANGES = OF_COUNTERS | {
    "max_over_time",
    "min_over_time",
    "avg_over_time",
    "last_over_time",
    "changes",
    "delta",
    "deriv",
}
OF_VECTORS = frozenset({"abs", "ceil", "floor", "round", "clamp_min", "clamp_max", "histogram_quantile", "absent"})
FUNCTIONS = OF_RANGES | OF_VECTORS
_COMPARED = frozenset({"==", "!=", ">", "<", ">=", "<="})
_LEVELS = (frozenset({"or"}), frozenset({"and", "unless"}), _COMPARED, frozenset("+-"), frozenset("*/%"))
_SETS = frozenset({"or", "and", "unless"})


@dataclass(frozen=True)
class Answer:
    """What an expression, or a part of it, gives."""

    form: Form
    labels: frozenset[str] = frozenset()
    counts: bool = False
    asked: frozenset[str] = frozenset()
    """The series that it asks for."""


def read(expression: str, known: Mapping[str, Series] | None = None) -> Answer:
    """What an expression gives. Raises `PromqlError` where it can't be read, or asks for what does not exist."""
    reader = _Reader(expression, known_series() if known is None else known)
    answer = reader.binary(0)
    reader.take("end")
    if answer.form == "range":
        raise PromqlError("gives a range; put a function such as rate() around it")
    return answer


class _Reader:
    def __init__(self, expression: str, known: Mapping[str, Series]) -> None:
        self._tokens = list(tokens(expression))
        self._at = 0
        self._known = known

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def take(self, kind: str, text: str | None = None) -> str:
        """The next word, which must be this one."""
        token = self._next
        if token.kind != kind or (text is not None and token.text != text):
            raise PromqlError(f"has {token.text!r} where {text or f'a {kind}'} was expected")
        self._at += 1
        return token.text

    def _skip(self, text: str) -> bool:
        found = self._next.kind in ("operator", "name") and self._next.text == text
        self._at += found
        return found

    def binary(self, level: int) -> Answer:
        """One or more operands, joined by operators of this level or a tighter one."""
        if level == len(_LEVELS):
            return self._operand()
        left = self.binary(level + 1)
        while self._next.kind in ("operator", "name") and self._next.text in _LEVELS[level]:
            operator = self._next.text
            self._at += 1
            matched = self._matching()
            left = _joined(left, operator, self.binary(level + 1), matched)
        return left

    def _matching(self) -> tuple[str, frozenset[str]] | None:
        self._skip("bool")
        for word in ("on", "ignoring"):
            if self._skip(word):
                return word, self._labels()
        return None

    def _labels(self) -> frozenset[str]:
        self.take("operator", "(")
        names: set[str] = set()
        while not self._skip(")"):
            names.add(self.take("name"))
            if self._next.text != ")":
                self.take("operator", ",")
        return frozenset(names)

    def _operand(self) -> Answer:
        if self._skip("-"):
            return self._operand()
        if self._skip("("):
            answer = self.binary(0)
            self.take("operator", ")")
            return answer
        if self._next.kind == "number":
            self._at += 1
            return Answer("scalar")
        name = self.take("name")
        if name in AGGREGATIONS:
            return self._aggregation(name)
        if self._next.text == "(":
            return self._call(name)
        return self._selector(name)

    def _aggregation(self, name: str) -> Answer:
        grouping = self._grouping()
        self.take("operator", "(")
        of = self.binary(0)
        self.take("operator", ")")
        grouping = grouping or self._grouping()
        if of.form != "vector":
            raise PromqlError(f"{name}() takes a vector and was given a {of.form}")
        word, labels = grouping or ("by", frozenset[str]())
        _require(labels, of.labels)
        return Answer("vector", labels if word == "by" else of.labels - labels, asked=of.asked)

    def _grouping(self) -> tuple[str, frozenset[str]] | None:
        for word in ("by", "without"):
            if self._skip(word):
                return word, self._labels()
        return None

    def _call(self, name: str) -> Answer:
        if name not in FUNCTIONS:
            raise PromqlError(unknown(name, FUNCTIONS | AGGREGATIONS, "function"))
        self.take("operator", "(")
        given = [self.binary(0)]
        while self._skip(","):
            given.append(self.binary(0))
        self.take("operator", ")")
        return _called(name, given)

    def _selector(self, name: str) -> Answer:
        series = self._known.get(name)
        if series is None:
            raise PromqlError(unknown(name, self._known, "metric"))
        if self._skip("{"):
            self._matchers(series)
        form: Form = "vector"
        if self._skip("["):
            self.take("duration")
            self.take("operator", "]")
            form = "range"
        if self._skip("offset"):
            self.take("duration")
        return Answer(form, series.labels, series.counts, frozenset({name}))

    def _matchers(self, series: Series) -> None:
        while not self._skip("}"):
            _require(frozenset({self.take("name")}), series.labels)
            if self.take("operator") not in ("=", "!=", "=~", "!~"):
                raise PromqlError("has a label without =, !=, =~ or !~")
            self.take("string")
            if self._next.text != "}":
                self.take("operator", ",")


def _require(labels: frozenset[str], present: frozenset[str]) -> None:
    for label in sorted(labels - present):
        raise PromqlError(unknown(label, present, "label"))


def _called(name: str, given: list[Answer]) -> Answer:
    of = given[-1] if name == "histogram_quantile" else given[0]
    wanted = "range" if name in OF_RANGES else "vector"
    if of.form != wanted:
        raise PromqlError(f"{name}() takes a {wanted} and was given a {of.form}")
    if name in OF_COUNTERS and not of.counts:
        raise PromqlError(f"{name}() takes a counter, and this is none")
    if name == "histogram_quantile" and "le" not in of.labels:
        raise PromqlError("histogram_quantile() needs the label le; group by it, too")
    lost: frozenset[str] = frozenset({"le"}) if name == "histogram_quantile" else frozenset()
    labels = frozenset[str]() if name == "absent" else of.labels - lost
    return Answer("vector", labels, asked=of.asked)


def _joined(left: Answer, operator: str, right: Answer, matched: tuple[str, frozenset[str]] | None) -> Answer:
    asked = left.asked | right.asked
    if "range" in (left.form, right.form):
        raise PromqlError(f"has a range beside {operator!r}; put a function such as rate() around it")
    if "scalar" in (left.form, right.form):
        form: Form = "scalar" if left.form == right.form else "vector"
        return Answer(form, left.labels | right.labels, asked=asked)
    compared = (left.labels, right.labels)
    if matched:
        word, labels = matched
        _require(labels, left.labels & right.labels)
        compared = (labels, labels) if word == "on" else (left.labels - labels, right.labels - labels)
    if compared[0] != compared[1]:
        apart = ", ".join(sorted(compared[0] ^ compared[1]))
        raise PromqlError(f"has {operator!r} between series that never meet, since one side alone has {apart}")
    kept = left.labels | right.labels if operator == "or" else left.labels if operator in _SETS else compared[0]
    return Answer("vector", kept, asked=asked)
