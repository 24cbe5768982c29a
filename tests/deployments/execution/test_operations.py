import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.envelopes import unwrap_command
from core.errors import Conflict, Invalid, NotFound, QueueUnavailable
from core.labels import ActionKind, ExecutionStatus
from core.messages import ActionCall, ExecutionCommand
from core.settings import Settings
from deployments.execution.operations import ExecutionService

Make = Callable[..., ExecutionCommand]
Calls = dict[str, Callable[..., ActionCall]]


@pytest.fixture
async def service(world: Any) -> AsyncIterator[ExecutionService]:
    made = ExecutionService(
        log=world.log,
        desk=world.desk,
        notifier=world.inbox,
        commands=world.commands,
        outcomes=world.outcomes,
        settings=Settings(execution_attempts=3, execution_retry_s=0.01, queue_visibility_s=5.0),
        version="9.9",
        oldest_age_limit_s=60.0,
        clock=lambda: datetime.now(UTC),
    )
    yield made
    await made.stop(grace_s=0.0)


async def ended(service: ExecutionService, execution_id: str) -> Any:
    async with asyncio.timeout(5):
        while True:
            execution = await service.describe(execution_id)
            if execution and execution.status in (ExecutionStatus.SUCCEEDED, ExecutionStatus.DEAD_LETTERED):
                return execution
            await asyncio.sleep(0.01)


async def test_a_queued_command_can_be_followed_from_the_first_moment(
    world: Any, service: ExecutionService, make_command: Make
) -> None:
    assert await service.describe("EXE_1") is None
    execution = await service.enqueue(make_command())
    assert (execution.status, execution.attempts) == (ExecutionStatus.QUEUED, 0)
    assert [step.status for step in execution.steps] == [ExecutionStatus.QUEUED] * 3
    assert await service.describe("EXE_1") == execution
    (delivery,) = await world.commands.receive(max_messages=10, wait_s=0, visibility_s=0)
    assert unwrap_command(delivery.message) == make_command()
    assert delivery.message.correlation_id == "corr-1"


async def test_a_started_service_carries_it_out(service: ExecutionService, make_command: Make) -> None:
    service.start()
    await service.enqueue(make_command())
    execution = await ended(service, "EXE_1")
    assert execution.status is ExecutionStatus.SUCCEEDED
    order = await service.work_order(execution.steps[1].external_id)
    page = await service.work_orders(open_only=True, buildings=frozenset({"BLD_A"}), limit=10, cursor=None)
    assert page.items == (order,)
    alerts = await service.notifications(recipient="BLD_A", limit=10, cursor=None)
    assert [alert.notification_id for alert in alerts.items] == [execution.steps[0].external_id]


async def test_queueing_twice_is_queueing_once(world: Any, service: ExecutionService, make_command: Make) -> None:
    first = await service.enqueue(make_command())
    assert await service.enqueue(make_command()) == first
    assert len(await world.commands.receive(max_messages=10, wait_s=0, visibility_s=30)) == 1


