import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.queue_sqlite import SqliteQueue
from core.envelopes import COMMAND_TYPE, wrap_command
from core.errors import QueueUnavailable, StoreUnavailable, SystemBusy
from core.execution import ActionCall, ExecutionCommand
from core.execution_labels import ActionKind, ExecutionStatus
from core.labels import Urgency
from core.ports.execution import ActionContext, Effect, SystemState
from core.ports.queue import Delivery, QueueMessage
from deployments.execution.consumer import RetryPolicy, retry_id, turn_of

Make = Callable[..., ExecutionCommand]
Calls = dict[str, Callable[..., ActionCall]]


def message(message_id: str, data: dict[str, Any], kind: str = COMMAND_TYPE) -> QueueMessage:
    return QueueMessage(message_id=message_id, type=kind, data=data, time=datetime.now(UTC), correlation_id="corr-1")


async def status_of(world: Any, execution_id: str = "EXE_1") -> ExecutionStatus | None:
    execution = await world.log.get(execution_id)
    return execution and execution.status


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_command_is_carried_out_and_its_message_deleted(world: Any, make_command: Make) -> None:
    world.consumer().start()
    await world.send(make_command())
    await world.settled()
    assert await status_of(world) is ExecutionStatus.SUCCEEDED
    assert [outcome.kind for outcome in await world.news()] == ["running", "succeeded"]
    assert (await world.commands.depth(now=datetime.now(UTC))).dead == 0


async def test_a_failing_command_is_tried_again_until_it_works(world: Any, make_command: Make) -> None:
    world.faults.coming["EXE_1:1"] = ["down", "crash_after"]
    world.consumer().start()
    await world.send(make_command())
    await world.settled()
    execution = await world.log.get("EXE_1")
    assert (execution.status, execution.attempts) == (ExecutionStatus.SUCCEEDED, 3)
    assert await world.jobs() == ["Fix the tap"]
    assert [outcome.kind for outcome in await world.news()] == ["running", "failed", "succeeded"]


async def test_a_command_that_never_works_is_left_to_a_person(world: Any, make_command: Make) -> None:
    world.faults.coming["EXE_1:1"] = ["down"] * 99
    world.consumer(attempts=3).start()
    await world.send(make_command())
    await world.settled()
    assert world.faults.calls.count("EXE_1:1") == 3
    assert await status_of(world) is ExecutionStatus.DEAD_LETTERED
    (letter,) = await world.commands.dead_letters(10)
    assert letter.message == wrap_command(make_command(), world.now)
    assert "3 tries" in letter.reason
    assert "The desk does not answer." in letter.reason
    assert [outcome.kind for outcome in await world.news()] == ["running", "failed", "dead_lettered"]
    assert await world.inbox_subjects("staff") == ["Execution EXE_1 needs a person"]


async def test_a_refused_command_is_not_tried_again(world: Any, make_command: Make) -> None:
    world.faults.coming["EXE_1:1"] = ["reject"]
    world.consumer().start()
    await world.send(make_command())
    await world.settled()
    assert world.faults.calls.count("EXE_1:1") == 1
    (letter,) = await world.commands.dead_letters(10)
    assert (letter.attempts, letter.reason) == (1, "dispatch_work_order: We don't do that here.")


async def test_a_dead_letter_that_is_put_back_is_carried_out(world: Any, make_command: Make) -> None:
    world.faults.coming["EXE_1:1"] = ["reject"]
    world.consumer().start()
    await world.send(make_command())
    await world.settled()
    assert await world.commands.redrive("EXE_1")
    await world.settled()
    assert await status_of(world) is ExecutionStatus.SUCCEEDED
    assert await world.jobs() == ["Fix the tap"]
    assert await world.inbox_subjects("RES_1") == ["We are on it"]
    assert [outcome.kind for outcome in await world.news()] == ["running", "dead_lettered", "succeeded"]


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        (lambda data: message("EXE_1", data | {"actions": []}), "actions"),
        (lambda data: message("EXE_1", {"nonsense": True}), "do not fit"),
        (lambda data: message("EXE_1", data | {"actions": [{"action": "explode"}]}), "action"),
        (lambda data: message("EXE_1", data, "aam.execution.v2"), "aam.execution.v2"),
    ],
)
async def test_a_poisoned_message_goes_aside_at_once_and_the_next_is_done(
    world: Any, make_command: Make, poison: Callable[[dict[str, Any]], QueueMessage], reason: str
) -> None:
    await world.commands.send([poison(make_command().model_dump(mode="json"))])
    await world.send(make_command(execution_id="EXE_2"))
    world.consumer().start()
    await world.settled()
    (letter,) = await world.commands.dead_letters(10)
    assert (letter.message.message_id, letter.attempts) == ("EXE_1", 1)
    assert reason in letter.reason
    assert await status_of(world, "EXE_2") is ExecutionStatus.SUCCEEDED
    assert await world.inbox_subjects("staff") == ["A message could not be read"]


