"""The pictures of a request's reasons, and what staff are shown of it beyond the interface's words."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.labels import Status
from core.request import Approval, Estimate, RiskFactor
from tests.builders import build_event, build_full_record, build_option
from web.charts import draw
from web.language import words_in
from web.option_charts import FACTORS, draw_factors, draw_outcomes, draw_scores, interval
from web.request_view import clause, driving_words, gates, possible_steps, strength, waits_for_access

WORDS = words_in("en", "UTC")
SCRIPT = "<script>alert(1)</script>"
DECILES = tuple(float(number) for number in range(10, 100, 10))


def rows(chart: Any) -> list[dict[str, Any]]:
    return chart["data"]["values"]


def test_the_largest_factor_comes_first_and_says_its_direction() -> None:
    factors = [RiskFactor(feature=f"f{n}", value=1.0, contribution=c) for n, c in enumerate((0.1, -0.7, 0.3))]
    found = rows(draw_factors(factors, WORDS))
    assert [row["contribution"] for row in found] == [-0.7, 0.3, 0.1]
    assert [row["direction"].split()[0] for row in found] == ["lowers", "raises", "raises"]
    assert [row["factor"][:2] for row in found] == ["1.", "2.", "3."]


def test_an_option_is_drawn_from_its_tenth_to_its_ninetieth_percentile() -> None:
    simulated = Estimate(mean=55.0, p50=50.0, p90=90.0, deciles=DECILES)
    assert interval(simulated) == (10.0, 90.0)
    assert interval(Estimate(mean=55.0, p50=50.0, p90=90.0)) == (50.0, 90.0)
    option = build_option().model_copy(update={"estimated_cost_usd": simulated})
    costs, times = draw_outcomes([option], WORDS)["vconcat"]
    found = rows(costs)[0]
    assert (found["low"], found["middle"], found["mean"], found["high"]) == (10.0, 50.0, 55.0, 90.0)
    assert rows(times)[0]["low"] == option.estimated_time_hours.p50


def test_a_score_is_the_sum_of_what_its_bar_is_made_of() -> None:
    request = build_full_record().request
    assert request.decision is not None
    found = rows(draw_scores(request.decision, request.options, WORDS))
    assert len(found) == len(request.options) * len(FACTORS)
    weights, factors = request.decision.weights.model_dump(), request.decision.scores[0].factors.model_dump()
    whole = sum(row["share"] for row in found[: len(FACTORS)])
    assert whole == pytest.approx(sum(weights[name] * factors[name] for name in FACTORS), abs=1e-3)


def test_what_a_model_wrote_is_text_in_a_picture_too() -> None:
    option = build_option().model_copy(update={"title": SCRIPT})
    factor = RiskFactor(feature="f", value=1.0, contribution=0.5, label=SCRIPT)
    for chart in (draw_outcomes([option, build_option()], WORDS), draw_factors([factor], WORDS)):
        svg = draw(chart, SCRIPT)
        assert svg.count("<svg") == 1
        assert "<script" not in svg
        assert "&lt;script&gt;" in svg
        assert not re.search(r"\son\w+=|style=", svg)


def test_a_gate_names_its_clause() -> None:
    told = (
        "Approval: a needs manager at a p90 cost of $1,291.38 [approval-limits#approvals]",
        "Statutory clock: 240 hours. [statutory-clocks-washington#jurisdictions:US-WA:wa-10-days (RCW 59.18.070(3))]",
        "Escalated: at once. [gas-leak]",
        "No clause at all",
    )
    limit, clock, safety, plain = gates(told)
    assert limit.clause is not None
    assert limit.clause.address == "/staff/knowledge/approval-limits#rule-approvals"
    assert limit.text.endswith("$1,291.38")
    assert clock.clause is not None
    assert clock.clause.address == "/staff/knowledge/statutory-clocks-washington#rule-jurisdictions"
    assert "RCW 59.18.070(3)" in clock.clause.name
    assert safety.clause is not None
    assert safety.clause.address is None
    assert (plain.text, plain.clause) == ("No clause at all", None)


@pytest.mark.parametrize("name", ["//evil.example#x", "javascript:alert(1)#x", "../x#y", "", "a b#c"])
def test_what_is_no_clause_leads_nowhere(name: str) -> None:
    address = clause(name).address
    assert address is None or address.startswith("/staff/knowledge/")
    assert address is None or "//" not in address


WORD = st.fixed_dictionaries(
    {
        "text": st.text(max_size=5),
        "start": st.integers(0, 40),
        "end": st.integers(0, 40),
        "contribution": st.floats(-5, 5),
    }
)


@given(st.text(max_size=30), st.lists(WORD, max_size=8))
def test_marked_parts_are_the_message_whatever_the_places_say(message: str, words: list[dict[str, Any]]) -> None:
    found = driving_words(message, {"label": "Other", "words": words})
    assert "".join(part.text for part in found.parts) == message
    assert all(0 <= part.strength <= 3 for part in found.parts)


def test_strength_is_in_thirds_of_the_strongest() -> None:
    assert [strength(value, 3.0) for value in (-1.0, 0.1, 0.9, 1.5, 2.9, 3.0)] == [0, 0, 1, 2, 3, 3]
    assert strength(0.0, 0.0) == 0


def test_steps_are_those_that_the_status_allows() -> None:
    def steps(status: Status, *events: Any, **fields: Any) -> Any:
        return possible_steps(build_full_record(status=status, **fields).request, events)

    assert steps(Status.AWAITING_SELECTION).select
    assert not steps(Status.AWAITING_SELECTION).resolve
    assert steps(Status.AWAITING_APPROVAL).approve
    assert steps(Status.AWAITING_APPROVAL).reject
    assert not steps(Status.PROCESSING).relabel
    assert steps(Status.RESOLVED).waits is None
    by_policy = {"approval": Approval.model_validate({"required": "none", "granted_by": "policy"})}
    assert steps(Status.ESCALATED, **by_policy).approve
    chosen = build_event(1, kind="option_selected", actor="policy")
    assert steps(Status.IN_PROGRESS, chosen).cancel
    assert not steps(Status.IN_PROGRESS, build_event(1, kind="option_selected", actor="sam")).cancel


def test_access_is_waited_for_by_the_newest_word() -> None:
    begun = build_event(1, kind="waiting", details={"waiting_for": "access"})
    over = build_event(2, kind="waiting_ended", details={"waiting_for": "access"})
    done = build_event(2, kind="status_changed", details={"from": "InProgress", "to": "Resolved"})
    assert waits_for_access([begun])
    assert not waits_for_access([begun, over])
    assert not waits_for_access([begun, done])
    assert not waits_for_access([])
