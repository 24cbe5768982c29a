"""Why an option is recommended, in one sentence for its resident, from the scores by which it was."""

import re
from collections.abc import Mapping
from typing import Any

from web.language import Words
from web.wording import N_

Json = Mapping[str, Any]
LEAST_GAIN = 0.25
"""Of the first reason's weight; a reason below it is not worth a resident's time."""
_TODAY = re.compile(r"\s+today$", re.IGNORECASE)

REASONS: Mapping[str, str] = {
    "urgency": N_("it takes the risk away sooner"),
    "time": N_("it is likely done sooner"),
    "cost": N_("it costs less"),
    "satisfaction": N_("residents are likely to be happier with it"),
    "compliance": N_("it is surer to keep the rules and the promised time"),
}
"""By the factor of the score; each ends a sentence that begins with "We recommend it because"."""


def why_recommended(decision: Json | None, words: Words) -> str | None:
    """What sets the recommended option above the next best one; None where scores did not decide it."""
    if decision is None or decision.get("escalation") is not None:
        return None
    scores: list[Json] = list(decision.get("scores", ()))
    recommended = decision["recommended_option_id"]
    if not scores or scores[0]["option_id"] != recommended:
        return None
    if len(scores) == 1:
        return words.gettext("It is the only one that fits.")
    reasons = _reasons(decision["weights"], scores[0]["factors"], scores[1]["factors"])
    if not reasons or scores[0]["total"] <= scores[1]["total"]:
        return words.gettext("It is as good as the next best one; the lower cost, then the shorter time, decided.")
    told = [words.gettext(REASONS[name]) for name in reasons]
    if len(told) == 1:
        text = words.gettext("We recommend it because, compared with the next best one, %(reason)s.")
        return text % {"reason": told[0]}
    text = words.gettext("We recommend it because, compared with the next best one, %(reason)s and %(other)s.")
    return text % {"reason": told[0], "other": told[1]}


def _reasons(weights: Json, own: Json, other: Json) -> list[str]:
    """At most two factors that speak for it, the strongest first, by their weighted difference."""
    gains = {name: weights[name] * (own[name] - other[name]) for name in REASONS}
    best = sorted((name for name in gains if gains[name] > 0), key=lambda name: -gains[name])[:2]
    return [name for name in best if gains[name] >= LEAST_GAIN * gains[best[0]]]


def dateless(title: str) -> str:
    """An option's title without a day that its text can't know: "Send our plumber today" is chosen tomorrow, too."""
    return _TODAY.sub("", title)
