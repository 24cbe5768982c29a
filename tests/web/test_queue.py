"""The staff's queue: what is in it, in which words, for whom, and what made-up addresses come to."""

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.labels import ApprovalTier, Category, Role, Status, Urgency
from core.request import Approval, Sla
from deployments.request_management.service import RequestManagementService
from tests.builders import build_classification
from tests.web.conftest import Person
from tests.web.seeded import seed

SCRIPT = "<script>alert('x')</script>"


def shown_ids(html: str) -> list[str]:
    return re.findall(r'<tr [^>]*data-request="([^"]*)"', html)


class TestWhatIsInIt:
    async def test_what_needs_attention_comes_the_most_urgent_first(
        self, staff: Person, service: RequestManagementService
    ) -> None:
        low = await seed(service, classification=build_classification(urgency=Urgency.LOW))
        emergency = await seed(service, classification=build_classification(urgency=Urgency.EMERGENCY))
        calm = await seed(service, status=Status.IN_PROGRESS, needs_attention=False)
        html = await staff.page("/staff")
        assert shown_ids(html) == [emergency, low]
        assert set(shown_ids(await staff.page("/staff?view=all"))) == {low, emergency, calm}
        assert "<strong>2</strong>" in html

    async def test_filters_are_in_the_address_and_kept_in_the_form(
        self, staff: Person, service: RequestManagementService
    ) -> None:
        billing = await seed(service, classification=build_classification(Category.BILLING, Urgency.HIGH))
        other = await seed(service, building_id="B", resident_id="RES_B_201")
        html = await staff.page("/staff?status=&category=Billing&urgency=High")
        assert shown_ids(html) == [billing]
        assert '<option value="Billing" selected>' in html
        assert "/staff/rows?category=Billing&amp;urgency=High" in html
        assert shown_ids(await staff.page("/staff?building_id=B")) == [other]
        # The figures are of all that waits, whatever is looked at.
        assert "<strong>2</strong>" in html

    async def test_staff_of_one_building_see_nothing_of_another(
        self, sign_in: Callable[..., Any], service: RequestManagementService
    ) -> None:
        await seed(service, message_text="Words of building A")
        own = await seed(service, building_id="B", resident_id="RES_B_201")
        bea: Person = await sign_in(Role.STAFF, "bea", buildings=["B"])
        for address in (
            "/staff",
            "/staff?view=all",
            "/staff?building_id=A",
            "/staff/rows",
            "/staff/rows?building_id=A",
        ):
            html = await bea.page(address)
            assert "Words of building A" not in html
            assert shown_ids(html) == ([] if "building_id" in address else [own])
        assert "Words of building A" not in (await bea.get("/staff/export?building_id=A&view=all")).text

    async def test_residents_are_kept_out(self, resident: Person) -> None:
        for address in ("/staff", "/staff/rows", "/staff/export"):
            await resident.page(address, status=403)

    async def test_a_long_queue_is_read_by_pages_and_its_figures_say_so(
        self, staff: Person, service: RequestManagementService
    ) -> None:
        ids = {await seed(service, message_text=f"Number {number}") for number in range(53)}
        first = await staff.page("/staff")
        assert "<strong>50+</strong>" in first
        cursor = re.search(r'href="\?(cursor=[^"]+)"', first)
        assert cursor
        second = await staff.page(f"/staff?{cursor.group(1)}")
        assert len(shown_ids(second)) == 3
        assert set(shown_ids(first)) | set(shown_ids(second)) == ids


class TestALine:
    async def test_it_says_why_it_is_there_and_how_long_there_is(
        self, staff: Person, service: RequestManagementService
    ) -> None:
        now = service.clock()
        await seed(
            service,
            status=Status.AWAITING_APPROVAL,
            approval=Approval(required=ApprovalTier.MANAGER),
            reopened=2,
            incident_id="INC_1",
            unit="101",
        )
        await seed(
            service,
            sla=Sla(
                response_due_at=now - timedelta(hours=3),
                resolution_due_at=now - timedelta(hours=1),
                response_breached=True,
                breached=True,
                basis="sla#x",
            ),
        )
        await seed(
            service,
            sla=Sla(response_due_at=now, resolution_due_at=now, paused=True, paused_at=now, basis="sla#x"),
        )
        html = await staff.page("/staff")
        for words in (
            "Needs approval: Manager",
            "Reopened 2 times",
            "Part of an incident",
            "Building A, home 101",
            "Waiting for approval",
            "Nobody has answered yet",
            "Promised time has passed",
            "Paused",
            "data-countdown",
            "in 2 hours",
        ):
            assert words in html, words
        assert html.count('class="clock-missed"') == 1
        assert re.search(r"<strong>1</strong>\s*with a promise missed", html)
        assert re.search(r"<strong>1</strong>\s*wait for approval", html)

    async def test_script_in_a_message_is_text(self, staff: Person, service: RequestManagementService) -> None:
        await seed(service, message_text=SCRIPT, unit='"><img src=x>', resident_id="RES_A_'\"><b>")
        for address in ("/staff", "/staff/rows", "/staff?view=all"):
            html = await staff.page(address)
            assert SCRIPT not in html
            assert "<img src=x>" not in html
            assert "&lt;script&gt;" in html

    async def test_it_is_in_the_readers_language(self, staff: Person, service: RequestManagementService) -> None:
        await seed(service)
        html = (await staff.get("/staff", headers={"Accept-Language": "es"})).text
        assert '<html lang="es">' in html
        assert re.search(r"en\s2\shoras|dentro de 2 horas", html)


