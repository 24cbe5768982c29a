"""Crews and vendors as the simulation knows them."""

from collections.abc import Callable

import pytest

from core.errors import ArtefactRefused
from core.estate import Triangle, Vendor
from core.labels import Crew, Trade, Urgency
from core.rules import CataloguedOption, OptionTemplate, RuleBook
from deployments.decision_simulation.duty import ALWAYS
from deployments.decision_simulation.workforce import server_key, server_models, server_rules

NO_TIME = Triangle(low=0, mode=0, high=0)


def vendor(vendor_id: str = "pipe-company", **changes: object) -> Vendor:
    fields: dict[str, object] = {
        "vendor_id": vendor_id,
        "name": "Pipe Company",
        "trades": (Trade.PLUMBING,),
        "teams": 3,
        "shift_start_hour": 6,
        "shift_end_hour": 23,
        "weekdays_only": False,
        "on_call_outside_shift": True,
        "travel_hours": NO_TIME,
        "jobs_per_week": {"High": 16.8},
        "job_hours": {"low": 1, "mode": 1, "high": 1},
        "call_out_usd": 90,
    }
    return Vendor.model_validate(fields | changes)


def with_vendor(rules: RuleBook, one: Vendor, *options: OptionTemplate) -> RuleBook:
    added = tuple(CataloguedOption(doc_id="vendors", template=each, quote="Called.") for each in options)
    return rules.model_copy(update={"vendors": {one.vendor_id: one}, "options": (*rules.options, *added)})


def test_a_vendor_has_a_model_like_a_crews(rules: RuleBook) -> None:
    models = server_models(with_vendor(rules, vendor()))
    assert set(models) == {*(crew.value for crew in rules.crews), "pipe-company"}
    found = models["pipe-company"]
    assert found.technicians == 3
    assert found.jobs_per_hour[Urgency.HIGH] == pytest.approx(0.1)
    assert found.clock_for(Urgency.EMERGENCY) is ALWAYS


def test_only_a_vendor_s_queue_is_run_ahead_since_nobody_reports_it(rules: RuleBook) -> None:
    models = server_models(with_vendor(rules, vendor()))
    assert models["pipe-company"].warm_up_hours > 0
    assert all(models[crew.value].warm_up_hours == 0 for crew in rules.crews)


def test_a_vendor_of_a_trade_keeps_quiet_time_and_another_does_not(rules: RuleBook) -> None:
    trade = server_models(with_vendor(rules, vendor()))["pipe-company"]
    other = server_models(with_vendor(rules, vendor(trades=())))["pipe-company"]
    assert trade.clock.intervals[0] == (7.0, 22.0)
    assert other.clock.intervals[0] == (6.0, 23.0)


def test_an_option_is_served_by_its_vendor_else_by_its_crew(
    rules: RuleBook, make_template: Callable[..., OptionTemplate]
) -> None:
    book = with_vendor(rules, vendor())
    called, own = make_template("called", vendor="pipe-company"), make_template("own")
    assert (server_key(called), server_key(own)) == ("pipe-company", Crew.PLUMBING.value)
    assert server_rules(book, called) == book.vendors["pipe-company"]
    assert server_rules(book, own) == book.crews[Crew.PLUMBING]


def test_an_option_of_nobody_and_a_vendor_with_a_crews_name_are_refused(
    rules: RuleBook, make_template: Callable[..., OptionTemplate]
) -> None:
    with pytest.raises(ArtefactRefused, match="unknown-company"):
        server_models(with_vendor(rules, vendor(), make_template("called", vendor="unknown-company")))
    with pytest.raises(ArtefactRefused, match="plumbing"):
        server_models(with_vendor(rules, vendor("plumbing")))
