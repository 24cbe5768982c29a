"""The lines of a request's timeline in the words of its resident's language."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.execution_labels import MESSAGES
from core.identity import POLICY
from web.language import Words
from web.wording import N_

_QUOTED = re.compile(r"“(.*)”$", re.DOTALL)

WHOLE_MESSAGE = frozenset({"comment", "work_completed"})
"""Kinds whose sentence is somebody's own words."""
NOT_SHOWN = frozenset({"documentation_due", "erased"})
"""Of no use to the resident."""

STATUSES: Mapping[str, str] = {
    "Processing": N_("Your message is being looked at."),
    "AwaitingSelection": N_("There are options to choose from."),
    "Answered": N_("Your question was answered."),
    "Escalated": N_("Our staff took it over."),
    "NeedsReview": N_("A person will look at it."),
    "AwaitingApproval": N_("Somebody has to agree to the cost."),
    "Approved": N_("It was agreed to."),
    "InProgress": N_("The work has started."),
    "Resolved": N_("It was reported as done."),
    "Closed": N_("It was closed."),
    "Reopened": N_("It was reopened."),
    "Cancelled": N_("It was cancelled."),
}

KINDS: Mapping[str, str] = {
    "submitted": N_("We received your message."),
    "classified": N_("We read your message and sorted it."),
    "option_selected": N_("Chosen: %(title)s"),
    "selected_for_you": N_("Chosen for you, as the house's rules allow: %(title)s"),
    "approved_afterwards": N_("What was done in the emergency was agreed to."),
    "alarm_raised": N_("The person on call was alerted."),
    "emergency_action": N_("Started at once: %(title)s"),
    "emergency_action_left": N_("Our staff decide what is done about the emergency."),
    "feedback": N_("You rated it %(rating)s of 5."),
    "comment": N_("Our staff wrote:"),
    "own_comment": N_("You wrote:"),
    "waiting": N_("The work waits for access to your home."),
    "waiting_ended": N_("There is access to your home."),
    "labels_corrected": N_("Our staff corrected what it is about."),
    "objected": N_("You told us that we understood it wrongly."),
    "reminded": N_("We reminded you to choose."),
    "action_ordered": N_("Our staff ordered something for it."),
    "execution_queued": N_("The order for the work was passed on."),
    "execution_running": N_("The work is being ordered."),
    "execution_succeeded": N_("The work was ordered."),
    "execution_failed": N_("A step of the order failed and will be tried again."),
    "execution_dead_lettered": N_("Not all of the work could be ordered; a person will look at it."),
    "execution_retried": N_("What could not be ordered is tried again."),
    "work_completed": N_("A job was done:"),
    "incident_joined": N_("Others report the same fault; our staff deal with all of it as one."),
    "incident_left": N_("It is dealt with by itself again."),
    "incident_ended": N_("The fault was reported as fixed."),
    "repeated": N_("You wrote again:"),
    "attached": N_("It was attached to your earlier request."),
    "possible_duplicate": N_("An earlier request of yours seems to say the same."),
    "response_breached": N_("Nobody looked at it in time; our staff were told."),
    "sla_breached": N_("It was not done in time; our staff were told."),
    "targets_set": N_("We set the times by which it is looked at and done."),
}
"""By the event's kind, or by a kind of ours where one kind means two things."""

TELLING: Mapping[str, str] = {
    "execution_failed": N_("A message about it could not be sent yet; it is tried again."),
    "execution_dead_lettered": N_("A message about it could not be sent; a person will look at it."),
    "execution_retried": N_("A message about it that could not be sent is tried again."),
}
"""Of an execution that only told people; that it was begun is no news."""
WAS_TOLD: Mapping[str, str] = {
    "on_call": N_("The person on call was sent a message about it."),
    "staff": N_("Our staff were sent a message about it."),
    "resident": N_("You were sent a message about it."),
}
"""By who was told; of several, the first of these."""
SOMEBODY_WAS_TOLD = N_("A message about it was sent.")
HANDED_OVER = N_("It goes to a person on our staff.")
ORDERED = N_("From now on it counts as in progress.")
NO_ANSWER = N_("We found no sure answer in the house's documents. Our staff will reply to you.")
BY_ITSELF = frozenset({"system", POLICY})
"""Actors that are no person."""
COST_REFUSED = N_("The cost was not agreed to. Please choose again.")
ASKED_FOR_A_PERSON = N_("You asked for a person.")
CONFIRMED = N_("You told us that it is done.")


