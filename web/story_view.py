"""What the story of a request shows its resident, worked out from what the interface tells about it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.execution_labels import MESSAGES, ActionKind
from core.labels import Status
from core.status import ENDED
from web.knowledge_words import plainly
from web.language import Words, words_in
from web.option_cards import SELECTIONS, OptionCard, option_cards
from web.recommendation import dateless
from web.resident_steps import open_steps
from web.timeline import NO_ANSWER, Line, lines
from web.wording import N_

Json = Mapping[str, Any]
ALARMS = frozenset({"alarm_raised", "emergency_action"})
VISITS = frozenset({"visit_scheduled", "visit_cancelled"})
SURE, FAIRLY_SURE = 0.9, 0.75
_ORDERING = frozenset({"execution_running", "execution_succeeded"})
_ASKS = re.compile(
    r"\?+|\b(?:and|also)\s+(?:what|when|where|which|who|how|why|can|may|do|does|is|are|will)\b"
    r"|\by\s+(?:qué|cuándo|cuánto|dónde|cuál|quién|cómo|puedo|hay)\b",
    re.IGNORECASE,
)

NOW: Mapping[Status, str] = {
    Status.SUBMITTED: N_("We are reading your message. This takes a few seconds."),
    Status.PROCESSING: N_("We are reading your message. This takes a few seconds."),
    Status.AWAITING_SELECTION: N_("Please choose one of the options below."),
    Status.ANSWERED: N_("Here is the answer to your question. Please tell us whether it helped."),
    Status.ESCALATED: N_("A person on our staff is taking care of it."),
    Status.NEEDS_REVIEW: N_("A person on our staff will look at your message."),
    Status.AWAITING_APPROVAL: N_("You need to do nothing: somebody of ours has to agree to the cost first."),
    Status.APPROVED: N_("It is agreed to and starts in a moment."),
    Status.IN_PROGRESS: N_("The work is under way."),
    Status.RESOLVED: N_("It was reported as done. Please tell us whether it is."),
    Status.CLOSED: N_("It is done and closed."),
    Status.REOPENED: N_("It was reopened, and our staff were told."),
    Status.CANCELLED: N_("It was cancelled. Nothing more happens."),
}
WAITS_FOR_A_PERSON = N_("It is with our staff and waits for a person to take it up.")
ORDERED = N_("The work is ordered and not done yet.")
EMERGENCY = N_("This is an emergency. Help comes first; everything else can wait.")
LED = N_("Others report the same fault. Our staff deal with all reports of it as one; you need to choose nothing.")
ATTACHED = N_("It goes on with your earlier request.")

ACTIONS: Mapping[ActionKind, str] = {
    ActionKind.DISPATCH_WORK_ORDER: N_("Work order for the crew"),
    ActionKind.CREATE_STAFF_TASK: N_("Task for our staff"),
    ActionKind.SCHEDULE_VISIT: N_("Visit to your home"),
    ActionKind.ORDER_PART: N_("Part from a supplier"),
    ActionKind.TRACE_PARCEL: N_("Search for your parcel"),
    ActionKind.REROUTE_PARCEL: N_("Your parcel is brought elsewhere"),
    ActionKind.CREDIT_BILL: N_("Credit on your account"),
    ActionKind.CORRECT_BILL: N_("Correction of your bill"),
    ActionKind.BOOK_AMENITY: N_("Booking"),
    ActionKind.CLOSE_AMENITY: N_("Closing of a shared place"),
    ActionKind.ISSUE_ACCESS_CODE: N_("Access code"),
}


@dataclass(frozen=True)
class Told:
    """All that the interface tells about one request."""

    request: Json
    events: Sequence[Json] = ()
    notices: Sequence[Json] | None = ()
    """Messages to the resident; None where they can't be had now."""
    incident: Json | None = None
    earlier: Sequence[Json] = ()
    """The open requests that seem to say the same."""


@dataclass(frozen=True)
class Visit:
    """When somebody comes."""

    title: str
    starts: str
    ends: str | None
    is_cancelled: bool


@dataclass(frozen=True)
class StoryView:
    """What the page shows."""

    request: Json
    words: Words
    """In the building's time zone."""
    now_sentence: str
    emergency: str | None
    """What to do now, where it is an emergency; empty where nobody wrote any advice."""
    alerted_at: str | None
    cards: tuple[OptionCard, ...]
    """The recommended one first."""
    confidence: str | None
    """How sure the answer is."""
    asks_several: bool
    """The message seems to ask more than one thing, of which an answer may leave one out."""
    ordered_at: str | None
    """When the order went out, where that is all that has answered the message; None where a person has."""
    timeline: tuple[Line, ...]
    work: tuple[tuple[str, str], ...]
    """What was ordered, each with how it stands."""
    visits: tuple[Visit, ...] | None
    objected: bool
    steps: frozenset[str]
    incident: Json | None
    is_led: bool
    """Whether another request carries the work, so that there is nothing to choose on this one."""
    earlier: Sequence[Json]
    last_sequence: int


