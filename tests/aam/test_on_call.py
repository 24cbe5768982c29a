"""`aam on-call`: the ladder at a moment of a building's own time, and until when it is so."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from aam.__main__ import main
from aam.on_call import hand_over
from adapters.knowledge_chroma import ChromaKnowledge
from core.labels import Urgency
from core.on_call import ladder
from core.settings import Settings


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-11-24T08:00", "2026-11-24T18:00"),
        ("2026-11-24T17:59", "2026-11-24T18:00"),
        ("2026-11-24T18:00", "2026-11-25T08:00"),
        ("2026-11-25T07:59", "2026-11-25T08:00"),
        # The night in which the clocks go forward; it is an hour shorter and ends by the clock.
        ("2026-03-07T23:00", "2026-03-08T08:00"),
    ],
)
def test_a_turn_lasts_until_the_next_hand_over(real_knowledge: ChromaKnowledge, at: str, until: str) -> None:
    zone = ZoneInfo("America/New_York")
    rules = real_knowledge.rules.on_call
    assert hand_over(rules, datetime.fromisoformat(at).replace(tzinfo=zone)) == datetime.fromisoformat(until).replace(
        tzinfo=zone
    )


def test_the_ladder_of_a_building_is_told_in_its_order(
    built_settings: Settings, real_knowledge: ChromaKnowledge, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["on-call", "--building", "A", "--at", "2026-12-24T23:30"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "Thursday, 2026-12-24 23:30 America/Los_Angeles: the night until Friday, 08:00"
    moment = datetime(2026, 12, 24, 23, 30, tzinfo=ZoneInfo("America/Los_Angeles"))
    rungs = ladder(real_knowledge.rules, "A", None, Urgency.EMERGENCY, moment, built_settings.time_zone)
    assert [line.split()[1] for line in lines] == [rung.person for rung in rungs]
    assert len(lines) >= 3
    assert all(rung.who in line for rung, line in zip(rungs, lines, strict=True))


@pytest.mark.parametrize(
    ("arguments", "said"), [(["--building", "Z"], "name no building 'Z'"), (["--at", "soon"], "'soon' is no time")]
)
def test_what_is_no_building_and_no_time_is_said(
    built_settings: Settings, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["on-call", *arguments]) == 1
    assert said in capsys.readouterr().err
