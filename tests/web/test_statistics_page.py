"""The statistics page: its numbers are the interface's, a share of nothing is a dash, and few cases say nothing."""

import html as markup
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.labels import Status
from core.request import ResolutionNote
from deployments.request_management.service import RequestManagementService
from tests.builders import build_event, build_full_record
from tests.web.conftest import Person
from web.language import words_in
from web.statistics_period import NoPeriod, choose
from web.statistics_view import LEAST_CASES, cards_of, share_words

PAGE = "/staff/statistics"
NEW_YORK = ZoneInfo("America/New_York")
ENGLISH = words_in("en", "America/New_York")


async def fill(service: RequestManagementService, number: int, *, building_id: str = "A", days_ago: float = 1) -> None:
    """Requests that were done after 2 hours, of which half of the options' predictions say 4."""
    made = service.clock() - timedelta(days=days_ago)
    for place in range(number):
        at = made + timedelta(minutes=place)
        note = ResolutionNote(resolution_notes="Done", resolved_by="sam", resolved_at=at + timedelta(hours=2))
        record = build_full_record(
            status=Status.CLOSED, building_id=building_id, created_at=at, updated_at=at, resolution=note,
            selected_option_id="option-0",
        )  # fmt: skip
        plain = record.model_copy(update={"outbox": (), "last_event": 1})
        assert await service._store.create(plain, [build_event(1)])  # pyright: ignore[reportPrivateUsage]


def card(html: str, title: str) -> str:
    found = re.search(rf"<h3>{title}</h3><p class=\"figure-value\">([^<]*)</p>", html)
    assert found, title
    return markup.unescape(found.group(1))


async def test_nothing_is_a_dash_and_not_zero(staff: Person) -> None:
    html = await staff.page(PAGE)
    assert card(html, "Requests") == "0"
    for title in (
        "First response in time",
        "Done in time",
        "Without a person",
        "Reopened",
        "Time until done",
        "Rating",
    ):
        assert card(html, title) == "–", title
    assert "No request was made in this period." in html
    assert "<svg" not in html.partition("<main")[2]


async def test_the_numbers_are_those_of_the_interface(staff: Person, service: RequestManagementService) -> None:
    await fill(service, 3)
    await fill(service, 2, building_id="B")
    html = await staff.page(f"{PAGE}?group_by=building")
    assert card(html, "Requests") == "5"
    assert card(html, "Time until done") == "2 hours"
    assert '<th scope="row">A</th>' in html
    assert '<th scope="row">B</th>' in html
    assert html.partition("<main")[2].count('<div class="chart"') == 2
    assert "style=" not in html
    only = await staff.page(f"{PAGE}?building=B&group_by=urgency")
    assert card(only, "Requests") == "2"
    assert '<option value="B" selected>' in only
    assert '<th scope="row">High</th>' in only


async def test_predictions_of_few_cases_say_nothing(staff: Person, service: RequestManagementService) -> None:
    await fill(service, LEAST_CASES - 1)
    html = await staff.page(f"{PAGE}?view=predictions")
    assert f"Too few to tell ({LEAST_CASES - 1} of at least {LEAST_CASES})." in html
    assert "<svg" not in html.partition("<main")[2]


async def test_predictions_of_enough_cases_are_judged(staff: Person, service: RequestManagementService) -> None:
    await fill(service, LEAST_CASES + 5)
    html = markup.unescape(await staff.page(f"{PAGE}?view=predictions"))
    assert "25 requests of the period are done." in html
    # All were done after 2 hours, within the predicted 4 and 11.25.
    assert "100% (87% to 100%); should be 90%" in html
    assert "Usually 2 hours less than predicted" in html
    # Nobody corrected a category of which the system was 81 % sure.
    assert "Predicted less often than it happened: 81% predicted, 100% (87% to 100%) happened." in html
    assert "That nobody corrected it does not say that it was right" in html
    assert "Too few to tell (0 of at least 20)." in html  # What it cost nobody said.
    assert html.count('<div class="chart"') == 3


