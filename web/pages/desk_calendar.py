"""The operations desk's calendar: one week of open jobs, and those that have no time yet.

Days are lists under headings: a table with a row for each hour would be cells without a job for the most part, which
somebody who listens has to walk through, and a phone would have to turn it into lists in any case.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from fastapi import APIRouter, HTTPException, Response

from core.contract import rfc3339
from core.labels import Urgency
from web.job_board import Job
from web.job_requests import read_requests, words_elsewhere
from web.language import Words
from web.pages.desk import DESK, open_jobs
from web.rendering import render
from web.viewer import Staff, Viewer
from web.weeks import Week, parse_week, week_of

router = APIRouter()

MOST = 500
"""The interface gives no more for one span."""
SHOWN_UNPLANNED = 50
MOST_REQUESTS = 100
"""Requests that are read for their buildings' zones; the times of other jobs are told in the calendar's."""
FARTHEST = timedelta(hours=26)
"""No two zones are further apart: within it of the week lie the jobs whose own day is one of the week's."""


@dataclass(frozen=True)
class Day:
    """One day's jobs, the earliest first."""

    date: date
    noon: datetime
    """A moment of it, which filters can write."""
    is_today: bool
    jobs: tuple[Job, ...]


@router.get(DESK + "/calendar")
async def open_calendar(viewer: Staff, week: str = "") -> Response:
    """A week: `2026-W48`, or that of a day such as `2026-11-23`; without one the present."""
    zone = viewer.words.zone
    today = viewer.visitor.clock().astimezone(zone).date()
    chosen = parse_week(week) if week else week_of(today)
    if chosen is None:
        raise HTTPException(404)
    start, end = chosen.span(zone)
    span = {"start": rfc3339(start - FARTHEST), "end": rfc3339(end + FARTHEST)}
    answer, (jobs, is_cut) = await asyncio.gather(viewer.api.get("/operations/calendar", **span), open_jobs(viewer))
    planned: list[Job] = answer.body["items"]
    elsewhere = words_elsewhere(viewer, await read_requests(viewer, planned, MOST_REQUESTS))
    unplanned = sorted(
        (job for job in jobs if job["scheduled_start"] is None),
        key=lambda job: (-Urgency(job["urgency"]).rank, job["created_at"]),
    )
    return render(
        viewer,
        "staff/calendar.html",
        week=chosen,
        days=by_day(chosen, planned, viewer, today, elsewhere),
        elsewhere=elsewhere,
        unplanned=unplanned[:SHOWN_UNPLANNED],
        unplanned_count=len(unplanned),
        is_cut=is_cut or len(planned) >= MOST,
        is_present=chosen == week_of(today),
    )


def by_day(week: Week, jobs: list[Job], viewer: Viewer, today: date, elsewhere: Mapping[str, Words]) -> tuple[Day, ...]:
    """The week's days, the empty ones too; a job lies on the day that it is where it is done.

    `elsewhere` tells the times of the requests whose buildings have another zone than the calendar.
    """
    zone = viewer.words.zone

    def day_of(job: Job) -> date:
        return elsewhere.get(job["request_id"] or "", viewer.words).local(job["scheduled_start"]).date()

    return tuple(
        Day(
            day,
            datetime(day.year, day.month, day.day, 12, tzinfo=zone),
            day == today,
            tuple(job for job in jobs if day_of(job) == day),
        )
        for day in week.days
    )
