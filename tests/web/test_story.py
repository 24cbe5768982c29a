"""The story of a request: each step that a resident may take, and what they are shown where it is refused."""

import ast
import asyncio
import html as html_module
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from PIL import Image

from core.errors import ServiceUnavailable
from core.labels import ApprovalTier, Status
from core.request import RequestId, ResolutionNote, Sla
from core.status import LEGAL
from deployments.request_management.service import RequestManagementService
from tests.builders import NOON, build_event, build_full_record, build_option
from tests.web.conftest import Person
from web.language import words_in
from web.option_cards import APPROVALS, charge_words, cost_words, risk_words
from web.recommendation import dateless, why_recommended
from web.resident_steps import STEPS, open_steps
from web.story_view import ACTIONS, NOW, ORDERED, WAITS_FOR_A_PERSON, Told, story_of
from web.timeline import KINDS, NO_ANSWER, NOT_SHOWN, STATUSES, lines

TAP = "The kitchen tap drips since yesterday, can somebody fix it?"
QUESTION = "what time does the gym close?"
EMERGENCY = "water is pouring through my bathroom ceiling and the light is flickering"
SCRIPT = "<script>alert('1')</script>"
EN = words_in("en", "America/New_York")
Json = dict[str, Any]


async def call(person: Person, method: str, where: str, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {person.token}", "Prefer": "wait=25"}
    answer = await person.request(method, f"/api/v1{where}", headers=headers, **more)
    assert answer.is_success, answer.text
    return answer


async def report(person: Person, message: str, **fields: Any) -> str:
    return (await call(person, "POST", "/requests", json={"message_text": message, **fields})).json()["request_id"]


async def read(person: Person, request_id: str) -> Json:
    return (await call(person, "GET", f"/requests/{request_id}")).json()


async def seed(service: RequestManagementService, status: Status, **fields: Any) -> str:
    """A request of RES_A_101 in this status, with options and a decision."""
    now = service.clock()
    record = build_full_record(status=status, created_at=now, updated_at=now, **fields)
    record = record.model_copy(update={"last_event": 1, "outbox": (), "trace": record.trace})
    event = build_event(1).model_copy(update={"at": now, "kind": "submitted", "actor": "RES_A_101"})
    assert await service._store.create(record, [event])  # pyright: ignore[reportPrivateUsage]
    return record.request.request_id


async def until(reached: Callable[[], Any]) -> Any:
    for _ in range(200):
        if found := await reached():
            return found
        await asyncio.sleep(0.05)
    pytest.fail("never reached")


def form_of(html: str, action: str, containing: str = "") -> Json:
    """The hidden fields of the form for `action` that holds a text."""
    for found in re.finditer(rf'<form[^>]*action="{re.escape(action)}"[^>]*>(.*?)</form>', html, re.DOTALL):
        if containing in found.group(1):
            pairs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found.group(1))
            return {name: html_module.unescape(value) for name, value in pairs}
    raise AssertionError(f"no form for {action} with {containing!r}")


async def submit(person: Person, html: str, action: str, containing: str = "", **fields: str) -> httpx.Response:
    return await person.post(action, data=form_of(html, action, containing) | fields)


async def test_a_resident_compares_chooses_and_sees_what_was_chosen(resident: Person) -> None:
    request_id = await report(resident, TAP)
    where = f"/requests/{request_id}"
    page = await resident.page(where)
    found = await read(resident, request_id)
    shown = [dateless(option["title"]) for option in found["options"]]
    assert [title for title in shown if html_module.escape(title) not in page] == []
    first = re.search(r'<li class="card option[^"]*">\s*<h3[^>]*>([^<]+)', page)
    recommended = found["decision"]["recommended_option_id"]
    titles = {option["option_id"]: dateless(option["title"]) for option in found["options"]}
    assert first is not None
    assert dateless(html_module.unescape(first.group(1))) == titles[recommended]
    assert page.count("Why we recommend it") == 1
    assert found["decision"]["explanation"][:40] not in html_module.unescape(page)
    assert page.count(">Recommended<") == 1
    assert "Most likely" in page
    assert "9 in 10" in page
    assert "The house pays about $" in page
    assert "We promised that somebody would look at it by" in page
    assert html_module.escape(found["options"][0]["citations"][0]["quote"], quote=False) in html_module.unescape(page)
    answer = await submit(resident, page, f"{where}/choose", f'value="{recommended}"')
    assert answer.status_code == 200
    assert "Your choice was taken." in answer.text
    assert ">Chosen<" in answer.text
    assert f'action="{where}/choose"' not in answer.text
    done = await until(lambda: _with_status(resident, request_id, "InProgress"))
    page = await resident.page(where)
    assert "The work is ordered and not done yet." in page
    assert "set in motion" not in page
    assert str(done["execution"]["execution_id"]) not in page
    assert f"Chosen: {titles[recommended]}" in html_module.unescape(page)


