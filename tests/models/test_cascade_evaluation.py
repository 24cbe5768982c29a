"""What is sent on, and what an opinion can buy at most."""

from models.text.cascade_evaluation import Judged, highest_floor, trade_off, wrong_below


def judged(confidence: float, right: bool, *, ruled: bool = False, false_alarm: bool = False) -> Judged:
    return Judged(confidence, ruled, false_alarm, dict.fromkeys(("category", "urgency", "intent", "trade"), right))


MESSAGES = [
    judged(0.2, False),
    judged(0.2, True, ruled=True),
    judged(0.4, False, false_alarm=True),
    judged(0.4, True),
    *[judged(0.9, True) for _ in range(5)],
    judged(0.9, False),
]


def test_a_floor_sends_on_what_is_below_it_but_for_ruled_messages() -> None:
    found = trade_off(MESSAGES, 0.5)
    assert (found.sent_on, found.local_only, found.local_kept) == (0.3, 0.7, 6 / 7)
    assert abs(found.with_opinions(1.0) - 0.8) < 1e-9
    assert abs(found.break_even - 0.5) < 1e-9
    assert trade_off(MESSAGES, 0.0).with_opinions(1.0) == 0.7


def test_opinions_at_break_even_change_nothing() -> None:
    found = trade_off(MESSAGES, 0.5)
    assert abs(found.with_opinions(found.break_even) - found.local_only) < 1e-9


def test_the_highest_floor_keeps_to_the_share() -> None:
    assert highest_floor(MESSAGES, 0.15) == 0.4
    assert highest_floor(MESSAGES, 0.05) == 0.2
    assert highest_floor(MESSAGES, 1.0) == 1.0


def test_mistakes_below_the_floor_are_counted_by_head() -> None:
    assert wrong_below(MESSAGES, 0.5) == dict.fromkeys(("category", "urgency", "intent", "trade"), 2 / 3)
