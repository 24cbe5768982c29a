from datetime import UTC, datetime
from typing import Any

import pytest

from core.envelopes import unwrap_command, unwrap_outcome, wrap_command, wrap_outcome
from core.errors import Invalid
from core.execution import ActionCall, ExecutionCommand, ExecutionOutcome
from core.execution_labels import ActionKind, ExecutionStatus
from core.labels import Urgency
from core.ports.queue import QueueMessage
from core.request import ExecutionId, ExecutionStep, OptionId, RequestId

NOW = datetime(2026, 3, 1, 12, 30, 15, 250000, tzinfo=UTC)
COMMAND = ExecutionCommand(
    execution_id=ExecutionId("EXE_1"),
    request_id=RequestId("REQ_1"),
    option_id=OptionId("fix"),
    urgency=Urgency.HIGH,
    actions=(ActionCall(action=ActionKind.NOTIFY, parameters={"recipient": "R", "n": 1, "list": ["a", None]}),),
    correlation_id="corr-1",
    requested_by="ann",
)
OUTCOME = ExecutionOutcome(
    execution_id=ExecutionId("EXE_1"),
    request_id=RequestId("REQ_1"),
    kind="work_completed",
    at=NOW,
    steps=(ExecutionStep(action=ActionKind.NOTIFY, system="notifier", status=ExecutionStatus.SUCCEEDED),),
    notes="done",
    actor="ann",
    actual_cost_usd=10.5,
    actual_hours=0.25,
)


def replace(message: QueueMessage, **changes: Any) -> QueueMessage:
    return QueueMessage(**{**message.__dict__, **changes})


def test_a_command_comes_out_as_it_went_in() -> None:
    message = wrap_command(COMMAND, NOW)
    assert unwrap_command(message) == COMMAND
    assert (message.message_id, message.type, message.time) == ("EXE_1", "aam.execution.v1", NOW)
    assert message.correlation_id == "corr-1"


def test_news_comes_out_as_it_went_in() -> None:
    message = wrap_outcome(OUTCOME, correlation_id="corr-1", job="WO-1")
    assert unwrap_outcome(message) == OUTCOME
    assert (message.type, message.time, message.correlation_id) == ("aam.execution-outcome.v1", NOW, "corr-1")


def test_the_same_news_has_the_same_id_and_other_news_another() -> None:
    later = OUTCOME.model_copy(update={"notes": "again"})
    assert (
        wrap_outcome(OUTCOME, correlation_id="a", job="WO-1").message_id
        == wrap_outcome(later, correlation_id="b", job="WO-1").message_id
    )
    ids = {
        wrap_outcome(OUTCOME.model_copy(update={"kind": kind}), correlation_id="a", job=job).message_id
        for kind, job in (
            ("running", None),
            ("succeeded", None),
            ("work_completed", "WO-1"),
            ("work_completed", "WO-2"),
        )
    }
    assert len(ids) == 4


@pytest.mark.parametrize("kind", ["aam.execution.v2", "aam.execution-outcome.v1", "", "x" * 500])
def test_another_type_is_refused(kind: str) -> None:
    with pytest.raises(Invalid) as caught:
        unwrap_command(replace(wrap_command(COMMAND, NOW), type=kind))
    assert len(caught.value.detail) < 200


@pytest.mark.parametrize(
    "change",
    [{"actions": []}, {"actions": "x"}, {"urgency": "Soon"}, {"execution_id": None}, {"surprise": 1}],
)
def test_a_command_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    message = wrap_command(COMMAND, NOW)
    with pytest.raises(Invalid, match=next(iter(change))):
        unwrap_command(replace(message, data={**message.data, **change}))


@pytest.mark.parametrize("change", [{"kind": "exploded"}, {"at": "yesterday"}, {"at": "2026-03-01T12:00:00"}])
def test_news_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    message = wrap_outcome(OUTCOME, correlation_id="c")
    with pytest.raises(Invalid, match=next(iter(change))):
        unwrap_outcome(replace(message, data={**message.data, **change}))
