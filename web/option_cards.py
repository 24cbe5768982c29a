"""The options of a request as cards, which say the same things in the same order, so that they can be compared."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.labels import ApprovalTier, Status
from core.status import ENDED
from web.expectation import Expectation, expect
from web.language import Words
from web.recommendation import dateless, why_recommended
from web.wording import N_

Json = Mapping[str, Any]
SELECTIONS = frozenset({"option_selected", "emergency_action"})
"""Events from which on the time of the chosen option is counted."""
_SPEAKS_OF_CHARGES = re.compile(r"\bcharge[ds]?\b|\bfees?\b|\byou pay\b|\bresident pays\b", re.IGNORECASE)

APPROVALS: Mapping[ApprovalTier, str] = {
    ApprovalTier.NONE: N_("Nobody needs to agree: it starts as soon as you choose it."),
    ApprovalTier.SUPERVISOR: N_("A supervisor has to agree to the cost first."),
    ApprovalTier.MANAGER: N_("The property manager has to agree to the cost first."),
    ApprovalTier.REGIONAL: N_("The regional manager has to agree to the cost first."),
    ApprovalTier.EXECUTIVE: N_("The executive has to agree to the cost first."),
}


@dataclass(frozen=True)
class OptionCard:
    """One option as the resident compares it."""

    option: Json
    title: str
    """Without a day that is not the one it is expected for."""
    is_recommended: bool
    is_chosen: bool
    when: str | None
    """When it is most likely done; None where it is not to come any more."""
    latest: str | None
    """When 9 in 10 are done; None where `when` says it, or where it is late already."""
    why: str | None
    """Why it is recommended; None where it is not, or where no score decided that."""
    cost: str
    charge: str
    risk: str
    approval: str | None
    """None where it is agreed to, or not to be chosen."""
    part: str | None
    """Where it deals with a part of the message alone."""


def option_cards(request: Json, events: Sequence[Json], words: Words, now: datetime) -> tuple[OptionCard, ...]:
    """The chosen one first, then the recommended one; times are told in the zone of `words`."""
    decision, chosen = request["decision"], request["selected_option_id"]
    recommended = decision["recommended_option_id"] if decision else None
    why = why_recommended(decision, words)
    cards: list[OptionCard] = []
    for option in request["options"]:
        expected, is_recommended = _expected(request, events, option, words, now), option["option_id"] == recommended
        card = OptionCard(
            option=option,
            title=_title(option, expected, now, words),
            is_recommended=is_recommended,
            is_chosen=option["option_id"] == chosen,
            when=expected.sentence if expected else None,
            latest=expected.further if expected else None,
            why=why if is_recommended else None,
            cost=cost_words(option["estimated_cost_usd"], words),
            charge=charge_words(option["citations"], words),
            risk=risk_words(option["sla_breach_probability"], words),
            approval=_approval(request, option, words),
            part=_part(option["share_addressed"], words),
        )
        cards.append(card)
    return tuple(sorted(cards, key=lambda card: (not card.is_chosen, not card.is_recommended)))


def _title(option: Json, expected: Expectation | None, now: datetime, words: Words) -> str:
    is_today = expected is not None and words.local(expected.likely_at).date() == words.local(now).date()
    return str(option["title"]) if is_today else dateless(option["title"])


def _expected(request: Json, events: Sequence[Json], option: Json, words: Words, now: datetime) -> Expectation | None:
    """Counted from the choice; from now on where it may still be chosen."""
    status, is_chosen = Status(request["status"]), option["option_id"] == request["selected_option_id"]
    if status in ENDED or not (is_chosen or status is Status.AWAITING_SELECTION):
        return None
    chosen_at = next((event["at"] for event in reversed(events) if event["kind"] in SELECTIONS), None)
    since = datetime.fromisoformat(chosen_at) if is_chosen and chosen_at else now
    hours = option["estimated_time_hours"]
    return expect(hours["p50"], hours["p90"], since, now, words)


def _approval(request: Json, option: Json, words: Words) -> str | None:
    if request["status"] == Status.AWAITING_SELECTION:
        return words.gettext(APPROVALS[ApprovalTier(option["approval"])])
    if request["status"] == Status.AWAITING_APPROVAL and option["option_id"] == request["selected_option_id"]:
        # What was ordered beside it may need a higher tier than the option alone.
        return words.gettext(APPROVALS[ApprovalTier(request["approval"]["required"])])
    return None


def cost_words(cost: Json, words: Words) -> str:
    """What the house pays."""
    if cost["p90"] < 1:
        return words.gettext("It costs nothing.")
    return words.gettext("The house pays about %(cost)s (at most %(most)s in 9 of 10 cases).") % {
        "cost": words.money(round(cost["p50"])),
        "most": words.money(round(max(cost["p50"], cost["p90"]))),
    }


def charge_words(citations: Sequence[Json], words: Words) -> str:
    """What is known of a charge to the resident: an option names none, but a rule that it quotes may speak of one."""
    if any(_SPEAKS_OF_CHARGES.search(citation["quote"]) for citation in citations):
        return words.gettext("A rule that is quoted below speaks of charges; please read it before you choose.")
    return words.gettext("We know of no charge to you.")


def risk_words(share: float, words: Words) -> str:
    """How likely the promised time is missed."""
    if share < 0.01:
        return words.gettext("Less than 1%% chance that we miss the promised time.") % {}
    return words.gettext("%(share)s chance that we miss the promised time.") % {"share": words.percent(share)}


def _part(share: float, words: Words) -> str | None:
    if share >= 1:
        return None
    return words.gettext("It deals with a part of what you wrote: %(share)s.") % {"share": words.percent(share)}