@pytest.mark.parametrize(
    "query",
    [
        "period=custom",
        "period=custom&begin=2026-03-02&end=2026-03-01",
        "period=custom&begin=yesterday&end=2026-03-01",
        "period=custom&begin=0001-01-01&end=9999-12-31",
    ],
)
async def test_a_period_that_is_none_is_told_and_kept(staff: Person, query: str) -> None:
    html = await staff.page(f"{PAGE}?{query}", status=422)
    assert "Give both days" in html
    assert '<option value="custom" selected>' in html
    begin = re.search(r"begin=([^&]*)", query)
    assert f'value="{begin.group(1) if begin else ""}"' in html


async def test_what_the_interface_refuses_is_told(staff: Person) -> None:
    html = await staff.page(f"{PAGE}?period=custom&begin=1990-01-01&end=2025-12-31", status=422)
    assert "choose a shorter one" in html


async def test_only_ones_own_buildings(sign_in: Callable[..., Any], service: RequestManagementService) -> None:
    await fill(service, 3)
    await fill(service, 1, building_id="B")
    bea = await sign_in("staff", "bea", buildings=["B"])
    html = await bea.page(PAGE)
    assert card(html, "Requests") == "1"
    assert '<option value="A"' not in html
    assert (await bea.get(f"{PAGE}?building=A")).status_code == 404


async def test_residents_may_not_and_made_up_values_do_no_harm(resident: Person, staff: Person) -> None:
    assert (await resident.get(PAGE)).status_code == 403
    script = '"><script>alert(1)</script>'
    answer = await staff.get(PAGE, params={"period": script, "building": script, "begin": script, "group_by": script})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text


def test_the_usual_periods_begin_at_midnight_where_the_houses_are() -> None:
    # Wednesday evening in New York is Thursday in UTC.
    now = datetime(2026, 3, 12, 1, 0, tzinfo=UTC)
    assert choose("week", "", "", now, NEW_YORK).since == datetime(2026, 3, 9, tzinfo=NEW_YORK)
    assert choose("month", "", "", now, NEW_YORK).since == datetime(2026, 2, 9, tzinfo=NEW_YORK)
    quarter = choose("quarter", "", "", now, NEW_YORK)
    assert (quarter.since, quarter.before, quarter.interval) == (datetime(2025, 12, 15, tzinfo=NEW_YORK), now, "week")
    assert choose("week", "", "", now, NEW_YORK).interval == "day"
    custom = choose("custom", "2026-03-07", "2026-03-08", now, NEW_YORK)
    assert custom.query() == {"since": "2026-03-07T05:00:00.000Z", "before": "2026-03-09T04:00:00.000Z"}
    with pytest.raises(NoPeriod):
        choose("custom", "2026-03-07", "", now, NEW_YORK)


def test_words_of_figures() -> None:
    found: dict[str, Any] = dict.fromkeys(
        ("response_sla_met", "resolution_sla_met", "reopen_rate", "automation_rate", "escalation_rate")
    )
    found |= {"volume": 2, "open": 1, "correction_rate": 0.5, "rating": {"count": 1, "mean": 4.0}}
    found |= {"time_to_resolve_hours": {"count": 1, "p50": 30.0, "p90": 30.0, "mean": 30.0}}
    found |= {"cost_usd": {"total": 120.0, "mean": 120.0, "known": 1, "unknown": 0}}
    cards = {one.title: one for one in cards_of(found, ENGLISH)}
    assert cards["Labels corrected"].value == "50%"
    assert cards["Rating"].meaning == "Of 5, the mean of 1 rating."
    assert cards["Cost"].value == "$120"
    assert share_words({"share": 0.5, "low": 0.25, "high": 0.75}, ENGLISH) == "50% (25% to 75%)"
