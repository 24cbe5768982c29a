"""The operations desk's pages: board, calendar, one job's plan and end."""

import html
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters import build
from adapters.system_operations_desk import SqliteOperationsDesk
from core.execution import ActionCall
from core.execution_labels import ActionKind
from core.labels import Role, Urgency
from core.ports.execution import ActionContext
from core.request import ExecutionId, RequestId
from core.settings import Settings
from tests.web.conftest import Person
from tests.web.refused_forms import check_keys

SignIn = Callable[..., Any]
MARKUP = "<script>alert(1)</script>"


class Jobs:
    """Puts jobs on the desk as Execution does."""

    def __init__(self, desk: SqliteOperationsDesk) -> None:
        self.desk = desk
        self.count = 0

    async def open(self, *, urgency: Urgency = Urgency.MEDIUM, request_id: str | None = None, **fields: Any) -> str:
        self.count += 1
        job = {"title": "Fix the tap", "crew": "plumbing", "building_id": "A", "unit": "101"} | fields
        execution_id = ExecutionId(f"EXE_{self.count}")
        request = RequestId(request_id) if request_id else None
        context = ActionContext(execution_id, request, urgency, "corr", f"{execution_id}:0")
        return (
            await self.desk.perform(ActionCall(action=ActionKind.DISPATCH_WORK_ORDER, parameters=job), context)
        ).external_id

    async def plan(self, job: str, start: datetime, hours: float = 1.0, who: str = "pat") -> None:
        order = await self.desk.work_order(job)
        assert order is not None
        await self.desk.plan(
            job,
            by="sam",
            expected_version=order.version,
            assigned_to=who,
            scheduled_start=start,
            scheduled_end=start + timedelta(hours=hours),
            now=datetime(2026, 1, 1, tzinfo=UTC),
        )


@pytest.fixture
async def jobs(settings: Settings, staff: Person) -> AsyncIterator[Jobs]:
    desk, _ = build.operations_desk(settings)
    yield Jobs(desk)
    await desk.close()


def column(page: str, name: str) -> str:
    found = re.search(rf'<section class="board-column board-{name}".*?</section>', page, re.DOTALL)
    assert found, f"there is no column {name}"
    return found.group(0)


async def test_jobs_stand_in_their_columns(staff: Person, jobs: Jobs) -> None:
    now = datetime.now(UTC)
    unplanned, planned = await jobs.open(title="Unplanned"), await jobs.open(title="Planned", vendor="Acme")
    under_way, overdue, done = (
        await jobs.open(title="Begun"),
        await jobs.open(title="Late"),
        await jobs.open(title="Past"),
    )
    await jobs.plan(planned, now + timedelta(days=1))
    await jobs.plan(under_way, now - timedelta(minutes=30))
    await jobs.plan(overdue, now - timedelta(days=1))
    await jobs.desk.complete(done, by="sam", notes="x", actual_cost_usd=None, actual_hours=None, now=now)
    page = await staff.page("/staff/desk")
    where = {"to-plan": unplanned, "planned": planned, "under-way": under_way, "overdue": overdue, "done": done}
    for name, job in where.items():
        assert re.findall(r'href="/staff/desk/(WO-\d+)"', column(page, name)) == [job], name
    assert "vendor Acme" in column(page, "planned")
    assert "pat" in column(page, "planned")
    assert "Nobody yet" in column(page, "to-plan")


async def test_the_board_is_narrowed(staff: Person, jobs: Jobs) -> None:
    await jobs.open(title="Tap A")
    other = await jobs.open(title="Lift B", crew="elevator", building_id="B")
    await jobs.plan(other, datetime.now(UTC) + timedelta(days=1), who="kim")
    for query in ("crew=elevator", "assigned=kim", "building=B"):
        page = await staff.page(f"/staff/desk?{query}")
        assert "Lift B" in page
        assert "Tap A" not in page
    page = await staff.page("/staff/desk?assigned=-")
    assert "Tap A" in page
    assert "Lift B" not in page
    page = await staff.page("/staff/desk?column=planned")
    assert "Lift B" in page
    assert "Tap A" not in page
    # A choice that nothing fits stays chosen, and is shown as text.
    page = await staff.page("/staff/desk?assigned=%3Cscript%3E")
    assert "&lt;script&gt;</option>" in page


