"""The words of a message in its reader's language, with times as clocks show them where they are."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from core.notices import Language
from core.ports.execution import MessageTemplates

TIMES = frozenset({"starts", "ends", "due"})
"""Fields that may hold a moment as RFC 3339; other text in them stays as it is."""
_DAYS: Mapping[str, tuple[str, ...]] = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
}
_MONTHS: Mapping[str, tuple[str, ...]] = {
    "en": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ),
    "es": (
        "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre",
        "diciembre",
    ),
}  # fmt: skip


def words_of_event(
    templates: MessageTemplates, event: str, fields: Mapping[str, str], language: Language, zone: ZoneInfo
) -> tuple[str, str]:
    """Subject and body. Raises `Invalid` for an unknown event or fields that are not its own."""
    told = {name: local_time(value, language, zone) if name in TIMES else value for name, value in fields.items()}
    return templates.render(event, language, told)


def local_time(text: str, language: Language, zone: ZoneInfo) -> str:
    """`Tuesday, March 3, 9:00 AM` or `martes 3 de marzo, 9:00` for a moment with its offset; other text unchanged."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is None:
        return text
    there = moment.astimezone(zone)
    day, month = _DAYS[language][there.weekday()], _MONTHS[language][there.month - 1]
    if language == "es":
        return f"{day} {there.day} de {month}, {there.hour}:{there.minute:02d}"
    return f"{day}, {month} {there.day}, {there.hour % 12 or 12}:{there.minute:02d} {'AM' if there.hour < 12 else 'PM'}"
