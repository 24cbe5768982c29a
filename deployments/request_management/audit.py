"""The audit log: who did what to whose things, in chains of entries of which each holds the hash of the one before.

What changes an entry, takes one away from the middle or puts two in another order breaks the chain from there on, which
`verify_chain` finds. A chain whose last entries were cut off, or written anew with all that follows, is whole in
itself: that is found by a hash that was noted before, which every append writes to the process's log and which an
operator keeps where whoever can write to the store can't.
"""

import asyncio
import hashlib
import json
import logging
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from core.contract import Contract, UtcTime
from core.errors import NotFound, StoreUnavailable, VersionConflict
from core.identity import Principal
from core.labels import Role
from core.ports.documents import Document, DocumentStore
from core.ports.page import Page

log = logging.getLogger(__name__)

KIND = "audit"
PORTFOLIO = "portfolio"
"""The chain of what belongs to no single building, and of which chains there are."""
CHAIN_OPENED = "open_audit_chain"
NO_HASH = "0" * 64
ATTEMPTS = 200
_PAGE = 200
Outcome = Literal["begun", "refused", "failed"]


class AuditEntry(Contract):
    """One thing that somebody did, or was not let do; without the words of any message."""

    seq: int
    """Within its chain, from 1 without a gap."""
    at: UtcTime
    actor: str
    role: Role
    action: str
    """The route's name."""
    target: str
    """What it was done to: the ids of the call's path."""
    outcome: Outcome
    """`begun` is written before the work; one more with the same correlation id follows where it did not succeed."""
    correlation_id: str
    prev_hash: str
    hash: str
    """SHA-256 of the rest as JSON with sorted keys and no spaces."""


