"""Each step of staff on the page of a request: taken, refused with what was typed kept, or decided on what is old."""

import asyncio
import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from core.labels import ApprovalTier, Role, Status
from core.request import Approval, ExecutionSummary
from deployments.request_management.service import RequestManagementService
from tests.builders import build_event
from tests.web.conftest import Person, hidden_fields
from tests.web.refused_forms import check_keys
from tests.web.test_staff_request import SCRIPT, call, seed
from web.approval_authority import claimed_tier
from web.language import words_in
from web.staff_timeline import tell

CHOSEN: Mapping[str, Any] = {
    "status": Status.AWAITING_APPROVAL,
    "selected_option_id": "option-0",
    "approval": Approval(required=ApprovalTier.MANAGER),
}

STEPS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, str], str]] = {
    "select-option": ({"status": Status.AWAITING_SELECTION}, {"option_id": "option-1"}, "Approved"),
    "approve": (CHOSEN, {"comment": "Go ahead"}, "Approved"),
    "reject": (CHOSEN, {"comment": "Too dear"}, "AwaitingSelection"),
    "resolve": (
        {"status": Status.IN_PROGRESS},
        {"resolution_notes": "New washer", "actual_cost_usd": "1,040.50", "actual_hours": "1.5"},
        "Resolved",
    ),
    "escalate": ({"status": Status.AWAITING_SELECTION}, {"comment": "Look at it"}, "Escalated"),
    "cancel": ({"status": Status.AWAITING_SELECTION}, {}, "Cancelled"),
    "confirm": ({"status": Status.RESOLVED}, {}, "Closed"),
    "reopen": ({"status": Status.RESOLVED}, {"comment": "It drips again"}, "Reopened"),
    "start": ({"status": Status.ESCALATED}, {}, "InProgress"),
    "offer": ({"status": Status.ESCALATED}, {}, "AwaitingSelection"),
    "access": ({"status": Status.IN_PROGRESS}, {"waiting": "yes"}, "InProgress"),
    "labels": ({"status": Status.ESCALATED}, {"category": "Billing", "comment": "It is about rent"}, "Escalated"),
    "comments": ({"status": Status.ESCALATED}, {"text": "Called them", "visibility": "internal"}, "Escalated"),
    "notify": ({"status": Status.ESCALATED}, {"subject": "Tomorrow", "body": "We come at ten."}, "Escalated"),
    "job": (
        {"status": Status.ESCALATED},
        {"title": "Look at the tap", "crew": "plumbing", "cost_limit_usd": "50"},
        "Escalated",
    ),
}


WORDS_ALONE = {"comments", "notify"}
"""What contradicts nothing that happened in the meantime."""


async def status_of(person: Person, request_id: str) -> str:
    return (await call(person, "GET", f"/requests/{request_id}"))["status"]


def may_be(status: str) -> set[str]:
    """What was approved may have begun by the time that it is looked at."""
    return {status, "InProgress"} if status == "Approved" else {status}


def events_of(body: Any) -> list[str]:
    return [event["message"] for event in body["items"]]


async def test_each_step_is_taken_and_said(manager: Person, service: RequestManagementService) -> None:
    for step, (request, fields, status) in STEPS.items():
        request_id = await seed(service, **request)
        address = f"/staff/requests/{request_id}"
        answer = await manager.submit(await manager.page(address), f"{address}/{step}", dict(fields))
        assert answer.status_code == 200, (step, answer.text)
        assert str(answer.url).endswith(f"{address}?done={step}")
        assert '<div class="notice notice-good" role="status">' in answer.text
        assert await status_of(manager, request_id) in may_be(status), step
        assert (await call(manager, "GET", f"/requests/{request_id}"))["version"] > 1, step