async def test_a_poisoned_message_of_a_known_execution_ends_it(world: Any, make_command: Make) -> None:
    command, executor = make_command(), world.executor()
    await world.log.register(command, executor.plan(command), now=world.now)
    await world.commands.send([message("EXE_1", command.model_dump(mode="json"), "aam.execution.v9")])
    world.consumer(executor).start()
    await world.settled()
    assert await status_of(world) is ExecutionStatus.DEAD_LETTERED
    (news,) = await world.news()
    assert (news.kind, news.request_id) == ("dead_lettered", "REQ_1")
    assert "aam.execution.v9" in news.notes


async def test_another_command_under_a_used_id_goes_aside(world: Any, make_command: Make, call: Calls) -> None:
    world.consumer().start()
    await world.send(make_command())
    await world.settled()
    other = make_command(call["job"]("Something else")).model_dump(mode="json")
    await world.commands.send([message("other-message", other)])
    await world.settled()
    (letter,) = await world.commands.dead_letters(10)
    assert (letter.message.message_id, letter.attempts) == ("other-message", 1)
    assert await world.jobs() == ["Fix the tap"]
    assert await status_of(world) is ExecutionStatus.SUCCEEDED
    assert await world.inbox_subjects("staff") == ["A message could not be read"]


async def test_other_actions_under_its_own_id_end_an_execution_and_a_person_is_told(
    world: Any, make_command: Make, call: Calls
) -> None:
    executor, command = world.executor(), make_command()
    await world.log.register(command, executor.plan(command), now=world.now)
    world.faults.coming["EXE_1:abandoned:0"] = ["down"]
    world.consumer(executor).start()
    await world.send(make_command(call["job"]("Something else")))
    await world.settled()
    assert await status_of(world) is ExecutionStatus.DEAD_LETTERED
    assert [each.kind for each in await world.news()] == ["dead_lettered"]
    assert "Execution EXE_1 needs a person" in await world.inbox_subjects("staff")
    assert await world.jobs() == []