class AuditList(Contract):
    """A page of a chain, newest first."""

    items: tuple[AuditEntry, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class Act:
    """What is to be written down."""

    actor: str
    role: Role
    action: str
    target: str
    correlation_id: str


@dataclass(frozen=True)
class Head:
    """Where a chain ends."""

    seq: int = 0
    hash: str = NO_HASH


def hash_of(entry: Mapping[str, Any]) -> str:
    """What an entry's `hash` must be."""
    rest = {name: value for name, value in entry.items() if name != "hash"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class AuditLog:
    """Appends to chains and reads them; any number of processes may append at once."""

    def __init__(self, documents: DocumentStore, clock: Callable[[], datetime]) -> None:
        self._documents = documents
        self._clock = clock
        self._heads: dict[str, Head] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def append(self, chain: str, act: Act, outcome: Outcome) -> AuditEntry:
        """Write the next entry. Raises `StoreUnavailable` where it can't be written: then nothing may be done."""
        if chain != PORTFOLIO and chain not in self._heads and await self._newest(chain) == Head():
            opening = Act(act.actor, act.role, CHAIN_OPENED, chain, act.correlation_id)
            await self._append(PORTFOLIO, opening, "begun")
        return await self._append(chain, act, outcome)

    async def entries(self, principal: Principal, chain: str | None, limit: int, cursor: str | None) -> AuditList:
        """A page of a chain, newest first, for who acts for its building; the portfolio's for who acts for all.

        Raises `NotFound`.
        """
        wanted = chain or PORTFOLIO
        if principal.buildings is not None and wanted not in principal.buildings:
            raise NotFound("There is no such chain; name one of your buildings.")
        page = await self._documents.list(KIND, wanted, limit=limit, cursor=cursor)
        entries = tuple(AuditEntry.model_validate(document.body) for document in page.items)
        return AuditList(items=entries, next_cursor=page.next_cursor)

    async def _append(self, chain: str, act: Act, outcome: Outcome) -> AuditEntry:
        # One writer of this process at a time: they would only take each other's place in the chain.
        async with self._turns.setdefault(chain, asyncio.Lock()):
            head = self._heads.get(chain) or await self._newest(chain)
            for attempt in range(ATTEMPTS):
                entry = self._next(head, act, outcome)
                try:
                    await self._documents.put(_document(chain, entry))
                except VersionConflict:
                    await asyncio.sleep(random.uniform(0, min(0.05, 0.002 * attempt)))
                    head = await self._follow(chain, head)
                    continue
                self._heads[chain] = Head(entry.seq, entry.hash)
                # Whoever keeps these lines elsewhere can tell a chain whose end was cut off.
                log.info("audit chain=%s seq=%d hash=%s", chain, entry.seq, entry.hash)
                return entry
        raise StoreUnavailable("The audit log is too busy.")

    def _next(self, head: Head, act: Act, outcome: Outcome) -> AuditEntry:
        entry = AuditEntry(
            seq=head.seq + 1, at=self._clock(), outcome=outcome, prev_hash=head.hash, hash="", **vars(act)
        )
        return entry.model_copy(update={"hash": hash_of(entry.model_dump(mode="json"))})

    async def _newest(self, chain: str) -> Head:
        page = await self._documents.list(KIND, chain, limit=1)
        head = _head(page.items[0]) if page.items else Head()
        return await self._follow(chain, head)

    async def _follow(self, chain: str, head: Head) -> Head:
        """The end of the chain from here on, entry by entry: a list may lag behind what was just written."""
        while (document := await self._documents.get(KIND, _key(chain, head.seq + 1))) is not None:
            head = _head(document)
        return head


def _key(chain: str, seq: int) -> str:
    return f"{chain}/{_order(seq)}"


def _order(seq: int) -> str:
    return f"{seq:012d}"


def _head(document: Document) -> Head:
    return Head(int(document.body["seq"]), str(document.body["hash"]))


def _document(chain: str, entry: AuditEntry) -> Document:
    return Document(KIND, _key(chain, entry.seq), chain, _order(entry.seq), 1, entry.model_dump(mode="json"))


@dataclass(frozen=True)
class Verdict:
    """What became of verifying one chain."""

    chain: str
    entries: int
    """How many are in order, from the first one."""
    head: str
    """The hash of the last one that is."""
    broken_at: int | None = None
    """The first sequence number that is not in order; None for a whole chain."""
    reason: str = ""
    opened: frozenset[str] = frozenset()
    """For the portfolio's chain, the chains that it says there are."""


async def verify_chain(documents: DocumentStore, chain: str, anchors: Mapping[int, str] | None = None) -> Verdict:
    """Compute a chain again from its first entry, and compare it with what was noted elsewhere.

    `anchors` are hashes by sequence number, as the log or `aam audit head` gave them earlier. Raises
    `StoreUnavailable`.
    """
    kept, head, opened = dict(anchors or {}), Head(), set[str]()

    def broken(reason: str) -> Verdict:
        return Verdict(chain, head.seq, head.hash, head.seq + 1, reason, frozenset(opened))

    async for document in _all(documents, chain):
        reason = _fault(document, chain, head)
        if reason is None and kept.pop(head.seq + 1, document.body["hash"]) != document.body["hash"]:
            reason = "its hash is not the one that was noted"
        if reason is not None:
            return broken(reason)
        head = _head(document)
        if document.body["action"] == CHAIN_OPENED:
            opened.add(str(document.body["target"]))
    if kept:
        return broken(f"the chain ends here, though entry {max(kept)} was noted")
    return Verdict(chain, head.seq, head.hash, opened=frozenset(opened))


async def _all(documents: DocumentStore, chain: str) -> AsyncIterator[Document]:
    page: Page[Document] | None = None
    while page is None or page.next_cursor is not None:
        cursor = page.next_cursor if page else None
        page = await documents.list(KIND, chain, limit=_PAGE, cursor=cursor, newest_first=False)
        for document in page.items:
            yield document


def _fault(document: Document, chain: str, head: Head) -> str | None:
    body = document.body
    if body.get("seq") != head.seq + 1:
        return f"entry {body.get('seq')} stands in its place"
    if document.key != _key(chain, head.seq + 1) or document.order != _order(head.seq + 1):
        return "it is kept under another number than its own"
    if body.get("prev_hash") != head.hash:
        return "it does not follow from the entry before"
    if body.get("hash") != hash_of(body):
        return "it was changed"
    return None


async def verify_all(documents: DocumentStore) -> tuple[Verdict, ...]:
    """Verify the portfolio's chain and every chain that it says there is; one without entries is broken at 1."""
    portfolio = await verify_chain(documents, PORTFOLIO)
    verdicts = [portfolio]
    for chain in sorted(portfolio.opened):
        verdict = await verify_chain(documents, chain)
        if verdict.entries == 0 and verdict.broken_at is None:
            verdict = Verdict(chain, 0, NO_HASH, 1, "it was begun, and all of its entries are gone")
        verdicts.append(verdict)
    return tuple(verdicts)
