"""The figures that a question usually changes: all of them can be changed, to every end of their range."""

from functools import cache

import pytest

from core.errors import Invalid
from core.rules import RuleBook
from core.what_if import Scenario
from core.what_if_figures import ChangeableFigures
from deployments.decision_simulation.what_if.figures import changeable
from deployments.decision_simulation.what_if.scenario import apply
from kb.compile import compile_documents


@cache
def documents() -> RuleBook:
    return compile_documents()


@pytest.fixture(scope="module")
def found() -> ChangeableFigures:
    return changeable(documents())


def test_they_are_the_figures_of_the_rules_in_force(found: ChangeableFigures) -> None:
    rules, by_path = documents(), {one.path: one for one in found.figures}
    assert len(by_path) == len(found.figures)
    assert by_path["crews.plumbing.technicians"].present == rules.crews["plumbing"].technicians  # type: ignore[index]
    assert by_path["weights.standard.cost"].present == rules.scoring.weights["standard"].cost  # type: ignore[index]
    high = rules.response_targets["High"]  # type: ignore[index]
    assert by_path["response_targets.High.resolution_hours"].present == high.resolution_hours
    assert len([one for one in found.figures if one.kind == "technicians"]) == len(rules.crews)
    assert found.policy_version == rules.policy_version


def test_each_may_become_either_end_of_its_range(found: ChangeableFigures) -> None:
    for one in found.figures:
        assert one.range.low <= one.present <= one.range.high, one.path
        for value in (one.range.low, one.range.high):
            changed = {one.path: int(value) if one.unit in ("technicians", "teams") else value}
            if one.kind == "weight":
                same = [each for each in found.figures if each.situation == one.situation and each is not one]
                rest = 1 - value
                total = sum(each.present for each in same)
                changed |= {each.path: each.present / total * rest for each in same}
            apply(documents(), Scenario.model_validate({"figures": changed}))


def without(vendor_id: str) -> RuleBook | Invalid:
    """The rules without a vendor, or why they can't be without it."""
    try:
        return apply(documents(), Scenario(remove_vendors=(vendor_id,)))
    except Invalid as error:
        return error


def test_vendors_may_go_or_are_needed(found: ChangeableFigures) -> None:
    assert {one.vendor_id for one in found.vendors} == set(documents().vendors)
    for one in found.vendors:
        left = without(one.vendor_id)
        if isinstance(left, Invalid):
            assert "emergency" in left.detail, one.vendor_id
        else:
            assert one.vendor_id not in left.vendors
