import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.envelopes import unwrap_command
from core.erasure import ErasureScope, StillAtWork
from core.errors import Conflict, Invalid, NotFound, QueueUnavailable, Unauthenticated, WrongState
from core.execution import ActionCall, ExecutionCommand
from core.execution_labels import ActionKind, ExecutionStatus, StepStatus
from core.notices import NotificationPreferences
from core.ports.execution import Completion
from core.ports.queue import QueueDepth
from core.request import ResidentId
from core.settings import Settings
from deployments.execution.operations import ExecutionService

Make = Callable[..., ExecutionCommand]
Calls = dict[str, Callable[..., ActionCall]]


class SignedReader:
    """Reads `id external-id` where the header says that it may."""

    def read(self, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[str, Completion | None]:
        if headers.get("signature") != "good":
            raise Unauthenticated("The signature is wrong.")
        callback_id, _, external_id = body.decode().partition(" ")
        return callback_id, Completion(external_id, "all done", 40.0, 2.5) if external_id else None


@pytest.fixture
async def service(world: Any) -> AsyncIterator[ExecutionService]:
    made = ExecutionService(
        log=world.log,
        desk=world.desk,
        systems={"operations_desk": world.desk, "shop": world.forgetful("shop")},
        routes={ActionKind.CREATE_STAFF_TASK: "shop"},
        notifier=world.inbox,
        documents=world.documents,
        readers={"shop": SignedReader()},
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
    assert [step.status for step in execution.steps] == [StepStatus.QUEUED] * 3
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
    scope = ErasureScope("RES_9", ResidentId("RES_ERASED_9"), frozenset({"REQ_1"}))
    assert await world.log.unfinished(scope) == (), "what was never sent stands in nobody's way"
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
    depth = await service._commands.depth(now=datetime.now(UTC))
    assert (depth.visible, depth.in_flight) == (1, 0)


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


async def test_commands_that_are_put_off_are_not_late(
    world: Any, service: ExecutionService, make_command: Make
) -> None:
    await service.enqueue(make_command())
    (delivery,) = await world.commands.receive(max_messages=1, wait_s=0, visibility_s=30)
    await world.commands.retry_later(delivery, delay_s=600)
    service._clock = service._load._clock = lambda: datetime.now(UTC) + timedelta(seconds=61)
    assert (await service.health()).status == "healthy"
    assert await service.load() == {"queue_depth": 1.0, "oldest_age_s": 0.0}


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
    for held in (world.log._database, world.desk._database, world.documents._database):
        assert held._thread is None or not held._thread.is_alive()


async def dead(service: ExecutionService, world: Any, command: ExecutionCommand) -> Any:
    world.faults.coming["EXE_1:0"] = ["reject"]
    service.start()
    await service.enqueue(command)
    execution = await ended(service, "EXE_1")
    await world.settled()
    async with asyncio.timeout(5):
        while not await world.commands.dead_letters(10):
            await asyncio.sleep(0.01)
    return execution


async def retried(service: ExecutionService) -> Any:
    async with asyncio.timeout(5):
        while (execution := await service.describe("EXE_1")).status is not ExecutionStatus.SUCCEEDED:
            await asyncio.sleep(0.01)
    return execution


async def test_what_was_given_up_is_listed_and_can_be_tried_again(
    world: Any, service: ExecutionService, make_command: Make, call: Calls
) -> None:
    execution = await dead(service, world, make_command(call["job"]()))
    assert (await service.dead_lettered(limit=10, cursor=None)).items == (execution,)
    await service.retry("EXE_1", "ann")
    await retried(service)
    assert (await service.dead_lettered(limit=10, cursor=None)).items == ()
    assert await world.commands.dead_letters(10) == ()
    assert await world.jobs() == ["Fix the tap"]
    assert [each.kind for each in await world.news()] == ["running", "dead_lettered", "succeeded"]


async def test_a_retry_needs_no_dead_letter_and_sends_nothing_twice(
    world: Any, service: ExecutionService, make_command: Make, call: Calls
) -> None:
    await dead(service, world, make_command(call["job"]()))
    await service.stop()
    assert await world.commands.redrive("EXE_1")
    (delivery,) = await world.commands.receive(max_messages=10, wait_s=0, visibility_s=30)
    await world.commands.delete(delivery)
    for _ in range(3):
        await service.retry("EXE_1", "ann")
    assert (await world.commands.depth(now=datetime.now(UTC))).visible == 1
    service.start()
    await retried(service)
    with pytest.raises(WrongState):
        await service.retry("EXE_1", "ann")


async def test_a_second_end_is_news_of_its_own(
    world: Any, service: ExecutionService, make_command: Make, call: Calls
) -> None:
    await dead(service, world, make_command(call["job"]()))
    world.faults.coming["EXE_1:0"] = ["reject"]
    await service.retry("EXE_1", "ann")
    async with asyncio.timeout(5):
        while len(await world.inbox_subjects("staff")) < 2:
            await asyncio.sleep(0.01)
    assert [each.kind for each in await world.news()] == ["running", "dead_lettered", "dead_lettered"]


async def test_only_what_was_given_up_can_be_tried_again(service: ExecutionService, make_command: Make) -> None:
    with pytest.raises(NotFound):
        await service.retry("EXE_1", "ann")
    await service.enqueue(make_command())
    with pytest.raises(WrongState):
        await service.retry("EXE_1", "ann")


GOOD = {"signature": "good"}


async def test_a_callback_is_told_once(world: Any, service: ExecutionService, make_command: Make, call: Calls) -> None:
    service.start()
    await service.enqueue(make_command(call["task"]()))
    external_id = (await ended(service, "EXE_1")).steps[0].external_id
    await world.news()
    body = f"C-1 {external_id}".encode()
    assert await service.take_callback("shop", GOOD, body) is True
    assert await service.take_callback("shop", GOOD, body) is False
    (outcome,) = await world.news()
    assert (outcome.kind, outcome.job, outcome.actor) == ("work_completed", external_id, "shop")
    assert (outcome.notes, outcome.actual_cost_usd, outcome.actual_hours) == ("all done", 40.0, 2.5)


async def test_a_callback_whose_news_were_lost_may_come_again(
    world: Any, service: ExecutionService, make_command: Make, call: Calls
) -> None:
    service.start()
    await service.enqueue(make_command(call["task"]()))
    external_id = (await ended(service, "EXE_1")).steps[0].external_id
    await service.stop()
    await world.news()
    world.outcomes.down = 1
    with pytest.raises(QueueUnavailable):
        await service.take_callback("shop", GOOD, f"C-1 {external_id}".encode())
    assert await service.take_callback("shop", GOOD, f"C-1 {external_id}".encode()) is True
    # Another callback that says the same is taken, and tells nothing more.
    assert await service.take_callback("shop", GOOD, f"C-2 {external_id}".encode()) is True
    assert [each.kind for each in await world.news()] == ["work_completed"]


async def test_callbacks_that_mean_nothing_change_nothing(world: Any, service: ExecutionService) -> None:
    with pytest.raises(NotFound):
        await service.take_callback("nobody", GOOD, b"C-1 EXT-1")
    with pytest.raises(Unauthenticated):
        await service.take_callback("shop", {"signature": "bad"}, b"C-1 EXT-1")
    for _ in range(2):
        with pytest.raises(NotFound):
            await service.take_callback("shop", GOOD, b"C-1 EXT-unknown")
    assert await service.take_callback("shop", GOOD, b"C-2") is True
    assert await service.take_callback("shop", GOOD, b"C-2") is False
    assert await world.news() == []


async def test_the_systems_are_told_by_name(service: ExecutionService) -> None:
    assert [(each.name, each.status) for each in await service.systems()] == [("operations_desk", "ok"), ("shop", "ok")]


async def test_preferences_are_kept(service: ExecutionService) -> None:
    chosen = await service.choose_preferences("resident:RES_1", NotificationPreferences(language="es"))
    assert chosen.language == "es"
    assert await service.preferences("resident:RES_1") == chosen


async def test_nothing_is_erased_while_work_is_logged_as_unfinished(
    world: Any, service: ExecutionService, make_command: Make
) -> None:
    command = make_command()
    await world.log.register(command, world.executor().plan(command), now=world.now)
    scope = ErasureScope("RES_1", ResidentId("RES_ERASED_1"), frozenset({"REQ_1"}))
    with pytest.raises(StillAtWork):
        await service.erase(scope)


async def test_the_load_is_asked_for_once_a_second_and_outlives_the_queue(
    world: Any, service: ExecutionService, make_command: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    depth = world.commands.depth

    async def count(*, now: datetime) -> QueueDepth:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise QueueUnavailable("down")
        return await depth(now=now)

    monkeypatch.setattr(world.commands, "depth", count)
    await service.enqueue(make_command())
    first = await service.load()
    assert first["queue_depth"] == 1.0
    assert await service.load() == first
    assert asked == 1
    monkeypatch.setattr(service._load, "_asked_at", -1e9)
    assert await service.load() == first
    assert asked == 2


class Errand:
    """Ends at once, well or badly."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    async def run(self) -> None:
        if self._error is not None:
            raise self._error


@pytest.mark.parametrize(("error", "status"), [(None, "healthy"), (RuntimeError("a bug"), "unhealthy")])
async def test_health_tells_of_work_in_the_background_that_failed(
    service: ExecutionService, error: Exception | None, status: str
) -> None:
    service._background = [Errand(error)]
    service.start()
    await asyncio.sleep(0.05)
    assert (await service.health()).status == status
