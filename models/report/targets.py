"""The targets that the models were made for, and which of them are reached."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from deployments.ai_processing.text import HeadName
from models.text.alarms import SCREEN, TOGETHER
from models.text.cascade_evaluation import MOST_SENT_ON
from models.text.evaluate import TextEvaluation
from models.text.figures import Interval

MACRO_F1: dict[HeadName, float] = {"category": 0.92, "urgency": 0.82, "intent": 0.93, "trade": 0.90}
OTHER_F1 = 0.85
CALIBRATION_ERROR = 0.03
EXACT_SPLIT = 0.85
EMERGENCY_RECALL, EMERGENCY_PRECISION = 0.98, 0.80
QUANTISATION_LOSS = 0.005
P50_MS, PER_SECOND, MEMORY_MIB = 8.0, 250.0, 700.0


@dataclass(frozen=True)
class Target:
    """What was aimed at, and what is."""

    name: str
    side: Literal["at least", "at most"]
    aim: float
    found: Interval | None
    """None where it was not measured."""
    digits: int = 3

    @property
    def verdict(self) -> str:
        """Whether it is reached, and whether the interval leaves that open."""
        if self.found is None:
            return "not measured"
        if not self._holds(self.found.value):
            best = self.found.high if self.side == "at least" else self.found.low
            return "missed, within the interval" if self._holds(best) else "missed"
        worst = self.found.low if self.side == "at least" else self.found.high
        return "reached" if self._holds(worst) else "reached, not by the whole interval"

    def cells(self) -> tuple[str, str, str, str]:
        """As the table shows it."""
        aim = f"{self.side} {self.aim:.{self.digits}f}"
        return self.name, aim, "–" if self.found is None else self._shown(self.found), self.verdict

    def _holds(self, value: float) -> bool:
        return value >= self.aim if self.side == "at least" else value <= self.aim

    def _shown(self, found: Interval) -> str:
        value, low, high = (f"{each:.{self.digits}f}" for each in (found.value, found.low, found.high))
        return value if low == high == value else f"{value} [{low}, {high}]"


def targets(found: TextEvaluation) -> tuple[Target, ...]:
    """All targets of the text model, as a client sees it, on the test voices."""
    return (*_labels(found), *_alarms(found), *_service(found))


def _labels(found: TextEvaluation) -> Iterator[Target]:
    for head, aim in MACRO_F1.items():
        yield Target(f"{head}: macro-F1", "at least", aim, found.heads[head].macro_f1)
    other = next((each.f1 for each in found.heads["category"].labels if each.label == "Other"), None)
    yield Target("out of scope: F1 of `Other`", "at least", OTHER_F1, other)
    crowd = found.outside.other_f1 if found.outside else None
    yield Target("out of scope: the same, on a crowd's questions", "at least", OTHER_F1, crowd)
    for head in MACRO_F1:
        yield Target(f"{head}: calibration error", "at most", CALIBRATION_ERROR, found.heads[head].calibration.error)
    served = found.splitting[-1]
    yield Target("several issues: exact split", "at least", EXACT_SPLIT, served.exact)


def _alarms(found: TextEvaluation) -> Iterator[Target]:
    test = {each.way: each for each in found.alarms if each.part == "test"}
    yield Target("Emergency: recall, rules and model", "at least", EMERGENCY_RECALL, test[TOGETHER].recall)
    yield Target("Emergency: precision, rules and model", "at least", EMERGENCY_PRECISION, test[TOGETHER].precision)
    yield Target("Emergency: precision of the rules alone", "at least", EMERGENCY_PRECISION, test[SCREEN].precision)


def _service(found: TextEvaluation) -> Iterator[Target]:
    yield Target("loss by quantising: category, as served", "at most", QUANTISATION_LOSS, _quantisation(found), 4)
    yield Target("share sent on to a language model", "at most", MOST_SENT_ON, found.cascade.sent_on)
    speed = found.speed
    yield Target("one message, p50, CPU ms on one core", "at most", P50_MS, _exactly(speed.p50_ms), 1)
    yield Target("messages a second and core, in batches", "at least", PER_SECOND, _exactly(speed.per_second), 0)
    yield Target("memory of a replica, MiB", "at most", MEMORY_MIB, _exactly(speed.peak_mib), 0)


def _quantisation(found: TextEvaluation) -> Interval | None:
    """As served on the test voices where that was measured; else by the encoder alone, without an interval."""
    loss = found.quantisation
    if loss.served is not None and loss.is_current:
        (each,) = (one for one in loss.served.losses if (one.part, one.head) == ("test", "category"))
        return Interval(-each.change, -each.high, -each.low)
    if loss.encoder is None:
        return None
    before, after = loss.encoder["category"]
    return _exactly(before - after)


def _exactly(value: float) -> Interval:
    return Interval(value, value, value)
