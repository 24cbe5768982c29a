"""A resident's first page: the box in which they write, what is open, and the faults that are known already."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from core.request import MAX_MESSAGE_CHARACTERS
from web.api_client import Problem, path
from web.forms import read_form
from web.knowledge_words import plainly
from web.open_requests import FOR_THE_RESIDENT, NEXT_STEPS, split_open
from web.pages.photos import still_there, upload_all
from web.rendering import new_key, render
from web.report_form import SLOTS, Report, choices, read_report, wishes_of
from web.second_click import answer_of
from web.viewer import Resident, Viewer
from web.wording import DAYS, N_

router = APIRouter()

MOST_FAULTS = 10
MOST_PHOTOS = 10
WAIT_S = 10
SIMILAR_WITHIN_S = 3.0
"""So long the search for repeats may keep a message from being sent."""
DONE: Mapping[str, str] = {
    "following": N_("You follow this fault: you hear of it when something changes."),
    "left": N_("You do not follow this fault any more."),
}

_FIELDS: Mapping[str, str] = {
    "special_instructions": N_("What else we should know has room for 1,000 characters."),
    "emergency_contact": N_("Whom to call has room for 200 characters."),
    "attachments": N_("A message may have 10 photos at most. Please take some off."),
}


@router.get("/home")
async def open_home(viewer: Resident, done: str = "") -> Response:
    """The box, with the wishes of last time, and what is open."""
    return await _home(viewer, None, done=DONE.get(done, ""))


@router.get("/report")
async def find_report() -> Response:
    """Where the browser goes when the answer to a form is opened anew."""
    return RedirectResponse("/home", 303)


@router.post("/report")
async def send_report(request: Request, viewer: Resident) -> Response:
    """Send a message, or ask first whether it is one of those that are open.

    Nothing may hold up an emergency, so the life-safety rules are asked before anything else, which takes less than a
    millisecond there: where one fires, nothing is asked of the person and no photo that fails keeps the message back.
    Where the rules can't be asked, or the search for repeats takes long, the message is sent, too. What only the models
    would call an emergency may come to the question; so that page says first what to do in danger, and its first button
    sends.
    """
    form = await read_form(request)
    report = read_report(form)
    await _take_back(viewer, report.dropped)
    is_danger, advice = await _danger(viewer, report.text)
    taken, problems = await upload_all(viewer, form)
    report = report.with_photos([*report.photos, *taken])
    wrong = _faults_of(viewer, report)
    if wrong or (problems and not is_danger):
        status = 422 if wrong else problems[0][0]
        return await _home(viewer, report, [*wrong, *(sentence for _, sentence in problems)], status, advice)
    if report.answer == "" and is_danger is False:
        similar = await _similar(viewer, report)
        if similar["requests"] or similar["incidents"]:
            return render(viewer, "resident/similar.html", report=report, similar=similar, **_choices(viewer, report))
    if report.answer.startswith("INC_") and not is_danger:
        return await _follow_instead(request, viewer, report)
    try:
        return await _send(request, viewer, report, failed=bool(problems), hurry=is_danger is True)
    except Problem as problem:
        if problem.status in (401, 403) or problem.status >= 500:
            raise
        return await _refused(viewer, report, problem, advice)


@router.post("/report/advice")
async def give_advice(request: Request, viewer: Resident) -> Response:
    """What to do now, where the text that is being typed tells of danger; nothing is kept."""
    form = await read_form(request)
    is_danger, advice = await _danger(viewer, form.text("message_text"))
    return JSONResponse({"emergency": is_danger is True, "advice": advice and plainly(advice, viewer.words)})


@router.post("/known-faults/{incident_id}/follow")
async def follow_fault(incident_id: str, request: Request, viewer: Resident) -> Response:
    """Be told of it."""
    form = await read_form(request)
    await viewer.api.post(path("incidents", incident_id, "subscribe"), key=form.key)
    return RedirectResponse("/home?done=following", 303)


@router.post("/known-faults/{incident_id}/leave")
async def leave_fault(incident_id: str, request: Request, viewer: Resident) -> Response:
    """Be told no more of it."""
    form = await read_form(request)
    await viewer.api.post(path("incidents", incident_id, "unsubscribe"), key=form.key)
    return RedirectResponse("/home?done=left", 303)


async def _home(
    viewer: Viewer,
    report: Report | None,
    wrong: Sequence[str] = (),
    status: int = 200,
    advice: str | None = None,
    done: str = "",
) -> Response:
    """The page; `report` is what was typed before, where something is wrong with it."""
    requests, faults = await asyncio.gather(_requests(viewer), _faults(viewer))
    shown = report or Report(wishes=wishes_of(requests or ()), shown_at=viewer.visitor.clock().isoformat())
    return render(
        viewer,
        "resident/home.html",
        status=status,
        report=shown,
        wrong=wrong,
        advice=advice,
        done=viewer.words.gettext(done) if done else "",
        open_requests=None if requests is None else split_open(requests)[0],
        next_steps=NEXT_STEPS,
        their_turn=FOR_THE_RESIDENT,
        faults=faults,
        most=MAX_MESSAGE_CHARACTERS,
        most_photos=MOST_PHOTOS,
        **_choices(viewer, shown),
    )


def _choices(viewer: Viewer, report: Report) -> dict[str, Any]:
    wishes, words = report.wishes, viewer.words
    return {
        "day_choices": choices(DAYS, wishes.days, words),
        "avoided_choices": choices(DAYS, wishes.avoided, words),
        "slot_choices": choices(SLOTS, wishes.slots, words),
    }


async def _requests(viewer: Viewer) -> list[dict[str, Any]] | None:
    """The newest of the resident's; None where they can't be had, which must not take the box away."""
    try:
        return (await viewer.api.get(path("residents", viewer.sub, "requests"), limit=50)).body["items"]
    except Problem as problem:
        if problem.status < 500:
            raise
        return None


async def _faults(viewer: Viewer) -> list[dict[str, Any]] | None:
    """The building's known faults, each with whether the resident follows it; None as for `_requests`."""
    try:
        found = (await viewer.api.get("/incidents", status="Accepted")).body["items"][:MOST_FAULTS]
        each = [viewer.api.get(path("incidents", one["incident_id"])) for one in found]
        return [answer.body for answer in await asyncio.gather(*each)]
    except Problem as problem:
        if problem.status == 401:
            raise
        return None


