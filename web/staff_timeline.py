"""The events of a request in the words of a staff member's language; the interface tells them in English."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.request import Event
from web.language import Words
from web.wording import N_, label

EVENTS: Mapping[str, str] = {
    "submitted": N_("The message was received."),
    "classified": N_("The message was read and labelled; confidence in the category: %(confidence)s."),
    "status_changed": N_("Status: %(before)s → %(after)s"),
    "option_selected": N_("An option was chosen."),
    "approved_afterwards": N_("What was done in the emergency was agreed to."),
    "alarm_raised": N_("The person on call was alerted to an emergency."),
    "alert_acknowledged": N_("The person on call has taken it."),
    "emergency_action": N_("Something was started at once because of the emergency."),
    "emergency_action_left": N_("Staff decide what is done about the emergency."),
    "documentation_due": N_("What was done must be documented and agreed to by %(due)s."),
    "documentation_reminder": N_("Reminder: what was done must be documented and agreed to by %(due)s."),
    "documentation_overdue": N_("Overdue: what was done was to be documented and agreed to by %(due)s."),
    "selection_left": N_("Other work was ordered already; the selection stays open."),
    "revision_scheduled": N_("Stored by an earlier version; its targets are worked out anew."),
    "feedback": N_("The resident rated it %(rating)s of 5."),
    "comment": N_("A comment:"),
    "waiting": N_("The work waits for access to the home."),
    "waiting_ended": N_("There is access to the home."),
    "labels_corrected": N_("The labels were corrected."),
    "objected": N_("The resident says that it was understood wrongly."),
    "reminded": N_("The resident was reminded to choose an option."),
    "action_ordered": N_("An action was ordered."),
    "execution_queued": N_("The work was handed over to be carried out."),
    "execution_running": N_("The work is being set in motion."),
    "execution_succeeded": N_("Everything was set in motion."),
    "execution_failed": N_("A step failed and will be tried again."),
    "execution_dead_lettered": N_("It could not be carried out; a person must look at it."),
    "execution_retried": N_("What could not be carried out is tried again."),
    "work_completed": N_("A job was done:"),
    "incident_joined": N_("It is dealt with together with other reports of the same fault."),
    "incident_left": N_("It is dealt with by itself again."),
    "incident_ended": N_("The fault was reported as fixed."),
    "repeated": N_("The resident wrote again."),
    "attached": N_("It was attached to an earlier request that says the same."),
    "possible_duplicate": N_("An earlier request that is still open seems to say the same."),
    "response_breached": N_("Nobody has acted on it in time; staff were told."),
    "sla_warning": N_("The promised time is near: %(due)s."),
    "sla_breached": N_("It was not done in time; staff were told."),
    "targets_set": N_("To be answered by %(response)s and done by %(done)s."),
    "erased": N_("The personal data in this request were erased."),
}
"""By the event's kind."""

SAID_BY_PEOPLE = frozenset({"comment", "work_completed"})
"""Kinds whose message is somebody's own words, in whatever language."""
WHOLLY_TOLD = (
    frozenset(EVENTS)
    - SAID_BY_PEOPLE
    - {
        "classified",
        "status_changed",
        "option_selected",
        "approved_afterwards",
        "emergency_action",
        "emergency_action_left",
        "labels_corrected",
        "objected",
        "action_ordered",
        "incident_joined",
        "incident_left",
        "incident_ended",
        "repeated",
    }
)
"""Kinds of whose messages nothing is lost in our sentence."""
TELLS_TIMES = frozenset(
    {"documentation_due", "documentation_reminder", "documentation_overdue", "sla_warning", "targets_set"}
)
"""Kinds that are told by our sentence in English, too: the interface writes their times in UTC."""


@dataclass(frozen=True)
class ToldEvent:
    """One event as it is shown."""

    sentence: str | None
    """In the reader's language; None where the interface's own words say it."""
    message: str | None
    """The interface's words, or a person's; None where the sentence says all of it."""
    language: str | None
    """Of `message`, where it is not the reader's and is known."""


def tell(words: Words, event: Event | Mapping[str, Any]) -> ToldEvent:
    """An event of a timeline. What our sentence leaves out stays beside it as the interface tells it."""
    told = event if isinstance(event, Event) else Event.model_validate(event)
    english = EVENTS.get(told.kind)
    if words.language == "en" and told.kind not in TELLS_TIMES:
        return ToldEvent(None, told.message, None)
    if english is None:
        return ToldEvent(None, told.message, "en")
    sentence = words.gettext(english) % _gaps(told, words)
    if told.kind in WHOLLY_TOLD:
        return ToldEvent(sentence, None, None)
    return ToldEvent(sentence, told.message, None if _is_said_by_somebody(told) else "en")


def _gaps(event: Event, words: Words) -> Mapping[str, str]:
    details = event.details
    confidence = details.get("confidence")
    return {
        "confidence": words.percent(confidence if isinstance(confidence, int | float) else None),
        "before": words.gettext(label(details.get("from", "–"), for_staff=True)),
        "after": words.gettext(label(details.get("to", "–"), for_staff=True)),
        "rating": str(details.get("rating", "–")),
        "due": _moment(event, "due_at", words),
        "response": _moment(event, "response_due_at", words),
        "done": _moment(event, "resolution_due_at", words),
    }


def _moment(event: Event, name: str, words: Words) -> str:
    moment = event.details.get(name)
    return words.when(moment if isinstance(moment, str) else None)


def _is_said_by_somebody(event: Event) -> bool:
    # What is written when a request is done becomes the sentence of that event.
    return event.kind in SAID_BY_PEOPLE or event.details.get("to") == "Resolved"