async def test_a_step_on_what_is_old_tells_what_changed_and_keeps_what_was_typed(
    manager: Person, sign_in: Callable[..., Any], service: RequestManagementService
) -> None:
    other: Person = await sign_in(Role.STAFF, "kim")
    for step in set(STEPS) - WORDS_ALONE:
        request, fields, status = STEPS[step]
        request_id = await seed(service, **request)
        address = f"/staff/requests/{request_id}"
        html = await manager.page(address)
        await call(other, "PUT", f"/requests/{request_id}", {"comment": "Kim was faster & first"})
        answer = await manager.submit(html, f"{address}/{step}", dict(fields))
        assert answer.status_code == 412, step
        told = answer.text.partition("While you were looking:")[2].partition("</ul>")[0]
        assert "Kim was faster &amp; first" in told
        assert "Event 1" not in told
        for name in {"comment", "resolution_notes", "title", "actual_hours"} & set(fields):
            assert fields[name] in answer.text.partition(f'action="{address}/{step}"')[2], (step, name)
        assert await status_of(manager, request_id) == request["status"], step
        again = await manager.submit(answer.text, f"{address}/{step}", dict(fields))
        assert again.status_code == 200, (step, again.text)
        assert await status_of(manager, request_id) in may_be(status), step


async def test_the_same_form_sent_twice_acts_once(manager: Person, service: RequestManagementService) -> None:
    request_id = await seed(service, status=Status.RESOLVED)
    address = f"/staff/requests/{request_id}"
    html = await manager.page(address)
    for _ in range(2):
        assert (await manager.submit(html, f"{address}/reopen", {"comment": "Again"})).status_code == 200
    assert (await call(manager, "GET", f"/requests/{request_id}"))["reopened"] == 1


async def test_approval_beyond_the_limit_names_the_tier_that_it_needs(
    staff: Person, service: RequestManagementService
) -> None:
    request_id = await seed(service, **{**CHOSEN, "approval": Approval(required=ApprovalTier.REGIONAL)})
    address = f"/staff/requests/{request_id}"
    html = await staff.page(address)
    answer = await staff.submit(html, f"{address}/approve", {"comment": "It is only this once"})
    assert answer.status_code == 403
    notice = answer.text.partition('role="alert"')[2].partition("</div>")[0]
    assert "beyond your limit" in notice
    assert "Regional manager" in notice
    assert "It is only this once" in answer.text
    assert (await call(staff, "GET", f"/requests/{request_id}"))["status"] == "AwaitingApproval"


async def test_what_is_wrong_stands_at_its_field(manager: Person, service: RequestManagementService) -> None:
    request_id = await seed(service, status=Status.IN_PROGRESS)
    address = f"/staff/requests/{request_id}"
    html = await manager.page(address)
    for wrong in ("about forty", "nan", "1e999", "-4"):
        answer = await manager.submit(
            html, f"{address}/resolve", {"resolution_notes": SCRIPT, "actual_cost_usd": wrong}
        )
        assert answer.status_code == 422, wrong
        assert 'id="resolve-actual_cost_usd-wrong"' in answer.text
        assert f'value="{wrong}"' in answer.text
        assert SCRIPT not in answer.text
        assert "&lt;script&gt;" in answer.text
    assert (await call(manager, "GET", f"/requests/{request_id}"))["version"] == 1


@pytest.mark.parametrize(
    ("fields", "field"), [({"category": "Billing"}, "comment"), ({"comment": "because"}, "category")]
)
async def test_overruling_needs_a_label_and_a_reason(
    manager: Person, service: RequestManagementService, fields: dict[str, object], field: str
) -> None:
    request_id = await seed(service, status=Status.ESCALATED)
    address = f"/staff/requests/{request_id}"
    answer = await manager.submit(await manager.page(address), f"{address}/labels", fields)
    assert answer.status_code == 422
    assert f'id="labels-{field}-wrong"' in answer.text
    if "category" in fields:
        assert '<option value="Billing" selected>' in answer.text
    assert (await call(manager, "GET", f"/requests/{request_id}"))["classification"]["category"] == "Maintenance"


