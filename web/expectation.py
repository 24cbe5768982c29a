"""When something is likely to be done, in words: "Most likely Thursday", and 9 in 10 "by Saturday"."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from web.language import Words
from web.wording import N_

SHORT = timedelta(hours=6)
"""Up to this, people think in hours; beyond it, in days."""
DAYS_OF_A_WEEK = 7
LONG = timedelta(days=300)
"""Beyond this a date needs its year."""


@dataclass(frozen=True)
class Expectation:
    """When it is done in half and in nine tenths of all cases."""

    likely_at: datetime
    latest_at: datetime
    likely: str
    """`Thursday`, `today`, `in about 3 hours`."""
    latest: str
    """`by Saturday`, `by the end of today`, `within 5 hours`."""
    sentence: str
    """`Most likely Thursday`; one that is late already says so."""
    further: str | None
    """`by Saturday`: when 9 in 10 are done, where the sentence does not say it."""


def expect(p50_hours: float, p90_hours: float, since: datetime, now: datetime, words: Words) -> Expectation:
    """From hours that are counted from `since`, told at `now` in the zone of `words`.

    A `p90_hours` below `p50_hours` is taken for `p50_hours`: nothing is later than what it is at the latest.
    """
    start, now = since.astimezone(UTC), now.astimezone(UTC)
    likely_at = start + timedelta(hours=p50_hours)
    latest_at = start + timedelta(hours=max(p50_hours, p90_hours))
    likely, latest = likely_words(likely_at, now, words), latest_words(latest_at, now, words)
    sentence, further = _told(likely_at, latest_at, now, words)
    return Expectation(likely_at, latest_at, likely, latest, sentence, further)


def likely_words(moment: datetime, now: datetime, words: Words) -> str:
    """About when: hours where it is soon, else the day."""
    ahead = moment - now
    if ahead <= timedelta(hours=1):
        return words.gettext("within the hour") if ahead > timedelta() else words.gettext("any moment now")
    if ahead <= SHORT:
        hours = max(1, round(ahead / timedelta(hours=1)))
        return words.ngettext("in about %(count)s hour", "in about %(count)s hours", hours) % {"count": hours}
    return _of_day(_LIKELY, moment, now, words)


def latest_words(moment: datetime, now: datetime, words: Words) -> str:
    """Until when, hours rounded up."""
    ahead = moment - now
    if ahead <= timedelta():
        return words.gettext("by now")
    if ahead <= SHORT:
        hours = math.ceil(ahead / timedelta(hours=1))
        return words.ngettext("within %(count)s hour", "within %(count)s hours", hours) % {"count": hours}
    return _of_day(_LATEST, moment, now, words)


def _told(likely_at: datetime, latest_at: datetime, now: datetime, words: Words) -> tuple[str, str | None]:
    if latest_at <= now:
        return words.gettext("It takes longer than we expected."), None
    likely, latest = likely_words(likely_at, now, words), latest_words(latest_at, now, words)
    # A day is not named twice.
    if likely_at - now > SHORT and words.local(likely_at).date() == words.local(latest_at).date():
        return words.gettext("Most likely %(likely)s, and 9 in 10 no later") % {"likely": likely}, None
    return words.gettext("Most likely %(likely)s") % {"likely": likely}, latest


_LIKELY = {"today": N_("today"), "tomorrow": N_("tomorrow"), "week": N_("%(weekday)s"), "later": N_("around %(day)s")}
_LATEST = {
    "today": N_("by the end of today"),
    "tomorrow": N_("by tomorrow"),
    "week": N_("by %(weekday)s"),
    "later": N_("by %(day)s"),
}


def _of_day(texts: dict[str, str], moment: datetime, now: datetime, words: Words) -> str:
    days = (words.local(moment).date() - words.local(now).date()).days
    if days <= 0:
        return words.gettext(texts["today"])
    if days == 1:
        return words.gettext(texts["tomorrow"])
    if days < DAYS_OF_A_WEEK:
        return words.gettext(texts["week"]) % {"weekday": words.weekday(moment)}
    day = words.date(moment) if moment - now > LONG else words.day(moment)
    return words.gettext(texts["later"]) % {"day": day}