async def _with_status(person: Person, request_id: str, *wanted: str) -> Json | None:
    found = await read(person, request_id)
    return found if found["status"] in wanted else None


async def test_a_choice_that_is_sent_twice_is_made_once(resident: Person) -> None:
    request_id = await report(resident, TAP)
    where = f"/requests/{request_id}"
    fields = form_of(await resident.page(where), f"{where}/choose")
    first, second = await asyncio.gather(*(resident.post(f"{where}/choose", data=fields) for _ in range(2)))
    assert (first.status_code, second.status_code) == (200, 200)
    events = (await call(resident, "GET", f"{where}/events")).json()["items"]
    assert [event["kind"] for event in events].count("option_selected") == 1


async def test_what_has_changed_meanwhile_is_shown_before_it_is_chosen(resident: Person, staff: Person) -> None:
    request_id = await report(resident, TAP)
    where = f"/requests/{request_id}"
    page = await resident.page(where)
    await call(staff, "PUT", where, json={"comment": "It is the washer."})
    answer = await submit(resident, page, f"{where}/choose")
    assert answer.status_code == 412
    assert "That was not done." in answer.text
    assert "It is the washer." in answer.text
    assert (await submit(resident, answer.text, f"{where}/choose")).status_code == 200


async def test_an_emergency_begins_with_what_to_do(resident: Person) -> None:
    request_id = await report(resident, EMERGENCY)
    page = await resident.page(f"/requests/{request_id}")
    advice = (await read(resident, request_id))["classification"]["safety_advice"]
    alert = page.index('class="emergency" role="alert"')
    assert alert < page.index("<h1>")
    assert alert < html_module.unescape(page).index(advice) < page.index("<h1>")
    assert "Help was alerted" in page
    assert "call 911" in page


async def test_an_answer_shows_its_source_and_may_be_thanked_for_or_refused(resident: Person) -> None:
    helped, failed = await report(resident, QUESTION), await report(resident, QUESTION)
    answer = (await read(resident, helped))["answer"]
    page = await resident.page(f"/requests/{helped}")
    shown = html_module.unescape(page)
    assert answer["text"] in shown
    assert answer["citations"][0]["quote"] in shown
    assert f"section “{answer['citations'][0]['section']}”" in shown
    assert "We are sure that this is right." in shown
    thanked = await submit(resident, page, f"/requests/{helped}/confirm")
    assert "Thank you for telling us." in thanked.text
    page = await resident.page(f"/requests/{failed}")
    refused = await submit(resident, page, f"/requests/{failed}/reopen", comment=SCRIPT)
    assert "It was reopened." in refused.text
    assert SCRIPT not in refused.text
    assert html_module.escape(SCRIPT, quote=True) in refused.text or SCRIPT in html_module.unescape(refused.text)
    assert (await read(resident, failed))["needs_attention"] is True


TAKEN: tuple[tuple[Status, str, dict[str, str], str, str], ...] = (
    (Status.RESOLVED, "confirm", {}, "Closed", "Thank you for telling us."),
    (Status.RESOLVED, "reopen", {"comment": "It drips"}, "Reopened", "It was reopened."),
    (Status.CLOSED, "reopen", {"comment": "It drips"}, "Reopened", "It was reopened."),
    (Status.AWAITING_SELECTION, "cancel", {"comment": "Mended it myself"}, "Cancelled", "was cancelled"),
    (Status.AWAITING_SELECTION, "escalate", {"comment": "Please call"}, "Escalated", "asked to take over"),
    (Status.IN_PROGRESS, "comment", {"comment": "The key is with Ann"}, "InProgress", "to our staff was sent"),
    (Status.CLOSED, "rate", {"rating": "4", "comment": "Quick"}, "Closed", "Thank you for your rating."),
    (Status.ESCALATED, "object", {"category": "Billing", "comment": "My bill"}, "Escalated", "Our staff will look"),
)


