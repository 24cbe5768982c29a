"""What becomes of the model's labels before a client sees them: rules overrule them, and leading issues do."""

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.ai_processing.text import HEADS, HeadName
from models.text.judgements import Judgement


@dataclass(frozen=True)
class Overruling:
    """How many labels of one head changed on their way to a client; counts of messages."""

    head: HeadName
    spoiled_by_rules: int
    """The model's label was right, and a safety rule put a wrong one in its place."""
    spoiled_by_issues: int
    """The model's label was right, and that of the leading issue is not."""
    mended: int
    """The model's label was wrong, and the client's is right."""


def overrulings(judged: Sequence[Judgement]) -> tuple[Overruling, ...]:
    """For each head."""
    return tuple(_count(head, judged) for head in HEADS)


def _count(head: HeadName, judged: Sequence[Judgement]) -> Overruling:
    own = [getattr(each.prediction, head) == getattr(each.message, head) for each in judged]
    spoiled = [each for each, right in zip(judged, own, strict=True) if right and not each.right(head)]
    by_rules = sum(each.alarmed for each in spoiled)
    mended = sum(each.right(head) and not right for each, right in zip(judged, own, strict=True))
    return Overruling(head, by_rules, len(spoiled) - by_rules, mended)