async def _danger(viewer: Viewer, text: str) -> tuple[bool | None, str | None]:
    """Whether a life-safety rule fires, None where nobody can tell; and what to do now."""
    if not text:
        return False, None
    try:
        answer = await viewer.api.post("/safety-check", {"message_text": text[:MAX_MESSAGE_CHARACTERS]})
    except Problem as problem:
        if problem.status == 401:
            raise
        return None, None
    return answer.body["emergency"], answer.body["advice"]


async def _similar(viewer: Viewer, report: Report) -> dict[str, list[dict[str, Any]]]:
    """What may say the same: open requests of the resident, and faults of the building that the message names."""
    try:
        asked = viewer.api.post("/requests/similar", {"message_text": report.text})
        found = (await asyncio.wait_for(asked, SIMILAR_WITHIN_S)).body
    except TimeoutError:
        return {"requests": [], "incidents": []}
    except Problem as problem:
        if problem.status == 401:
            raise
        # Without it the message is a new one; the pipeline looks for repeats, too.
        return {"requests": [], "incidents": []}
    own = [one for one in found["requests"] if not report.was_sent_as(one["message_text"], one["created_at"])]
    # Where the form itself was sent before, the same request answers again, without a question.
    if len(own) < len(found["requests"]):
        return {"requests": [], "incidents": []}
    own = [{**one, "is_same": report.says_the_same(one["message_text"])} for one in own[:5]]
    return {"requests": own, "incidents": [one for one in found["incidents"] if one["likely"]][:5]}


def _faults_of(viewer: Viewer, report: Report) -> list[str]:
    words = viewer.words
    if not report.text:
        return [words.gettext("Please write what it is about.")]
    wrong: list[str] = []
    if report.excess:
        text = words.ngettext(
            "Your message is %(count)s character too long; nothing of it was cut.",
            "Your message is %(count)s characters too long; nothing of it was cut.",
            report.excess,
        )
        wrong.append(text % {"count": words.number(report.excess)})
    if len(report.photos) > MOST_PHOTOS:
        wrong.append(words.gettext("A message may have 10 photos at most. Please take some off."))
    return wrong


