"""The options of a request in one line each, so that staff can compare them, and in a sentence why one is ahead."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.labels import ApprovalTier, Status
from core.request import Decision, Estimate, Event, Request, ResolutionOption
from web.language import Words
from web.option_charts import FACTORS
from web.wording import label

SELECTIONS = frozenset({"option_selected", "emergency_action"})
DECIDING = 2
"""Factors that are named for the option that is ahead."""
CERTAIN_TO_KEEP = 0.005
"""Of missing its target; what is below rounds to nothing."""
_TODAY = re.compile(r"\btoday\b", re.IGNORECASE)


@dataclass(frozen=True)
class OptionLine:
    """What one option comes to; each part is said once."""

    when: str
    cost: str
    approval: str
    risk: str
    warning: str = ""
    """Where its name promises a day that it is not likely to keep."""


def lines_of(request: Request, events: Sequence[Event], now: datetime, words: Words) -> Mapping[str, OptionLine]:
    """A line for each option by its id; days are those of the zone of `words`."""
    return {
        option.option_id: _line(option, _begins(option, request, events, now), now, words) for option in request.options
    }


def _begins(option: ResolutionOption, request: Request, events: Sequence[Event], now: datetime) -> datetime | None:
    """From when its hours count: from its selection, else from now while it can be chosen; None for never."""
    if option.option_id == request.selected_option_id:
        chosen = (one.at for one in reversed(events) if one.kind in SELECTIONS)
        return next(chosen, None)
    return now if request.status is Status.AWAITING_SELECTION else None


def _line(option: ResolutionOption, begins: datetime | None, now: datetime, words: Words) -> OptionLine:
    missed = option.sla_breach_probability
    return OptionLine(
        when=when_words(option.estimated_time_hours, begins, words),
        cost=cost_words(option.estimated_cost_usd, words),
        approval=approval_words(option.approval, words),
        risk=words.gettext("keeps the promised time")
        if missed < CERTAIN_TO_KEEP
        else words.gettext("misses the promised time in %(share)s of cases") % {"share": words.percent(missed)},
        warning=_warning(option, begins, now, words),
    )


def when_words(hours: Estimate, begins: datetime | None, words: Words) -> str:
    """When it is done, by the calendar where it has a beginning; two figures that read alike are said once."""
    if begins is None:
        likely, latest = words.hours(hours.p50), words.hours(max(hours.p50, hours.p90))
        if likely == latest:
            return words.gettext("done in %(likely)s") % {"likely": likely}
        return words.gettext("done in %(likely)s, in 9 of 10 cases within %(latest)s") % {
            "likely": likely,
            "latest": latest,
        }
    likely, latest = _day_after(begins, hours.p50, words), _day_after(begins, max(hours.p50, hours.p90), words)
    if likely == latest:
        return words.gettext("done by %(day)s") % {"day": likely}
    return words.gettext("most likely done by %(day)s, in 9 of 10 cases by %(latest)s") % {
        "day": likely,
        "latest": latest,
    }


def cost_words(dollars: Estimate, words: Words) -> str:
    """What it costs, in whole dollars: an estimate has no cents."""
    likely, most = words.money(round(dollars.p50)), words.money(round(max(dollars.p50, dollars.p90)))
    if likely == most:
        return words.gettext("about %(likely)s") % {"likely": likely}
    return words.gettext("about %(likely)s, in 9 of 10 cases at most %(most)s") % {"likely": likely, "most": most}


def approval_words(tier: ApprovalTier, words: Words) -> str:
    """Who has to agree."""
    if tier is ApprovalTier.NONE:
        return words.gettext("nobody has to agree")
    return words.gettext("needs the agreement of: %(tier)s") % {"tier": words.gettext(label(tier))}


def reason_of(request: Request, words: Words) -> str:
    """Why the recommended option is ahead of the next, by its factors; empty where scores did not decide."""
    decision = request.decision
    if decision is None or len(decision.scores) < 2:
        return ""
    titles = {option.option_id: option.title for option in request.options}
    first, second = sorted(decision.scores, key=lambda score: -score.total)[:2]
    if first.option_id != decision.recommended_option_id or first.total == second.total:
        return ""
    gains = _gains(decision)
    ahead = [name for name, gain in gains if gain > 0][:DECIDING]
    behind = next((name for name, gain in gains if gain < 0), None)
    named = {
        "first": titles.get(first.option_id, first.option_id),
        "second": titles.get(second.option_id, second.option_id),
        "ahead": ", ".join(words.gettext(label(name)) for name in ahead),
        "behind": words.gettext(label(behind)) if behind else "",
    }
    sentence = words.gettext("“%(first)s” comes before “%(second)s”. It is better in: %(ahead)s.") % named
    return sentence + (" " + words.gettext("It is worse in: %(behind)s.") % named if behind else "")


def _gains(decision: Decision) -> list[tuple[str, float]]:
    """What each factor adds to the lead of the first option over the second, the largest first."""
    first, second = sorted(decision.scores, key=lambda score: -score.total)[:2]
    gains = {
        name: getattr(decision.weights, name) * (getattr(first.factors, name) - getattr(second.factors, name))
        for name in FACTORS
    }
    return sorted(gains.items(), key=lambda gain: -abs(gain[1]))


def _day_after(begins: datetime, hours: float, words: Words) -> str:
    return words.day(begins.astimezone(UTC) + timedelta(hours=hours))


def _warning(option: ResolutionOption, begins: datetime | None, now: datetime, words: Words) -> str:
    if begins is None or not _TODAY.search(option.title):
        return ""
    done = begins.astimezone(UTC) + timedelta(hours=option.estimated_time_hours.p50)
    if words.local(done).date() <= words.local(begins).date() or done <= now:
        return ""
    return words.gettext("Its name says “today”; it is most likely done on %(day)s.") % {"day": words.day(done)}