async def test_the_most_urgent_is_first_and_its_deadline_is_told(staff: Person, jobs: Jobs, resident: Person) -> None:
    token = {"Authorization": f"Bearer {resident.token}", "Prefer": "wait=10"}
    message = {"message_text": "The tap in my kitchen drips."}
    request = (await resident.post("/api/v1/requests", json=message, headers=token)).json()
    await jobs.open(title="Later", urgency=Urgency.LOW)
    await jobs.open(title="First", urgency=Urgency.EMERGENCY, request_id=request["request_id"])
    shown = column(await staff.page("/staff/desk"), "to-plan")
    assert shown.index("First") < shown.index("Later")
    assert request["sla"]["resolution_due_at"] in shown


async def report(resident: Person) -> dict[str, Any]:
    """A decided request of building A, which is in Los Angeles; the pages' own zone is New York's."""
    token = {"Authorization": f"Bearer {resident.token}", "Prefer": "wait=10"}
    message = {"message_text": "The tap in my kitchen drips."}
    request = (await resident.post("/api/v1/requests", json=message, headers=token)).json()
    assert request["sla"]["time_zone"] == "America/Los_Angeles"
    return request


TEN_TO_ELEVEN: dict[str, object] = {
    "assigned_to": "pat",
    "scheduled_start": "2027-01-05T10:00",
    "scheduled_end": "2027-01-05T11:30",
}


async def test_times_are_those_of_the_jobs_building(staff: Person, jobs: Jobs, resident: Person) -> None:
    request = await report(resident)
    job = await jobs.open(request_id=request["request_id"])
    page = await staff.page(f"/staff/desk/{job}")
    assert "Times are in the zone America/Los_Angeles." in page
    kept = await staff.submit(page, f"/staff/desk/{job}/plan", TEN_TO_ELEVEN)
    assert kept.status_code == 200
    order = await jobs.desk.work_order(job)
    assert order is not None
    assert order.scheduled_start == datetime(2027, 1, 5, 18, tzinfo=UTC)
    assert order.scheduled_end == datetime(2027, 1, 5, 19, 30, tzinfo=UTC)
    assert 'value="2027-01-05T10:00"' in kept.text
    assert "10:00\u202fAM" in kept.text
    summer = TEN_TO_ELEVEN | {"scheduled_start": "2027-07-06T10:00", "scheduled_end": "2027-07-06T11:30"}
    assert (await staff.submit(kept.text, f"/staff/desk/{job}/plan", summer)).status_code == 200
    order = await jobs.desk.work_order(job)
    assert order is not None
    assert order.scheduled_start == datetime(2027, 7, 6, 17, tzinfo=UTC)


async def test_the_board_names_the_zone_of_another_place(staff: Person, jobs: Jobs, resident: Person) -> None:
    request = await report(resident)
    there, here = await jobs.open(title="There", request_id=request["request_id"]), await jobs.open(title="Here")
    for job in (there, here):
        await jobs.plan(job, datetime(2036, 1, 8, 18, tzinfo=UTC))
    page = await staff.page("/staff/desk")
    assert "Times are in the zone America/New_York where no other is named." in page
    cards = {name: text for text in page.split("board-card")[1:] for name in ("There", "Here") if f">{name}<" in text}
    assert re.search(r">[^<]*10:00.AM</time>–<time[^>]*>11:00.AM</time> PST", cards["There"])
    assert re.search(r">[^<]*1:00.PM</time>–<time[^>]*>2:00.PM</time>\s*</dd>", cards["Here"])
    assert re.search(r"Solve by</dt><dd><time[^>]*>[^<]*</time> P[SD]T", cards["There"])


async def test_times_of_a_zone_that_has_changed_are_asked_again(staff: Person, jobs: Jobs, resident: Person) -> None:
    request = await report(resident)
    job = await jobs.open(request_id=request["request_id"])
    page = await staff.page(f"/staff/desk/{job}")
    before = page.replace('name="time_zone" value="America/Los_Angeles"', 'name="time_zone" value="America/New_York"')
    assert before != page
    refused = await staff.submit(before, f"/staff/desk/{job}/plan", TEN_TO_ELEVEN)
    assert refused.status_code == 422
    assert "now in another zone" in refused.text
    assert 'value="2027-01-05T10:00"' in refused.text
    order = await jobs.desk.work_order(job)
    assert order is not None
    assert order.scheduled_start is None
    assert (await staff.submit(refused.text, f"/staff/desk/{job}/plan", TEN_TO_ELEVEN)).status_code == 200


