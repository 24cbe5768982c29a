"""The staff's queue: what needs attention, most urgent first, narrowed down by filters, and its files."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from core.labels import Category, Status, Urgency
from core.request import Request as ResidentRequest
from web.api_client import Problem
from web.attention_reasons import with_told_reasons
from web.building_zones import words_there, zone_of_request, zones_of
from web.form_keys import key_after
from web.forms import Form
from web.queue_filters import FILTER_NAMES, Filters, read_filters
from web.queue_rows import SETTABLE, Figures, QueueRow, SeenRequest, figures_of, row_of
from web.rendering import render
from web.undecided_incidents import undecided_incidents
from web.untaken_alerts import count_untaken
from web.viewer import Staff, Viewer

router = APIRouter()

EXPORT_FORMATS = ("csv", "json")


@dataclass(frozen=True)
class Queue:
    """One page of it."""

    filters: Filters
    """Without those that turned out to be none."""
    rows: tuple[QueueRow, ...]
    next_cursor: str | None
    figures: Figures
    untaken: int | None
    """Alerts that nobody has taken; None where that can't be told now."""
    wrong: tuple[str, ...] = ()
    """The filters that were left out, by name."""


@dataclass(frozen=True)
class BulkDraft:
    """What somebody has filled in for many at once, and why it was not done."""

    form: Form
    seen: Sequence[SeenRequest]
    problem: Problem | None = None

    @property
    def key(self) -> str | None:
        """For the form as it is shown again; None for a fresh one."""
        return key_after(self.problem, self.form.key)


async def read_queue(viewer: Viewer, query: Mapping[str, str]) -> Queue:
    """The page of the queue that an address names; what is no filter is left out and named. Raises `Problem`."""
    filters, wrong = read_filters(query)
    try:
        return await _queue(viewer, filters, wrong)
    except Problem as problem:
        refused = _refused_filters(problem)
        if not refused:
            raise
    return await _queue(viewer, filters.without(refused), (*wrong, *refused))


async def queue_page(
    viewer: Viewer,
    query: Mapping[str, str],
    *,
    status: int = 200,
    done: str | None = None,
    draft: BulkDraft | None = None,
    warning: str | None = None,
) -> Response:
    """The queue with what is to be said above it. Raises `Problem`."""
    queue = await read_queue(viewer, query)
    return render(
        viewer,
        "staff/queue.html",
        status=422 if queue.wrong else status,
        queue=queue,
        done=done,
        draft=draft,
        selected={one.request_id for one in draft.seen} if draft else set[str](),
        warning=warning,
        filter_names=FILTER_NAMES,
        statuses=tuple(Status),
        settable=SETTABLE,
        categories=tuple(Category),
        urgencies=tuple(Urgency),
        buildings=viewer.session.stored.buildings,
        undecided=await undecided_incidents(viewer),
        known_buildings=sorted({*await zones_of(viewer), *(row.request.building_id for row in queue.rows)}),
    )


@router.get("/staff")
async def open_queue(viewer: Staff, request: Request) -> Response:
    """The queue; its filters are in the address."""
    return await queue_page(viewer, request.query_params, done=_done_sentence(viewer, request.query_params))


@router.get("/staff/rows")
async def open_rows(viewer: Staff, request: Request) -> Response:
    """The queue's lines and figures alone, for a page that is open."""
    queue = await read_queue(viewer, request.query_params)
    headers = {"Cache-Control": "no-store"}
    return render(viewer, "staff/queue_part.html", queue=queue, selected=set[str](), headers=headers)


@router.get("/staff/export")
async def export_queue(viewer: Staff, request: Request) -> Response:
    """All requests that the filters let through, as a file."""
    filters, _ = read_filters(request.query_params)
    wanted = request.query_params.get("format", "")
    format = wanted if wanted in EXPORT_FORMATS else EXPORT_FORMATS[0]
    query = "&".join(part for part in (f"format={format}", filters.of_export) if part)
    return viewer.api.forward("/requests/export", request.scope, query)


async def _queue(viewer: Viewer, filters: Filters, wrong: tuple[str, ...]) -> Queue:
    is_plain = filters == Filters()
    listed = viewer.api.get("/requests", **filters.of_list)
    if is_plain:
        shown = waiting = await listed
    else:
        # The figures are of all that waits, whatever is looked at.
        shown, waiting = await asyncio.gather(listed, viewer.api.get("/requests", **Filters().of_list))
    now, zones = viewer.visitor.clock(), await zones_of(viewer)
    requests = _requests(shown.body["items"])
    attention = requests if is_plain else _requests(waiting.body["items"])
    rows = [row_of(one, viewer.words, now, words_there(viewer, zone_of_request(one, zones))) for one in requests]
    return Queue(
        filters=filters,
        rows=await with_told_reasons(viewer, rows),
        next_cursor=shown.body["next_cursor"],
        figures=figures_of(attention, is_all=waiting.body["next_cursor"] is None),
        untaken=await count_untaken(viewer),
        wrong=wrong,
    )


def _requests(items: Sequence[object]) -> list[ResidentRequest]:
    return [ResidentRequest.model_validate(item) for item in items]


def _refused_filters(problem: Problem) -> tuple[str, ...]:
    if problem.status != 422:
        return ()
    if problem.code == "invalid_cursor":
        return ("cursor",)
    return tuple(name for name in problem.fields if name in FILTER_NAMES)


def _done_sentence(viewer: Viewer, query: Mapping[str, str]) -> str | None:
    count = query.get("count", "")
    if query.get("done") != "changed" or not (count.isascii() and count.isdecimal() and len(count) < 4):
        return None
    words = viewer.words
    return words.ngettext("%(count)s request was changed.", "%(count)s requests were changed.", int(count)) % {
        "count": int(count)
    }