def story_of(told: Told, resident_id: str, words: Words, now: datetime) -> StoryView:
    """The view of a request at a moment."""
    request, events = told.request, told.events
    home = words_in(words.language, _zone(request, words.zone.key))
    titles = {one["option_id"]: plainly(dateless(one["title"]), words) for one in request["options"]}
    labels: Json | None = request["classification"]
    is_emergency = labels is not None and bool(labels["emergency"])
    is_open = Status(request["status"]) not in ENDED
    alarm = next((event["at"] for event in reversed(events) if event["kind"] in ALARMS), None)
    is_led = _is_led(request, told.incident)
    return StoryView(
        request=request,
        words=home,
        now_sentence=words.gettext(LED if is_led else _now(request, events, is_emergency=is_emergency and is_open)),
        emergency=(labels["safety_advice"] or "") if labels is not None and is_emergency and is_open else None,
        alerted_at=alarm,
        cards=option_cards(request, events, home, now),
        confidence=_confidence(request["answer"], words),
        asks_several=len(_ASKS.findall(request["message_text"])) > 1,
        ordered_at=_ordered_at(request, events),
        timeline=lines(events, titles, resident_id, words),
        work=_work(request["execution"]),
        visits=None if told.notices is None else _visits(told.notices, request),
        objected=is_objected(events),
        steps=open_steps(request, is_chosen_by_policy=_is_chosen_by_policy(events)) - ({"choose"} if is_led else set()),
        incident=told.incident,
        is_led=is_led,
        earlier=told.earlier,
        last_sequence=max((event["sequence"] for event in events), default=0),
    )


def _is_led(request: Json, incident: Json | None) -> bool:
    """The interface names the leading request to its own resident alone."""
    waits = request["status"] in (Status.AWAITING_SELECTION, Status.AWAITING_APPROVAL)
    if incident is None or incident["status"] != "Accepted" or not waits:
        return False
    if request["classification"] and request["classification"]["emergency"]:
        return False
    return incident["lead"] != request["request_id"]


def _zone(request: Json, default: str) -> str:
    """The building's, as far as it is known."""
    sla: Json | None = request["sla"]
    return str((sla and sla.get("time_zone")) or default)


def _now(request: Json, events: Sequence[Json], *, is_emergency: bool) -> str:
    status = Status(request["status"])
    if request["duplicate_of"] and status in ENDED:
        return ATTACHED
    if is_emergency and status is not Status.AWAITING_SELECTION:
        return EMERGENCY
    if status is Status.NEEDS_REVIEW and _is_unanswered(events):
        return NO_ANSWER
    if status is Status.ESCALATED and _response_met_at(request) is None:
        return WAITS_FOR_A_PERSON
    return ORDERED if status is Status.IN_PROGRESS and _is_only_ordered(request["execution"]) else NOW[status]


def _is_unanswered(events: Sequence[Json]) -> bool:
    entered = [event["details"] for event in events if event["details"].get("to") == Status.NEEDS_REVIEW]
    return bool(entered and entered[-1].get("no_answer"))


def _is_only_ordered(execution: Json | None) -> bool:
    return execution is not None and not execution["jobs_done"]


def _ordered_at(request: Json, events: Sequence[Json]) -> str | None:
    met_at = _response_met_at(request)
    return next((event["at"] for event in events if event["at"] == met_at and event["kind"] in _ORDERING), None)


def _response_met_at(request: Json) -> str | None:
    sla: Json | None = request["sla"]
    return sla["response_met_at"] if sla is not None else None


def _confidence(answer: Json | None, words: Words) -> str | None:
    if answer is None:
        return None
    sure = answer["confidence"]
    if sure >= SURE:
        return words.gettext("We are sure that this is right.")
    if sure >= FAIRLY_SURE:
        return words.gettext("We are fairly sure that this is right.")
    return words.gettext("We are not quite sure that this is right. Ask a person where it matters.")


def _work(execution: Json | None) -> tuple[tuple[str, str], ...]:
    """Messages are no work."""
    steps = execution["steps"] if execution else ()
    kinds = [(ActionKind(step["action"]), step) for step in steps]
    return tuple(
        (ACTIONS[kind], "WorkDone" if step["is_work_done"] else step["status"])
        for kind, step in kinds
        if kind not in MESSAGES
    )


def _visits(notices: Sequence[Json], request: Json) -> tuple[Visit, ...]:
    """The newest word on each visit; `notices` come newest first."""
    jobs = _job_titles(request)
    found: dict[str, Visit] = {}
    for each in notices:
        notice = each["notification"]
        if notice["event"] not in VISITS or each["at"] < request["created_at"]:
            continue
        # Word of a time that staff set on the desk names its job and no request.
        named = notice["request_id"]
        if named != request["request_id"] and (named is not None or notice["fields"].get("title") not in jobs):
            continue
        fields = notice["fields"]
        title = fields.get("title", "")
        visit = Visit(title, fields["starts"], fields.get("ends"), notice["event"] == "visit_cancelled")
        found.setdefault(title, visit)
    return tuple(sorted(found.values(), key=lambda visit: visit.starts))


def _job_titles(request: Json) -> frozenset[str]:
    options = [one for one in request["options"] if one["option_id"] == request["selected_option_id"]]
    return frozenset(title for one in options for title in (one["title"], *(step["title"] for step in one["plan"])))


def is_objected(events: Sequence[Json]) -> bool:
    """Whether the resident has objected since staff last corrected the labels."""
    newest = next(
        (event["kind"] for event in reversed(events) if event["kind"] in ("objected", "labels_corrected")), ""
    )
    return newest == "objected"


def _is_chosen_by_policy(events: Sequence[Json]) -> bool:
    newest = next((event for event in reversed(events) if event["kind"] in SELECTIONS), None)
    # What an emergency started is not for the resident to stop.
    return newest is not None and newest["kind"] == "option_selected" and newest["actor"] == "policy"