async def test_queueing_can_be_repeated_after_the_queue_was_down(
    world: Any, service: ExecutionService, make_command: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(messages: Any) -> None:
        raise QueueUnavailable("down")

    with monkeypatch.context() as patched:
        patched.setattr(world.commands, "send", refuse)
        with pytest.raises(QueueUnavailable):
            await service.enqueue(make_command())
    service.start()
    await service.enqueue(make_command())
    assert (await ended(service, "EXE_1")).status is ExecutionStatus.SUCCEEDED


async def test_parameters_that_do_not_fit_are_not_queued(
    world: Any, service: ExecutionService, make_command: Make, call: Calls
) -> None:
    wrong = ActionCall(action=ActionKind.NOTIFY, parameters={"recipient": "RES_1"})
    with pytest.raises(Invalid):
        await service.enqueue(make_command(call["job"](), wrong))
    assert await service.describe("EXE_1") is None
    assert await world.commands.receive(max_messages=10, wait_s=0, visibility_s=30) == ()


async def test_an_id_that_was_used_for_other_actions_is_not_queued(
    service: ExecutionService, make_command: Make, call: Calls
) -> None:
    await service.enqueue(make_command())
    with pytest.raises(Conflict):
        await service.enqueue(make_command(call["job"]()))


async def completed_job(service: ExecutionService, work_order_id: str, by: str) -> Any:
    return await service.complete_work_order(
        work_order_id, by=by, notes=f"done by {by}", actual_cost_usd=120.0, actual_hours=1.5
    )


async def test_a_closed_job_is_told_to_its_request_once(
    world: Any, service: ExecutionService, make_command: Make, call: Calls
) -> None:
    service.start()
    await service.enqueue(make_command(call["job"](), call["job"]("Second job")))
    first, second = (step.external_id for step in (await ended(service, "EXE_1")).steps)
    await world.news()
    closed = await completed_job(service, first, "ann")
    assert await completed_job(service, first, "bob") == closed
    (outcome,) = await world.news()
    assert (outcome.kind, outcome.execution_id, outcome.request_id) == ("work_completed", "EXE_1", "REQ_1")
    assert (outcome.actor, outcome.notes) == ("ann", "done by ann")
    assert (outcome.actual_cost_usd, outcome.actual_hours) == (120.0, 1.5)
    await completed_job(service, second, "bob")
    assert [each.actor for each in await world.news()] == ["bob"]


async def test_a_closed_job_of_no_request_is_told_to_nobody(
    world: Any, service: ExecutionService, make_command: Make, call: Calls
) -> None:
    service.start()
    await service.enqueue(make_command(call["job"](), request_id=None))
    order_id = (await ended(service, "EXE_1")).steps[0].external_id
    assert (await completed_job(service, order_id, "ann")).status == "Done"
    assert await world.news() == []


async def test_closing_a_job_can_be_repeated_until_it_is_told(
    world: Any, service: ExecutionService, make_command: Make, call: Calls
) -> None:
    service.start()
    await service.enqueue(make_command(call["job"]()))
    order_id = (await ended(service, "EXE_1")).steps[0].external_id
    await world.news()
    world.outcomes.down = 1
    with pytest.raises(QueueUnavailable):
        await completed_job(service, order_id, "ann")
    await completed_job(service, order_id, "ann")
    assert [outcome.kind for outcome in await world.news()] == ["work_completed"]


async def test_a_job_that_is_not_there_can_not_be_closed(service: ExecutionService) -> None:
    with pytest.raises(NotFound):
        await completed_job(service, "WO-1", "ann")


async def test_an_alert_stays_open_until_somebody_takes_it(
    service: ExecutionService, make_command: Make, call: Calls
) -> None:
    service.start()
    await service.enqueue(make_command(call["alert"]()))
    alert_id = (await ended(service, "EXE_1")).steps[0].external_id
    (alert,) = (await service.notifications(recipient=None, limit=10, cursor=None)).items
    assert alert.acknowledged_by is None
    taken = await service.acknowledge(alert_id, "ann")
    assert taken.acknowledged_by == "ann"
    assert (await service.notifications(recipient=None, limit=10, cursor=None)).items == (taken,)


async def test_health_tells_of_the_queue(world: Any, service: ExecutionService, make_command: Make) -> None:
    health = await service.health()
    assert (health.status, health.version) == ("healthy", "9.9")
    await service.enqueue(make_command())
    health = await service.health()
    assert health.status == "healthy"
    assert health.detail.startswith("1 waiting, 0 in flight, 0 dead letters")


async def test_health_is_degraded_while_commands_wait_too_long(
    world: Any, service: ExecutionService, make_command: Make
) -> None:
    await service.enqueue(make_command())
    service._clock = lambda: datetime.now(UTC) + timedelta(seconds=61)
    assert (await service.health()).status == "degraded"


async def test_health_counts_dead_letters(world: Any, service: ExecutionService, make_command: Make) -> None:
    world.faults.coming["EXE_1:1"] = ["reject"]
    service.start()
    await service.enqueue(make_command())
    await ended(service, "EXE_1")
    await world.settled()
    async with asyncio.timeout(5):
        while "1 dead letters" not in (await service.health()).detail:
            await asyncio.sleep(0.01)


async def test_health_is_unhealthy_without_the_queue(world: Any, service: ExecutionService) -> None:
    await world.commands.close()
    assert (await service.health()).status == "unhealthy"


async def test_closing_gives_back_everything(world: Any, service: ExecutionService, make_command: Make) -> None:
    service.start()
    await service.enqueue(make_command())
    await service.stop()
    await service.close()
    for held in (world.log._database, world.desk._database, world.inbox._database):
        assert held._thread is None or not held._thread.is_alive()
