"""Why a request is in the queue where its fields don't say: what its timeline leaves open."""

from typing import Any

import pytest

from web.attention_reasons import reasons_told


def told(*events: tuple[str, dict[str, Any]]) -> list[tuple[str, str]]:
    return list(reasons_told([{"kind": kind, "details": details} for kind, details in events]))


Events = list[tuple[str, dict[str, Any]]]
OBJECTED: tuple[str, dict[str, Any]] = ("objected", {"category_said": "Billing", "category_before": "Maintenance"})


CASES: list[tuple[Events, list[tuple[str, str]]]] = [
    ([OBJECTED], [("objected", "Billing")]),
    ([("objected", {"category_said": None, "category_before": "Other"})], [("objected", "")]),
    ([("objected", {"category_said": "Other", "category_before": "Other"})], [("objected", "")]),
    ([OBJECTED, ("labels_corrected", {})], []),
    ([OBJECTED, ("labels_corrected", {}), OBJECTED], [("objected", "Billing")]),
    ([("alarm_raised", {}), OBJECTED], [("objected", "Billing"), ("alarm_raised", "")]),
    ([("alarm_raised", {}), ("alert_acknowledged", {})], []),
    ([("documentation_overdue", {}), ("approved_afterwards", {})], []),
    ([("submitted", {}), ("classified", {})], []),
]


@pytest.mark.parametrize(("events", "open_ones"), CASES)
def test_what_is_open_is_told_an_objection_first(events: Events, open_ones: list[tuple[str, str]]) -> None:
    assert told(*events) == open_ones
