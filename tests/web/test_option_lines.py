"""Options in one line each: nothing said twice, days by the building's calendar, names that promise too much."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.labels import ApprovalTier, Status
from core.request import Decision, Estimate, FactorScores, OptionId, OptionScore, ResolutionOption
from tests.builders import build_event, build_full_record, build_option
from web.language import words_in
from web.option_lines import lines_of, reason_of, when_words

NOON = datetime(2026, 11, 23, 20, tzinfo=UTC)
"""A Monday; noon in Los Angeles."""
OPTIONS = OptionId("one"), OptionId("two")
THERE = words_in("en", "America/Los_Angeles")


def hours(p50: float, p90: float) -> Estimate:
    return Estimate(mean=p50, p50=p50, p90=p90)


def option(**changes: Any) -> ResolutionOption:
    return build_option("one").model_copy(update=changes)


def line_of(given: ResolutionOption, **request: Any) -> Any:
    record = build_full_record(**{"options": (given,), "status": Status.AWAITING_SELECTION} | request)
    return lines_of(record.request, [build_event(1)], NOON, THERE)["one"]


@pytest.mark.parametrize(
    ("p50", "p90", "said"),
    [
        (2, 3, "done by Mon, Nov 23"),
        (2, 20, "most likely done by Mon, Nov 23, in 9 of 10 cases by Tue, Nov 24"),
        (13, 15, "done by Tue, Nov 24"),
        (40, 10, "done by Wed, Nov 25"),
    ],
)
def test_a_day_is_said_once_and_is_the_buildings(p50: float, p90: float, said: str) -> None:
    # Ten hours after noon it is Monday still in Los Angeles, and Tuesday in New York.
    assert when_words(hours(p50, p90), NOON, THERE) == said
    assert when_words(hours(10, 10), NOON, THERE) == "done by Mon, Nov 23"
    assert when_words(hours(10, 10), NOON, words_in("en", "America/New_York")) == "done by Tue, Nov 24"


def test_what_nobody_begins_has_lengths_and_no_days() -> None:
    given = option(estimated_time_hours=hours(15, 15.2))
    assert line_of(given, status=Status.CANCELLED).when == "done in 15 hours"
    assert line_of(option(estimated_time_hours=hours(15, 72)), status=Status.CANCELLED).when == (
        "done in 15 hours, in 9 of 10 cases within 3 days"
    )


def test_a_line_says_cost_agreement_and_risk_once_each() -> None:
    line = line_of(
        option(
            estimated_cost_usd=Estimate(mean=242.9, p50=231.28, p90=343.61),
            approval=ApprovalTier.MANAGER,
            sla_breach_probability=0.14,
        )
    )
    assert line.cost == "about $231, in 9 of 10 cases at most $344"
    assert line.approval == "needs the agreement of: Manager"
    assert line.risk == "misses the promised time in 14% of cases"
    calm = line_of(option(estimated_cost_usd=Estimate(mean=0, p50=0, p90=0), sla_breach_probability=0.001))
    assert (calm.cost, calm.approval, calm.risk) == ("about $0", "nobody has to agree", "keeps the promised time")


def test_a_name_that_says_today_is_set_right_where_it_is_another_day() -> None:
    late = option(title="Send our plumber today", estimated_time_hours=hours(13, 15))
    assert line_of(late).warning == "Its name says “today”; it is most likely done on Tue, Nov 24."
    assert line_of(option(title="Send our plumber today", estimated_time_hours=hours(3, 4))).warning == ""
    assert line_of(option(title="Book a visit", estimated_time_hours=hours(13, 15))).warning == ""


def test_hours_of_what_was_chosen_count_from_then() -> None:
    chosen = build_event(2, kind="option_selected", at=NOON - timedelta(days=2))
    record = build_full_record(
        options=(option(estimated_time_hours=hours(2, 3)),), status=Status.IN_PROGRESS, selected_option_id="one"
    )
    assert lines_of(record.request, [chosen], NOON, THERE)["one"].when == "done by Sat, Nov 21"


def scores(ahead: FactorScores, behind: FactorScores, totals: tuple[float, float]) -> Decision:
    found = build_full_record().request.decision
    assert found is not None
    made = (
        OptionScore(option_id=OPTIONS[0], total=totals[0], factors=ahead),
        OptionScore(option_id=OPTIONS[1], total=totals[1], factors=behind),
    )
    return found.model_copy(update={"scores": made, "recommended_option_id": "one"})


def test_why_an_option_is_ahead_is_a_sentence_of_its_factors() -> None:
    same: dict[str, float] = {"satisfaction": 0.5, "compliance": 1.0}
    first = FactorScores(urgency=0.7, time=0.9, cost=0.4, **same)
    second = FactorScores(urgency=0.7, time=0.5, cost=0.6, **same)
    options = (build_option("one").model_copy(update={"title": "Quick"}), build_option("two"))
    decided = {"options": options, "decision": scores(first, second, (0.7, 0.6))}
    said = reason_of(build_full_record(**decided).request, THERE)
    assert said == "“Quick” comes before “A plumber comes”. It is better in: Time. It is worse in: Cost."
    level = {"options": options, "decision": scores(first, first, (0.7, 0.7))}
    assert reason_of(build_full_record(**level).request, THERE) == ""