async def test_a_form_that_does_not_say_on_what_it_was_decided_does_nothing(
    manager: Person, service: RequestManagementService
) -> None:
    request_id = await seed(service, status=Status.RESOLVED)
    address = f"/staff/requests/{request_id}"
    fields = hidden_fields(await manager.page(address), f"{address}/reopen")
    fields.pop("version")
    assert (await manager.post(f"{address}/reopen", data=fields)).status_code == 412
    assert (await call(manager, "GET", f"/requests/{request_id}"))["status"] == "Resolved"


async def test_a_saved_text_is_sent_with_the_facts_of_the_request(
    manager: Person, service: RequestManagementService
) -> None:
    template = await call(manager, "POST", "/templates", {"name": "Visit", "text": "We come to {building_id}."})
    request_id = await seed(service, status=Status.ESCALATED)
    address = f"/staff/requests/{request_id}"
    html = await manager.page(address)
    chosen: dict[str, object] = {"template_id": template["template_id"]}
    both = await manager.submit(html, f"{address}/comments", {**chosen, "text": "My own"})
    assert both.status_code == 422
    assert "My own" in both.text
    answer = await manager.submit(both.text, f"{address}/comments", {**chosen, "visibility": "resident"})
    assert "We come to A." in answer.text


async def test_what_was_given_up_is_tried_again_or_said_to_be_gone(
    manager: Person, service: RequestManagementService
) -> None:
    given_up = ExecutionSummary.model_validate(
        {"execution_id": "EXE_20260101T000000000_abc_opt1", "status": "DeadLettered"}
    )
    request_id = await seed(service, status=Status.IN_PROGRESS, execution=given_up)
    address = f"/staff/requests/{request_id}"
    html = await manager.page(address)
    assert hidden_fields(html, f"{address}/retry")["execution_id"] == given_up.execution_id
    answer = await manager.submit(html, f"{address}/retry")
    assert answer.status_code == 404


async def test_access_is_waited_for_until_somebody_says_otherwise(
    manager: Person, service: RequestManagementService
) -> None:
    request_id = await seed(service, status=Status.IN_PROGRESS)
    address = f"/staff/requests/{request_id}"
    html = (await manager.submit(await manager.page(address), f"{address}/access", {"waiting": "yes"})).text
    assert "The work waits for access to the home." in html
    html = (await manager.submit(html, f"{address}/access", {"waiting": "no"})).text
    assert re.search(r'name="waiting" value="yes"', html)
    told = await call(manager, "GET", f"/requests/{request_id}/events")
    assert "There is access to the home." in events_of(told)


async def test_staff_elsewhere_residents_and_strange_steps_get_nowhere(
    sign_in: Callable[..., Any], manager: Person, resident: Person, service: RequestManagementService
) -> None:
    request_id = await seed(service, **CHOSEN)
    address = f"/staff/requests/{request_id}"
    html = await manager.page(address)
    elsewhere: Person = await sign_in(Role.MANAGER, "max", buildings=["B"])
    for person, status in ((elsewhere, 404), (resident, 403)):
        own = re.search(
            r'name="csrf_token" value="([^"]+)"', await person.page("/" if person is resident else "/staff")
        )
        assert own is not None
        fields = hidden_fields(html, f"{address}/approve") | {"csrf_token": own.group(1)}
        assert (await person.post(f"{address}/approve", data=fields)).status_code == status
    assert (await manager.submit(html, f"{address}/approve", {"csrf_token": "0.0"})).status_code == 403
    fields = hidden_fields(html, f"{address}/approve")
    assert (await manager.post(f"{address}/erase", data=fields)).status_code == 404
    assert (await call(manager, "GET", f"/requests/{request_id}"))["status"] == "AwaitingApproval"


