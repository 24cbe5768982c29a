"""What the encoder learns from: messages, the parts of those with several issues, joined messages, plain phrases."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import Invalid
from core.labels import Category, Intent, Trade, Urgency
from models.corpus_reader import Message

GLOSSARY = Path(__file__).parent / "glossary.tsv"
JOINED = 1200
"""How many messages with several issues are made by joining two or three of one voice."""
LONGEST_JOINED = 30
"""Words of a message that may be joined."""
_JOINTS = (
    ". Also ", ". ", ". ", "\n", ", and ", " and ", "; ", ". Plus ", ", also ", ". And ", " - ", ", oh and ",
    " also ", ". One more thing: ", ". Second, ", ", ",
)  # fmt: skip


@dataclass(frozen=True)
class Example:
    """A text and those of its labels that are known."""

    text: str
    category: Category
    urgency: Urgency
    intent: Intent | None
    """None for a part of a message: the intent is the message's."""
    trade: Trade | None
    starts: tuple[int, ...] = ()
    """Where each issue begins, as places in the text; empty where there is one issue."""


def from_messages(messages: Iterable[Message]) -> list[Example]:
    """One example for each message, in order."""
    return [Example(m.text, m.category, m.urgency, m.intent, m.trade, issue_starts(m)) for m in messages]


def for_learning(messages: Sequence[Message], seed: int = 0) -> list[Example]:
    """The messages, their issues, joined messages, and the glossary."""
    parts = [
        Example(issue.text, issue.category, issue.urgency, None, issue.trade)
        for message in messages
        for issue in message.issues
    ]
    return [*from_messages(messages), *parts, *join_messages(messages, JOINED, seed), *read_glossary()]


def issue_starts(message: Message) -> tuple[int, ...]:
    """Where each of a message's issues begins; an issue is looked for after the one before it."""
    places: list[int] = []
    after = 0
    for issue in message.issues:
        place = message.text.find(issue.text, after)
        place = message.text.find(issue.text) if place < 0 else place
        places.append(place)
        after = place + len(issue.text)
    return tuple(sorted(places))


def join_messages(messages: Sequence[Message], count: int, seed: int) -> list[Example]:
    """`count` examples with several issues: messages of one voice, one after the other.

    They teach where one matter ends; which words may join two is learned from the messages that people joined.
    """
    voices: dict[str, list[Message]] = defaultdict(list)
    for message in messages:
        if not message.issues and message.category is not Category.OTHER and len(message.text.split()) < LONGEST_JOINED:
            voices[message.voice].append(message)
    chosen = random.Random(seed)
    pools = [pool for _, pool in sorted(voices.items()) if len(pool) >= 3]
    if not pools:
        return []
    return [
        _join(chosen.sample(chosen.choice(pools), 3 if chosen.random() < 0.25 else 2), chosen) for _ in range(count)
    ]


def _join(parts: Sequence[Message], chosen: random.Random) -> Example:
    text, starts = "", list[int]()
    for part in parts:
        joint = chosen.choice(_JOINTS) if text else ""
        text = (text.rstrip(" .;,") if joint else text) + joint
        starts.append(len(text))
        text += part.text if not joint or joint[-2:-1] in ".:\n" else part.text[:1].lower() + part.text[1:]
    lead = max(parts, key=lambda part: part.urgency.rank)
    return Example(text, lead.category, lead.urgency, _joint_intent(parts), lead.trade, tuple(starts))


def _joint_intent(parts: Sequence[Message]) -> Intent:
    wanted = {part.intent for part in parts}
    for intent in (Intent.HUMAN_ESCALATION, Intent.SOLVE_PROBLEM):
        if intent in wanted:
            return intent
    return Intent.ANSWER_QUESTION


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
