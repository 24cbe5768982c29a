from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from core.execution import Execution
from core.execution_labels import ActionKind, ExecutionStatus, StepStatus
from core.labels import Urgency
from core.request import ExecutionId, ExecutionStep
from deployments.execution import pacing as module
from deployments.execution.pacing import Pacing
from deployments.execution.retries import RetryPolicy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def execution(tries: Sequence[int], status: ExecutionStatus = ExecutionStatus.FAILED) -> Execution:
    """Steps that wait after so many tries; -1 for one that is done."""
    steps = tuple(
        ExecutionStep(
            action=ActionKind.DISPATCH_WORK_ORDER,
            system="desk",
            status=StepStatus.SUCCEEDED if count < 0 else StepStatus.QUEUED,
            attempts=max(0, count),
        )
        for count in tries
    )
    return Execution(
        execution_id=ExecutionId("EXE_1"),
        request_id=None,
        status=status,
        attempts=1,
        steps=steps,
        created_at=NOW,
        updated_at=NOW,
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pacing(clock: Clock) -> Pacing:
    return Pacing(RetryPolicy(), lambda: 0.0, clock)


def pause_s(pacing: Pacing, now: Execution, wait_s: float | None = None, urgency: Urgency = Urgency.MEDIUM) -> float:
    return pacing.pause_s("EXE_1", now, wait_s, urgency)


def test_the_pause_grows_while_only_an_undo_is_left(pacing: Pacing) -> None:
    pauses = [pause_s(pacing, execution([-1])) for _ in range(10)]
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    pacing.forget("EXE_1")
    assert pause_s(pacing, execution([-1])) == 2


def test_while_another_worker_is_at_it_the_pause_stays_short(pacing: Pacing) -> None:
    assert [pause_s(pacing, execution([-1], ExecutionStatus.RUNNING)) for _ in range(3)] == [2, 2, 2]


def test_an_alert_that_comes_again_soon_uses_up_no_tries_of_a_step_that_rests(pacing: Pacing, clock: Clock) -> None:
    assert pause_s(pacing, execution([0, 4]), 3.0, Urgency.EMERGENCY) == 3.0
    assert pacing.resting("EXE_1") == {1}
    clock.now_s += 3
    assert pause_s(pacing, execution([0, 4]), 3.0, Urgency.EMERGENCY) == 3.0
    clock.now_s += 3
    assert pause_s(pacing, execution([-1, 4]), None, Urgency.EMERGENCY) == 10.0, "what is left of its 16 s"
    clock.now_s += 10
    assert pacing.resting("EXE_1") == set()
    assert pause_s(pacing, execution([-1, 5]), None, Urgency.EMERGENCY) == 30.0


def test_messages_that_others_have_finished_are_forgotten(pacing: Pacing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REMEMBERED", 2)
    for name in ("a", "b", "c"):
        pacing.of(name).failures = 5
    assert [pacing.of(name).failures for name in ("c", "b", "a")] == [5, 5, 0]


def test_nothing_rests_of_a_message_that_is_new(pacing: Pacing) -> None:
    assert pacing.resting("EXE_9") == frozenset()
