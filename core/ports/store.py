"""The system of record: requests with their timelines and pending work, and idempotency keys."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.labels import Category, Status, Trade, Urgency
from core.messages import Backlog, BuildingFacts, PastRequest, Workload
from core.ports.page import Page
from core.record import RequestRecord
from core.request import BuildingId, Event, Request, RequestId, ResidentId


@dataclass(frozen=True)
class RequestFilter:
    """Which requests a staff list shows; None leaves a field open."""

    status: Status | None = None
    category: Category | None = None
    urgency: Urgency | None = None
    building_id: str | None = None
    buildings: frozenset[str] | None = None
    """The buildings that the caller may see; None for all."""
    needs_attention: bool = False
    """Only those that a person has to look at: the most urgent first, then by target and risk (`attention_at`)."""


@dataclass(frozen=True)
class StoredAnswer:
    """The first answer to an idempotent call."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class IdempotencyClaim:
    """The outcome of claiming an idempotency key."""

    resource_id: str
    """The id that the first claimer chose for what it makes; a retry after a crash makes the same thing."""
    answer: StoredAnswer | None
    """The first answer; None where this caller holds the key and must do the work."""


@dataclass(frozen=True)
class OpenRequest:
    """What tells whether another message is about the same thing."""

    request_id: RequestId
    resident_id: str
    building_id: str
    unit: str | None
    created_at: datetime
    status: Status
    category: Category | None
    trade: Trade | None
    urgency: Urgency | None
    incident_id: str | None
    vector: bytes
    """The message's unit vector as float32, little-endian; empty where there is none yet."""


@dataclass(frozen=True)
class OutcomeFacts:
    """What statistics count of one request."""

    request_id: RequestId
    building_id: str
    category: Category | None
    urgency: Urgency | None
    status: Status
    created_at: datetime
    resolved_at: datetime | None
    breached: bool
    response_breached: bool
    escalated: bool
    reopened: int
    automated: bool
    """Answered, or carried out at policy's own selection."""
    corrected: bool
    """Staff changed a label."""
    cost_usd: float | None
    rating: int | None


class RequestStore(Protocol):
    """The system of record: requests with their timelines and pending work, and idempotency keys.

    Every method may raise `StoreUnavailable`.
    """

    async def create(self, record: RequestRecord, events: Sequence[Event]) -> bool:
        """Store a new request at version 1, durably; False where the id exists already (nothing is changed)."""
        ...

    async def get(self, request_id: RequestId) -> RequestRecord | None:
        """The item, or None."""
        ...

    async def save(self, record: RequestRecord, *, expected_version: int, events: Sequence[Event]) -> None:
        """Replace the item and append to its timeline, if its version is still `expected_version`.

        `record.request.version` is `expected_version + 1`, and event sequences follow those that are there.
        Raises `VersionConflict` where another write came first.
        """
        ...

    async def events(self, request_id: RequestId, *, after: int = 0) -> tuple[Event, ...]:
        """The timeline after this sequence number, oldest first."""
        ...

    async def list_requests(self, where: RequestFilter, *, limit: int, cursor: str | None) -> Page[Request]:
        """Newest first (or as `needs_attention` says). Raises `InvalidCursor`."""
        ...

    async def list_by_resident(self, resident_id: ResidentId, *, limit: int, cursor: str | None) -> Page[Request]:
        """A resident's requests, newest first. Raises `InvalidCursor`."""
        ...

    async def history(
        self, resident_id: ResidentId, building_id: BuildingId, *, since: datetime, before: datetime
    ) -> tuple[tuple[PastRequest, ...], BuildingFacts]:
        """The resident's requests in `[since, before)`, newest first, at most 50; and the building's counts there."""
        ...

    async def workload(self) -> Workload:
        """What is approved or in progress and not done, by the selected option's crew."""
        ...

    async def backlog(self) -> Backlog:
        """What is decided and not ended, and how the newest 20 resolved ones of each topic went."""
        ...

    async def spent(self, building_id: BuildingId, *, since: datetime, before: datetime) -> dict[Category, float]:
        """US dollars by category: the actual costs of the building's requests that were resolved in `[since, before)`.

        A resolution whose cost nobody gave counts nothing; a category without any cost is left out.
        """
        ...

    async def open_requests(self, building_id: BuildingId, *, since: datetime, limit: int) -> tuple[OpenRequest, ...]:
        """The building's requests that were made at or after `since` and nobody has ended, newest first."""
        ...

    def outcomes(
        self, buildings: frozenset[str] | None, *, since: datetime, before: datetime
    ) -> AsyncIterator[OutcomeFacts]:
        """The requests made in `[since, before)`, oldest first, read little by little; None for all buildings."""
        ...

    async def rewrite(self, record: RequestRecord, *, expected_version: int, events: Sequence[Event]) -> None:
        """As `save`, but `events` take the place of the whole timeline, under the same sequence numbers.

        For erasing personal data only: `resident_id` may change, too. Raises `VersionConflict`; `BrokenInvariant`
        where events are missing.
        """
        ...

    async def oldest_due(self, now: datetime) -> datetime | None:
        """Since when the oldest due item waits that nobody has claimed; None where nothing is due."""
        ...

    async def claim_due(self, *, now: datetime, lease_s: float, limit: int) -> tuple[RequestRecord, ...]:
        """Items whose `next_action_at` is at or before `now`, oldest first, each moved `lease_s` ahead.

        A claim changes `next_action_at` and counts `attempts`, not `version`. Two callers never get the same item
        within one lease. One that this version of the program can't read, as a newer one wrote it, is logged and left
        to a later look, so that the others don't wait for it.
        """
        ...

    async def claim_key(
        self, key: str, *, fingerprint: str, resource_id: str, now: datetime, lease_s: float, ttl_s: float
    ) -> IdempotencyClaim:
        """Take an idempotency key until `now + lease_s`, or learn what came of it.

        Raises `IdempotencyKeyReused` where the key came with another fingerprint, `IdempotencyInFlight` where another
        caller's lease is still running.
        """
        ...

    async def finish_key(self, key: str, answer: StoredAnswer) -> None:
        """Keep the first answer of a claimed key."""
        ...

    async def forget_answers(self, resource_ids: Collection[str]) -> None:
        """Remove the kept answers about these resources; a key keeps its fingerprint, and a retry works anew."""
        ...

    async def renew_key(self, key: str, *, leased_until: datetime, until: datetime) -> bool:
        """Move the end of a lease from `leased_until` to `until`, both taken to the millisecond.

        False where the lease is this caller's no more: another took the key over, or it was given back or answered.
        A lease that ran out and that nobody took over yet goes on.
        """
        ...

    async def release_key(self, key: str, *, leased_until: datetime) -> None:
        """End the lease that runs until then, after an error; the next claim gets the original `resource_id`.

        Nothing happens where another holds the key by now.
        """
        ...

    async def compact(self) -> None:
        """Overwrite what was removed, where the storage keeps it; after an erasure."""
        ...

    async def close(self) -> None:
        """Give back connections and threads."""
        ...
