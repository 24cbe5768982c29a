from typing import Any

import pytest

from kb.check.prose import find
from tests.kb.check.shelf import ENTRY, OPTION, Shelf

ENTRY_TEXT = """We give 24 hours' notice.

## Quiet

No noise between 22:00 and 07:00, on weekends only from 9 AM to 7 PM."""
TARGETS: dict[str, Any] = {
    "response_targets": {
        "High": {"response_hours": 24, "resolution_hours": 72, "clock": "calendar"},
        "Low": {"response_hours": 336, "resolution_hours": 720, "clock": "calendar"},
    }
}
TARGETS_TEXT = """| Urgency | Response | Done |
| --- | --- | --- |
| High | 24 hours | three days |
| Low | 14 days | 720 hours |

## Low urgency

It is done within 30 days."""
VISIT_TEXT = """## The visit

{prose}

| Cost | Time |
| --- | --- |
| $50 to $120, usually $80 | 1 h to 3 h, usually {hours} h |"""


def test_a_text_that_says_what_the_rules_say_has_no_finding(shelf: Shelf):
    shelf.put("entry", ENTRY_TEXT, rules={"entry": ENTRY})
    shelf.put("targets", TARGETS_TEXT, rules=TARGETS)
    assert shelf.found(find) == []


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("24 hours'", "48 hours'", "contradicting_number"),
        ("24 hours'", "two days'", "contradicting_number"),
        ("24 hours' notice", "a long time", "unsaid_number"),
        ("7 PM", "8 PM", "contradicting_number"),
        ("22:00 and", "22:00, often 23:00, and", "contradicting_number"),
        ("notice.", "notice. A visit takes 3 hours.", "contradicting_number"),
        ("notice.", "notice. Call 911, or 555-0100 until 2027.", ""),
        ("notice.", "notice. See RCW 59.18.150, since 30 years.", ""),
        ("notice.", "notice. Somebody answers 24 hours a day.", ""),
        ("notice.", "notice. It costs $20.", ""),
    ],
)
def test_a_number_beside_the_rule_has_to_be_the_rules(shelf: Shelf, old: str, new: str, code: str):
    assert old in ENTRY_TEXT
    shelf.put("entry", ENTRY_TEXT.replace(old, new), rules={"entry": ENTRY})
    assert shelf.found(find) == ([(code, "entry")] if code else [])


def test_a_listed_figure_may_stand_beside_the_rule(shelf: Shelf):
    text = ENTRY_TEXT.replace("notice.", "notice. A visit takes 3 hours.")
    shelf.put("entry", text, rules={"entry": ENTRY, "figures": {"visits.usual_hours": 3}})
    assert shelf.found(find) == []


def test_another_section_may_speak_of_other_hours(shelf: Shelf):
    shelf.put("entry", f"{ENTRY_TEXT}\n\n## Complaints\n\nWe answer within 10 days.", rules={"entry": ENTRY})
    assert shelf.found(find) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [("| High | 24 hours", "| High | 336 hours"), ("14 days", "three days"), ("30 days", "24 hours")],
)
def test_a_row_or_section_about_one_urgency_has_only_its_numbers(shelf: Shelf, old: str, new: str):
    # Each is a number of the rules, but of another urgency's; the right one still stands elsewhere or is reported once.
    text = f"{TARGETS_TEXT}\n\n## Both\n\nIn short: 24 hours, 336 hours, 72 hours, 720 hours."
    document = shelf.put("targets", text.replace(old, new), rules=TARGETS)
    (finding,) = find(shelf.library())
    assert finding.code == "contradicting_number"
    assert finding.line is not None
    assert new.split("|")[-1].strip() in document.source.splitlines()[finding.line - 1]


def test_an_options_table_states_its_costs_and_hours(shelf: Shelf):
    shelf.put("visits", VISIT_TEXT.format(prose="We come within 3 days.", hours=2), rules={"options": [OPTION]})
    assert shelf.found(find) == []
    shelf.put("wrong", VISIT_TEXT.format(prose="Soon.", hours=2.5), rules={"options": [OPTION]})
    assert shelf.found(find) == [("contradicting_number", "wrong")]
    shelf.put("silent", "## The visit\n\nIt costs $50 to $120, usually $80.", rules={"options": [OPTION]})
    assert shelf.found(find)[1:] == [("unsaid_number", "silent")]


@pytest.mark.parametrize(
    ("figures", "text", "codes"),
    [
        ({"rent.late_fee_usd": 50}, "The late fee is $50.", []),
        ({"rent.late_fee_usd": 50}, "The late fee is $75.", ["contradicting_number"]),
        ({"rent.late_fee_usd": 50}, "A late fee of $50. For a late rent a fee of $75.", ["contradicting_number"]),
        ({"rent.late_fee_usd": 50}, "A late fee of $50. A key costs $75.", []),
        ({"rent.late_fee_usd": 50}, "There is a fee of 50 points.", ["unsaid_number"]),
        ({"complaints.answer_business_days": 2}, "We answer within two business days.", []),
        ({"pets.at_most": 2}, "At most two pets.", []),
        ({"pets.at_most": 3}, "At most two pets.", ["unsaid_number"]),
        ({"heat.season_start": "October 1"}, "It begins on October 1.", []),
        ({"heat.season_start": "October 1"}, "It begins on October 10.", ["unsaid_number"]),
        ({"heat.day_f": 68}, "By day 66 °F or more.", ["contradicting_number"]),
        ({"gym.opens": "07:00"}, "It opens at 7 AM.", []),
        ({"gym.opens": "07:00"}, "It opens at eight.", ["unsaid_number"]),
        ({"rent.card_fee_percent": 2.9}, "The card fee is 2.9 %.", []),
    ],
)
def test_a_listed_figure_has_to_be_said(shelf: Shelf, figures: dict[str, Any], text: str, codes: list[str]):
    shelf.put("sheet", text, rules={"figures": figures})
    assert [code for code, _ in shelf.found(find)] == codes


def test_a_topic_that_is_part_of_a_longer_one_is_not_meant(shelf: Shelf):
    part: dict[str, Any] = {"trade": "electrical", "in_stock": 1, "lead_hours": {"low": 1, "mode": 1, "high": 1}}
    breaker = part | {"part_id": "breaker", "name": "Circuit breaker", "cost_usd": {"low": 1, "mode": 2, "high": 3}}
    arc = part | {"part_id": "arc", "name": "Arc-fault circuit breaker", "cost_usd": {"low": 4, "mode": 5, "high": 6}}
    rows = "| Circuit breaker | $1 to $3, usually $2 |\n| Arc-fault circuit breaker | $4 to $6, usually $5 |"
    shelf.put("parts", rows, rules={"parts": [breaker, arc]})
    assert shelf.found(find) == []