class TestMadeUpFilters:
    @pytest.mark.parametrize(
        ("query", "name"),
        [
            ("status=Nonsense", "Status"),
            ("category=%3Cscript%3E", "Category"),
            ("urgency=very", "Urgency"),
            ("view=mine", "View"),
            ("cursor=abc", "Page"),
            (f"building_id={'A' * 101}", "Building"),
        ],
    )
    async def test_one_is_taken_off_and_named(
        self, staff: Person, service: RequestManagementService, query: str, name: str
    ) -> None:
        request_id = await seed(service)
        html = await staff.page(f"/staff?{query}", status=422)
        assert shown_ids(html) == [request_id]
        assert f"The filter “{name}” said something that there is not" in html
        assert "<script>" not in html
        assert shown_ids(await staff.page(f"/staff/rows?{query}")) == [request_id]

    async def test_what_was_done_is_a_sentence_of_ours(self, staff: Person) -> None:
        assert "3 requests were changed." in await staff.page("/staff?done=changed&count=3")
        for query in ("done=hacked&count=3", "done=changed&count=<b>", "done=changed&count=99999", "done=changed"):
            assert "were changed" not in await staff.page(f"/staff?{query}")


class TestExport:
    async def test_the_file_holds_what_the_filters_let_through(
        self, staff: Person, service: RequestManagementService
    ) -> None:
        wanted = await seed(service, classification=build_classification(urgency=Urgency.EMERGENCY))
        await seed(service, classification=build_classification(urgency=Urgency.LOW))
        calm = await seed(
            service,
            classification=build_classification(urgency=Urgency.EMERGENCY),
            needs_attention=False,
            status=Status.IN_PROGRESS,
        )
        html = await staff.page("/staff?urgency=Emergency")
        assert "/staff/export?format=csv&amp;urgency=Emergency" in html
        answer = await staff.get("/staff/export?format=csv&urgency=Emergency")
        assert answer.headers["content-disposition"].startswith("attachment")
        assert [row["request_id"] for row in csv.DictReader(io.StringIO(answer.text))] == [wanted]
        everything = await staff.get("/staff/export?format=json&view=all&urgency=Emergency")
        assert {one["request_id"] for one in everything.json()} == {wanted, calm}


class TestWhyItIsThere:
    async def test_an_objection_is_a_reason_until_staff_correct_the_labels(
        self, staff: Person, resident: Person, service: RequestManagementService
    ) -> None:
        request_id = await seed(service, status=Status.AWAITING_SELECTION, needs_attention=False)
        said = {"category": "Billing", "comment": "It is about my rent"}
        headers = {"Authorization": f"Bearer {resident.token}"}
        answer = await resident.post(f"/api/v1/requests/{request_id}/objection", json=said, headers=headers)
        assert answer.is_success, answer.text
        html = await staff.page("/staff")
        assert shown_ids(html) == [request_id]
        assert "<li>The resident says that it is about: Billing</li>" in html
        assert "The resident says that it is about: Billing" in await staff.page("/staff/residents/RES_A_101")

    async def test_what_needs_attention_has_a_reason_in_any_case(
        self, staff: Person, service: RequestManagementService
    ) -> None:
        await seed(service, status=Status.IN_PROGRESS)
        assert "<li>Somebody must look at it</li>" in await staff.page("/staff")


async def test_a_pause_is_told_in_the_buildings_time(staff: Person, service: RequestManagementService) -> None:
    at = datetime(2026, 1, 5, 18, tzinfo=UTC)
    paused = Sla(response_due_at=at, response_met_at=at, resolution_due_at=at, basis="x", paused=True, paused_at=at)
    await seed(service, sla=paused)
    # Building A is in Los Angeles; the pages' own zone is New York's.
    assert "since Mon, Jan 5, 10:00\u202fAM PST" in await staff.page("/staff")
    chicago = paused.model_copy(update={"time_zone": "America/Chicago"})
    await seed(service, sla=chicago)
    assert "since Mon, Jan 5, 12:00\u202fPM CST" in await staff.page("/staff/rows")


async def test_known_buildings_are_offered_to_who_has_all(staff: Person, service: RequestManagementService) -> None:
    await seed(service, building_id="Elsewhere", resident_id="RES_E_1")
    html = await staff.page("/staff")
    offered = re.search(r'<datalist id="known-buildings">(.*?)</datalist>', html)
    assert offered
    assert re.findall(r'value="([^"]*)"', offered[1]) == ["A", "B", "C", "D", "Elsewhere"]


async def test_each_line_says_which_statuses_may_be_set(staff: Person, service: RequestManagementService) -> None:
    await seed(service, status=Status.ESCALATED)
    await seed(service, status=Status.ESCALATED, options=())
    await seed(service, status=Status.AWAITING_APPROVAL)
    await seed(service, status=Status.PROCESSING)
    found = re.findall(r'data-status="([^"]*)" data-settable="([^"]*)"', await staff.page("/staff"))
    assert sorted(found) == [
        ("Being looked at", ""),
        ("Escalated", "InProgress Resolved"),
        ("Escalated", "InProgress Resolved AwaitingSelection"),
        ("Waiting for approval", ""),
    ]
