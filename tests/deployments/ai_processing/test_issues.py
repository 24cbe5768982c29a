"""Splitting a message into issues: conservative, verbatim and in order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.labels import Category, Intent, Trade, Urgency
from core.request import Issue
from deployments.ai_processing.issues import FoundIssue, leading_issue, split_issues
from deployments.ai_processing.text import MOST_ISSUES, TextModel, TextPrediction
from models.text.issues import found_issues


def prediction(count: int, starts: tuple[tuple[int, float], ...], *, sure: float = 99.0) -> TextPrediction:
    return TextPrediction(
        category_probabilities={Category.BILLING: 1.0},
        urgency_probabilities={Urgency.LOW: 1.0},
        intent_probabilities={Intent.SOLVE_PROBLEM: 1.0},
        trade_probabilities={Trade.PEST: 1.0},
        emergency_threshold=0.5,
        several=count > 1,
        counts=tuple(sure * (number == count) for number in range(1, MOST_ISSUES + 1)),
        starts=starts,
    )


@pytest.mark.parametrize(
    ("text", "categories"),
    [
        ("1. The kitchen tap drips. 2. You charged me the late fee twice.", ["Maintenance", "Billing"]),
        ("First, the radiator is cold. Second, my parcel was stolen from the locker.", ["Maintenance", "Deliveries"]),
        ("the dishwasher does not drain. also my mailbox key is lost", ["Maintenance", "Security"]),
        ("Two things: the treadmill in the gym is broken, and I never got my rent receipt.", ["Amenities", "Billing"]),
    ],
)
def test_a_list_or_an_addition_makes_several(text_model: TextModel, text: str, categories: list[str]) -> None:
    found = found_issues(text_model, text)
    assert [issue.category for issue in found] == categories
    assert all(issue.text in text for issue in found)


@pytest.mark.parametrize(
    "text",
    [
        "no hot water",
        "The faucet drips. It has done so for days. I put a pot under it.",
        "I paid on the 1st, and the portal shows nothing.",
        "Thanks, and also have a good day!",
    ],
)
def test_one_matter_stays_one(text_model: TextModel, text: str) -> None:
    assert found_issues(text_model, text) == ()


@given(
    st.text(max_size=200),
    st.lists(st.tuples(st.integers(0, 210), st.floats(-9, 9)), max_size=12),
    st.integers(1, MOST_ISSUES),
)
@settings(max_examples=300, deadline=None)
def test_parts_are_verbatim_in_order_and_as_many_as_counted(
    text: str, starts: list[tuple[int, float]], count: int
) -> None:
    parts = split_issues(text, prediction(count, tuple(starts)))
    place = 0
    for part in parts:
        place = text.index(part, place) + len(part)
    assert len(parts) in (0, *range(2, count + 1))


def test_places_that_are_surely_beginnings_outvote_an_unsure_number() -> None:
    text = "tap drips, gate sticks, parcel gone"
    sure, unlikely = ((0, 3.0), (11, 3.0), (24, 3.0)), ((0, 3.0), (11, 3.0), (24, -3.0))
    assert len(split_issues(text, prediction(2, sure, sure=1.0))) == 3
    assert len(split_issues(text, prediction(2, sure, sure=9.0))) == 2
    assert len(split_issues(text, prediction(2, unlikely, sure=1.0))) == 2


@pytest.mark.parametrize(
    "text",
    [
        "One, the tap drips. Two, the gate sticks. Three, my parcel is gone.",
        "Act one: the tap drips. Act two: the gate sticks. Act three: my parcel is gone.",
        "primero, the tap drips; segundo, the gate sticks; tercero, my parcel is gone",
    ],
)
def test_points_counted_in_words_are_one_issue_each(text: str) -> None:
    parts = split_issues(text, prediction(1, ()))
    assert [part.rstrip(".") for part in parts] == ["the tap drips", "the gate sticks", "my parcel is gone"]


def test_a_number_within_a_sentence_counts_nothing() -> None:
    assert split_issues("a drip in the hall, now two, and a second, smaller one", prediction(1, ())) == ()


def test_what_joins_two_matters_belongs_to_neither() -> None:
    text = "Tap drips. Also, oh and the gate sticks; 2) parcel gone"
    starts = ((0, 3.0), (text.index("the gate"), 3.0), (text.index("parcel"), 3.0), (4, -5.0))
    assert split_issues(text, prediction(3, starts)) == ("Tap drips", "the gate sticks", "parcel gone")


def test_the_lead_is_the_most_urgent_then_the_first() -> None:
    low = Issue(text="a", category=Category.BILLING, urgency=Urgency.LOW)
    high = Issue(text="b", category=Category.MAINTENANCE, urgency=Urgency.HIGH, trade=Trade.PEST)
    later = Issue(text="c", category=Category.SECURITY, urgency=Urgency.HIGH)
    first, second, third = (FoundIssue(issue, {}) for issue in (low, high, later))
    assert leading_issue([first, second, third]) == second
    assert leading_issue([first, third, second]) == third
