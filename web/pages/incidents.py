"""Incidents: what the system takes for one fault, and what staff make of it."""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from core.execution_labels import ExecutionStatus
from core.status import ENDED
from web.api_client import Problem, path
from web.building_zones import zones_of
from web.buildings import buildings_of
from web.form_keys import key_after
from web.forms import Form, read_form
from web.job_requests import AT_ONCE, read_request, zone_of
from web.rendering import render
from web.second_click import answer_of
from web.undecided_incidents import forget_undecided
from web.viewer import Staff, Viewer
from web.wording import N_

router = APIRouter()

INCIDENTS = "/staff/incidents"
STATUSES = ("Proposed", "Accepted", "Ended", "Dismissed")
"""What waits for a decision first."""
PAGE = 100
MOST_BUILDINGS = 30
SHOWN = 30
"""Members whose messages are shown until all are asked for."""
MOST_TOLD = 40
"""Residents whose messages are looked through."""
DONE: Mapping[str, str] = {
    "accepted": N_("Accepted: its requests are dealt with as one, and their residents are told."),
    "dismissed": N_("Dismissed: each request goes its own way."),
    "changed": N_("The requests of the incident are changed."),
}
NO_TITLE = N_("Write a title for it; everybody in the building may read it.")
NOTHING_CHOSEN = N_("Choose a request to take out, or write the number of one to put in.")

Incident = Mapping[str, Any]


@dataclass(frozen=True)
class Member:
    """A request in an incident, or one that was."""

    request_id: str
    request: Mapping[str, Any] | None
    """None where it was erased, or is not shown."""
    likeness: float | None
    """How likely it belonged to the incident when it was proposed."""

    @property
    def may_lead(self) -> bool:
        """Whether it can carry the work."""
        return self.request is not None and self.request["status"] not in ENDED

    @property
    def has_work(self) -> bool:
        """Whether work was ordered on it and not given up."""
        execution = self.request["execution"] if self.request else None
        return execution is not None and execution["status"] != ExecutionStatus.DEAD_LETTERED


@dataclass(frozen=True)
class Told:
    """One message that went to some residents."""

    subject: str
    body: str
    recipients: tuple[str, ...]
    at: str
    """When the first of them was told."""


@router.get(INCIDENTS)
async def list_incidents(viewer: Staff, building: str = "", status: str = "", cursor: str | None = None) -> Response:
    """One building's incidents, or the newest of all."""
    buildings = await buildings_of(viewer)
    chosen = [building] if building else list(buildings[:MOST_BUILDINGS])
    wanted = status if status in STATUSES else None
    pages = await asyncio.gather(
        *(
            viewer.api.get(
                "/incidents", building_id=one, status=wanted, limit=PAGE, cursor=cursor if len(chosen) == 1 else None
            )
            for one in chosen
        )
    )
    found = [incident for page in pages for incident in page.body["items"]]
    found.sort(key=lambda one: one["updated_at"], reverse=True)
    found.sort(key=lambda one: STATUSES.index(one["status"]))
    more = [page.body["next_cursor"] for page in pages]
    zones = await zones_of(viewer)
    return render(
        viewer,
        "staff/incidents.html",
        incidents=found,
        words_of={one["building_id"]: viewer.in_zone(zones.get(one["building_id"])).words for one in found},
        buildings=sorted({*buildings, *chosen}),
        building=building,
        statuses=STATUSES,
        chosen_status=wanted or "",
        next_cursor=more[0] if len(more) == 1 else None,
        is_cut=not building and (len(buildings) > MOST_BUILDINGS or (len(more) > 1 and any(more))),
    )


@router.get(INCIDENTS + "/{incident_id}")
async def open_incident(incident_id: str, viewer: Staff, done: str = "", all: str = "") -> Response:
    """One incident with its requests and what their residents were told."""
    return await _page(viewer, incident_id, done=done, everything=bool(all))


@router.get(INCIDENTS + "/{incident_id}/{step}")
async def go_back(incident_id: str, step: str, viewer: Staff) -> Response:
    """A form's address, opened as a page."""
    return RedirectResponse(INCIDENTS + path(incident_id), 303)


@router.post(INCIDENTS + "/{incident_id}/accept")
async def accept(incident_id: str, request: Request, viewer: Staff) -> Response:
    """Its requests are one fault."""
    form = await read_form(request)
    if form.optional("title") is None:
        return await _page(viewer, incident_id, form=form, nothing=viewer.words.gettext(NO_TITLE), status=422)
    body = {"title": form.text("title"), "leader": form.optional("leader")}
    return await _act(viewer, incident_id, "accept", body, form, "accepted")


@router.post(INCIDENTS + "/{incident_id}/dismiss")
async def dismiss(incident_id: str, request: Request, viewer: Staff) -> Response:
    """They are not."""
    return await _act(viewer, incident_id, "dismiss", None, await read_form(request), "dismissed")


