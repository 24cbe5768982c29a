"""A resident's requests as lists show them: which are open, and what comes next."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.labels import Status
from core.status import ENDED
from web.wording import N_

NEXT_STEPS: Mapping[str, str] = {
    Status.SUBMITTED: N_("We are looking at it."),
    Status.PROCESSING: N_("We are looking at it."),
    Status.AWAITING_SELECTION: N_("Choose how it should be dealt with."),
    Status.ANSWERED: N_("Read the answer."),
    Status.ESCALATED: N_("Our staff look at it and get back to you."),
    Status.NEEDS_REVIEW: N_("Our staff look at it and get back to you."),
    Status.AWAITING_APPROVAL: N_("Somebody has to agree to the cost first."),
    Status.APPROVED: N_("It will begin soon."),
    Status.IN_PROGRESS: N_("It is being worked on."),
    Status.RESOLVED: N_("Tell us whether it is done."),
    Status.REOPENED: N_("Our staff take it up again."),
    Status.CLOSED: N_("Nothing more to do."),
    Status.CANCELLED: N_("Nothing more to do."),
}
FOR_THE_RESIDENT = frozenset({Status.AWAITING_SELECTION, Status.RESOLVED})
"""In these it is the resident's turn."""
NOT_OVER = frozenset(map(str, (frozenset(Status) - ENDED) | {Status.RESOLVED}))


def is_open(request: Mapping[str, Any]) -> bool:
    """Whether anybody has something to do, be it to say that it is done; one attached to another goes on there."""
    return request["status"] in NOT_OVER and request.get("duplicate_of") is None


def split_open(requests: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Those that are open and those that are over, each in the order given."""
    return [one for one in requests if is_open(one)], [one for one in requests if not is_open(one)]
