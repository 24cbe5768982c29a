import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.quantities import Dimension, quantities

MONEY, HOURS, CLOCK, SHARE = Dimension.MONEY, Dimension.DURATION, Dimension.TIME_OF_DAY, Dimension.SHARE
FAHRENHEIT = Dimension.TEMPERATURE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("up to $1,500.", [(MONEY, 1500)]),
        ("$110 to $420, usually $190.50", [(MONEY, 110), (MONEY, 420), (MONEY, 190.5)]),
        ("$5–10", [(MONEY, 5), (MONEY, 10)]),
        ("24 hours' notice", [(HOURS, 24)]),
        ("a 30-minute visit", [(HOURS, 0.5)]),
        ("five business days (120 business hours)", [(HOURS, 120), (HOURS, 120)]),
        ("two or three days", [(HOURS, 48), (HOURS, 72)]),
        ("10 to 14 days", [(HOURS, 240), (HOURS, 336)]),
        ("0.75 h to 3.5 h", [(HOURS, 0.75), (HOURS, 3.5)]),
        ("after 5 more minutes", [(HOURS, 0.083333)]),
        ("within One week", [(HOURS, 168)]),
        ("between 22:00 and 07:30", [(CLOCK, 22), (CLOCK, 7.5)]),
        ("10 PM, 12 a.m., 12 PM, 6:30 PM", [(CLOCK, 22), (CLOCK, 0), (CLOCK, 12), (CLOCK, 18.5)]),
        ("less than 85 % or 0.65", [(SHARE, 0.85), (SHARE, 0.65)]),
        ("below 45 °F", [(FAHRENHEIT, 45)]),
    ],
)
def test_a_quantity_has_its_unit(text: str, expected: list[tuple[Dimension, float]]):
    assert [(quantity.dimension, quantity.value) for quantity in quantities(text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "call 911",
        "1-800-799-7233, day and night",
        "RCW 59.18.070(1) and 105 CMR 410",
        "in 2026, for three years or 18 months",
        "24 hours a day, seven days a week",
        "someone hopes for anyone",
        "the 5th of the month",
        "a home of 96 neighbours",
        "3,000 gallons",
    ],
)
def test_what_is_no_quantity_is_left_alone(text: str):
    assert quantities(text) == ()


def test_a_quantity_says_where_it_stands():
    text = "It takes 3 hours and costs $50."
    assert [text[each.start : each.start + len(each.text)] for each in quantities(text)] == ["3 hours", "$50"]


@given(st.integers(1, 9_999_999))
def test_money_is_read_with_and_without_commas(dollars: int):
    assert [q.value for q in quantities(f"${dollars} or ${dollars:,}")] == [dollars, dollars]


@given(st.text(alphabet="0123456789 $.,:%-–hdays°FapmPM\n", max_size=60))
def test_any_text_can_be_read(text: str):
    for quantity in quantities(text):
        assert quantity.value >= 0
        assert text[quantity.start :].startswith(quantity.text)
