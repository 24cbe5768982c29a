"""Why a request needs attention where its own fields don't say: what its timeline tells, read once for each version."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.datastructures import State

from core.request import Request
from web.api_client import Problem, path
from web.language import Words
from web.queue_rows import QueueRow
from web.viewer import Viewer
from web.wording import N_, label

AT_ONCE = 8
MOST_KEPT = 2000
_NAME = "attention_reasons"

Told = tuple[str, str]
"""The kind of an event, and the category that the resident says it is about, or an empty text."""
Json = Mapping[str, Any]

KINDS: Mapping[str, str] = {
    "alarm_raised": N_("Nobody has taken the alert yet"),
    "documentation_reminder": N_("What was done in an emergency must be documented"),
    "documentation_overdue": N_("What was done in an emergency must be documented"),
    "incident_ended": N_("The fault it belongs to is over; is this home fixed, too?"),
}
"""Kinds that ask for somebody."""
SETTLED_BY: Mapping[str, frozenset[str]] = {
    "alarm_raised": frozenset({"alert_acknowledged"}),
    "documentation_reminder": frozenset({"approved_afterwards"}),
    "documentation_overdue": frozenset({"approved_afterwards"}),
}
"""Kinds after which nobody needs to do anything about it any more."""
OBJECTED = N_("The resident says that it was understood wrongly")
OBJECTED_CATEGORY = N_("The resident says that it is about: %(category)s")


async def with_told_reasons(viewer: Viewer, rows: Sequence[QueueRow]) -> tuple[QueueRow, ...]:
    """The lines, each with what its timeline adds. A timeline that can't be read now adds nothing."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(row: QueueRow) -> QueueRow:
        if not row.request.needs_attention:
            return row
        async with room:
            told = await _told(viewer, row.request)
        reasons = dict.fromkeys((*(_in_words(each, viewer.words) for each in told), *row.reasons))
        fallback = viewer.words.gettext("Somebody must look at it")
        return replace(row, reasons=tuple(reasons) or (fallback,))

    return tuple(await asyncio.gather(*map(one, rows)))


def reasons_told(events: Sequence[Json]) -> tuple[Told, ...]:
    """What is open of what a timeline tells, an objection first; `events` come oldest first."""
    found: dict[str, Told] = {}
    for event in events:
        kind, details = event["kind"], event["details"]
        if kind == "objected":
            said = details.get("category_said")
            changed = said and said != details.get("category_before")
            found[kind] = (kind, str(said) if changed else "")
        elif kind == "labels_corrected":
            found.pop("objected", None)
        elif kind in KINDS:
            found[kind] = (kind, "")
        for settled in [name for name in found if kind in SETTLED_BY.get(name, ())]:
            del found[settled]
    return tuple(sorted(found.values(), key=lambda told: told[0] != "objected"))


def _in_words(told: Told, words: Words) -> str:
    kind, category = told
    if kind != "objected":
        return words.gettext(KINDS[kind])
    if not category:
        return words.gettext(OBJECTED)
    return words.gettext(OBJECTED_CATEGORY) % {"category": words.gettext(label(category))}


async def _told(viewer: Viewer, request: Request) -> tuple[Told, ...]:
    kept = _all_kept(viewer.visitor.request.app.state)
    key = (request.request_id, request.version)
    if key not in kept:
        try:
            answer = await viewer.api.get(path("requests", request.request_id, "events"))
        except Problem:
            return ()
        if len(kept) >= MOST_KEPT:
            kept.clear()
        kept[key] = reasons_told(answer.body["items"])
    return kept[key]


def _all_kept(state: State) -> dict[tuple[str, int], tuple[Told, ...]]:
    if not hasattr(state, _NAME):
        setattr(state, _NAME, dict[tuple[str, int], tuple[Told, ...]]())
    return getattr(state, _NAME)
