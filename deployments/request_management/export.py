"""Requests as CSV or JSON, a page at a time."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime

from core.contract import rfc3339
from core.identity import Principal
from core.ports.store import RequestFilter, RequestStore
from core.request import Request
from deployments.request_management import access

PAGE = 200
_RISKY = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula when a cell begins with it."""


def _time(moment: datetime | None) -> str:
    return rfc3339(moment) if moment else ""


def _text(value: object) -> str:
    return "" if value is None else str(value)


COLUMNS: Mapping[str, Callable[[Request], str]] = {
    "request_id": lambda one: one.request_id,
    "created_at": lambda one: _time(one.created_at),
    "updated_at": lambda one: _time(one.updated_at),
    "building_id": lambda one: one.building_id,
    "unit": lambda one: _text(one.unit),
    "resident_id": lambda one: one.resident_id,
    "status": lambda one: str(one.status),
    "category": lambda one: _text(one.classification and one.classification.category),
    "urgency": lambda one: _text(one.classification and one.classification.urgency),
    "trade": lambda one: _text(one.classification and one.classification.trade),
    "needs_attention": lambda one: "true" if one.needs_attention else "false",
    "risk_score": lambda one: _text(one.risk and one.risk.score),
    "response_due_at": lambda one: _time(one.sla and one.sla.response_due_at),
    "response_breached": lambda one: _flag(one.sla and one.sla.response_breached),
    "resolution_due_at": lambda one: _time(one.sla and one.sla.resolution_due_at),
    "breached": lambda one: _flag(one.sla and one.sla.breached),
    "selected_option_id": lambda one: _text(one.selected_option_id),
    "resolved_at": lambda one: _time(one.resolution and one.resolution.resolved_at),
    "actual_cost_usd": lambda one: _text(one.resolution and one.resolution.actual_cost_usd),
    "actual_hours": lambda one: _text(one.resolution and one.resolution.actual_hours),
    "reopened": lambda one: str(one.reopened),
    "rating": lambda one: _text(one.feedback and one.feedback.rating),
    "incident_id": lambda one: _text(one.incident_id),
    "duplicate_of": lambda one: _text(one.duplicate_of),
    "message_text": lambda one: one.message_text,
}
"""The columns of the CSV form."""


def _flag(value: bool | None) -> str:
    return "" if value is None else "true" if value else "false"


def safe_cell(text: str) -> str:
    """The cell, with a quote before it where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_RISKY) else text


class Export:
    """Reads the requests of a caller's buildings page by page; never more than one page is held."""

    def __init__(self, store: RequestStore) -> None:
        self._store = store

    async def pages(
        self, principal: Principal, where: RequestFilter, since: datetime | None, before: datetime | None
    ) -> AsyncIterator[tuple[Request, ...]]:
        """The requests made in `[since, before)`, in the list's order; at least one page, which may be empty."""
        access.require_role(principal, access.STAFF)
        cursor: str | None = None
        while True:
            page = await self._store.list_requests(where, limit=PAGE, cursor=cursor)
            yield tuple(
                one
                for one in page.items
                if (since is None or one.created_at >= since) and (before is None or one.created_at < before)
            )
            newest_first = not where.needs_attention
            is_past = newest_first and since is not None and bool(page.items) and page.items[-1].created_at < since
            cursor = page.next_cursor
            if cursor is None or is_past:
                return


async def as_csv(pages: AsyncIterator[tuple[Request, ...]]) -> AsyncIterator[bytes]:
    """RFC 4180 in UTF-8, with a line of names first."""
    yield _lines([list(COLUMNS)])
    async for page in pages:
        if page:
            yield _lines([safe_cell(column(one)) for column in COLUMNS.values()] for one in page)


async def as_json(pages: AsyncIterator[tuple[Request, ...]]) -> AsyncIterator[bytes]:
    """One JSON array: what was cut off is not valid, which a reader of lines would not see."""
    yield b"["
    separator = b"\n"
    async for page in pages:
        for one in page:
            yield separator + one.model_dump_json().encode()
            separator = b",\n"
    yield b"\n]\n"


async def begun(pages: AsyncIterator[tuple[Request, ...]]) -> AsyncIterator[tuple[Request, ...]]:
    """The same pages, of which the first was read already: where that fails, it fails here and now."""
    first = await anext(pages, ())

    async def all_of_them() -> AsyncIterator[tuple[Request, ...]]:
        yield first
        async for page in pages:
            yield page

    return all_of_them()


def _lines(rows: Iterable[Iterable[str]]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue().encode()
