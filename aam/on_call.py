"""`aam on-call`: whom an alert goes to, the first one first, as the knowledge base's calendar says."""

import argparse
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from adapters import build
from core.errors import Invalid
from core.labels import Category, Urgency
from core.on_call import ladder, shift_of
from core.rules import OnCallRules
from core.settings import load_settings

NAME = "on-call"
HELP = "tell who is on call, and who is told after them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--building", help="whose ladder; that of all buildings where it is left out")
    parser.add_argument("--at", help="a time such as 2026-11-24T22:00, of the building; default: now")
    parser.add_argument("--category", choices=[*Category], help="of the request; default: the path of emergencies")
    parser.add_argument("--urgency", choices=[*Urgency], default=Urgency.EMERGENCY, help="default: Emergency")


def run(options: argparse.Namespace) -> int:
    """Raises `Invalid` for a building that the rules do not name, or a time that is none."""
    settings = load_settings()
    rules = build.rules_in_force(settings)()
    building: str | None = options.building
    if building is not None and building not in rules.buildings:
        known = ", ".join(sorted(rules.buildings)) or "none"
        raise Invalid(f"The rules name no building {building[:80]!r}; those that they name: {known}.")
    own = rules.of(building)
    zone = ZoneInfo(own.zone_of(building, settings.time_zone))
    local = _moment(options.at, zone)
    category = Category(options.category) if options.category else None
    rungs = ladder(rules, building, category, Urgency(options.urgency), local, settings.time_zone)
    shift, _ = shift_of(own.on_call, local)
    print(f"{local:%A, %Y-%m-%d %H:%M} {zone.key}: the {shift} until {hand_over(own.on_call, local):%A, %H:%M}")
    width = max(len(rung.person) for rung in rungs)
    for place, rung in enumerate(rungs, 1):
        print(f"  {place}. {rung.person:<{width}}  {rung.who}; the next after {rung.wait_minutes:g} minutes")
    return 0


def hand_over(rules: OnCallRules, local: datetime) -> datetime:
    """When the shift at a local time ends, as the clocks there will show it."""
    shift, day = shift_of(rules, local)
    ends = rules.night_begins if shift == "day" else rules.day_begins
    return datetime.combine(day if shift == "day" else day + timedelta(days=1), ends, local.tzinfo)


def _moment(text: str | None, zone: ZoneInfo) -> datetime:
    if text is None:
        return datetime.now(UTC).astimezone(zone)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{text!r} is no time; write 2026-11-24T22:00.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(zone)
