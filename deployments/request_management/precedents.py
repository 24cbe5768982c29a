"""Requests that are alike in meaning to one that staff look at: what was done then, what it cost, how long it took.

Found in two steps, neither of which reads more than a fixed number of requests, however many there are: of the newest
of the building, and of the newest with the same category in the caller's other buildings, those that share words or a
trade; of these, by the vectors that are stored with them, those that mean the same.
"""

import asyncio
import base64
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from pydantic import Field

from core.contract import Contract, Dollars, Hours, Probability, UtcTime
from core.errors import NotFound
from core.identity import Principal
from core.labels import Category, Status
from core.ports.store import RequestFilter, RequestStore
from core.record import RequestRecord
from core.request import BuildingId, Request, RequestId
from deployments.request_management import access
from deployments.request_management.likeness import cosine, unpack
from deployments.request_management.peers import DecisionSimulation

WINDOW = timedelta(days=180)
MOST_LISTED = 100
"""Of the building, and again of the caller's other buildings."""
MOST_READ = 40
LEAST_LIKENESS = 0.45
"""One fault in two people's words was measured at 0.47 to 0.64, two faults of one trade at 0.41 and below mostly."""
SAME_TOPIC = 0.3
FIRST_WORDS = 160


class Precedent(Contract):
    """A request that means much the same, and how it went."""

    request_id: RequestId
    building_id: BuildingId
    status: Status
    created_at: UtcTime
    category: Category | None
    first_words: str
    """The beginning of its message."""
    likeness: Probability
    """Cosine similarity of the two messages' vectors."""
    resolved_at: UtcTime | None
    resolution_notes: str | None
    actual_cost_usd: Dollars | None
    actual_hours: Hours | None
    selected_option: str | None
    """The title of the option that was chosen."""


class PrecedentList(Contract):
    """The most alike first."""

    items: tuple[Precedent, ...]
    compared: int = Field(ge=0)
    """How many requests were looked at in all."""
    since: UtcTime
    """None that is older was looked at."""


class Precedents:
    """Finds them for staff."""

    def __init__(self, store: RequestStore, decision: DecisionSimulation, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._decision = decision
        self._clock = clock

    async def like(self, principal: Principal, request_id: str, limit: int) -> PrecedentList:
        """The requests of the last half year that are most alike.

        Raises `NotFound`, and `ServiceUnavailable` where a vector is needed and can't be had.
        """
        record = await self._store.get(RequestId(request_id))
        request = access.require_staff_of(principal, record.request if record else None)
        if record is None:
            raise NotFound("There is no such request.")
        since = self._clock() - WINDOW
        listed = await self._listed(principal, request, since)
        chosen = shortlist(request, listed, MOST_READ)
        found = await asyncio.gather(*(self._store.get(one.request_id) for one in chosen))
        vector = await self._vector(record)
        alike = [
            (cosine(vector, _stored_vector(one)), one.request) for one in found if one and _comparable(record, one)
        ]
        likely = [(likeness, one) for likeness, one in alike if likeness >= LEAST_LIKENESS]
        likely.sort(key=lambda pair: (-pair[0], pair[1].request_id))
        items = tuple(_precedent(one, likeness) for likeness, one in likely[:limit])
        return PrecedentList(items=items, compared=len(listed), since=since)

    async def _listed(self, principal: Principal, request: Request, since: datetime) -> tuple[Request, ...]:
        category = request.classification.category if request.classification else None
        wanted = [RequestFilter(building_id=request.building_id, buildings=principal.buildings)]
        if category is not None and principal.buildings != frozenset({request.building_id}):
            wanted.append(RequestFilter(category=category, buildings=principal.buildings))
        pages = await asyncio.gather(
            *(self._store.list_requests(where, limit=MOST_LISTED, cursor=None) for where in wanted)
        )
        each = {one.request_id: one for page in pages for one in page.items if one.created_at >= since}
        each.pop(request.request_id, None)
        return tuple(each.values())

    async def _vector(self, record: RequestRecord) -> Sequence[float]:
        return _stored_vector(record) or unpack((await self._decision.embed([record.request.message_text]))[0])


def shortlist(request: Request, others: Iterable[Request], most: int) -> list[Request]:
    """The `most` that share the rarest words or the topic: only their vectors are worth reading."""
    candidates = list(others)
    words = {one.request_id: _words(one.message_text) for one in candidates}
    counts = Counter(word for each in words.values() for word in each)
    own, topic = _words(request.message_text), _topic(request)

    def weight(word: str) -> float:
        return math.log1p(len(candidates) / (1 + counts[word]))

    whole = sum(weight(word) for word in own) or 1.0

    def nearness(one: Request) -> float:
        shared = sum(weight(word) for word in own & words[one.request_id]) / whole
        return shared + (SAME_TOPIC if topic is not None and topic == _topic(one) else 0.0)

    return sorted(candidates, key=lambda one: (-nearness(one), one.request_id))[:most]


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in re.findall(r"[^\W\d_]{3,}", text.casefold()))


def _topic(request: Request) -> str | None:
    labels = request.classification
    return (labels.trade or labels.category) if labels else None


def _stored_vector(record: RequestRecord) -> tuple[float, ...]:
    kept = record.trace.inputs.get("embedding") if record.trace else None
    return unpack(base64.b64decode(kept)) if kept else ()


def _comparable(first: RequestRecord, second: RequestRecord) -> bool:
    """Vectors of two embedders say nothing together."""
    if first.trace is None or second.trace is None:
        return True
    return first.trace.model_versions.get("embedder") == second.trace.model_versions.get("embedder")


def _precedent(request: Request, likeness: float) -> Precedent:
    chosen, note = request.option(request.selected_option_id or ""), request.resolution
    return Precedent(
        request_id=request.request_id,
        building_id=request.building_id,
        status=request.status,
        created_at=request.created_at,
        category=request.classification.category if request.classification else None,
        first_words=request.message_text[:FIRST_WORDS],
        likeness=min(1.0, likeness),
        resolved_at=note.resolved_at if note else None,
        resolution_notes=note.resolution_notes if note else None,
        actual_cost_usd=note.actual_cost_usd if note else None,
        actual_hours=note.actual_hours if note else None,
        selected_option=chosen.title if chosen else None,
    )
