"""A change passes the documents' own checks, and whoever errs is told what is legal."""

from collections.abc import Callable
from typing import Any

import pytest

from core.errors import Invalid
from core.estate import Vendor
from core.labels import Crew, Situation, Urgency
from core.rules import BuildingOverride, DocumentRules, RuleBook
from core.what_if import Scenario
from deployments.decision_simulation.what_if.scenario import apply, warnings


def test_nothing_changes_nothing(rules: RuleBook) -> None:
    assert apply(rules, Scenario()) is rules


def test_figures_are_changed_by_their_place(rules: RuleBook) -> None:
    changed = apply(
        rules,
        Scenario(
            figures={
                "crews.plumbing.technicians": 3,
                "crews.hvac.weekdays_only": True,
                "weights.standard.cost": 0.3,
                "scoring.weights.standard.time": 0.15,
                "response_targets.High.resolution_hours": 48,
                "approvals.limits.Medium.automatic": 500,
                "entry.quiet_start": "21:00",
                "options.repair-today.effectiveness": 0.8,
            }
        ),
    )
    assert changed.crews[Crew.PLUMBING].technicians == 3
    assert changed.crews[Crew.HVAC].weekdays_only is True
    assert changed.scoring.weights[Situation.STANDARD].cost == 0.3
    assert changed.response_targets[Urgency.HIGH].resolution_hours == 48
    assert changed.approvals.limits[Urgency.MEDIUM].automatic == 500
    assert changed.entry.quiet_start.hour == 21
    assert changed.options[0].template.effectiveness == 0.8
    assert changed.policy_version != rules.policy_version
    assert rules.crews[Crew.PLUMBING].technicians == 2


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"crews.painters.technicians": 3}, "crews has hvac, office, plumbing, security"),
        ({"crews.plumbing.people": 3}, "technicians"),
        ({"prices.tap": 3}, "response_targets"),
        ({"crews.plumbing.technicians": 0}, "greater than or equal to 1"),
        ({"crews.plumbing.technicians": "many"}, "is a number"),
        ({"crews.plumbing.technicians": True}, "not true or false"),
        ({"crews.plumbing.weekdays_only": 1}, "true or false"),
        ({"crews.plumbing": 1}, "no single figure"),
        ({"crews.plumbing.jobs_per_week.High": 1}, "the work is what is replayed"),
        ({"escalation.recurrence_words": "x"}, "is a list"),
        ({"weights.standard.cost": 0.5}, "sum to 1.3"),
        ({"weights.standard.cost": float("nan")}, "scoring"),
        ({"approvals.limits.Medium.automatic": 900}, "must not fall"),
        ({"crews.plumbing.shift_start_hour": 22, "crews.plumbing.shift_end_hour": 24}, "no hour in which it may work"),
        ({"options.repair-today.vendor": "nobody"}, "There is no vendor nobody"),
    ],
)
def test_what_is_not_legal_is_told(rules: RuleBook, figures: dict[str, Any], told: str) -> None:
    with pytest.raises(Invalid, match=told):
        apply(rules, Scenario(figures=figures))


def test_a_building_of_its_own_follows_or_is_changed_alone(rules: RuleBook) -> None:
    own = BuildingOverride(
        rules=DocumentRules(entry=rules.entry.model_copy(update={"notice_hours": 36})), sources={"entry": "entry-b"}
    )
    book = rules.model_copy(update={"overrides": {"B": own}})
    everywhere = Scenario(figures={"entry.notice_hours": 48})
    assert apply(book, everywhere).of("B").entry.notice_hours == 48
    assert "Building B states its own entry" in warnings(book, everywhere, apply(book, everywhere))[0]
    alone = apply(book, Scenario(figures={"B.entry.notice_hours": 12}))
    assert (alone.entry.notice_hours, alone.of("B").entry.notice_hours) == (24, 12)
    with pytest.raises(Invalid, match="states its own entry"):
        apply(book, Scenario(figures={"B.scoring.weights.standard.cost": 0.3}))


def test_vendors_come_and_go(with_vendor: RuleBook, make_vendor: Callable[..., Vendor]) -> None:
    def assigned(book: RuleBook) -> str | bool | None:
        found = [e.template for e in book.options if e.template.option_id == "contractor"]
        return found[0].vendor if found else False

    assert assigned(with_vendor) == "acme"
    better = make_vendor("better", licences=("master plumber",))
    scenario = Scenario(add_vendors=(better,), replace_vendors={"acme": "better"})
    assert assigned(apply(with_vendor, scenario)) == "better"
    gone = Scenario(remove_vendors=("acme",))
    without = apply(with_vendor, gone)
    assert assigned(without) is False
    assert "contractor; withdrawn" in " ".join(warnings(with_vendor, gone, without))
    unused = Scenario(add_vendors=(better,))
    assert "No option uses the vendor better" in " ".join(warnings(with_vendor, unused, apply(with_vendor, unused)))


def test_a_vendor_without_the_licence_takes_nothing_over(
    with_vendor: RuleBook, make_vendor: Callable[..., Vendor]
) -> None:
    scenario = Scenario(add_vendors=(make_vendor("cheap"),), replace_vendors={"acme": "cheap"})
    with pytest.raises(Invalid, match="does not hold the licence master plumber"):
        apply(with_vendor, scenario)
    for wrong in ({"remove_vendors": ("nobody",)}, {"replace_vendors": {"acme": "nobody"}}):
        with pytest.raises(Invalid, match="There is no vendor nobody; there are acme"):
            apply(with_vendor, Scenario.model_validate(wrong))


def test_a_crew_that_is_asked_for_too_much_is_told(rules: RuleBook) -> None:
    scenario = Scenario(figures={"crews.plumbing.technicians": 1, "crews.plumbing.shift_end_hour": 12})
    assert "plumbing would be asked for" in " ".join(warnings(rules, scenario, apply(rules, scenario)))
