"""What staff are shown of one request beyond what the interface says of it: links, possible steps, driving words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from core.execution_labels import ExecutionStatus
from core.identity import POLICY
from core.labels import Status
from core.request import Event, Request
from core.status import ENDED, LEGAL, RECALLABLE, UNJUDGED

MARKED = 0.08
"""Of the strongest word's contribution; what adds less is not marked."""
MOST_LISTED = 10
_GATE = re.compile(r"^(?P<text>.*?)\s*\[(?P<clause>[^\[\]]+)\]$", re.DOTALL)
_CLAUSE = re.compile(r"^(?P<document>[A-Za-z0-9][A-Za-z0-9_.-]*)#(?P<place>\S+)")


@dataclass(frozen=True)
class Clause:
    """Where the knowledge base says so."""

    name: str
    address: str | None
    """Of its page; None for what is no document's, such as a life-safety rule."""


@dataclass(frozen=True)
class Gate:
    """A hard gate that applied."""

    text: str
    clause: Clause | None


@dataclass(frozen=True)
class Part:
    """A part of a message, and how strongly it drove the label: 0 not at all, 3 most."""

    text: str
    strength: int


@dataclass(frozen=True)
class DrivingWords:
    """A message as marked text and as a list."""

    label: str
    parts: tuple[Part, ...]
    listed: tuple[tuple[str, float], ...]
    """The strongest words with their contributions, for and against."""


@dataclass(frozen=True)
class Steps:
    """Which steps the request's status allows; whether they are within the viewer's limit the interface decides."""

    select: bool
    approve: bool
    reject: bool
    resolve: bool
    start: bool
    offer: bool
    """Let the resident choose again."""
    escalate: bool
    cancel: bool
    confirm: bool
    reopen: bool
    waits: bool | None
    """Whether it waits for access now; None where it can't be said."""
    relabel: bool
    order: bool
    retry: bool


def clause(name: str) -> Clause:
    """A clause such as `approval-limits#approvals`, with what follows it in brackets."""
    found = _CLAUSE.match(name)
    if found is None:
        return Clause(name, None)
    # A place within a rule is named after it: `jurisdictions:US-WA:wa-10-days`.
    rule = found["place"].partition(":")[0]
    return Clause(name, f"/staff/knowledge/{quote(found['document'], safe='')}#rule-{quote(rule, safe='')}")


def gates(texts: Sequence[str]) -> tuple[Gate, ...]:
    """Gates with the clause that each names at its end."""
    found: list[Gate] = []
    for text in texts:
        match = _GATE.match(text)
        found.append(Gate(match["text"], clause(match["clause"])) if match else Gate(text, None))
    return tuple(found)


def driving_words(message: str, explanation: Mapping[str, Any]) -> DrivingWords:
    """The message cut into parts by what each word adds to its category."""
    words = sorted(explanation["words"], key=lambda word: word["start"])
    strongest = max((word["contribution"] for word in words), default=0.0)
    parts: list[Part] = []
    place = 0
    for word in words:
        start, end = int(word["start"]), int(word["end"])
        if not place <= start < end <= len(message):
            continue
        if start > place:
            parts.append(Part(message[place:start], 0))
        parts.append(Part(message[start:end], strength(word["contribution"], strongest)))
        place = end
    if place < len(message):
        parts.append(Part(message[place:], 0))
    by_weight = sorted(words, key=lambda word: -abs(word["contribution"]))[:MOST_LISTED]
    listed = tuple((str(word["text"]), float(word["contribution"])) for word in by_weight)
    return DrivingWords(str(explanation["label"]), tuple(parts), listed)


def strength(contribution: float, strongest: float) -> int:
    """0 to 3: none, and thirds of the strongest."""
    if strongest <= 0 or contribution < MARKED * strongest:
        return 0
    return min(3, 1 + int(3 * contribution / strongest))


def possible_steps(request: Request, events: Sequence[Event], *, is_led: bool = False) -> Steps:
    """What the status machine allows; the rest of the conditions are the interface's.

    `is_led`: another request of an incident carries the work, so that none is chosen or agreed to here.
    """
    status, legal = request.status, LEGAL[request.status]
    approval, execution = request.approval, request.execution
    judged, ended = status not in UNJUDGED, status in ENDED
    afterwards = approval is not None and approval.granted_by == POLICY
    recallable = status in RECALLABLE and _selected_by(events) == POLICY
    return Steps(
        select=status is Status.AWAITING_SELECTION and bool(request.options) and not is_led,
        approve=(status is Status.AWAITING_APPROVAL and not is_led) or afterwards,
        reject=status is Status.AWAITING_APPROVAL,
        resolve=Status.RESOLVED in legal,
        start=Status.IN_PROGRESS in legal,
        offer=judged
        and Status.AWAITING_SELECTION in legal
        and status is not Status.AWAITING_APPROVAL
        and bool(request.options),
        escalate=judged and Status.ESCALATED in legal,
        cancel=Status.CANCELLED in legal or recallable,
        confirm=Status.CLOSED in legal,
        reopen=Status.REOPENED in legal,
        waits=waits_for_access(events) if judged and not ended else None,
        relabel=judged,
        order=judged and not ended,
        retry=execution is not None and execution.status is ExecutionStatus.DEAD_LETTERED,
    )


def waits_for_access(events: Sequence[Event]) -> bool:
    """Whether the newest word on it is that the work waits for access to the home."""
    for event in reversed(events):
        if event.kind in ("waiting", "waiting_ended") and event.details.get("waiting_for") == "access":
            return event.kind == "waiting"
        if event.kind == "status_changed" and event.details.get("to") in ENDED:
            return False
    return False


def _selected_by(events: Sequence[Event]) -> str | None:
    return next((event.actor for event in reversed(events) if event.kind == "option_selected"), None)
