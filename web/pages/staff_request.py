"""The staff's page of one request: what it is, why it was decided so, what was done, and what may be done now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from core.labels import ApprovalTier, Category, Crew, Urgency
from core.request import Event
from core.request import Request as ResidentRequest
from web.api_client import Problem, path
from web.approval_authority import tier_of
from web.building_zones import zone_of_request, zones_of
from web.form_keys import key_after
from web.option_lines import lines_of, reason_of
from web.rendering import render
from web.request_case import draw_case, read_case, read_words
from web.request_files import file_of
from web.request_view import clause, gates, possible_steps
from web.section_anchor import section_address
from web.viewer import Staff, Viewer
from web.wording import N_

router = APIRouter()

DONE: Mapping[str, str] = {
    "select-option": N_("The option was chosen."),
    "approve": N_("The cost was agreed to."),
    "reject": N_("The cost was refused; the resident may choose again."),
    "resolve": N_("The request was marked as done."),
    "escalate": N_("A person was asked to take over."),
    "cancel": N_("The request was cancelled."),
    "confirm": N_("The request was closed."),
    "reopen": N_("The request was reopened."),
    "start": N_("Work was marked as begun."),
    "offer": N_("The resident may choose again."),
    "access": N_("Whether it waits for access was noted."),
    "labels": N_("The labels were corrected, and policy was asked again."),
    "comments": N_("The comment was added."),
    "notify": N_("The message to the resident is on its way."),
    "job": N_("The job was ordered."),
    "retry": N_("What could not be carried out is tried again."),
}
"""What is said after a step; the address names the step only."""


@dataclass(frozen=True)
class Attempt:
    """A step that was not taken: what was typed is shown again."""

    step: str
    fields: Mapping[str, str]
    problem: Problem
    changes: Sequence[Event] | None = None
    """What happened since the page was read, where that is why."""

    @property
    def key(self) -> str | None:
        """For the form as it is shown again; None for a fresh one."""
        return key_after(self.problem, self.fields.get("idempotency_key"))


@router.get("/staff/requests/{request_id}")
async def open_request(request_id: str, viewer: Staff, done: str = "", explain: str = "") -> Response:
    """The page; with `explain` the words behind the category are marked."""
    return await show(viewer, request_id, done=done, explain=bool(explain))


@router.get("/staff/requests/{request_id}/words")
async def open_words(request_id: str, viewer: Staff) -> Response:
    """The part of the page that marks the words behind the category, for the script."""
    found = await viewer.api.get(path("requests", request_id))
    driving = await read_words(viewer, found.body["message_text"])
    address = page_of(request_id)
    return render(viewer, "staff/request_words.html", q=found.body, driving=driving, explained=True, address=address)


@router.get("/staff/requests/{request_id}/live")
async def follow(request_id: str, request: Request, viewer: Staff, after: str = "") -> Response:
    """The stream of the events that follow the last one that the page shows."""
    scope = dict(request.scope)
    if "last-event-id" not in request.headers:
        scope["headers"] = [*scope["headers"], (b"last-event-id", after.encode()[:20])]
    return viewer.api.forward(path("requests", request_id, "events"), scope)


@router.get("/staff/requests/{request_id}/files/{attachment_id}")
async def open_file(request_id: str, attachment_id: str, request: Request, viewer: Staff) -> Response:
    """A photo or document of the request."""
    return await file_of(viewer, request, request_id, attachment_id)


async def show(
    viewer: Viewer, request_id: str, *, done: str = "", explain: bool = False, attempt: Attempt | None = None
) -> Response:
    """The page as things stand now; with `attempt` it says why a step was not taken. Raises `Problem`."""
    case = await read_case(viewer, request_id)
    viewer = viewer.in_zone(zone_of_request(case.request, await zones_of(viewer)))
    trace = case.decision["trace"] if case.decision else None
    steps = possible_steps(case.request, case.events, is_led=case.is_led)
    return render(
        viewer,
        "staff/request.html",
        status=attempt.problem.status if attempt else 200,
        headers={"Cache-Control": "no-store"},
        q=case.body,
        case=case,
        trace=trace,
        gates=gates(trace["gates"]) if trace else (),
        clause=clause,
        section_address=section_address,
        titles={option.option_id: option.title for option in case.request.options},
        steps=steps,
        approvers=await _approvers(viewer, case.request) if steps.approve else (),
        lines=lines_of(case.request, case.events, viewer.visitor.clock(), viewer.words),
        reason=reason_of(case.request, viewer.words),
        charts=await draw_case(case, viewer.words),
        driving=await read_words(viewer, case.request.message_text) if explain else None,
        explained=explain,
        attempt=attempt,
        address=page_of(request_id),
        categories=list(Category),
        urgencies=list(Urgency),
        crews=list(Crew),
        done=viewer.words.gettext(DONE[done]) if done in DONE else "",
    )


async def _approvers(viewer: Viewer, request: ResidentRequest) -> tuple[ApprovalTier, ...]:
    """Who may agree to the cost where the viewer may not: from whose agreement is needed up. Empty where they may."""
    if request.approval is None:
        return ()
    own = await tier_of(viewer, request.building_id)
    required = request.approval.required
    if own is None or own.rank >= required.rank:
        return ()
    return tuple(tier for tier in ApprovalTier if tier.rank >= required.rank)


def page_of(request_id: str) -> str:
    """The page's address."""
    return path("staff", "requests", request_id)
