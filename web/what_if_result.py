"""What came of a what-if run, figure by figure, in words: what changes, by how much, and whether beyond chance."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from babel.numbers import format_currency, format_decimal, format_percent

from web.language import Words
from web.wording import N_, label

NAMES: Mapping[str, str] = {
    "sla_breach_share": N_("Missed resolution targets (share)"),
    "sla_breaches": N_("Missed resolution targets (requests)"),
    "late_response_share": N_("Missed response targets (share)"),
    "cost_total_usd": N_("Cost, total (USD)"),
    "cost_mean_usd": N_("Cost of a request (USD)"),
    "satisfaction_impact": N_("Expected satisfaction (-1 to 1)"),
    "hours_to_done": N_("Hours until done"),
    "waiting_hours": N_("Hours until taken on"),
    "utilisation": N_("Utilisation (share)"),
}
"""By the figure's name; the English is the interface's own, which its picture shows."""
CHART_TITLE = N_("Changed less present, with 95 % intervals")
ALL = N_("all")
MORE_IS_BETTER = frozenset({"satisfaction_impact"})
NEITHER = frozenset({"utilisation"})
"""Figures of which nobody can say whether more is better."""
VENDOR = "vendor:"
USUAL_DIGITS: Mapping[str, int] = {"share": 1, "USD": 2, "-1 to 1": 3}
"""After the point, by unit; of all others 1."""
MOST_DIGITS = 8
NOTHING = 1e-9
"""What a difference of floats leaves where there is none."""


@dataclass(frozen=True)
class ResultRow:
    """One figure of a comparison, ready to be shown."""

    name: str
    resource: str
    """Empty for a figure of the whole."""
    present: str
    changed: str
    difference: str
    interval: str
    verdict: str
    is_same: bool
    """Whether nothing changes."""
    tone: str
    """`good`, `danger`, `info` or empty."""


def rows_of(result: Mapping[str, Any], names: Mapping[str, str], words: Words) -> list[ResultRow]:
    """Every figure in the order of the result; `names` are the vendors', by id."""
    return [_row(figure, names, words) for figure in result["figures"]]


def _row(figure: Mapping[str, Any], names: Mapping[str, str], words: Words) -> ResultRow:
    unit, difference = figure["unit"], figure["difference"]
    tone, verdict = judge(figure["name"], difference)
    digits = digits_of(difference, unit)
    return ResultRow(
        name=words.gettext(NAMES.get(figure["name"], figure["name"])),
        resource=resource_of(figure["resource"], names, words),
        present=amount(figure["present"]["mean"], unit, words, digits),
        changed=amount(figure["changed"]["mean"], unit, words, digits),
        difference=step(difference["mean"], unit, words, digits),
        interval=words.gettext("%(low)s to %(high)s")
        % {"low": step(difference["low"], unit, words, digits), "high": step(difference["high"], unit, words, digits)},
        verdict=words.gettext(verdict),
        is_same=_is_nothing(difference),
        tone=tone,
    )


def resource_of(resource: str | None, names: Mapping[str, str], words: Words) -> str:
    """A crew by its label, a vendor by its name; empty for the whole."""
    if resource is None:
        return ""
    vendor_id = resource.removeprefix(VENDOR)
    return names[vendor_id] if vendor_id in names else words.gettext(label(vendor_id))


def judge(name: str, difference: Mapping[str, float]) -> tuple[str, str]:
    """A tone, and in words whether the difference is beyond chance: its 95 % interval does not hold 0."""
    low, high = difference["low"], difference["high"]
    if _is_nothing(difference):
        return "", N_("The same")
    if low <= 0 <= high:
        return "", N_("May be chance")
    if name in NEITHER:
        return "info", N_("More, beyond chance") if low > 0 else N_("Less, beyond chance")
    is_better = (low > 0) is (name in MORE_IS_BETTER)
    return ("good", N_("Better, beyond chance")) if is_better else ("danger", N_("Worse, beyond chance"))


def digits_of(difference: Mapping[str, float], unit: str) -> int:
    """How many digits after the point a comparison's figures have, so that they bear out what is said of it.

    At least the usual ones; as many more as show the interval's width in two digits and keep the bound that is nearest
    to 0 from being rounded to it, where the interval does not hold 0.
    """
    usual = USUAL_DIGITS.get(unit, 1)
    scale = 100 if unit == "share" else 1
    low, high = difference["low"] * scale, difference["high"] * scale
    if _is_nothing(difference):
        return usual
    telling = [] if low <= 0 <= high else [_digits_for(min(abs(low), abs(high)), 1)]
    if high - low > NOTHING:
        telling.append(_digits_for(high - low, 2))
    return min(MOST_DIGITS, max(usual, *telling)) if telling else usual


def _digits_for(size: float, significant: int) -> int:
    return significant - 1 - math.floor(math.log10(max(size, NOTHING)))


def _is_nothing(difference: Mapping[str, float]) -> bool:
    """Whether nothing changes; what is left of sums of floats is nothing."""
    return max(abs(difference["low"]), abs(difference["high"])) <= NOTHING


def amount(value: float, unit: str, words: Words, digits: int | None = None) -> str:
    """A figure as people write it."""
    pattern = _pattern(unit, digits)
    if unit == "share":
        return format_percent(value, f"{pattern}%", locale=words.locale)
    if unit == "USD":
        return format_currency(value, "USD", f"¤{pattern}", locale=words.locale, currency_digits=False)
    return format_decimal(value, pattern, locale=words.locale)


def step(value: float, unit: str, words: Words, digits: int | None = None) -> str:
    """A difference with its sign; of shares in percentage points."""
    pattern = _pattern(unit, digits)
    if unit == "share":
        return words.gettext("%(number)s points") % {"number": _signed(value * 100, pattern, words)}
    if unit == "USD":
        shown = _rounded(value, pattern)
        signed = f"+¤{pattern};-¤{pattern}" if shown else "¤0"
        return format_currency(shown, "USD", signed, locale=words.locale, currency_digits=False)
    return _signed(value, pattern, words)


def _signed(value: float, pattern: str, words: Words) -> str:
    """With its sign; what is rounded to nothing has none."""
    rounded = _rounded(value, pattern)
    return format_decimal(rounded, f"+{pattern};-{pattern}", locale=words.locale) if rounded else "0"


def _rounded(value: float, pattern: str) -> float:
    return round(value, len(pattern.partition(".")[2])) or 0.0


def _pattern(unit: str, digits: int | None) -> str:
    count = USUAL_DIGITS.get(unit, 1) if digits is None else digits
    return "#,##0" + ("." + "0" * count if count else "")


def translated_chart(chart: Mapping[str, Any], names: Mapping[str, str], words: Words) -> dict[str, Any]:
    """The interface's picture in the reader's words, without its title, which stands above it on the page, and without
    the crews and vendors for which nothing changes."""
    values = [
        {
            **row,
            "figure": words.gettext(row["figure"]),
            "resource": words.gettext(ALL) if row["resource"] == "all" else resource_of(row["resource"], names, words),
        }
        for row in chart["data"]["values"]
        if row["resource"] == "all" or row["low"] or row["high"]
    ]
    shown = {row["figure"] for row in values}
    titles = [title for title in map(words.gettext, chart["facet"]["sort"]) if title in shown]
    return {**chart, "title": "", "data": {"values": values}, "facet": {**chart["facet"], "sort": titles}}
