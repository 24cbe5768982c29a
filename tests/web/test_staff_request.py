"""The staff's page of one request: everything that led to it, for staff of the building alone."""

import io
import re
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from PIL import Image

from core.labels import Role, Status
from core.request import Attachment, Feedback, ResolutionNote
from deployments.request_management.service import RequestManagementService
from tests.builders import build_event, build_full_record
from tests.web.conftest import Person

DISHWASHER = "The dishwasher does not drain and leaves water on the floor of the kitchen."
SCRIPT = "<script>alert('x')</script>"


async def report(resident: Person, text: str = DISHWASHER) -> dict[str, Any]:
    answer = await resident.post(
        "/api/v1/requests",
        json={"message_text": text},
        headers={"Authorization": f"Bearer {resident.token}", "Prefer": "wait=20"},
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def call(person: Person, method: str, address: str, body: dict[str, Any] | None = None) -> Any:
    answer = await person.request(
        method, f"/api/v1{address}", json=body, headers={"Authorization": f"Bearer {person.token}"}
    )
    assert answer.is_success, answer.text
    return answer.json()


async def seed(service: RequestManagementService, **request: Any) -> str:
    """A stored request with everything that a decision leaves behind, made a moment ago."""
    now = service.clock()
    record = build_full_record(**{"created_at": now, "updated_at": now} | request)
    assert record.trace is not None
    judged = {"classification": {"urgency": "High"}}
    trace = record.trace.model_copy(update={"inputs": record.trace.inputs | judged})
    record = record.model_copy(update={"last_event": 1, "outbox": (), "trace": trace})
    store: Any = service.requests._store  # pyright: ignore[reportPrivateUsage]
    assert await store.create(record, [build_event(1)])
    return record.request.request_id


@pytest.fixture
async def request_body(resident: Person) -> dict[str, Any]:
    return await report(resident)


async def test_everything_that_led_to_the_decision_is_there(staff: Person, request_body: dict[str, Any]) -> None:
    html = await staff.page(f"/staff/requests/{request_body['request_id']}")
    for option in request_body["options"]:
        assert option["title"] in html
        for step in option["steps"]:
            assert step.replace("'", "&#39;") in html
        for citation in option["citations"]:
            assert f'href="/staff/knowledge/{citation["doc_id"]}#' in html
    for factor in request_body["risk"]["factors"]:
        assert factor["label"].replace("'", "&#39;") in html
    for told in request_body["decision"]["counterfactuals"]:
        assert told.replace("'", "&#39;").replace('"', "&#34;") in html
    assert str(request_body["decision"]["seed"]) in html
    assert 'href="/staff/knowledge/response-targets#rule-response_targets"' in html
    assert 'href="/staff/knowledge/autonomy#rule-autonomy"' in html
    assert html.count('class="chart"') == 3
    assert re.search(r'<time datetime="[^"]+Z" data-countdown>', html) or request_body["sla"]["paused"]
    assert html.count("<h1") == 1
    assert "style=" not in re.sub(r"<svg.*?</svg>", "", html, flags=re.DOTALL)


async def test_the_words_behind_the_category_are_shown_when_they_are_asked_for(
    staff: Person, request_body: dict[str, Any]
) -> None:
    address = f"/staff/requests/{request_body['request_id']}"
    assert "<mark" not in await staff.page(address)
    html = await staff.page(f"{address}?explain=1")
    assert '<mark class="word-3">dishwasher</mark>' in html
    assert re.search(r"<li>dishwasher: <span", html)
    part = await staff.page(f"{address}/words")
    assert '<mark class="word-3">dishwasher</mark>' in part
    assert "<html" not in part


async def test_what_people_wrote_is_shown_as_text(
    staff: Person, resident: Person, service: RequestManagementService
) -> None:
    now = service.clock()
    note = ResolutionNote(resolution_notes=SCRIPT, resolved_by=SCRIPT, resolved_at=now)
    said = Feedback(rating=2, comment=SCRIPT, at=now)
    file = Attachment(name=SCRIPT, content_type="image/png", url="https://elsewhere.example/a.png")
    request_id = await seed(
        service, message_text=SCRIPT, status=Status.RESOLVED, resolution=note, feedback=said, attachments=(file,)
    )
    await call(staff, "POST", f"/requests/{request_id}/comments", {"text": SCRIPT, "visibility": "internal"})
    for address in ("", "?explain=1"):
        html = await staff.page(f"/staff/requests/{request_id}{address}")
        assert SCRIPT not in html
        assert html.count("&lt;script&gt;") >= 5
        assert "staff only" in html


async def test_staff_of_another_building_and_residents_do_not_get_it(
    sign_in: Callable[..., Any], resident: Person, request_body: dict[str, Any]
) -> None:
    address = f"/staff/requests/{request_body['request_id']}"
    elsewhere: Person = await sign_in(Role.STAFF, "bea", buildings=["B"])
    for part in ("", "/words", "/live", "/files/ATT_000000000000000000000000"):
        answer = await elsewhere.get(address + part)
        assert answer.status_code == 404, part
        assert DISHWASHER not in answer.text
    assert (await resident.get(address)).status_code == 403


async def test_a_photo_leads_to_the_file(
    staff: Person, resident: Person, service: RequestManagementService, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(picture, "PNG")
    bearer = {"Authorization": f"Bearer {resident.token}"}
    made = await resident.post(
        "/api/v1/attachments", files={"file": ("tap.png", picture.getvalue(), "image/png")}, headers=bearer
    )
    sent = await resident.post(
        "/api/v1/requests",
        json={"message_text": "The tap drips", "attachments": [{"attachment_id": made.json()["attachment_id"]}]},
        headers=bearer | {"Prefer": "wait=20"},
    )
    address = f"/staff/requests/{sent.json()['request_id']}"
    html = await staff.page(address)
    place = f"{address}/files/{made.json()['attachment_id']}"
    assert f'<img src="{place}"' in html
    got = await staff.get(place)
    assert (got.status_code, got.headers["content-type"]) == (200, "image/png")
    assert (await staff.get(f"{address}/files/ATT_000000000000000000000000")).status_code == 404

    class Store(httpx.AsyncClient):
        """Where files lie elsewhere: a browser shows none from there in a page, so the page passes them on."""

        def __init__(self, **_: object) -> None:
            answer = httpx.Response(200, content=picture.getvalue(), headers={"content-type": "text/html"})
            super().__init__(transport=httpx.MockTransport(lambda asked: asked_for.append(asked) or answer))

    asked_for: list[httpx.Request] = []
    signed = "https://store.example/tap.png?signature=1"

    def elsewhere(*_: object, **__: object) -> str:
        return signed

    monkeypatch.setattr(cast(Any, service.attachments)._blobs, "signed_url", elsewhere)
    monkeypatch.setattr("web.request_files.httpx", SimpleNamespace(AsyncClient=Store, HTTPError=httpx.HTTPError))
    got = await staff.get(place, follow_redirects=False)
    assert (got.status_code, got.content) == (200, picture.getvalue())
    # What it is was found out when it was taken, whatever the store says.
    assert got.headers["content-type"] == "image/png"
    assert "sandbox" in got.headers["content-security-policy"]
    assert [str(each.url) for each in asked_for] == [signed]


async def test_similar_requests_tell_what_was_done(staff: Person, resident: Person) -> None:
    before = await report(resident)
    await call(staff, "POST", f"/requests/{before['request_id']}/escalate", {})
    done = {"resolution_notes": "Cleared the drain hose", "actual_cost_usd": 85.5, "actual_hours": 1}
    await call(staff, "POST", f"/requests/{before['request_id']}/resolve", done)
    now = await report(resident, "Water stays in the dishwasher, it does not drain any more")
    html = await staff.page(f"/staff/requests/{now['request_id']}")
    assert "Cleared the drain hose" in html
    assert "$85.50" in html
    assert f'href="/staff/requests/{before["request_id"]}"' in html


async def test_the_live_stream_gives_what_follows_the_page(staff: Person, service: RequestManagementService) -> None:
    request_id = await seed(service, status=Status.CANCELLED)
    await call(staff, "POST", f"/requests/{request_id}/comments", {"text": "Noted", "visibility": "internal"})
    html = await staff.page(f"/staff/requests/{request_id}")
    live = re.search(r'data-live="([^"]+)"', html)
    assert live is not None
    assert live.group(1).endswith("/live?after=2")
    wanted = {"Accept": "text/event-stream"}
    # Of a request that is over for good the stream ends by itself once all is told.
    assert (await staff.get(live.group(1), headers=wanted)).status_code == 204
    earlier = await staff.get(live.group(1).replace("after=2", "after=1"), headers=wanted)
    assert earlier.status_code == 200
    assert earlier.text.count("\nid: ") + earlier.text.startswith("id: ") == 1
    assert (await staff.get(live.group(1).replace("after=2", "after=x%0D%0Aa"), headers=wanted)).status_code == 200


async def test_what_nothing_has_judged_is_a_page_too(staff: Person, service: RequestManagementService) -> None:
    now = service.clock() - timedelta(seconds=1)
    blank: dict[str, Any] = {
        "classification": None, "risk": None, "options": (), "decision": None, "sla": None, "created_at": now,
    }  # fmt: skip
    request_id = await seed(service, status=Status.NEEDS_REVIEW, **blank)
    html = await staff.page(f"/staff/requests/{request_id}")
    assert "Nothing has labelled this message yet" in html
    assert 'class="chart"' not in html


async def test_the_incident_that_it_belongs_to_is_linked_also_where_it_can_not_be_read(
    staff: Person, service: RequestManagementService
) -> None:
    incident_id = "INC_0123456789abcdef0123"
    request_id = await seed(service, status=Status.ESCALATED, incident_id=incident_id)
    html = await staff.page(f"/staff/requests/{request_id}")
    assert f'href="/staff/incidents/{incident_id}"' in html