async def test_each_step_is_taken(resident: Person, service: RequestManagementService) -> None:
    for status, name, fields, after, said in TAKEN:
        request_id = await seed(service, status)
        page = await resident.page(f"/requests/{request_id}")
        answer = await submit(resident, page, f"/requests/{request_id}/{name}", **fields)
        assert answer.status_code == 200, (name, answer.text)
        assert str(answer.url).endswith(f"?done={name}")
        assert said in answer.text
        assert fields.get("comment", "") in answer.text
        # Work that waits in the outbox may move a request on by itself.
        assert (await read(resident, request_id))["status"] == after


async def test_a_refusal_shows_the_page_with_what_was_typed(
    resident: Person, service: RequestManagementService
) -> None:
    request_id = await seed(service, Status.RESOLVED)
    where = f"/requests/{request_id}"
    page = await resident.page(where)
    await call(resident, "POST", f"{where}/reopen")
    answer = await submit(resident, page, f"{where}/reopen", comment="It drips &  drips")
    assert answer.status_code == 409
    assert "That was not done." in answer.text
    # Nothing can be reopened now; what was written waits in the message to our staff.
    assert f'action="{where}/reopen"' not in answer.text
    assert "It drips &amp;  drips</textarea>" in answer.text
    for name, fields in (
        ("rate", {"rating": "9"}),
        ("object", {"category": "Gas"}),
        ("comment", {"comment": "x" * 2001}),
    ):
        status = Status.CLOSED if name == "rate" else Status.ESCALATED
        other = f"/requests/{await seed(service, status)}"
        page = await resident.page(other)
        answer = await submit(resident, page, f"{other}/{name}", **{"comment": "kept", **fields})
        assert answer.status_code == 422, (name, answer.text)
        assert f"{fields.get('comment', 'kept')}</textarea>" in answer.text, name


