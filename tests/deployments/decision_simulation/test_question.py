"""What a message asks, in parts that stand alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.decision_simulation.question import question_parts


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ("What time does the gym close?", 1),
        ("Hi, we just moved in. What time does the gym close? Thanks!", 1),
        ("What time does the gym close and how much is a guest parking permit?", 2),
        ("What time does the gym close? Can guests park in the garage overnight?", 2),
        ("Is there a pool? When does it open?", 1),
        ("When does the pool open and when does it close?", 1),
        ("what time and where is the recycling pickup?", 1),
        ("When is rent due, how do I pay rent, and what happens after a late payment?", 3),
        ("pool hours", 1),
        ("", 1),
        ("?", 1),
    ],
)
def test_parts_are_what_is_asked(message: str, parts: int) -> None:
    assert len(question_parts(message)) == parts


def test_a_single_question_is_left_as_it_was_written() -> None:
    message = "We moved in. What time does the gym close? Thanks"
    assert question_parts(message) == [message]


@given(st.text(max_size=200))
def test_any_text_has_a_part_and_no_part_is_made_up(text: str) -> None:
    parts = question_parts(text)
    assert parts
    assert all(word in text for part in parts for word in part.split())
