"""A reworded sentence must not say the opposite of its source, nor lose its condition."""

import pytest

from adapters.polarity import keeps_sense


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("The gym is open from 05:00.", "The gym is open every day from 05:00 to 23:00."),
        ("You can't keep a snake.", "Snakes can't be kept; cats can."),
        ("Cats can be kept.", "Cats can be kept, and snakes can not."),
        ("Guests may stay only with consent.", "Guests may stay longer only with the office's consent."),
        ("Dogs are not allowed unless they are registered.", "Dogs are not allowed unless they are registered."),
        ("The pool closes at 21:00.", "The pool is open from 08:00 to 21:00."),
    ],
)
def test_what_says_the_same_is_kept(text: str, source: str) -> None:
    assert keeps_sense(text, source)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("Grills are allowed on balconies.", "Grills are not allowed on balconies."),
        ("Grills are not allowed on the roof.", "Grills are allowed on the roof."),
        ("You can sublet your home.", "You can't sublet your home."),
        ("You may sublet your home.", "You may sublet your home only with our written consent."),
        ("A deposit is returned in full.", "A deposit is returned in full unless there is damage."),
        ("Dogs may use the elevator.", "Dogs may use the elevator, except at the weekend."),
        ("The gym is closed from 05:00 to 23:00.", "The gym is open from 05:00 to 23:00."),
        ("Technicians may enter without notice.", "Technicians may enter with 24 hours' notice."),
        ("Snakes can be kept.", "Snakes can't be kept; cats can."),
    ],
)
def test_what_says_the_opposite_or_loses_a_condition_is_refused(text: str, source: str) -> None:
    assert not keeps_sense(text, source)