async def test_a_key_goes_with_a_form_that_may_have_acted(
    resident: Person, service: RequestManagementService, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = await seed(service, Status.RESOLVED)
    where = f"/requests/{request_id}"
    fields = form_of(await resident.page(where), f"{where}/reopen")

    async def fail(*_: object) -> None:
        raise ServiceUnavailable("not now")

    with monkeypatch.context() as patched:
        patched.setattr(service.requests, "reopen", fail)
        answer = await resident.post(f"{where}/reopen", data=fields | {"comment": "drips"})
    assert answer.status_code == 503
    again = form_of(answer.text, f"{where}/reopen")
    assert again["idempotency_key"] == fields["idempotency_key"]
    assert "drips</textarea>" in answer.text


async def test_the_rating_is_chosen_by_radio_buttons_and_may_be_changed(
    resident: Person, service: RequestManagementService
) -> None:
    request_id = await seed(service, Status.CLOSED)
    where = f"/requests/{request_id}"
    page = await resident.page(where)
    assert len(re.findall(r'<input type="radio" name="rating" value="[1-5]" required', page)) == 5
    page = (await submit(resident, page, f"{where}/rate", rating="2")).text
    assert "You rated it 2 of 5." in page
    assert re.search(r'value="2" required checked', page)
    await submit(resident, page, f"{where}/rate", rating="5")
    assert (await read(resident, request_id))["feedback"]["rating"] == 5


async def test_the_resident_says_that_the_labels_are_wrong(resident: Person, staff: Person) -> None:
    request_id = await report(resident, TAP)
    where = f"/requests/{request_id}"
    page = await resident.page(where)
    answer = await submit(resident, page, f"{where}/object", category="Billing", comment=SCRIPT)
    assert "You told us that this is wrong." in answer.text
    assert SCRIPT not in answer.text
    assert SCRIPT in html_module.unescape(answer.text)
    found = await read(staff, request_id)
    assert (found["classification"]["category"], found["needs_attention"]) == ("Maintenance", True)
    await call(staff, "PUT", where, json={"category": "Billing"})
    assert "You told us that this is wrong." not in await resident.page(where)


async def test_one_request_is_attached_to_the_earlier_one(resident: Person) -> None:
    earlier = await report(resident, TAP)
    later = await report(resident, "The kitchen tap drips since yesterday, it gets worse")
    where = f"/requests/{later}"

    async def noted() -> bool:
        return bool((await read(resident, later))["possible_duplicates"])

    await until(noted)
    page = await resident.page(where)
    assert f'href="/requests/{earlier}"' in page
    answer = await submit(resident, page, f"{where}/attach")
    assert "which goes on." in answer.text
    assert "It goes on with your earlier request." in answer.text
    assert (await read(resident, later))["duplicate_of"] == earlier


async def test_a_fault_of_the_building_may_be_followed(resident: Person, sign_in: Any, staff: Person) -> None:
    neighbour: Person = await sign_in("resident", "RES_A_102")
    for person in (resident, neighbour):
        await report(person, "No hot water in the whole home since this morning")

    async def proposed() -> list[Json]:
        items = (await call(staff, "GET", "/incidents", params={"building_id": "A"})).json()["items"]
        return [one for one in items if len(one["members"]) > 1]

    (incident, *_) = await until(proposed)
    await call(staff, "POST", f"/incidents/{incident['incident_id']}/accept", json={"title": SCRIPT})
    # Who reported it first is told of it as of their own request, which the others follow.
    own = (await call(neighbour, "GET", "/residents/RES_A_102/requests")).json()["items"][0]
    where = f"/requests/{own['request_id']}"

    async def joined() -> bool:
        return (await read(neighbour, own["request_id"]))["incident_id"] is not None

    await until(joined)
    page = await neighbour.page(where)
    assert "Others report it, too" in page
    assert SCRIPT not in page
    page = (await submit(neighbour, page, f"{where}/unfollow")).text
    assert "You will hear no more of this fault." in page
    page = (await submit(neighbour, page, f"{where}/follow")).text
    assert "You will be told of this fault." in page


async def test_what_people_wrote_is_shown_as_text(resident: Person, staff: Person) -> None:
    request_id = await report(resident, f"{TAP} {SCRIPT}")
    where = f"/requests/{request_id}"
    await call(staff, "POST", f"{where}/comments", json={"text": SCRIPT})
    page = await resident.page(where)
    assert "Our staff wrote:" in page
    assert SCRIPT not in page
    assert html_module.unescape(page).count(SCRIPT) >= 2


async def test_what_staff_say_among_themselves_is_not_shown(resident: Person, staff: Person) -> None:
    request_id = await report(resident, TAP)
    await call(staff, "POST", f"/requests/{request_id}/comments", json={"text": "zebrafinch", "visibility": "internal"})
    assert "zebrafinch" not in await resident.page(f"/requests/{request_id}")


async def test_anothers_request_is_no_page(resident: Person, sign_in: Any) -> None:
    request_id = await report(resident, TAP)
    where = f"/requests/{request_id}"
    neighbour: Person = await sign_in("resident", "RES_A_102")
    for address in (where, f"{where}/live", "/requests/REQ_none"):
        answer = await neighbour.get(address)
        assert answer.status_code == 404, address
        assert TAP not in answer.text
    page = await resident.page(where)
    fields = form_of(await neighbour.page("/preferences"), "/preferences")
    for name in (*STEPS, "follow", "unfollow", "nonsense"):
        answer = await neighbour.post(f"{where}/{name}", data={**fields, "option_id": "x", "comment": "x"})
        assert answer.status_code in (404, 422), name
        assert TAP not in answer.text
    assert await resident.page(where)
    assert form_of(page, f"{where}/choose")


async def test_staff_are_led_to_their_own_page(staff: Person) -> None:
    answer = await staff.get("/requests/REQ_1", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/staff/requests/REQ_1")


async def upload(person: Person) -> str:
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    answer = await call(person, "POST", "/attachments", files={"file": ("a.png", picture.getvalue(), "image/png")})
    return answer.json()["attachment_id"]


async def test_photos_are_shown_to_their_owner_alone(resident: Person, sign_in: Any) -> None:
    photo, loose = await upload(resident), await upload(resident)
    request_id = await report(resident, TAP, attachments=[{"attachment_id": photo}])
    where = f"/requests/{request_id}/files"
    assert f'<img src="{where}/{photo}" alt="Photo: a.png"' in await resident.page(f"/requests/{request_id}")
    answer = await resident.get(f"{where}/{photo}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert Image.open(io.BytesIO(answer.content)).size == (8, 8)
    assert (await resident.get(f"{where}/{loose}")).status_code == 404
    neighbour: Person = await sign_in("resident", "RES_A_102")
    own = await report(neighbour, TAP)
    for address in (f"{where}/{photo}", f"/requests/{own}/files/{photo}"):
        assert (await neighbour.get(address)).status_code == 404


async def test_a_photo_that_lies_on_another_server_is_passed_on(
    resident: Person, monkeypatch: pytest.MonkeyPatch, service: RequestManagementService
) -> None:
    photo = await upload(resident)
    request_id = await report(resident, TAP, attachments=[{"attachment_id": photo}])

    def elsewhere(*_: object, **__: object) -> str:
        return "http://127.0.0.1:9/none"

    monkeypatch.setattr(cast(Any, service.attachments)._blobs, "signed_url", elsewhere)
    assert (await resident.get(f"/requests/{request_id}/files/{photo}")).status_code == 503


async def test_the_timeline_goes_on_live(resident: Person, service: RequestManagementService) -> None:
    request_id = await seed(service, Status.CLOSED)
    answer = await resident.get(f"/requests/{request_id}/live")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "event: submitted" in answer.text
    # Nothing more comes, and the browser is told not to ask again.
    assert (await resident.get(f"/requests/{request_id}/live?after=1")).status_code == 204
    again = await resident.get(f"/requests/{request_id}/live?after=1", headers={"Last-Event-ID": "0"})
    assert "event: submitted" in again.text
    assert (await resident.get(f"/requests/{request_id}/live?after=x")).status_code == 404


async def test_the_page_stands_without_who_keeps_the_messages(
    resident: Person, service: RequestManagementService, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = await seed(service, Status.IN_PROGRESS, selected_option_id="option-0")

    async def fail(*_: object) -> None:
        raise ServiceUnavailable("not now")

    monkeypatch.setattr(service.operations, "notifications", fail)
    page = html_module.unescape(await resident.page(f"/requests/{request_id}"))
    assert "The times of visits can't be shown just now." in page


async def test_visits_are_told_in_the_buildings_time(resident: Person, staff: Person) -> None:
    request_id = await report(resident, TAP)
    visit = {"action": "schedule_visit", "parameters": {"title": "Look at the tap", "crew": "plumbing"}}
    await call(staff, "POST", "/execute", json={"request_id": request_id, **visit})

    async def told() -> bool:
        items = (await call(resident, "GET", "/notifications")).json()["items"]
        return any(one["notification"]["event"] == "visit_scheduled" for one in items)

    await until(told)
    await call(
        resident,
        "POST",
        f"/requests/{request_id}/select-option",
        json={"option_id": (await read(resident, request_id))["options"][0]["option_id"]},
    )
    assert "Visit: Look at the tap" in await resident.page(f"/requests/{request_id}")


def plain(status: Status, **fields: Any) -> Json:
    record = build_full_record(status=status, **fields)
    return record.request.model_dump(mode="json")


@pytest.mark.parametrize("status", Status)
def test_only_what_the_status_allows_is_offered(status: Status) -> None:
    steps = open_steps(plain(status, possible_duplicates=(RequestId("REQ_0"),)), is_chosen_by_policy=False)
    assert ("confirm" in steps) is (Status.CLOSED in LEGAL[status])
    assert ("reopen" in steps) is (Status.REOPENED in LEGAL[status])
    assert ("cancel" in steps) is (Status.CANCELLED in LEGAL[status])
    assert ("choose" in steps) is (status is Status.AWAITING_SELECTION)
    recalled = open_steps(plain(status), is_chosen_by_policy=True)
    assert ("cancel" in recalled) is (
        status in (Status.AWAITING_SELECTION, Status.AWAITING_APPROVAL, Status.APPROVED, Status.IN_PROGRESS)
    )


async def test_the_interface_agrees_with_what_is_offered(resident: Person, service: RequestManagementService) -> None:
    bodies = {"comment": {"text": "x"}, "rate": {"rating": 3}, "object": {"category": "Billing"}}
    headers = {"Authorization": f"Bearer {resident.token}"}
    for status in Status:
        for name in STEPS.keys() - {"choose", "attach"}:
            request_id = await seed(service, status)
            offered = name in open_steps(await read(resident, request_id), is_chosen_by_policy=False)
            where = f"/api/v1/requests/{request_id}/{STEPS[name].route}"
            answer = await resident.post(where, json=bodies.get(name, {}), headers=headers)
            # A withdrawn request may still be written about; nobody is invited to.
            allowed = answer.is_success and (name, status) != ("comment", Status.CANCELLED)
            assert allowed is offered, (status, name, answer.text)


def test_every_kind_of_event_has_words() -> None:
    folder = Path(__file__).resolve().parents[2] / "deployments" / "request_management"
    told: set[str] = set()
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "tell":
                first = node.args[0] if node.args else None
                is_internal = any(
                    word.arg == "internal" and getattr(word.value, "value", 0) is True for word in node.keywords
                )
                if isinstance(first, ast.Constant) and isinstance(first.value, str) and not is_internal:
                    told.add(first.value)
    assert {"submitted", "comment", "objected"} <= told
    assert told - KINDS.keys() - NOT_SHOWN - {"status_changed"} == set()


def test_every_status_action_and_tier_has_words() -> None:
    assert set(NOW) == set(Status)
    assert set(STATUSES) == {str(status) for status in Status} - {"Submitted"}
    assert set(APPROVALS) == set(ApprovalTier)
    assert len(ACTIONS) == 11


def event(kind: str, message: str, actor: str = "RES_A_101", **details: Any) -> Json:
    return {
        "sequence": 1,
        "at": "2026-05-04T14:00:00Z",
        "kind": kind,
        "actor": actor,
        "message": message,
        "details": details,
    }


@pytest.mark.parametrize(
    ("told", "sentence", "text"),
    [
        (event("comment", "Hello"), "You wrote:", "Hello"),
        (event("comment", "Hello", "sam"), "Our staff wrote:", "Hello"),
        (
            event("status_changed", "Reopened. “It “still” drips”", to="Reopened"),
            "It was reopened.",
            "It “still” drips",
        ),
        (
            event("status_changed", "x", **{"from": "AwaitingApproval", "to": "AwaitingSelection"}),
            "The cost was not agreed to. Please choose again.",
            None,
        ),
        (
            event("option_selected", "x", "policy", option_id="o"),
            "Chosen for you, as the house's rules allow: 100% done",
            None,
        ),
        (event("brand_new_kind", "Something new."), "Something new.", None),
    ],
)
def test_an_event_is_told_in_plain_words(told: Json, sentence: str, text: str | None) -> None:
    (line,) = lines([told], {"o": "100% done"}, "RES_A_101", EN)
    assert (line.sentence, line.text) == (sentence, text)


def queued(execution_id: str, actions: str, told: str | None) -> Json:
    return event("execution_queued", "x", "system", execution_id=execution_id, actions=actions, told=told)


@pytest.mark.parametrize(
    ("actions", "told", "sentence"),
    [
        ("notify", "staff", "Our staff were sent a message about it."),
        ("alert_on_call", "on_call", "The person on call was sent a message about it."),
        ("alert_on_call, notify", None, "The person on call was sent a message about it."),
        ("alert_on_call, notify", "on_call, resident", "The person on call was sent a message about it."),
        ("notify", "resident", "You were sent a message about it."),
        ("notify", None, "A message about it was sent."),
    ],
)
def test_a_message_is_no_work(actions: str, told: str | None, sentence: str) -> None:
    events = [
        queued("EXE_1", actions, told),
        event("execution_running", "x", "system", execution_id="EXE_1"),
        event("execution_succeeded", "x", "system", execution_id="EXE_1", notify="N_1"),
    ]
    assert [line.sentence for line in lines(events, {}, "RES_A_101", EN)] == [sentence]


def test_an_order_is_not_called_work_that_began() -> None:
    events = [
        queued("EXE_1", "dispatch_work_order, notify", "resident"),
        event("status_changed", "x", "system", **{"from": "Approved", "to": "InProgress", "execution_id": "EXE_1"}),
        event("execution_succeeded", "x", "system", execution_id="EXE_1"),
    ]
    assert [line.sentence for line in lines(events, {}, "RES_A_101", EN)] == [
        "The order for the work was passed on.",
        "From now on it counts as in progress.",
        "The work was ordered.",
    ]


def test_what_goes_to_a_person_was_not_taken_over_by_one() -> None:
    (line,) = lines([event("status_changed", "x", "system", to="Escalated")], {}, "RES_A_101", EN)
    assert line.sentence == "It goes to a person on our staff."
    (line,) = lines([event("status_changed", "x", "sam", to="Escalated")], {}, "RES_A_101", EN)
    assert line.sentence == "Our staff took it over."
    sla = Sla(response_due_at=NOON, resolution_due_at=NOON, basis="targets#High")
    waiting = plain(Status.ESCALATED, sla=sla)
    assert story_of(Told(waiting), "RES_A_101", EN, NOON).now_sentence == WAITS_FOR_A_PERSON
    taken = plain(Status.ESCALATED, sla=sla.model_copy(update={"response_met_at": NOON}))
    assert story_of(Told(taken), "RES_A_101", EN, NOON).now_sentence == NOW[Status.ESCALATED]


def test_an_order_is_not_called_a_look() -> None:
    sla = Sla(response_due_at=NOON, resolution_due_at=NOON, response_met_at=NOON, basis="targets#High")
    request = plain(Status.IN_PROGRESS, sla=sla)
    ordered = event("execution_running", "x", "system", execution_id="E") | {"at": request["sla"]["response_met_at"]}
    assert story_of(Told(request, [ordered]), "RES_A_101", EN, NOON).ordered_at == ordered["at"]
    assert story_of(Told(request, [ordered | {"kind": "comment"}]), "RES_A_101", EN, NOON).ordered_at is None


def test_a_question_without_an_answer_is_told_as_one() -> None:
    moved = event("status_changed", "I don't know.", "system", to="NeedsReview", no_answer=True)
    story = story_of(Told(plain(Status.NEEDS_REVIEW), [moved]), "RES_A_101", EN, NOON)
    assert (story.now_sentence, story.timeline[0].sentence) == (NO_ANSWER, NO_ANSWER)
    failed = event("status_changed", "A person will look.", "system", to="NeedsReview", code="unavailable")
    story = story_of(Told(plain(Status.NEEDS_REVIEW), [failed]), "RES_A_101", EN, NOON)
    assert story.now_sentence == NOW[Status.NEEDS_REVIEW]


@pytest.mark.parametrize(
    ("text", "several"),
    [
        ("When does the gym close?", False),
        ("When does the gym close??", False),
        ("When does the gym close? May I bring a guest?", True),
        ("when does the gym close and can I bring a guest", False),
        ("when does the gym close and can I bring a guest?", True),
        ("¿Cuándo cierra el gimnasio y cuánto cuesta?", True),
    ],
)
def test_several_questions_are_noticed(text: str, several: bool) -> None:
    request = plain(Status.ANSWERED, message_text=text)
    assert story_of(Told(request), "RES_A_101", EN, NOON).asks_several is several


FACTORS = {"urgency": 0.5, "time": 0.5, "cost": 0.5, "satisfaction": 0.5, "compliance": 0.5}
WEIGHTS = {"urgency": 0.3, "time": 0.25, "cost": 0.2, "satisfaction": 0.15, "compliance": 0.1}


def scored(*scores: tuple[str, float, Json], recommended: str = "a") -> Json:
    made = [{"option_id": name, "total": total, "factors": FACTORS | factors} for name, total, factors in scores]
    return {"recommended_option_id": recommended, "scores": made, "weights": WEIGHTS, "escalation": None}


def test_why_an_option_is_recommended_is_one_sentence_of_its_scores() -> None:
    faster = scored(("a", 0.7, {"time": 0.9, "cost": 0.7}), ("b", 0.6, {}))
    begin = "We recommend it because, compared with the next best one, "
    assert why_recommended(faster, EN) == f"{begin}it is likely done sooner and it costs less."
    assert why_recommended(scored(("a", 0.7, {"cost": 0.9}), ("b", 0.6, {})), EN) == f"{begin}it costs less."
    hardly = scored(("a", 0.7, {"time": 0.9, "cost": 0.51}), ("b", 0.6, {}))
    assert why_recommended(hardly, EN) == f"{begin}it is likely done sooner."
    assert why_recommended(scored(("a", 0.7, {})), EN) == "It is the only one that fits."
    assert "as good as" in str(why_recommended(scored(("a", 0.6, {}), ("b", 0.6, {})), EN))
    assert why_recommended(scored(("b", 0.7, {}), ("a", 0.6, {})), EN) is None
    assert why_recommended(None, EN) is None


def test_a_title_names_no_day_that_is_another() -> None:
    assert dateless("Send our plumber today") == "Send our plumber"
    assert dateless("Todays menu") == "Todays menu"
    option = build_option("a").model_copy(update={"title": "Send our plumber today"})
    at_once = option.estimated_time_hours.model_copy(update={"p50": 2.0, "p90": 3.0})
    later = option.estimated_time_hours.model_copy(update={"p50": 30.0, "p90": 31.0})
    for hours, title in ((at_once, "Send our plumber today"), (later, "Send our plumber")):
        options = (option.model_copy(update={"estimated_time_hours": hours}),)
        (card,) = story_of(Told(plain(Status.AWAITING_SELECTION, options=options)), "RES_A_101", EN, NOON).cards
        assert card.title == title


async def test_who_said_that_it_is_wrong_chooses_knowingly(resident: Person, service: RequestManagementService) -> None:
    request_id = await seed(service, Status.AWAITING_SELECTION)
    where = f"/requests/{request_id}"
    answer = await submit(resident, await resident.page(where), f"{where}/object", comment="It is my bill")
    assert "The options below rest on what we understood" in answer.text
    assert 'name="anyway" value="yes" required' in answer.text
    refused = await submit(resident, answer.text, f"{where}/choose")
    assert refused.status_code == 422
    assert "Tick the box above the button" in refused.text
    assert (await read(resident, request_id))["status"] == "AwaitingSelection"
    # The objection's own message to staff may be told meanwhile, and then the page asks to look again.
    async with asyncio.timeout(20):
        taken = refused
        while taken.status_code != 200 or "Your choice was taken." not in taken.text:
            taken = await submit(resident, await resident.page(where), f"{where}/choose", anyway="yes")
    assert (await read(resident, request_id))["status"] != "AwaitingSelection"


async def test_after_a_reopening_the_resolution_is_an_earlier_one(
    resident: Person, service: RequestManagementService
) -> None:
    note = ResolutionNote(resolution_notes="Washer replaced", resolved_by="sam", resolved_at=NOON)
    request_id = await seed(service, Status.RESOLVED, resolution=note)
    where = f"/requests/{request_id}"
    page = await resident.page(where)
    assert "<h3>How it ended</h3>" in page
    page = (await submit(resident, page, f"{where}/reopen", comment="It drips")).text
    assert "How it ended before it was reopened" in page
    assert "<h3>How it ended</h3>" not in page


async def test_a_person_who_is_waited_for_is_promised_and_not_the_end(
    resident: Person, service: RequestManagementService
) -> None:
    sla = Sla(response_due_at=NOON, resolution_due_at=NOON, basis="targets#Medium")
    page = await resident.page(f"/requests/{await seed(service, Status.ESCALATED, sla=sla)}")
    assert "We promised that a person takes it up by" in page
    assert "that it is done by" not in page


async def test_no_validators_words_are_shown(resident: Person, service: RequestManagementService) -> None:
    tried: tuple[tuple[Status, str, dict[str, str]], ...] = (
        (Status.AWAITING_SELECTION, "choose", {"option_id": "x" * 999}),
        (Status.AWAITING_SELECTION, "cancel", {"comment": "x" * 2001}),
        (Status.AWAITING_SELECTION, "escalate", {"comment": "x" * 2001}),
        (Status.RESOLVED, "confirm", {"comment": "x" * 2001}),
        (Status.RESOLVED, "reopen", {"comment": "x" * 2001}),
        (Status.CLOSED, "rate", {"rating": "9"}),
        (Status.CLOSED, "rate", {"rating": ""}),
        (Status.ESCALATED, "object", {"category": "Gas"}),
        (Status.ESCALATED, "object", {"category": "", "comment": ""}),
        (Status.ESCALATED, "comment", {"comment": ""}),
        (Status.ESCALATED, "comment", {"comment": "x" * 2001}),
    )
    for status, name, fields in tried:
        where = f"/requests/{await seed(service, status)}"
        answer = await submit(resident, await resident.page(where), f"{where}/{name}", **fields)
        assert answer.status_code == 422, (name, answer.text)
        assert "Value error" not in answer.text, (name, fields)
        assert not re.search(r"\bbody\.[a-z]", answer.text), (name, fields)


def test_money_is_told_by_who_pays() -> None:
    assert cost_words({"p50": 129.6, "p90": 210.2}, EN) == "The house pays about $130 (at most $210 in 9 of 10 cases)."
    assert cost_words({"p50": 0.0, "p90": 0.0}, EN) == "It costs nothing."
    assert charge_words([{"quote": "Replace the washer."}], EN) == "We know of no charge to you."
    assert "speaks of charges" in charge_words([{"quote": "Damage by a guest is charged at cost."}], EN)
    assert risk_words(0.004, EN) == "Less than 1% chance that we miss the promised time."
    assert risk_words(0.051, EN) == "5% chance that we miss the promised time."


def test_nothing_is_awaited_of_what_has_ended() -> None:
    request = plain(Status.CLOSED, selected_option_id="option-0")
    story = story_of(Told(request), "RES_A_101", EN, NOON)
    assert [card.when for card in story.cards] == [None] * 4
    assert [card.approval for card in story.cards] == [None] * 4
    waiting = story_of(Told(plain(Status.AWAITING_SELECTION)), "RES_A_101", EN, NOON)
    assert all(card.when and card.approval for card in waiting.cards)


async def test_every_status_has_a_page(resident: Person, service: RequestManagementService) -> None:
    sla = Sla(response_due_at=NOON, resolution_due_at=NOON, breached=True, basis="targets#High")
    for status in Status:
        request_id = await seed(service, status, sla=sla)
        page = html_module.unescape(await resident.page(f"/requests/{request_id}"))
        assert NOW[status] in page or WAITS_FOR_A_PERSON in page or ORDERED in page
        assert len(re.findall(r"<h1", page)) == 1
        assert not re.search(r'\sstyle="|\son[a-z]+="', page)
