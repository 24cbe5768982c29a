"""Staff plan jobs on the desk, and the resident hears of each time that somebody comes, and of each that is off."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from adapters.desk_database import open_desk_database
from adapters.system_operations_desk import SqliteOperationsDesk
from core.actions import parse_parameters
from core.contract import rfc3339
from core.errors import QueueUnavailable
from core.execution import ActionCall, ExecutionCommand, WorkOrder
from core.execution_labels import ActionKind
from core.identity import Principal
from core.labels import Crew, Role, Urgency
from core.ports.execution import ActionContext
from core.request import ExecutionId
from deployments.request_management.desk import Desk
from deployments.request_management.schemas import JobPlan
from tests.deployments.request_management.stage import MORNING, Stage, build_decided, build_decision, staged

STAFF = Principal("sam", Role.STAFF)
HOUR = timedelta(hours=1)
TIME, OTHER = MORNING + 48 * HOUR, MORNING + 72 * HOUR


@dataclass
class DeskExecution:
    """Execution with a real desk, and a queue that is down where it is said to be."""

    desk: SqliteOperationsDesk
    is_down: bool = False
    told: dict[str, ExecutionCommand] = field(default_factory=dict[str, ExecutionCommand])

    async def work_order(self, work_order_id: str) -> WorkOrder | None:
        return await self.desk.work_order(work_order_id)

    async def plan_work_order(self, work_order_id: str, **plan: Any) -> WorkOrder:
        return await self.desk.plan(work_order_id, now=MORNING, **plan)

    async def enqueue(self, command: ExecutionCommand) -> None:
        if self.is_down:
            raise QueueUnavailable("The queue is down.")
        known = self.told.setdefault(command.execution_id, command)
        # As the execution log does: one id is one set of actions.
        assert known.actions == command.actions

    def events(self) -> list[tuple[str, str]]:
        """Event and begin of each message, in their order."""
        found: list[tuple[str, str]] = []
        for command in self.told.values():
            (call,) = command.actions
            parse_parameters(call.action, call.parameters)
            found.append((call.parameters["event"], call.parameters["fields"]["starts"]))
        return found


class Planning:
    """One job for a request, and the desk as staff use it."""

    def __init__(self, stage: Stage, desk: SqliteOperationsDesk) -> None:
        self.execution = DeskExecution(desk)
        self.desk = Desk(stage.store, cast(Any, self.execution), stage.clock)
        self.stage = stage
        self.job = ""

    async def open(self, action: ActionKind = ActionKind.DISPATCH_WORK_ORDER, **fields: Any) -> None:
        record = await self.stage.add(build_decided(*build_decision()))
        call = ActionCall(
            action=action,
            parameters={"title": "Tap", "crew": Crew.PLUMBING, "building_id": "A", "unit": "101"} | fields,
        )
        request_id = record.request.request_id
        context = ActionContext(ExecutionId("EXE_1"), request_id, Urgency.MEDIUM, "corr", "EXE_1:0")
        self.job = (await self.execution.desk.perform(call, context)).external_id

    async def plan(self, start: datetime | None, hours: float = 1, who: str | None = "pat") -> WorkOrder:
        end = None if start is None else start + hours * HOUR
        plan = JobPlan(assigned_to=who, scheduled_start=start, scheduled_end=end)
        return await self.desk.plan(STAFF, self.job, plan, None)


@pytest.fixture
async def planning(tmp_path: Path) -> AsyncIterator[Planning]:
    desk = SqliteOperationsDesk(open_desk_database(tmp_path / "desk.sqlite3"), clock=lambda: MORNING)
    async with staged(tmp_path) as stage:
        yield Planning(stage, desk)
    await desk.close()


def scheduled(start: datetime) -> tuple[str, str]:
    return "visit_scheduled", rfc3339(start)


def cancelled(start: datetime) -> tuple[str, str]:
    return "visit_cancelled", rfc3339(start)


async def test_a_time_is_told_again_until_it_was_told_and_then_no_more(planning: Planning) -> None:
    await planning.open()
    planning.execution.is_down = True
    with pytest.raises(QueueUnavailable):
        await planning.plan(TIME)
    planning.execution.is_down = False
    assert (await planning.plan(TIME)).scheduled_start == TIME
    await planning.plan(TIME)
    await planning.plan(TIME, who="kim")
    assert planning.execution.events() == [scheduled(TIME)]


async def test_each_change_of_the_time_is_told_and_so_is_its_coming_back(planning: Planning) -> None:
    await planning.open()
    for start, hours in ((TIME, 1), (TIME, 2), (OTHER, 2), (TIME, 2), (None, 1), (TIME, 2)):
        await planning.plan(start, hours)
    assert planning.execution.events() == [
        scheduled(TIME),
        scheduled(TIME),
        scheduled(OTHER),
        scheduled(TIME),
        cancelled(TIME),
        scheduled(TIME),
    ]


async def test_a_time_that_is_off_is_told_even_after_a_failure(planning: Planning) -> None:
    await planning.open()
    await planning.plan(TIME)
    planning.execution.is_down = True
    with pytest.raises(QueueUnavailable):
        await planning.plan(None)
    planning.execution.is_down = False
    await planning.plan(None)
    await planning.plan(None, who=None)
    assert planning.execution.events() == [scheduled(TIME), cancelled(TIME)]


async def test_who_comes_is_no_news_where_no_person_set_the_time(planning: Planning) -> None:
    start = TIME
    window = {"window_start": start.isoformat(), "window_end": (start + HOUR).isoformat()}
    await planning.open(ActionKind.SCHEDULE_VISIT, **window)
    # Its order told the resident of this time.
    await planning.plan(start)
    assert planning.execution.events() == []
    await planning.plan(OTHER)
    assert planning.execution.events() == [scheduled(OTHER)]


@pytest.mark.parametrize(
    "fields", [{"crew": Crew.OFFICE}, {"crew": Crew.CONCIERGE}, {"crew": Crew.SECURITY}, {"unit": None}]
)
async def test_nobody_is_told_of_work_outside_homes(planning: Planning, fields: dict[str, Any]) -> None:
    await planning.open(**fields)
    await planning.plan(TIME)
    await planning.plan(None)
    assert planning.execution.events() == []


async def test_an_unplanned_job_is_no_news(planning: Planning) -> None:
    await planning.open()
    await planning.plan(None)
    assert planning.execution.events() == []
