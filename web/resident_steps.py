"""What a resident may do with their request now, by the status machine that the interface enforces."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.labels import Status
from core.status import ENDED, LEGAL, RECALLABLE, UNJUDGED
from web.forms import Form
from web.wording import N_

Body = Callable[[Form], Mapping[str, Any]]


def _remark(form: Form) -> Mapping[str, Any]:
    comment = form.optional("comment")
    return {"comment": comment} if comment else {}


def _choice(form: Form) -> Mapping[str, Any]:
    return {"option_id": form.text("option_id")}


def _text(form: Form) -> Mapping[str, Any]:
    return {"text": form.text("comment")}


def _rating(form: Form) -> Mapping[str, Any]:
    return {"rating": form.whole("rating"), **_remark(form)}


def _earlier(form: Form) -> Mapping[str, Any]:
    return {"request_id": form.text("earlier_id")}


def _objection(form: Form) -> Mapping[str, Any]:
    category = form.optional("category")
    return {**({"category": category} if category else {}), **_remark(form)}


@dataclass(frozen=True)
class Step:
    """One thing that a resident may do."""

    route: str
    """The last part of the interface's path."""
    body: Body
    done: str
    """What the page says afterwards."""
    checks_version: bool = False
    """Whether it must not be done on what has changed since the page was shown."""


STEPS: Mapping[str, Step] = {
    "choose": Step("select-option", _choice, N_("Thank you. Your choice was taken."), checks_version=True),
    "confirm": Step("confirm", _remark, N_("Thank you for telling us.")),
    "reopen": Step("reopen", _remark, N_("It was reopened. Our staff were told.")),
    "cancel": Step("cancel", _remark, N_("Your request was cancelled.")),
    "escalate": Step("escalate", _remark, N_("A person on our staff was asked to take over.")),
    "comment": Step("comments", _text, N_("Your message to our staff was sent.")),
    "rate": Step("feedback", _rating, N_("Thank you for your rating.")),
    "attach": Step("attach", _earlier, N_("It was attached to your earlier request, which goes on.")),
    "object": Step("objection", _objection, N_("Thank you. Our staff will look at what it is about.")),
}
FOLLOWED = {
    "follow": N_("You will be told of this fault."),
    "unfollow": N_("You will hear no more of this fault."),
}


def open_steps(request: Mapping[str, Any], *, is_chosen_by_policy: bool) -> frozenset[str]:
    """The names of the steps that the request's status allows its resident."""
    status = Status(request["status"])
    legal = LEGAL[status]
    labels: Mapping[str, Any] = request["classification"] or {}
    allowed = {
        "choose": status is Status.AWAITING_SELECTION and bool(request["options"]),
        "confirm": Status.CLOSED in legal,
        "reopen": Status.REOPENED in legal,
        "cancel": Status.CANCELLED in legal or (is_chosen_by_policy and status in RECALLABLE),
        "escalate": Status.ESCALATED in legal and status not in UNJUDGED,
        "comment": status is not Status.CANCELLED,
        "rate": status in ENDED and status is not Status.CANCELLED,
        "attach": bool(request["possible_duplicates"]) and _may_end(status) and not labels.get("emergency"),
        "object": status not in ENDED | UNJUDGED,
    }
    return frozenset(name for name, is_allowed in allowed.items() if is_allowed)


def _may_end(status: Status) -> bool:
    """Whether a request may end in favour of another one, by the interface's own ways to an end."""
    waits = status in (Status.AWAITING_SELECTION, Status.AWAITING_APPROVAL, Status.REOPENED)
    return waits or Status.RESOLVED in LEGAL[status]
