"""The language of a page: which one, its words (gettext), and how it writes numbers, money and times (CLDR)."""

import gettext
import io
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale, negotiate_locale
from babel.dates import format_date, format_skeleton, format_time, format_timedelta, get_timezone_name
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal, format_percent
from starlette.requests import Request

from core.notices import LANGUAGES

COOKIE = "aam_language"
MOST_ASKED = 20
"""Of the languages that a browser names."""
_QUALITY = re.compile(r"q=([01](?:\.\d{0,3})?)", re.IGNORECASE | re.ASCII)
FOLDER = Path(__file__).parent / "locale"
# English as it is written where the dollars are.
_LOCALES = {"en": "en_US", "es": "es_US"}


@dataclass(frozen=True)
class Words:
    """One language, and the zone in which it tells times."""

    language: str
    locale: Locale
    catalogue: gettext.NullTranslations
    zone: ZoneInfo

    def gettext(self, text: str) -> str:
        """The text in this language; the text itself where nobody translated it."""
        return self.catalogue.gettext(text)

    def ngettext(self, one: str, many: str, count: int) -> str:
        """As `gettext`, of one or of many."""
        return self.catalogue.ngettext(one, many, count)

    def money(self, dollars: float | None) -> str:
        """`$1,234.50`; whole dollars without cents."""
        if dollars is None:
            return "–"
        is_whole = abs(dollars - round(dollars)) < 0.005
        return format_currency(
            dollars, "USD", "¤#,##0" if is_whole else "¤#,##0.00", locale=self.locale, currency_digits=False
        )

    def percent(self, share: float | None) -> str:
        """`87%`."""
        return "–" if share is None else format_percent(share, locale=self.locale)

    def number(self, value: float | None, digits: int = 2) -> str:
        """`1,234.5`, with at most so many digits after the point."""
        if value is None:
            return "–"
        return format_decimal(value, "#,##0" + ("." + "#" * digits if digits else ""), locale=self.locale)

    def hours(self, hours: float | None) -> str:
        """A length of time in its nearest unit: `40 minutes`, `3 hours`, `2 days`."""
        if hours is None:
            return "–"
        return format_timedelta(timedelta(hours=hours), threshold=1.5, locale=self.locale)

    def local(self, moment: datetime | str) -> datetime:
        """The moment in the zone of the buildings."""
        given = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return given.astimezone(self.zone)

    def when(self, moment: datetime | str | None) -> str:
        """`Mon, Nov 23, 2:05 PM`."""
        if moment is None:
            return "–"
        local = self.local(moment)
        return f"{self.day(local)}, {format_time(local, 'short', tzinfo=self.zone, locale=self.locale)}"

    def day(self, moment: datetime | str | None) -> str:
        """`Mon, Nov 23`."""
        if moment is None:
            return "–"
        return format_skeleton("MMMEd", self.local(moment), tzinfo=self.zone, locale=self.locale)

    def weekday(self, moment: datetime | str) -> str:
        """`Monday`."""
        return format_date(self.local(moment).date(), "EEEE", locale=self.locale)

    def date(self, moment: datetime | str | None) -> str:
        """`Nov 23, 2026`."""
        return "–" if moment is None else format_date(self.local(moment).date(), "medium", locale=self.locale)

    def clock_time(self, moment: datetime | str) -> str:
        """`2:05 PM`."""
        return format_time(self.local(moment), "short", tzinfo=self.zone, locale=self.locale)

    def zone_name(self, moment: datetime | str) -> str:
        """The zone's short name at this moment: `PST`."""
        return get_timezone_name(self.local(moment), width="short", locale=self.locale)

    def ago(self, moment: datetime | str | None, now: datetime) -> str:
        """`3 hours ago`, `in 2 days`."""
        if moment is None:
            return "–"
        return format_timedelta(self.local(moment) - now, add_direction=True, threshold=1.5, locale=self.locale)


def language_of(request: Request) -> str:
    """What the visitor chose, else what their browser asks for, else English."""
    chosen = request.cookies.get(COOKIE)
    if chosen in LANGUAGES:
        return str(chosen)
    asked = _asked_for(request.headers.get("accept-language", ""))
    return (negotiate_locale(asked, LANGUAGES, sep="-") or "en").lower()


def _asked_for(header: str) -> list[str]:
    """The languages of an `Accept-Language`, the best liked first; none that is refused (RFC 9110, 12.5.4)."""
    liked: list[tuple[float, str]] = []
    for part in header.split(",")[:MOST_ASKED]:
        name, _, parameter = part.partition(";")
        stated = _QUALITY.fullmatch(parameter.strip())
        quality = float(stated[1]) if stated else 1.0
        if name.strip() and quality > 0:
            liked.append((-quality, name.strip()))
    return [name for _, name in sorted(liked, key=lambda one: one[0])]


@lru_cache(maxsize=16)
def words_in(language: str, zone: str) -> Words:
    """The language with its catalogue."""
    return Words(language, Locale.parse(_LOCALES[language]), catalogue(language), ZoneInfo(zone))


def catalogue(language: str, domain: str = "messages") -> gettext.NullTranslations:
    """The translations of a domain; none where the language has none."""
    source = FOLDER / language / "LC_MESSAGES" / f"{domain}.po"
    if not source.exists():
        return gettext.NullTranslations()
    # Compiled here, so that the text that people edit is the only form that is kept.
    compiled = io.BytesIO()
    with source.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