async def test_a_step_that_may_have_been_taken_keeps_its_key(
    manager: Person, service: RequestManagementService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in set(STEPS) - {"start", "offer", "access", "labels"}:
        request, fields, _ = STEPS[step]
        address = f"/staff/requests/{await seed(service, **request)}"
        await check_keys(manager, await manager.page(address), f"{address}/{step}", dict(fields), monkeypatch)


async def test_two_clicks_at_once_add_one_comment_and_order_one_job(
    manager: Person, service: RequestManagementService
) -> None:
    for step, said in (("comments", "The comment was added."), ("job", "The job was ordered.")):
        request, fields, _ = STEPS[step]
        request_id = await seed(service, **request)
        address = f"/staff/requests/{request_id}"
        html = await manager.page(address)
        answers = await asyncio.gather(*(manager.submit(html, f"{address}/{step}", dict(fields)) for _ in range(2)))
        # Whoever is told that it has changed may send it again: the key is the same, and so is what it did.
        late = next((each for each in answers if each.status_code == 412), None)
        if late is not None:
            answers[answers.index(late)] = await manager.submit(late.text, f"{address}/{step}", dict(fields))
        assert [each.status_code for each in answers] == [200, 200], step
        assert all(said in each.text for each in answers), step
        events = (await call(manager, "GET", f"/requests/{request_id}/events"))["items"]
        kind = "comment" if step == "comments" else "action_ordered"
        assert sum(each["kind"] == kind for each in events) == 1, [each["kind"] for each in events]


async def test_a_cost_beyond_ones_limit_has_a_button_that_is_off_and_says_who_can(
    staff: Person, manager: Person, service: RequestManagementService
) -> None:
    request_id = await seed(service, **CHOSEN)
    address = f"/staff/requests/{request_id}"
    form = (await staff.page(address)).partition(f'action="{address}/approve"')[2].partition("</form>")[0]
    assert '<button disabled aria-describedby="approve-why">' in form
    assert "The cost is above what you may agree to." in form
    assert "It needs the agreement of: Manager, or somebody above." in form
    form = (await manager.page(address)).partition(f'action="{address}/approve"')[2].partition("</form>")[0]
    assert "<button>Approve the cost</button>" in form
    assert "disabled" not in form


def test_a_tokens_own_tier_is_read_and_nothing_else() -> None:
    def token(claims: object) -> str:
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return f"e30.{body}.x"

    assert claimed_tier(token({"approval_tier": "regional"})) is ApprovalTier.REGIONAL
    for other in (token({"approval_tier": "king"}), token({}), token([1]), token(None), "opaque", "a.b.c", "", "a.é.c"):
        assert claimed_tier(other) is None, other


async def test_after_ones_own_step_the_page_knows_what_is_no_news(
    manager: Person, service: RequestManagementService
) -> None:
    request_id = await seed(service, status=Status.ESCALATED)
    address = f"/staff/requests/{request_id}"
    html = await manager.page(address)
    bar = re.search(r'<div id="live"[^>]*>', html)
    assert bar is not None
    assert "data-own" not in bar[0]
    assert f'data-page="{address}"' in bar[0]
    answer = await manager.submit(html, f"{address}/start", {})
    bar = re.search(r'<div id="live"[^>]*>', answer.text)
    assert bar is not None
    assert "data-own" in bar[0]
    assert 'data-person="mia"' in answer.text


async def test_times_in_the_timeline_are_the_buildings_in_english_too(
    manager: Person, service: RequestManagementService
) -> None:
    words = words_in("en", "America/Los_Angeles")
    due = {"response_due_at": "2026-01-05T18:00:00.000Z", "resolution_due_at": "2026-01-06T18:00:00.000Z"}
    event = build_event(2, kind="targets_set", message="… by 2026-01-05 18:00 UTC.", details=due)
    told = tell(words, event)
    assert told.message is None
    assert told.sentence == "To be answered by Mon, Jan 5, 10:00\u202fAM and done by Tue, Jan 6, 10:00\u202fAM."
    plain = build_event(2, kind="comment", message="At ten")
    assert tell(words, plain).message == "At ten"
