"""The status machine: the contract's arrows and no others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import IllegalTransition
from core.labels import Status
from core.status import DECIDED, ENDED, LEGAL, require_legal

# The arrows as the public contract draws them, with Answered's own two ends.
ARROWS = """
Submitted > Processing
Processing > AwaitingSelection Answered Escalated NeedsReview
AwaitingSelection > AwaitingApproval Approved Cancelled Escalated
Answered > Closed Reopened
AwaitingApproval > Approved AwaitingSelection
Approved > InProgress
InProgress > Resolved
Resolved > Closed Reopened
Closed > Reopened
Reopened > InProgress
Escalated > InProgress Resolved AwaitingSelection
NeedsReview > InProgress Resolved AwaitingSelection
Cancelled >
"""


def drawn() -> dict[Status, frozenset[Status]]:
    lines = [line.split(">") for line in ARROWS.strip().splitlines()]
    return {Status(left.strip()): frozenset(Status(name) for name in right.split()) for left, right in lines}


def test_the_machine_is_the_contracts() -> None:
    assert drawn() == LEGAL


@given(st.sampled_from(Status), st.sampled_from(Status))
def test_a_step_passes_exactly_when_there_is_an_arrow(current: Status, wanted: Status) -> None:
    if wanted in drawn()[current]:
        require_legal(current, wanted)
        return
    with pytest.raises(IllegalTransition) as caught:
        require_legal(current, wanted)
    assert caught.value.members()["legal"] == sorted(drawn()[current])
    assert all(status in caught.value.detail for status in drawn()[current])


def test_every_status_can_be_reached_from_the_first() -> None:
    reached, frontier = {Status.SUBMITTED}, {Status.SUBMITTED}
    while frontier:
        frontier = {after for status in frontier for after in LEGAL[status]} - reached
        reached |= frontier
    assert reached == set(Status)


def test_no_undecided_request_is_ended() -> None:
    assert ENDED < DECIDED