@dataclass(frozen=True)
class Line:
    """One line."""

    sequence: int
    at: str
    sentence: str
    text: str | None = None
    """What a person wrote."""


def lines(
    events: Sequence[Mapping[str, Any]], titles: Mapping[str, str], resident_id: str, words: Words
) -> tuple[Line, ...]:
    """The lines that the resident is shown, oldest first; `titles` are the options' by their ids."""
    telling = _tellings(events)
    shown = (event for event in events if event["kind"] not in NOT_SHOWN and not _is_telling_begun(event, telling))
    return tuple(_line(event, titles, resident_id, telling, words) for event in shown)


def _tellings(events: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Who is told by each execution that does nothing else, by its id; empty where nobody noted who."""
    queued = (event["details"] for event in events if event["kind"] == "execution_queued")
    return {
        str(details.get("execution_id")): str(details.get("told") or ("on_call" if "alert" in actions else ""))
        for details in queued
        if (actions := str(details.get("actions", ""))) and MESSAGES.issuperset(actions.split(", "))
    }


def _is_telling_begun(event: Mapping[str, Any], telling: Mapping[str, str]) -> bool:
    is_telling = event["details"].get("execution_id") in telling
    return is_telling and event["kind"] in ("execution_queued", "execution_running")


def _line(
    event: Mapping[str, Any],
    titles: Mapping[str, str],
    resident_id: str,
    telling: Mapping[str, str],
    words: Words,
) -> Line:
    details: Mapping[str, Any] = event["details"]
    gaps = {
        "title": titles.get(str(details.get("option_id")), "–"),
        "rating": details.get("rating", "–"),
    }
    english = _told(event, telling) or _english(event, resident_id)
    # A kind that is newer than this page is told as the interface tells it.
    sentence = event["message"] if english is None else words.gettext(english) % gaps
    text = None if english is None else _text(event)
    return Line(event["sequence"], event["at"], sentence, text)


def _told(event: Mapping[str, Any], telling: Mapping[str, str]) -> str | None:
    """Of an event of an execution that only told people; None of any other."""
    who = telling.get(str(event["details"].get("execution_id")))
    if who is None:
        return None
    if event["kind"] == "execution_succeeded":
        return next((text for name, text in WAS_TOLD.items() if name in who.split(", ")), SOMEBODY_WAS_TOLD)
    return TELLING.get(event["kind"])


def _english(event: Mapping[str, Any], resident_id: str) -> str | None:
    kind, details, is_own = event["kind"], event["details"], event["actor"] == resident_id
    if kind == "status_changed":
        return _of_status(details, event["actor"], is_own)
    if kind == "comment" and is_own:
        return KINDS["own_comment"]
    if kind == "option_selected" and event["actor"] == "policy":
        return KINDS["selected_for_you"]
    return KINDS.get(kind)


def _of_status(details: Mapping[str, Any], actor: str, is_own: bool) -> str | None:
    before, after = str(details.get("from")), str(details.get("to"))
    if (before, after) == ("AwaitingApproval", "AwaitingSelection"):
        return COST_REFUSED
    if is_own and after in ("Escalated", "Closed"):
        return ASKED_FOR_A_PERSON if after == "Escalated" else CONFIRMED
    if details.get("no_answer"):
        return NO_ANSWER
    if after == "Escalated" and actor in BY_ITSELF:
        return HANDED_OVER
    return ORDERED if after == "InProgress" and details.get("execution_id") else STATUSES.get(after)


def _text(event: Mapping[str, Any]) -> str | None:
    if event["kind"] in WHOLE_MESSAGE:
        return event["message"]
    found = _QUOTED.search(event["message"])
    return found.group(1) if found else None
