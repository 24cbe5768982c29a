"""The commands of the run: single actions, plans whose steps need each other, and some that are refused for good."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench.outside_soak.systems import NOBODY
from core.actions import (
    AccessCodeParameters,
    CreditParameters,
    JobParameters,
    NotifyParameters,
    Parameters,
    ParcelParameters,
)
from core.execution import ActionCall, ExecutionCommand
from core.execution_labels import ActionKind
from core.labels import Crew, Urgency
from core.request import ExecutionId, RequestId

REFUSED_SHARE = 0.05
"""So many of the commands hold an access code for nobody, which the doors refuse."""


@dataclass(frozen=True)
class Planned:
    """A command, and whether all of it can be carried out."""

    command: ExecutionCommand
    is_refused: bool


def plan_commands(number: int, seed: int) -> tuple[Planned, ...]:
    """So many commands, the same for the same seed."""
    draw = random.Random(seed)
    return tuple(_plan(index, draw) for index in range(number))


def _plan(index: int, draw: random.Random) -> Planned:
    resident, request = f"RES_A_{index}", f"REQ_{index}"
    kind = draw.choice(["job", "credit", "trace", "code", "plan"])
    refused = draw.random() < REFUSED_SHARE
    if refused:
        # The job that the refused code needs is taken back.
        actions = (_job(index), _code(NOBODY, needs=(0,)), _tell(resident, needs=(1,)))
    elif kind == "plan":
        actions = (_trace(resident), _job(index, needs=(0,)), _credit(resident, needs=(1,)), _tell(resident))
    else:
        single = {"job": _job(index), "credit": _credit(resident), "trace": _trace(resident), "code": _code(resident)}
        actions = (single[kind], _tell(resident, needs=(0,)))
    command = ExecutionCommand(
        execution_id=ExecutionId(f"EXE_{index}"),
        request_id=RequestId(request),
        urgency=draw.choice([Urgency.LOW, Urgency.MEDIUM, Urgency.HIGH]),
        actions=actions,
        correlation_id=f"soak-{index}",
        requested_by="soak",
    )
    return Planned(command, refused)


def _call(action: ActionKind, parameters: Parameters, needs: Sequence[int] = ()) -> ActionCall:
    return ActionCall(action=action, parameters=parameters.model_dump(mode="json"), needs=tuple(needs))


def _job(index: int, needs: Sequence[int] = ()) -> ActionCall:
    job = JobParameters(title=f"Job {index}", crew=Crew.PLUMBING, building_id="A", unit=str(index))
    return _call(ActionKind.DISPATCH_WORK_ORDER, job, needs)


def _credit(resident: str, needs: Sequence[int] = ()) -> ActionCall:
    return _call(ActionKind.CREDIT_BILL, CreditParameters(resident_id=resident, amount_usd=20.0, reason="soak"), needs)


def _trace(resident: str) -> ActionCall:
    return _call(ActionKind.TRACE_PARCEL, ParcelParameters(resident_id=resident, description="a box"))


def _code(holder: str, needs: Sequence[int] = ()) -> ActionCall:
    begin = datetime(2027, 1, 4, 9, tzinfo=UTC)
    code = AccessCodeParameters(
        building_id="A",
        door="front",
        holder=holder,
        valid_from=begin,
        valid_until=begin + timedelta(hours=4),
        reason="soak",
    )
    return _call(ActionKind.ISSUE_ACCESS_CODE, code, needs)


def _tell(resident: str, needs: Sequence[int] = ()) -> ActionCall:
    told = NotifyParameters(recipient_kind="resident", recipient=resident, event="work_started", fields={"title": "x"})
    return _call(ActionKind.NOTIFY, told, needs)
