"""What the heads learn from: messages, the parts of those with several issues, and a glossary of plain phrases."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import Invalid
from core.labels import Category, Intent, Trade, Urgency
from models.corpus_reader import Message

GLOSSARY = Path(__file__).parent / "glossary.tsv"


@dataclass(frozen=True)
class Example:
    """A text and those of its labels that are known."""

    text: str
    category: Category
    urgency: Urgency
    intent: Intent | None
    """None for a part of a message: the intent is the message's."""
    trade: Trade | None


def from_messages(messages: Iterable[Message]) -> list[Example]:
    """One example for each message, in order."""
    return [Example(m.text, m.category, m.urgency, m.intent, m.trade) for m in messages]


def for_learning(messages: Sequence[Message]) -> list[Example]:
    """The messages, their issues, and the glossary."""
    parts = [
        Example(issue.text, issue.category, issue.urgency, None, issue.trade)
        for message in messages
        for issue in message.issues
    ]
    return [*from_messages(messages), *parts, *read_glossary()]


def read_glossary(path: Path = GLOSSARY) -> list[Example]:
    """Plain phrases: text, category, trade, urgency, intent, with tabs between. Raises `Invalid`."""
    return [_read_phrase(number, line) for number, line in enumerate(path.read_text().splitlines(), start=1)]


def _read_phrase(number: int, line: str) -> Example:
    try:
        text, category, trade, urgency, intent = line.split("\t")
        example = Example(text, Category(category), Urgency(urgency), Intent(intent), Trade(trade) if trade else None)
    except ValueError as problem:
        raise Invalid(f"The glossary's line {number} can't be read: {problem}.") from problem
    if (example.trade is not None) != (example.category is Category.MAINTENANCE):
        raise Invalid(f"The glossary's line {number} has a trade without Maintenance, or the reverse.")
    return example