async def _send(request: Request, viewer: Viewer, report: Report, *, failed: bool, hurry: bool) -> Response:
    """Send it once; `failed` photos are missing, and one in a `hurry` goes without those that are gone."""
    try:
        made = await _submit(viewer, report)
    except Problem as problem:
        kept = await still_there(viewer, report.photos) if problem.status in (409, 422) else report.photos
        if not hurry or len(kept) == len(report.photos):
            raise
        failed = True
        made = await _made_before(viewer, report) or await _submit(viewer, report.with_photos(kept))
    request_id = made["request_id"]
    if report.answer.startswith("REQ_") and await _attach(viewer, report, request_id):
        request_id = report.answer
    return _go(request, path("requests", request_id) + ("?done=sent-without-photo" if failed else ""))


async def _made_before(viewer: Viewer, report: Report) -> dict[str, Any] | None:
    """The request that this very form made when its answer was lost, and that holds the photos which were there then.

    Without those it would have another key now, and be a second emergency.
    """
    for photo in report.photos:
        try:
            file = (await viewer.api.get(path("attachments", photo.attachment_id))).body["attachment"]
            if request_id := file.get("request_id"):
                request = (await viewer.api.get(path("requests", request_id))).body
                if report.was_sent_as(request["message_text"], request["created_at"]):
                    return request
        except Problem as problem:
            if problem.status not in (404, 422):
                raise
    return None


async def _submit(viewer: Viewer, report: Report) -> dict[str, Any]:
    """The request as it stands after a short while."""
    body = report.body()
    key = report.key_for(body)
    return (await answer_of(lambda: viewer.api.post("/requests", body, key=key, wait_s=WAIT_S))).body


async def _attach(viewer: Viewer, report: Report, request_id: str) -> bool:
    """End the new request in favour of the earlier one; False where it has to stay by itself, as an emergency does."""
    if request_id == report.answer:
        return True
    body = {"request_id": report.answer}
    try:
        where, key = path("requests", request_id, "attach"), report.key_for(body)
        await answer_of(lambda: viewer.api.post(where, body, key=key))
    except Problem as problem:
        if problem.status == 401:
            raise
        # It was sent, which is what counts; its own page says how it goes on.
        return False
    return True


async def _follow_instead(request: Request, viewer: Viewer, report: Report) -> Response:
    """The resident found their matter among the known faults: nothing is sent, they are told of it."""
    await viewer.api.post(path("incidents", report.answer, "subscribe"), key=report.key_for({"follow": report.answer}))
    await _take_back(viewer, [photo.attachment_id for photo in report.photos])
    return _go(request, "/home?done=following")


async def _take_back(viewer: Viewer, attachment_ids: Sequence[str]) -> None:
    for attachment_id in attachment_ids:
        try:
            await viewer.api.delete(path("attachments", attachment_id))
        except Problem as problem:
            if problem.status == 401:
                raise
            # What nobody sends is removed after a day anyway.


async def _refused(viewer: Viewer, report: Report, problem: Problem, advice: str | None) -> Response:
    """The page once more with all that was typed, and why."""
    words = viewer.words
    kept = await still_there(viewer, report.photos)
    gone = [photo.name for photo in report.photos if photo not in kept]
    wrong = [words.gettext("“%(name)s” is no longer there. Please add it again.") % {"name": name} for name in gone]
    if problem.status == 429:
        wrong.append(words.gettext("You have sent much in a short time. Please wait a moment, then send it again."))
    elif problem.code == "validation_error":
        wrong += [words.gettext(_FIELDS[name]) for name in problem.fields if name in _FIELDS]
    again = replace(report.with_photos(kept), key=new_key() if problem.code == "idempotency_key_reused" else report.key)
    return await _home(viewer, again, wrong or [problem.detail], problem.status, advice)


def _go(request: Request, address: str) -> Response:
    """On to another page; a script is told where, so that it can first forget the draft."""
    if request.headers.get("accept", "").startswith("application/json"):
        return JSONResponse({"location": address}, 201)
    return RedirectResponse(address, 303)
