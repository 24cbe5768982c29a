"""One module for each page or family of pages: its routes, and what its template is given."""

from collections.abc import Sequence

from fastapi import APIRouter

from web.pages import (
    audit,
    bulk,
    desk,
    desk_calendar,
    executions,
    home,
    incidents,
    kept_form,
    knowledge,
    my_requests,
    operations,
    photos,
    preferences,
    queue,
    report,
    resident_messages,
    sign_in,
    staff_messages,
    staff_report,
    staff_request,
    staff_residents,
    staff_steps,
    staff_templates,
    statistics,
    story,
    what_if,
)

ROUTERS: Sequence[APIRouter] = (
    home.router,
    sign_in.router,
    report.router,
    photos.router,
    my_requests.router,
    story.router,
    resident_messages.router,
    preferences.router,
    kept_form.router,
    queue.router,
    bulk.router,
    desk_calendar.router,
    desk.router,
    incidents.router,
    executions.router,
    staff_messages.router,
    staff_request.router,
    staff_steps.router,
    staff_report.router,
    staff_residents.router,
    staff_templates.router,
    statistics.router,
    what_if.router,
    knowledge.router,
    audit.router,
    operations.router,
)
"""A page that is not here is not served."""
