"""How emergencies are called: by the safety screen alone, by the model alone, and by both as they serve."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.labels import Urgency
from models.text.figures import Interval, share
from models.text.judgements import Judgement
from models.text.keywords import label_by_keywords

Flags = NDArray[np.bool_]
KEYWORDS, SCREEN, MODEL, TOGETHER = "keyword rules", "screen alone", "model alone", "together, as served"


@dataclass(frozen=True)
class AlarmFigures:
    """How one way of calling emergencies did on one part of the messages."""

    part: str
    way: str
    emergencies: int
    called: int
    recall: Interval
    precision: Interval


def alarm_figures(part: str, judged: Sequence[Judgement]) -> tuple[AlarmFigures, ...]:
    """Each way, and keyword rules to compare them with."""
    actual = np.array([each.emergency for each in judged])
    ways = {
        KEYWORDS: [label_by_keywords(each.message.text)["urgency"] == Urgency.EMERGENCY for each in judged],
        SCREEN: [each.alarmed for each in judged],
        MODEL: [each.model_alarm for each in judged],
        TOGETHER: [each.found.emergency for each in judged],
    }
    return tuple(_figures(part, way, actual, np.array(called)) for way, called in ways.items())


def missed(judged: Sequence[Judgement]) -> list[Judgement]:
    """Emergencies that were not called one."""
    return [each for each in judged if each.emergency and not each.found.emergency]


def false_alarms(judged: Sequence[Judgement]) -> list[Judgement]:
    """What was called an emergency and is none."""
    return [each for each in judged if each.found.emergency and not each.emergency]


def _figures(part: str, way: str, actual: Flags, called: Flags) -> AlarmFigures:
    hits = int((actual & called).sum())
    return AlarmFigures(
        part=part,
        way=way,
        emergencies=int(actual.sum()),
        called=int(called.sum()),
        recall=share(hits, int(actual.sum())),
        precision=share(hits, int(called.sum())),
    )
