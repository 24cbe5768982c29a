"""The status machine: which status may follow which, and nothing else."""

from core.errors import IllegalTransition
from core.labels import Status

S = Status

LEGAL: dict[Status, frozenset[Status]] = {
    S.SUBMITTED: frozenset({S.PROCESSING}),
    S.PROCESSING: frozenset({S.AWAITING_SELECTION, S.ANSWERED, S.ESCALATED, S.NEEDS_REVIEW}),
    S.AWAITING_SELECTION: frozenset({S.AWAITING_APPROVAL, S.APPROVED, S.CANCELLED, S.ESCALATED}),
    # An answer that did not help comes back like any other ended request.
    S.ANSWERED: frozenset({S.CLOSED, S.REOPENED}),
    S.ESCALATED: frozenset({S.IN_PROGRESS, S.RESOLVED, S.AWAITING_SELECTION}),
    S.NEEDS_REVIEW: frozenset({S.IN_PROGRESS, S.RESOLVED, S.AWAITING_SELECTION}),
    S.AWAITING_APPROVAL: frozenset({S.APPROVED, S.AWAITING_SELECTION}),
    S.APPROVED: frozenset({S.IN_PROGRESS}),
    S.IN_PROGRESS: frozenset({S.RESOLVED}),
    S.RESOLVED: frozenset({S.CLOSED, S.REOPENED}),
    S.CLOSED: frozenset({S.REOPENED}),
    S.REOPENED: frozenset({S.IN_PROGRESS}),
    S.CANCELLED: frozenset(),
}

ENDED: frozenset[Status] = frozenset({S.RESOLVED, S.CLOSED, S.CANCELLED, S.ANSWERED})
"""Nobody has to act on a request in one of these."""

DECIDED: frozenset[Status] = frozenset(Status) - {S.SUBMITTED, S.PROCESSING}
"""The pipeline has ended for a request in one of these."""


RECALLABLE: frozenset[Status] = frozenset({S.AWAITING_APPROVAL, S.APPROVED, S.IN_PROGRESS})
"""Where a selection that policy made in the resident's place may still be cancelled, which no person's can be."""

UNJUDGED: frozenset[Status] = frozenset({S.SUBMITTED, S.PROCESSING})
"""The message is still being looked at."""


def require_recallable(current: Status) -> None:
    """Pass where a selection by policy may be cancelled; else raise `IllegalTransition`."""
    if current not in RECALLABLE:
        raise IllegalTransition(current, S.CANCELLED, tuple(sorted(LEGAL[current])))


def require_legal(current: Status, wanted: Status) -> None:
    """Pass when `wanted` may follow `current`; else raise `IllegalTransition`, which names the legal ones."""
    if wanted not in LEGAL[current]:
        raise IllegalTransition(current, wanted, tuple(sorted(LEGAL[current])))