async def test_staff_of_another_building_see_nothing_of_it(sign_in: SignIn, jobs: Jobs) -> None:
    job = await jobs.open(title="Of building A")
    await jobs.plan(job, datetime(2026, 11, 24, 15, tzinfo=UTC))
    bea: Person = await sign_in(Role.STAFF, "bea", buildings=["B"])
    assert "Of building A" not in await bea.page("/staff/desk")
    assert "Of building A" not in await bea.page("/staff/desk/calendar?week=2026-W48")
    await bea.page(f"/staff/desk/{job}", status=404)
    own = await jobs.open(title="Of building B", building_id="B")
    page = await bea.page(f"/staff/desk/{own}")
    hidden = re.search(r'name="csrf_token" value="([^"]*)"', page)
    assert hidden
    stolen: dict[str, object] = {"csrf_token": hidden[1], "assigned_to": "bea", "version": "2"}
    assert (await bea.post(f"/staff/desk/{job}/plan", data=stolen)).status_code == 404
    assert (await bea.post(f"/staff/desk/{job}/complete", data=stolen | {"notes": "x"})).status_code == 404
    order = await jobs.desk.work_order(job)
    assert order is not None
    assert (order.assigned_to, order.status) == ("pat", "Open")


async def test_the_desk_is_the_staffs(resident: Person, jobs: Jobs) -> None:
    for address in ("/staff/desk", "/staff/desk/calendar", f"/staff/desk/{await jobs.open()}"):
        await resident.page(address, status=403)


async def test_two_plan_the_same_job_and_the_second_is_told(staff: Person, manager: Person, jobs: Jobs) -> None:
    job = await jobs.open()
    first, second = await staff.page(f"/staff/desk/{job}"), await manager.page(f"/staff/desk/{job}")
    plan: dict[str, object] = {
        "assigned_to": "pat",
        "scheduled_start": "2027-01-05T10:00",
        "scheduled_end": "2027-01-05T11:30",
    }
    kept = await staff.submit(first, f"/staff/desk/{job}/plan", plan)
    assert kept.status_code == 200
    assert "The plan is kept." in kept.text
    order = await jobs.desk.work_order(job)
    assert order is not None
    # New York is five hours behind UTC in winter.
    assert order.scheduled_start == datetime(2027, 1, 5, 15, tzinfo=UTC)
    other: dict[str, object] = plan | {"assigned_to": f"kim {MARKUP}", "scheduled_start": "2027-01-05T09:00"}
    refused = await manager.submit(second, f"/staff/desk/{job}/plan", other)
    assert refused.status_code == 412
    assert "Somebody else changed this job in the meantime" in refused.text
    assert "<dd>pat</dd>" in refused.text
    assert f'value="{html.escape(str(other["assigned_to"]))}"' in refused.text
    assert 'value="2027-01-05T09:00"' in refused.text
    assert MARKUP not in refused.text
    order = await jobs.desk.work_order(job)
    assert order is not None
    assert order.assigned_to == "pat"
    # Having seen it, they may put theirs in its place.
    assert (await manager.submit(refused.text, f"/staff/desk/{job}/plan", other)).status_code == 200
    order = await jobs.desk.work_order(job)
    assert order is not None
    assert order.assigned_to == other["assigned_to"]


async def test_a_plan_sent_twice_is_no_conflict(staff: Person, jobs: Jobs) -> None:
    job = await jobs.open()
    page = await staff.page(f"/staff/desk/{job}")
    plan: dict[str, object] = {
        "assigned_to": "pat",
        "scheduled_start": "2027-01-05T10:00",
        "scheduled_end": "2027-01-05T11:30",
    }
    for _ in range(2):
        answer = await staff.submit(page, f"/staff/desk/{job}/plan", plan)
        assert answer.status_code == 200, answer.text
    order = await jobs.desk.work_order(job)
    assert order is not None
    assert order.rescheduled == 1


ILLEGAL = (
    ("2027-01-05T10:00", "2027-01-05T09:00", "must be after"),
    ("2027-01-05T10:00", "", "Give both"),
    ("2027-03-14T02:30", "2027-03-14T05:00", "no such time"),
    ("tomorrow", "2027-01-05T09:00", "no such time"),
    ("0001-01-01T00:00", "9999-12-31T23:59", "no such time"),
    ("2026-01-01T10:00", "2026-01-01T11:00", "may not begin before"),
)