@router.post(INCIDENTS + "/{incident_id}/members")
async def change_members(incident_id: str, request: Request, viewer: Staff) -> Response:
    """Put requests in, take others out."""
    form = await read_form(request)
    add, remove = re.findall(r"[^\s,;]+", form.text("add")), list(form.lists.get("remove", ()))
    if not add and not remove:
        return await _page(viewer, incident_id, form=form, nothing=viewer.words.gettext(NOTHING_CHOSEN), status=422)
    return await _act(viewer, incident_id, "members", {"add": add, "remove": remove}, form, "changed")


async def _act(
    viewer: Viewer, incident_id: str, step: str, body: Mapping[str, Any] | None, form: Form, done: str
) -> Response:
    try:
        done_to = await answer_of(lambda: viewer.api.post(path("incidents", incident_id, step), body, key=form.key))
    except Problem as problem:
        if problem.status in (401, 404):
            raise
        keys = {step: key_after(problem, form.key)}
        return await _page(viewer, incident_id, form=form, problem=problem, kept_keys=keys, status=problem.status)
    forget_undecided(viewer, done_to.body["building_id"])
    return RedirectResponse(f"{INCIDENTS}{path(incident_id)}?done={done}", 303)


async def _page(
    viewer: Viewer,
    incident_id: str,
    *,
    form: Form | None = None,
    problem: Problem | None = None,
    kept_keys: Mapping[str, str | None] = MappingProxyType({}),
    nothing: str = "",
    done: str = "",
    everything: bool = False,
    status: int = 200,
) -> Response:
    incident: Incident = (await viewer.api.get(path("incidents", incident_id))).body
    shown = None if everything else SHOWN
    members, candidates, left = await asyncio.gather(
        *(_members(viewer, incident, incident[name], shown) for name in ("members", "candidates", "left"))
    )
    hidden = 0 if everything else max(0, len(incident["members"]) - SHOWN)
    residents = {one.request["resident_id"] for one in members if one.request} | {*incident["subscribers"]}
    typed: Mapping[str, str] = form.fields if form else {}
    return render(
        viewer.in_zone(await _zone(viewer, incident, members)),
        "staff/incident.html",
        status=status,
        incident=incident,
        members=members,
        candidates=candidates,
        left=left,
        hidden=hidden,
        told=await _told(viewer, sorted(residents)[:MOST_TOLD], incident["created_at"]),
        most_told=MOST_TOLD if len(residents) > MOST_TOLD else None,
        is_active=incident["status"] in ("Proposed", "Accepted"),
        title=typed.get("title") or incident["title"],
        # Of members that were not read none is suggested: the interface, which reads all, chooses.
        leader=typed.get("leader") or ("" if hidden else _suggested(members, incident["lead"])),
        add=typed.get("add", ""),
        remove=form.lists.get("remove", ()) if form else (),
        problem=problem,
        kept_keys=kept_keys,
        nothing=nothing,
        done=viewer.words.gettext(DONE[done]) if done in DONE else "",
    )


def _suggested(members: Sequence[Member], first: str) -> str:
    """As the interface chooses where nobody does: on which work was ordered already, else the earliest."""
    able = [one for one in members if one.may_lead]
    able.sort(key=lambda one: (not one.has_work, one.request["created_at"] if one.request else "", one.request_id))
    return able[0].request_id if able else first


async def _zone(viewer: Viewer, incident: Incident, members: Iterable[Member]) -> str | None:
    """In which its requests' promises were made, else its building's (IANA)."""
    promised = next(filter(None, (zone_of(one.request) for one in members)), None)
    return promised or (await zones_of(viewer)).get(incident["building_id"])


async def _members(viewer: Viewer, incident: Incident, ids: Sequence[str], shown: int | None) -> list[Member]:
    few = asyncio.Semaphore(AT_ONCE)

    async def one(request_id: str) -> Member:
        async with few:
            return Member(request_id, await read_request(viewer, request_id), incident["likeness"].get(request_id))

    return list(await asyncio.gather(*map(one, ids[:shown])))


async def _told(viewer: Viewer, residents: Iterable[str], since: str) -> list[Told]:
    """What these were told of incidents since then, newest first: a message does not name its incident."""
    few = asyncio.Semaphore(AT_ONCE)

    async def one(resident: str) -> list[Mapping[str, Any]]:
        async with few:
            return (await viewer.api.get("/notifications", recipient=resident, limit=50)).body["items"]

    sent = [each for some in await asyncio.gather(*map(one, residents)) for each in some]
    sent = [each for each in sent if _is_of_incident(each["notification"]) and each["at"] >= since]
    sent.sort(key=_words)
    return sorted(map(_together, (list(some) for _, some in groupby(sent, _words))), key=lambda one: one.at)[::-1]


def _is_of_incident(notification: Mapping[str, Any]) -> bool:
    return str(notification["event"] or "").startswith("incident_")


def _words(sent: Mapping[str, Any]) -> tuple[str, str]:
    return sent["notification"]["subject"], sent["notification"]["body"]


def _together(sent: Sequence[Mapping[str, Any]]) -> Told:
    recipients = tuple(sorted({each["notification"]["recipient"] for each in sent}))
    return Told(*_words(sent[0]), recipients, min(each["at"] for each in sent))
