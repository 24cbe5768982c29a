"""The statistics in words: cards with plain definitions, rows of groups and weeks, and predictions judged."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from babel.dates import format_date

from web.language import Words
from web.statistics_charts import group_name
from web.wording import N_

LEAST_CASES = 20
"""With fewer nothing is drawn, and nothing said."""


@dataclass(frozen=True)
class Card:
    """One number, and what it means."""

    title: str
    value: str
    meaning: str


SHARES = (
    (
        "response_sla_met",
        N_("First response in time"),
        N_("Of the requests that are done or missed their target: somebody acted by the promised time."),
    ),
    (
        "resolution_sla_met",
        N_("Done in time"),
        N_("Of the requests that are done or missed their target: done by the promised time."),
    ),
    (
        "automation_rate",
        N_("Without a person"),
        N_("Of those that were judged: answered, or carried out at policy's own selection."),
    ),
    ("escalation_rate", N_("Escalated"), N_("Of those that were judged: a person was asked for.")),
    ("reopen_rate", N_("Reopened"), N_("Of those that were done: reopened at least once.")),
    ("correction_rate", N_("Labels corrected"), N_("Of those that have labels: staff changed a label.")),
)


def cards_of(found: Mapping[str, Any], words: Words) -> list[Card]:
    """The figures of a set of requests; a share of nothing is a dash."""
    times, cost, rating = found["time_to_resolve_hours"], found["cost_usd"], found["rating"]
    shares = [
        Card(words.gettext(title), words.percent(found[key]), words.gettext(meaning)) for key, title, meaning in SHARES
    ]
    return [
        Card(words.gettext("Requests"), words.number(found["volume"]), words.gettext("Made in the period.")),
        Card(words.gettext("Still open"), words.number(found["open"]), words.gettext("Neither done nor cancelled.")),
        *shares[:2],
        Card(words.gettext("Time until done"), words.hours(times["p50"]), _time_meaning(times, words)),
        Card(words.gettext("Cost"), words.money(cost["mean"]), _cost_meaning(cost, words)),
        *shares[2:],
        Card(
            words.gettext("Rating"),
            words.number(rating["mean"], 1),
            words.ngettext("Of 5, the mean of %(num)s rating.", "Of 5, the mean of %(num)s ratings.", rating["count"])
            % {"num": words.number(rating["count"])},
        ),
    ]


def _time_meaning(times: Mapping[str, Any], words: Words) -> str:
    if not times["count"]:
        return words.gettext("None of them is done yet.")
    meaning = words.gettext(
        "Half of the %(count)s that are done took no longer, by the calendar; 9 in 10 took at most %(p90)s."
    )
    return meaning % {"count": words.number(times["count"]), "p90": words.hours(times["p90"])}


def _cost_meaning(cost: Mapping[str, Any], words: Words) -> str:
    meaning = words.gettext(
        "The mean of the %(known)s whose cost is known, %(total)s in all; "
        "of %(unknown)s more that are done nobody said."
    )
    return meaning % {
        "known": words.number(cost["known"]),
        "total": words.money(cost["total"]),
        "unknown": words.number(cost["unknown"]),
    }


@dataclass(frozen=True)
class StatisticsRow:
    """One group, or one week, as a row of a table."""

    name: str
    note: str
    volume: str
    open: str
    response: str
    resolution: str
    p50: str
    cost: str
    automation: str
    reopened: str
    rating: str


def group_rows(groups: list[Mapping[str, Any]], words: Words) -> list[StatisticsRow]:
    """Each group of the statistics."""
    return [_row(group_name(group["value"], words), "", group["statistics"], words) for group in groups]


def trend_rows(items: list[Mapping[str, Any]], words: Words) -> list[StatisticsRow]:
    """Each day or week of the trend; one of which only a part is in the period says so."""
    part = words.gettext("a part of it")
    return [
        _row(_day(item["begin"], words), "" if item["complete"] else part, item["statistics"], words) for item in items
    ]


def _day(moment: str, words: Words) -> str:
    return format_date(words.local(datetime.fromisoformat(moment)).date(), "medium", locale=words.locale)


def _row(name: str, note: str, found: Mapping[str, Any], words: Words) -> StatisticsRow:
    return StatisticsRow(
        name=name,
        note=note,
        volume=words.number(found["volume"]),
        open=words.number(found["open"]),
        response=words.percent(found["response_sla_met"]),
        resolution=words.percent(found["resolution_sla_met"]),
        p50=words.hours(found["time_to_resolve_hours"]["p50"]),
        cost=words.money(found["cost_usd"]["mean"]),
        automation=words.percent(found["automation_rate"]),
        reopened=words.percent(found["reopen_rate"]),
        rating=words.number(found["rating"]["mean"], 1),
    )


ESTIMATES = (
    (
        "hours",
        N_("Time until done"),
        N_(
            "The selected option's predicted time against the actual one: from its choice until it was done, "
            "without the time in which the resident had something to do first."
        ),
    ),
    (
        "cost_usd",
        N_("Cost"),
        N_("The selected option's predicted cost against the actual one, where somebody gave it."),
    ),
)
PROBABILITIES = (
    (
        "category",
        N_("Confidence of the category"),
        N_(
            "How sure the system was of the category, against how often nobody corrected it. That nobody corrected it "
            "does not say that it was right: nobody may have looked."
        ),
    ),
    (
        "sla_breach",
        N_("Missed target"),
        N_("The predicted probability that the resolution target is missed, against how often it was."),
    ),
    (
        "escalation",
        N_("Escalation"),
        N_(
            "The predicted probability that the resident asks for a person or complains, against how often they "
            "asked for a person or reopened the request. A complaint made elsewhere is not known here."
        ),
    ),
    (
        "recurrence",
        N_("Recurrence"),
        N_(
            "The predicted probability that the resident reports something like it within 180 days, against how "
            "often they did. Only requests made 180 days ago or earlier count: of younger ones nobody can know yet."
        ),
    ),
)
"""The key of the answer, its title, and what is compared."""


def share_words(share: Mapping[str, Any], words: Words) -> str:
    """`87% (80% to 92%)`: a share with its interval."""
    text = words.gettext("%(share)s (%(low)s to %(high)s)")
    return text % {name: words.percent(share[name]) for name in ("share", "low", "high")}


def error_words(key: str, error: float, words: Words) -> str:
    """An error of time or money, without its sign."""
    return words.hours(abs(error)) if key == "hours" else words.money(abs(error))