async def test_an_illegal_time_is_told_at_its_field(staff: Person, jobs: Jobs) -> None:
    job = await jobs.open(not_before="2027-01-01T12:00:00Z")
    page = await staff.page(f"/staff/desk/{job}")
    for start, end, said in ILLEGAL:
        plan: dict[str, object] = {"assigned_to": "Pat Typed", "scheduled_start": start, "scheduled_end": end}
        refused = await staff.submit(page, f"/staff/desk/{job}/plan", plan)
        assert refused.status_code == 422
        wrong = re.findall(r'class="wrong" id="(scheduled_\w+)-wrong">([^<]*)<', refused.text)
        assert any(said in html.unescape(text) for _, text in wrong), (said, wrong)
        assert re.search(rf'aria-invalid="true" aria-describedby=" {wrong[0][0]}-wrong"', refused.text)
        assert 'value="Pat Typed"' in refused.text
        assert f'value="{start}"' in refused.text
    order = await jobs.desk.work_order(job)
    assert order is not None
    assert order.version == 1


async def test_a_time_that_is_left_as_it_was_stays_to_the_second(staff: Person, jobs: Jobs) -> None:
    job = await jobs.open()
    start = datetime(2027, 11, 7, 6, 30, 17, tzinfo=UTC)  # The second 1:30 of the night when clocks go back.
    await jobs.plan(job, start)
    page = await staff.page(f"/staff/desk/{job}")
    shown: dict[str, object] = dict(
        re.findall(r'id="(scheduled_start|scheduled_end)" name="[^"]*" value="([^"]*)"', page)
    )
    assert shown["scheduled_start"] == "2027-11-07T01:30"
    assert (await staff.submit(page, f"/staff/desk/{job}/plan", shown | {"assigned_to": "kim"})).status_code == 200
    order = await jobs.desk.work_order(job)
    assert order is not None
    assert (order.scheduled_start, order.assigned_to, order.rescheduled) == (start, "kim", 1)


async def test_a_job_is_closed_with_what_it_took(staff: Person, manager: Person, jobs: Jobs) -> None:
    job = await jobs.open()
    late = await manager.page(f"/staff/desk/{job}")
    page = await staff.page(f"/staff/desk/{job}")
    where = f"/staff/desk/{job}/complete"
    refused = await staff.submit(page, where, {"notes": "New washer", "actual_cost_usd": "much", "actual_hours": "nan"})
    assert refused.status_code == 422
    assert len(re.findall('class="wrong"', refused.text)) == 2
    assert "New washer" in refused.text
    empty = await staff.submit(page, where, {"notes": "  ", "actual_cost_usd": "7"})
    assert empty.status_code == 422
    assert 'id="notes-wrong"' in empty.text
    negative = await staff.submit(page, where, {"notes": "New washer", "actual_cost_usd": "-7"})
    assert negative.status_code == 422
    assert 'id="actual_cost_usd-wrong"' in negative.text
    form: dict[str, object] = {"notes": f"New washer {MARKUP}", "actual_cost_usd": "1,120.50", "actual_hours": "2"}
    for _ in range(2):
        answer = await staff.submit(page, where, form)
        assert answer.status_code == 200
        assert MARKUP not in answer.text
    order = await jobs.desk.work_order(job)
    assert order is not None
    assert (order.status, order.actual_cost_usd, order.actual_hours, order.closed_by) == ("Done", 1120.5, 2.0, "sam")
    second = await manager.submit(late, where, {"notes": "I did it"})
    assert second.status_code == 409
    assert "closed before" in second.text
    assert "I did it" in second.text
    assert "$1,120.50" in second.text


async def test_words_of_people_are_text(staff: Person, jobs: Jobs) -> None:
    await jobs.open(title=MARKUP, instructions=MARKUP, steps=[MARKUP], vendor=MARKUP)
    job = await jobs.open(title=MARKUP, steps=[MARKUP])
    await jobs.plan(job, datetime(2026, 11, 24, 15, tzinfo=UTC), who=MARKUP)
    for address in ("/staff/desk", "/staff/desk/calendar?week=2026-W48", "/staff/desk/WO-1", f"/staff/desk/{job}"):
        page = await staff.page(address)
        assert MARKUP not in page
        assert html.escape(MARKUP) in page


