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


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (
            "A reserved parking space costs $95 a month.",
            "A parking space costs $150 a month reserved and $95 unreserved.",
        ),
        (
            "A reserved parking space costs $95.",
            "A reserved space costs $150 a month, an unreserved one $95.",
        ),
        (
            "Work is done from 22:00 to 07:00.",
            "Work is done from 07:00 to 22:00.",
        ),
        (
            "Call us when it is above 45 °F.",
            "Call us when it is below 45 °F.",
        ),
        (
            "Children over 14 may swim alone.",
            "Children under 14 may swim with an adult.",
        ),
        (
            "You may bring ten guests.",
            "You may bring one guest.",
        ),
        (
            "You may ask often.",
            "You may ask once.",
        ),
        (
            "The pool opens at 21:00.",
            "The pool closes at 21:00.",
        ),
        (
            "The pool opens at 21:00.",
            "The pool is open from 08:00 to 21:00.",
        ),
        (
            "Guests must register.",
            "Guests may register.",
        ),
        (
            "Quiet hours are from 23:00 to 09:00 on weekdays.",
            "Quiet hours are from 22:00 to 07:00 on weekdays, and from 23:00 to 09:00 at weekends.",
        ),
    ],
)
def test_a_figure_keeps_its_place_and_what_is_said_of_it(text: str, source: str) -> None:
    assert not keeps_sense(text, source)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (
            "A reserved parking space costs $150.",
            "A reserved space costs $150 a month, an unreserved one $95.",
        ),
        (
            "You may bring 1 guest.",
            "You may bring one guest.",
        ),
        (
            "The pool closes at 21:00.",
            "The pool is open from 08:00 to 21:00.",
        ),
        (
            "The gym is open from 05:00.",
            "The gym is open every day from 05:00 to 23:00.",
        ),
        (
            "Guests may stay up to 14 nights.",
            "A guest may stay at most 14 nights.",
        ),
        (
            "Quiet hours are from 22:00 to 07:00 on weekdays.",
            "Quiet hours are from 22:00 to 07:00 on weekdays, and from 23:00 to 09:00 at weekends.",
        ),
        (
            "Rent is due on the 1st.",
            "Rent is due on the first of the month.",
        ),
    ],
)
def test_a_figure_in_other_words_is_kept(text: str, source: str) -> None:
    assert keeps_sense(text, source)
