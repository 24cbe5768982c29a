"""The present and the changed system on the same work: exact where nothing changes, and in the right direction."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest

from core.errors import Invalid
from core.estate import Vendor
from core.labels import Urgency
from core.rules import RuleBook
from core.what_if import ComparedFigure, Comparison, ReplayedRequest, WhatIfOrder
from deployments.decision_simulation.what_if.replay import Replay, replay

MakeOrder = Callable[..., WhatIfOrder]
MakeRequests = Callable[..., tuple[ReplayedRequest, ...]]
UTC_ZONE = ZoneInfo("UTC")


def figure(comparison: Comparison, name: str, resource: str | None = None) -> ComparedFigure:
    return next(one for one in comparison.figures if (one.name, one.resource) == (name, resource))


@pytest.mark.parametrize("source", ["period", "backlog", "synthetic"])
def test_no_change_is_exactly_no_difference(rules: RuleBook, make_order: MakeOrder, source: str) -> None:
    comparison = replay(rules, make_order(source=source), UTC_ZONE)
    assert comparison.figures
    for one in comparison.figures:
        assert (one.difference.low, one.difference.mean, one.difference.high) == (0.0, 0.0, 0.0)
    assert comparison.counted > 0


def test_an_equal_figure_is_no_difference_either(rules: RuleBook, make_order: MakeOrder) -> None:
    comparison = replay(rules, make_order({"crews.plumbing.technicians": 2, "weights.standard.cost": 0.2}), UTC_ZONE)
    assert all(one.difference.mean == 0.0 for one in comparison.figures)
    assert "Nothing in this replay depends on what was changed." in comparison.notes


def test_the_same_seed_gives_the_same_bytes(rules: RuleBook, make_order: MakeOrder) -> None:
    order = make_order({"crews.plumbing.technicians": 3}, source="synthetic", days=3)
    first, again = (replay(rules, order, UTC_ZONE).model_dump_json() for _ in range(2))
    assert first == again
    other = replay(rules, order.model_copy(update={"seed": 4}), UTC_ZONE)
    assert other.model_dump_json() != first


def test_more_technicians_never_breach_more_on_average(
    rules: RuleBook, make_order: MakeOrder, make_requests: MakeRequests
) -> None:
    requests = make_requests(number=110, every_hours=1.2)
    shares: list[float] = []
    for technicians in (1, 2, 3, 5):
        order = make_order({"crews.plumbing.technicians": technicians}, requests)
        comparison = replay(rules, order, UTC_ZONE)
        shares.append(figure(comparison, "sla_breach_share").changed.mean)
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.3
    assert shares[-1] < shares[0] / 2
    more = figure(comparison, "waiting_hours", "plumbing").difference
    assert more.high < 0
    assert figure(comparison, "cost_mean_usd").difference.mean == 0.0
    assert figure(comparison, "satisfaction_impact").difference.low > 0


def test_a_shorter_target_is_missed_more_and_delays_nothing(rules: RuleBook, make_order: MakeOrder) -> None:
    order = make_order({"response_targets.High.resolution_hours": 6, "response_targets.High.response_hours": 1})
    comparison = replay(rules, order, UTC_ZONE)
    assert figure(comparison, "sla_breach_share").difference.low > 0
    assert figure(comparison, "late_response_share").difference.low > 0
    assert figure(comparison, "hours_to_done").difference.mean == 0.0
    # Nobody becomes less patient by a promise that is made in a replay.
    assert figure(comparison, "satisfaction_impact").difference.mean == 0.0


def test_a_lower_approval_limit_delays_until_somebody_agreed(
    rules: RuleBook, make_order: MakeOrder, make_requests: MakeRequests
) -> None:
    # With one option only, the lower limit can't make the engine recommend another.
    kept = tuple(
        one for one in rules.options if one.template.emergency_only or one.template.option_id == "repair-today"
    )
    book = rules.model_copy(update={"options": kept})
    figures = {"approvals.limits.High.automatic": 50, "crews.office.shift_start_hour": 12}
    comparison = replay(book, make_order(figures), UTC_ZONE)
    assert figure(comparison, "hours_to_done").difference.low > 0
    agreed = tuple(one.model_copy(update={"agreed": True}) for one in make_requests())
    comparison = replay(book, make_order(figures, agreed), UTC_ZONE)
    assert figure(comparison, "hours_to_done").difference.mean == 0.0


def test_notice_delays_visits_to_those_who_did_not_agree_to_entry(
    rules: RuleBook, make_order: MakeOrder, make_requests: MakeRequests
) -> None:
    refused = tuple(
        one.model_copy(update={"item": one.item.model_copy(update={"entry_consent": False})})
        for one in make_requests(20)
    )
    comparison = replay(rules, make_order({"entry.notice_hours": 72}, refused), UTC_ZONE)
    assert 30 < figure(comparison, "hours_to_done").difference.mean < 60
    comparison = replay(rules, make_order({"entry.notice_hours": 72}), UTC_ZONE)
    assert figure(comparison, "hours_to_done").difference.mean == 0.0


def test_a_choice_changes_only_where_the_recommendation_does(
    rules: RuleBook, make_order: MakeOrder, make_requests: MakeRequests
) -> None:
    names = ("urgency", "time", "cost", "satisfaction", "compliance")
    urgency_alone = {f"weights.standard.{name}": float(name == "urgency") for name in names}
    chosen = make_requests(20, option_id="contractor", urgency=Urgency.MEDIUM)
    comparison = replay(rules, make_order(urgency_alone, chosen), UTC_ZONE)
    assert comparison.switched >= 15
    assert figure(comparison, "cost_mean_usd").difference.high < -500
    # A change of staff leaves every choice as it was made.
    comparison = replay(rules, make_order({"crews.plumbing.technicians": 4}, chosen), UTC_ZONE)
    assert comparison.switched == 0
    assert figure(comparison, "cost_mean_usd").difference.mean == 0.0


def test_what_nobody_chose_is_recommended(rules: RuleBook, make_order: MakeOrder, make_requests: MakeRequests) -> None:
    for option_id, unknown in ((None, 0), ("written-by-hand", 5)):
        prepared = Replay(rules, make_order(requests=make_requests(5, option_id=option_id)), UTC_ZONE)
        assert len(prepared.kinds.kinds) == 5
        assert prepared.kinds.unknown_options == unknown


def test_a_vendor_that_is_replaced_takes_its_queue_and_its_call_out(
    with_vendor: RuleBook, make_order: MakeOrder, make_requests: MakeRequests, make_vendor: Callable[..., Vendor]
) -> None:
    busy = make_vendor("busy", licences=("master plumber",), teams=1, call_out_usd=200,
                       jobs_per_week={"Emergency": 0.5, "High": 12})  # fmt: skip
    chosen = make_requests(20, every_hours=6, option_id="contractor")
    order = make_order(requests=chosen, add_vendors=(busy,), replace_vendors={"acme": "busy"})
    comparison = replay(with_vendor, order, UTC_ZONE)
    assert comparison.switched == 0
    assert figure(comparison, "cost_mean_usd").difference.mean == pytest.approx(80.0)
    assert figure(comparison, "hours_to_done").difference.low > 0
    assert figure(comparison, "utilisation", "acme").changed.mean == 0.0
    # Without it nobody may do it, and the engine recommends something else.
    gone = replay(with_vendor, make_order(requests=chosen, remove_vendors=("acme",)), UTC_ZONE)
    assert gone.switched == 20
    assert figure(gone, "cost_mean_usd").difference.high < 0


def test_load_is_not_counted(rules: RuleBook, make_order: MakeOrder, make_requests: MakeRequests) -> None:
    requests = make_requests(40)
    load = tuple(one.model_copy(update={"counted": place % 2 == 0}) for place, one in enumerate(requests))
    comparison = replay(rules, make_order(requests=load), UTC_ZONE)
    assert comparison.counted == 20
    alone = replay(rules, make_order(requests=[one for one in load if one.counted]), UTC_ZONE)
    waited = (figure(one, "waiting_hours", "plumbing").present.mean for one in (alone, comparison))
    assert next(waited) < next(waited)


def test_nothing_to_replay_is_told(rules: RuleBook, make_order: MakeOrder, make_requests: MakeRequests) -> None:
    with pytest.raises(Invalid, match="nothing to replay"):
        replay(rules, make_order(requests=()), UTC_ZONE)
    load = tuple(one.model_copy(update={"counted": False}) for one in make_requests(5))
    with pytest.raises(Invalid, match="nothing to replay"):
        replay(rules, make_order(requests=load), UTC_ZONE)


def test_progress_is_told_and_a_cancelled_run_keeps_what_it_has(rules: RuleBook, make_order: MakeOrder) -> None:
    told: list[float] = []
    order = make_order({"crews.plumbing.technicians": 3}, replications=20)
    comparison = replay(rules, order, UTC_ZONE, told.append, lambda: len(told) >= 4)
    assert told == [0.05, 0.1, 0.15, 0.2]
    assert (comparison.replications, comparison.complete) == (4, False)
    with pytest.raises(Invalid, match="cancelled before"):
        replay(rules, order, UTC_ZONE, cancelled=lambda: True)


def test_the_chart_shows_every_difference(rules: RuleBook, make_order: MakeOrder) -> None:
    comparison = replay(rules, make_order({"crews.plumbing.technicians": 3}), UTC_ZONE)
    rows = comparison.chart["data"]["values"]
    waiting = next(row for row in rows if (row["figure"], row["resource"]) == ("Hours until taken on", "plumbing"))
    assert waiting["difference"] == figure(comparison, "waiting_hours", "plumbing").difference.mean
    assert comparison.chart["$schema"].endswith("vega-lite/v5.json")