async def test_what_always_fails_in_an_unexpected_way_is_ended_and_told(
    world: Any, make_command: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = 0

    async def fail(*args: Any, **settings: Any) -> Any:
        nonlocal turns
        turns += 1
        raise RuntimeError("a bug")

    monkeypatch.setattr(world.log, "open", fail)
    world.faults.coming["EXE_1:abandoned:0"] = ["down", "crash"]
    await world.send(make_command())
    for _ in range(30):
        (delivery,) = await world.commands.receive(max_messages=1, wait_s=1, visibility_s=30)
        await world.commands.retry_later(delivery, delay_s=0)
    world.consumer(attempts=1, longest_pause_s=0.01).start()
    await world.settled()
    assert turns == 10, "deliveries that were put off don't count"
    assert await status_of(world) is ExecutionStatus.DEAD_LETTERED
    (letter,) = await world.commands.dead_letters(10)
    assert letter.message.message_id == "EXE_1"
    assert [each.kind for each in await world.news()] == ["dead_lettered"]
    assert await world.inbox_subjects("staff") == ["Execution EXE_1 needs a person"]


async def test_a_dead_letter_waits_until_staff_could_be_told(world: Any, make_command: Make) -> None:
    world.faults.coming |= {"EXE_1:1": ["reject"], "EXE_1:abandoned:1": ["down"] * 3}
    world.consumer().start()
    await world.send(make_command())
    await world.settled()
    assert world.faults.calls.count("EXE_1:abandoned:1") == 4
    assert await world.inbox_subjects("staff") == ["Execution EXE_1 needs a person"]
    assert len(await world.commands.dead_letters(10)) == 1


def test_a_retry_letter_that_is_put_back_begins_anew(make_command: Make) -> None:
    command, now = make_command(), datetime.now(UTC)
    data = command.model_dump(mode="json")
    for message_id, put_back_at in (("EXE_1", now), (retry_id(command, 7), now), ("copy", None)):
        delivery = Delivery(message(message_id, data), "receipt", 1, redriven_at=now)
        assert turn_of(delivery, command).put_back_at == put_back_at


async def test_duplicated_messages_do_it_once(world: Any, make_command: Make) -> None:
    data = make_command().model_dump(mode="json")
    world.faults.pause_s = 0.02
    for _ in range(3):
        world.consumer(world.executor(), first_pause_s=0.05, attempts=6).start()
    await world.commands.send([message(f"copy-{n}", data) for n in range(8)])
    await world.settled()
    assert await status_of(world) is ExecutionStatus.SUCCEEDED
    assert sorted(world.faults.calls) == ["EXE_1:0", "EXE_1:1", "EXE_1:2"]
    assert [outcome.kind for outcome in await world.news()] == ["running", "succeeded"]
    assert await world.commands.dead_letters(10) == ()


async def test_commands_of_one_request_follow_one_another(world: Any, make_command: Make, call: Calls) -> None:
    world.faults.pause_s = 0.02
    consumer = world.consumer(concurrency=12)
    commands = [
        make_command(call["job"]("a"), call["job"]("b"), execution_id=f"EXE_{request}_{n}", request_id=f"REQ_{request}")
        for n in range(3)
        for request in "AB"
    ]
    await world.send(*commands)
    consumer.start()
    await world.settled()
    for request in "AB":
        mine = [span for span in world.faults.spans if span[1].startswith(f"EXE_{request}_")]
        expected = [
            (edge, f"EXE_{request}_{n}:{step}") for n in range(3) for step in (0, 1) for edge in ("begin", "end")
        ]
        assert mine == expected
    assert world.faults.most_active == 2


async def test_a_command_that_rests_does_not_hold_up_the_next_of_its_request(
    world: Any, make_command: Make, call: Calls
) -> None:
    world.faults.coming["EXE_1:0"] = ["down"]
    consumer = world.consumer(first_pause_s=30.0)
    await world.send(make_command(call["note"]()), make_command(call["alert"](), execution_id="EXE_2"))
    consumer.start()
    await until(lambda: "EXE_2:0" in world.faults.calls)
    await until(lambda: consumer.in_hand == 0)
    assert await status_of(world) is ExecutionStatus.FAILED
    assert await status_of(world, "EXE_2") is ExecutionStatus.SUCCEEDED


async def test_no_more_than_the_bound_are_in_hand(world: Any, make_command: Make, call: Calls) -> None:
    world.faults.pause_s = 0.02
    consumer = world.consumer(concurrency=3)
    await world.send(*(make_command(call["job"](), execution_id=f"EXE_{n}", request_id=f"REQ_{n}") for n in range(12)))
    consumer.start()
    await world.settled()
    assert world.faults.most_active == 3
    assert len(await world.jobs()) == 12


async def test_long_work_stays_hidden_from_others(world: Any, make_command: Make, call: Calls) -> None:
    world.faults.pause_s = 2.5
    consumers = [world.consumer(world.executor(), visibility_s=1.0) for _ in range(2)]
    for consumer in consumers:
        consumer.start()
    await world.send(make_command(call["job"]()))
    await world.settled()
    execution = await world.log.get("EXE_1")
    assert (execution.status, execution.attempts) == (ExecutionStatus.SUCCEEDED, 1)
    assert world.faults.calls == ["EXE_1:0"]


async def test_a_message_stays_until_its_outcome_is_stored(world: Any, make_command: Make) -> None:
    world.outcomes.down = 3
    world.consumer(attempts=2).start()
    await world.send(make_command())
    await world.settled()
    assert "succeeded" in [outcome.kind for outcome in await world.news()]
    assert len(world.faults.calls) == 3
    assert await world.commands.dead_letters(10) == ()


async def test_deliveries_alone_give_nothing_up(world: Any, make_command: Make) -> None:
    await world.send(make_command())
    for _ in range(9):
        (delivery,) = await world.commands.receive(max_messages=1, wait_s=0, visibility_s=30)
        await world.commands.retry_later(delivery, delay_s=0)
    world.consumer(attempts=3).start()
    await world.settled()
    assert await status_of(world) is ExecutionStatus.SUCCEEDED


async def test_a_log_that_is_down_gives_nothing_up(
    world: Any, make_command: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = 40
    register = world.log.register

    async def refuse(*args: Any, **settings: Any) -> Any:
        nonlocal refusals
        refusals -= 1
        if refusals > 0:
            raise StoreUnavailable("The log does not answer.")
        return await register(*args, **settings)

    monkeypatch.setattr(world.log, "register", refuse)
    world.consumer(attempts=1, longest_pause_s=0.01).start()
    await world.send(make_command())
    await world.settled()
    assert await status_of(world) is ExecutionStatus.SUCCEEDED
    assert await world.commands.dead_letters(10) == ()


async def test_a_command_that_no_system_takes_is_given_up_after_the_horizon(world: Any, make_command: Make) -> None:
    world.faults.coming["EXE_1:1"] = ["busy"] * 10_000
    consumer = world.consumer(attempts=1)
    consumer.start()
    await world.send(make_command())
    await until(lambda: world.faults.calls.count("EXE_1:1") > 5)
    assert await world.commands.dead_letters(10) == ()
    world.wait(86_401)
    await world.settled()
    (letter,) = await world.commands.dead_letters(10)
    assert "more than 24 hours" in letter.reason
    execution = await world.log.get("EXE_1")
    assert [step.attempts for step in execution.steps] == [1, 0, 1]
    assert execution.reason == letter.reason


async def test_an_emergency_that_does_not_succeed_is_told_once_and_tried_on(world: Any, make_command: Make) -> None:
    world.faults.coming["EXE_1:1"] = ["busy"] * 10_000
    world.consumer().start()
    await world.send(make_command(urgency=Urgency.EMERGENCY))
    await until(lambda: world.faults.calls.count("EXE_1:1") > 3)
    assert "EXE_1:late" not in world.faults.calls
    world.wait(121)
    await until(lambda: world.faults.calls.count("EXE_1:late") > 2)
    world.faults.coming.clear()
    await world.settled()
    assert await status_of(world) is ExecutionStatus.SUCCEEDED
    assert await world.inbox_subjects("staff") == ["Execution EXE_1 needs a person"]


async def test_a_queue_that_fails_for_a_while_does_not_end_the_loop(
    world: Any, make_command: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[Exception] = [QueueUnavailable("down"), RuntimeError("a bug"), QueueUnavailable("down")]
    receive = SqliteQueue.receive

    async def failing(self: SqliteQueue, **settings: Any) -> Any:
        if failures:
            raise failures.pop()
        return await receive(self, **settings)

    monkeypatch.setattr(SqliteQueue, "receive", failing)
    consumer = world.consumer()
    consumer.start()
    await world.send(make_command())
    await until(lambda: not failures)
    await world.settled()
    assert consumer.running
    assert await status_of(world) is ExecutionStatus.SUCCEEDED


async def test_stopping_finishes_what_is_in_hand_and_takes_nothing_more(
    world: Any, make_command: Make, call: Calls
) -> None:
    world.faults.pause_s = 0.2
    consumer = world.consumer(concurrency=1)
    await world.send(*(make_command(call["job"](), execution_id=f"EXE_{n}") for n in range(3)))
    consumer.start()
    await until(lambda: bool(world.faults.calls))
    await consumer.stop(grace_s=5.0)
    assert not consumer.running
    assert consumer.in_hand == 0
    assert await status_of(world, "EXE_0") is ExecutionStatus.SUCCEEDED
    await asyncio.sleep(0.3)
    assert world.faults.calls == ["EXE_0:0"]
    depth = await world.commands.depth(now=datetime.now(UTC))
    assert (depth.visible, depth.in_flight) == (2, 0)


async def test_what_comes_while_stopping_is_handed_back(world: Any, make_command: Make) -> None:
    consumer = world.consumer(poll_wait_s=0.5)
    consumer.start()
    await asyncio.sleep(0.05)
    stopping = asyncio.create_task(consumer.stop())
    await asyncio.sleep(0.05)
    await world.send(make_command())
    await stopping
    assert world.faults.calls == []
    assert (await world.commands.depth(now=datetime.now(UTC))).visible == 1


async def test_what_outlasts_the_grace_is_dropped_and_done_once_by_the_next(
    world: Any, make_command: Make, call: Calls
) -> None:
    world.faults.coming["EXE_1:0"] = ["hang_after"]
    first = world.consumer(visibility_s=0.4)
    first.start()
    await world.send(make_command(call["job"]()))
    await until(lambda: bool(world.faults.calls))
    await first.stop(grace_s=0.1)
    assert first.in_hand == 0
    assert await status_of(world) is ExecutionStatus.RUNNING
    # The dropped worker's claim on the step ends.
    world.wait(60)
    world.consumer().start()
    await world.settled()
    assert await status_of(world) is ExecutionStatus.SUCCEEDED
    assert await world.jobs() == ["Fix the tap"]


async def test_a_stopped_consumer_can_start_again(world: Any, make_command: Make) -> None:
    consumer = world.consumer()
    consumer.start()
    consumer.start()
    await consumer.stop()
    await world.send(make_command())
    consumer.start()
    await world.settled()
    assert await status_of(world) is ExecutionStatus.SUCCEEDED


def test_pauses_double_up_to_the_longest_and_lose_up_to_half() -> None:
    policy = RetryPolicy(attempts=6, first_pause_s=2.0, longest_pause_s=20.0)
    assert [policy.pause_s(attempt, 0.0) for attempt in (1, 2, 3, 4, 5, 10_000)] == [2, 4, 8, 16, 20, 20]
    assert policy.pause_s(3, 1.0) == 4


async def test_a_duplicate_after_the_end_starts_nothing_anew(world: Any, make_command: Make) -> None:
    world.faults.coming["EXE_1:1"] = ["reject"]
    world.consumer().start()
    await world.send(make_command())
    await world.settled()
    await world.commands.send([message("copy", make_command().model_dump(mode="json"))])
    await world.settled()
    assert world.faults.calls.count("EXE_1:1") == 1
    assert len(await world.commands.dead_letters(10)) == 1


async def test_an_emergency_waits_for_no_earlier_command(world: Any, make_command: Make, call: Calls) -> None:
    world.faults.coming["EXE_1:0"] = ["hang"]
    world.consumer().start()
    await world.send(make_command(call["job"]()))
    await until(lambda: "EXE_1:0" in world.faults.calls)
    await world.send(make_command(call["alert"](), execution_id="EXE_2", urgency=Urgency.EMERGENCY, after="EXE_1"))
    await until(lambda: "EXE_2:0" in world.faults.calls)


async def test_a_later_command_waits_for_the_first_try_of_the_one_before(
    world: Any, make_command: Make, call: Calls
) -> None:
    first = make_command(call["job"]())
    later = make_command(call["job"](), execution_id="EXE_2", after="EXE_1")
    consumer = world.consumer()
    consumer.start()
    await world.send(later)
    await asyncio.sleep(0.3)
    assert world.faults.calls == []
    world.faults.coming["EXE_1:0"] = ["down"] * 3
    # Another replica has it.
    executor = world.executor()
    await executor.execute(first)
    await until(lambda: "EXE_2:0" in world.faults.calls)
    assert await status_of(world) is ExecutionStatus.FAILED


async def test_an_unknown_command_before_holds_up_for_a_minute_at_most(
    world: Any, make_command: Make, call: Calls
) -> None:
    world.consumer().start()
    await world.send(make_command(call["job"](), after="EXE_0"))
    await asyncio.sleep(0.2)
    assert world.faults.calls == []
    world.wait(60)
    await world.settled()
    assert await status_of(world) is ExecutionStatus.SUCCEEDED


async def test_a_system_that_hangs_starves_no_other(world: Any, make_command: Make, call: Calls) -> None:
    slow = HangingSystem("slow")
    executor = world.executor(
        systems={"slow": slow}, routes={ActionKind.CREATE_STAFF_TASK: "slow"}, call_timeout_s=60.0
    )
    for_slow = [make_command(call["task"](), execution_id=f"X_{n}", request_id=f"RX_{n}") for n in range(100)]
    for_desk = [make_command(call["job"](), execution_id=f"Y_{n}", request_id=f"RY_{n}") for n in range(50)]
    await world.send(*for_slow, *for_desk)
    world.consumer(executor, concurrency=64).start()

    async with asyncio.timeout(9):
        while len(await world.jobs()) < 50:
            await asyncio.sleep(0.05)
    # Its first two calls, of 10 s each, are still under way.
    assert (slow.done, slow.most_active) == (0, 2)
    assert all([await status_of(world, f"Y_{n}") is not None for n in range(50)])
    tried = [await world.log.get(f"X_{n}") for n in range(100)]
    assert sum(each.steps[0].attempts for each in tried if each) == 2, "what found no room is not counted"


class HangingSystem:
    """Takes 10 s for each call, and two calls at once; a third is refused at once, as by a guard."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.active = self.most_active = self.done = 0

    async def perform(self, call: ActionCall, context: ActionContext) -> Effect:
        if self.active == 2:
            raise SystemBusy("No room.", 1.0)
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        try:
            await asyncio.sleep(10)
        finally:
            self.active -= 1
        self.done += 1
        return Effect(context.idempotency_key)

    async def find(self, call: ActionCall, context: ActionContext) -> Effect | None:
        return None

    async def undo(self, call: ActionCall, context: ActionContext, external_id: str) -> bool:
        return False

    def state(self) -> SystemState:
        return SystemState(self.name, "ok", self.active)

    async def close(self) -> None:
        return None
