"""The ladder of a real alert, by the calendar of the knowledge base as it was built."""

from datetime import UTC, datetime

from adapters import build
from core.execution import Notification
from core.labels import Category, Role, Urgency
from core.settings import Settings
from deployments.execution.notices.on_call import on_call_by_rules

ALERT = Notification(
    recipient_kind="on_call",
    recipient="A",
    role=Role.STAFF,
    subject="Gas",
    body="Smell of gas.",
    urgency=Urgency.EMERGENCY,
    category=Category.MAINTENANCE,
)


def test_an_emergency_climbs_from_whoever_is_on_call_to_the_regional_director(built_settings: Settings) -> None:
    whose_turn = on_call_by_rules(build.rules_in_force(built_settings), built_settings.time_zone)
    rungs = whose_turn(ALERT, datetime(2026, 11, 24, 3, 30, tzinfo=UTC))
    assert [rung.who for rung in rungs] == [
        "on-call technician or officer",
        "maintenance supervisor",
        "property manager",
        "regional director",
    ]
    assert [rung.wait_minutes for rung in rungs] == [5.0] * 4
    people = [rung.person for rung in rungs]
    assert len(set(people)) == 4
    assert "staff" not in people


def test_day_and_night_are_other_peoples(built_settings: Settings) -> None:
    whose_turn = on_call_by_rules(build.rules_in_force(built_settings), built_settings.time_zone)
    by_night = whose_turn(ALERT, datetime(2026, 11, 24, 7, 0, tzinfo=UTC))[0].person
    by_day = whose_turn(ALERT, datetime(2026, 11, 24, 17, 0, tzinfo=UTC))[0].person
    assert by_night != by_day