def days(page: str) -> dict[str, list[str]]:
    found = re.findall(r'<section class="calendar-day.*?id="day-([\d-]+)"(.*?)</section>', page, re.DOTALL)
    return {day: re.findall(r'href="/staff/desk/(WO-\d+)"', text) for day, text in found}


async def test_a_week_holds_its_days_in_the_buildings_zone(staff: Person, jobs: Jobs) -> None:
    sunday, monday, last, after, unplanned = [await jobs.open() for _ in range(5)]
    await jobs.plan(sunday, datetime(2026, 11, 23, 4, 59, tzinfo=UTC))  # Sunday, 11:59 PM in New York.
    await jobs.plan(monday, datetime(2026, 11, 23, 5, tzinfo=UTC))
    await jobs.plan(last, datetime(2026, 11, 30, 4, 59, tzinfo=UTC))
    await jobs.plan(after, datetime(2026, 11, 30, 5, tzinfo=UTC))
    page = await staff.page("/staff/desk/calendar?week=2026-W48")
    shown = days(page)
    assert list(shown) == [f"2026-11-{day}" for day in range(23, 30)]
    assert [jobs for jobs in shown.values() if jobs] == [[monday], [last]]
    assert "?week=2026-W47" in page
    assert "?week=2026-W49" in page
    assert f"/staff/desk/{unplanned}" in page.split('aria-labelledby="unplanned"')[1]
    assert days(await staff.page("/staff/desk/calendar?week=2026-11-29")) == shown


async def test_a_job_lies_on_the_day_that_it_is_where_it_is_done(staff: Person, jobs: Jobs, resident: Person) -> None:
    request = await report(resident)
    sunday, late, other = [await jobs.open(request_id=request["request_id"]) for _ in range(3)]
    # Sunday 9:30 PM in Los Angeles is Monday 12:30 AM in New York, and so a week later.
    await jobs.plan(sunday, datetime(2026, 11, 23, 5, 30, tzinfo=UTC))
    await jobs.plan(late, datetime(2026, 11, 30, 5, 30, tzinfo=UTC))
    await jobs.plan(other, datetime(2026, 11, 25, 18, tzinfo=UTC))
    page = await staff.page("/staff/desk/calendar?week=2026-W48")
    shown = days(page)
    assert {day: found for day, found in shown.items() if found} == {"2026-11-25": [other], "2026-11-29": [late]}
    assert re.search(r">10:00.AM</time>–<time[^>]*>11:00.AM</time> PST", page)
    assert "where no zone is named it is that of America/New_York" in page
    assert days(await staff.page("/staff/desk/calendar?week=2026-W47"))["2026-11-22"] == [sunday]


async def test_a_week_in_which_the_clocks_change(staff: Person, jobs: Jobs) -> None:
    before, first, second, after = [await jobs.open() for _ in range(4)]
    # Clocks go back in New York on 1 November 2026: Sunday has 25 hours.
    await jobs.plan(before, datetime(2026, 10, 26, 4, tzinfo=UTC))
    await jobs.plan(first, datetime(2026, 11, 1, 5, 30, tzinfo=UTC))
    await jobs.plan(second, datetime(2026, 11, 2, 4, 30, tzinfo=UTC))
    await jobs.plan(after, datetime(2026, 11, 2, 5, tzinfo=UTC))
    shown = days(await staff.page("/staff/desk/calendar?week=2026-W44"))
    assert shown["2026-10-26"] == [before]
    assert shown["2026-11-01"] == [first, second]
    assert days(await staff.page("/staff/desk/calendar?week=2026-W45"))["2026-11-02"] == [after]


async def test_there_is_no_such_week(staff: Person) -> None:
    for week in ("2026-W54", "0001-W01", "9999-W52", "soon", "2026-02-30", "<script>"):
        await staff.page(f"/staff/desk/calendar?week={week}", status=404)


async def test_a_forms_address_leads_back_to_its_page(staff: Person, jobs: Jobs) -> None:
    job = await jobs.open()
    assert "Fix the tap" in await staff.page(f"/staff/desk/{job}/plan")


async def test_a_job_that_may_be_closed_already_keeps_its_key(
    staff: Person, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = f"/staff/desk/{await jobs.open()}"
    await check_keys(staff, await staff.page(where), f"{where}/complete", {"notes": "New washer"}, monkeypatch)
