import asyncio
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import Invalid
from core.execution import ActionCall, ExecutionCommand
from core.execution_labels import MESSAGES, ActionKind, ExecutionStatus, StepStatus
from deployments.execution.executor import Executor
from deployments.execution.retries import Turn

Make = Callable[..., ExecutionCommand]
Calls = dict[str, Callable[..., ActionCall]]
DESK = "operations_desk"
SINCE = datetime(2026, 3, 1, 12, tzinfo=UTC)
AGAIN = Turn(SINCE, put_back_at=datetime.max.replace(tzinfo=UTC))


def statuses(execution: Any) -> list[StepStatus]:
    return [step.status for step in execution.steps]


async def executed(executor: Executor, command: ExecutionCommand, turn: Turn | None = None) -> Any:
    return (await executor.execute(command, turn or Turn(SINCE))).execution


async def test_a_step_begins_only_when_what_it_needs_is_done(world: Any, make_command: Make, call: Calls) -> None:
    shop = world.forgetful(DESK)
    world.faults.coming["EXE_1:0"] = ["down"]
    executor = world.executor(systems={DESK: shop})
    command = make_command(call["job"](), call["task"](needs=[0]), call["note"](needs=[1]))
    first = await executed(executor, command)
    assert statuses(first) == [StepStatus.QUEUED] * 3
    assert [step.attempts for step in first.steps] == [1, 0, 0]
    again = await executed(executor, command)
    assert again.status is ExecutionStatus.SUCCEEDED
    assert shop.order == ["EXE_1:0", "EXE_1:1"]


async def test_work_that_failed_has_what_it_needed_taken_back_in_reverse(
    world: Any, make_command: Make, call: Calls
) -> None:
    shop = world.forgetful(DESK)
    world.faults.coming["EXE_1:3"] = ["reject"]
    command = make_command(
        call["job"]("a"),
        call["task"]("b", needs=[0]),
        call["job"]("alone"),
        call["job"]("c", needs=[1]),
        call["note"](needs=[3]),
    )
    execution = await executed(world.executor(systems={DESK: shop}), command)
    assert execution.status is ExecutionStatus.DEAD_LETTERED
    assert statuses(execution) == [
        StepStatus.UNDONE,
        StepStatus.UNDONE,
        StepStatus.SUCCEEDED,
        StepStatus.FAILED,
        StepStatus.SKIPPED,
    ]
    assert shop.order[-2:] == ["undo:EXE_1:1", "undo:EXE_1:0"]
    assert "EXE_1:2" in shop.standing
    assert execution.reason == "dispatch_work_order: We don't do that here."
    (sent,) = (await world.inbox.sent(recipient="staff", limit=9, cursor=None)).items
    assert sent.notification.event == "execution_needs_person"
    assert sent.notification.fields["reason"] == execution.reason
    done = sent.notification.fields["done"]
    assert "Taken back: dispatch_work_order (operations_desk EXT-1)" in done
    assert "Left out: notify" in done


async def test_a_message_that_failed_takes_nothing_back(world: Any, make_command: Make, call: Calls) -> None:
    shop = world.forgetful(DESK)
    world.faults.coming["EXE_1:1"] = ["reject"]
    command = make_command(call["job"](), call["note"](needs=[0]), call["task"](needs=[1]))
    execution = await executed(world.executor(systems={DESK: shop}), command)
    assert statuses(execution) == [StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.SKIPPED]
    assert shop.undone == {}


async def test_what_rests_on_something_taken_back_is_taken_back_first(
    world: Any, make_command: Make, call: Calls
) -> None:
    shop = world.forgetful(DESK)
    world.faults.coming["EXE_1:2"] = ["reject"]
    command = make_command(call["job"]("a"), call["job"]("rests on a", needs=[0]), call["job"]("c", needs=[0]))
    execution = await executed(world.executor(systems={DESK: shop}), command)
    assert statuses(execution) == [StepStatus.UNDONE, StepStatus.UNDONE, StepStatus.FAILED]
    assert shop.order[-2:] == ["undo:EXE_1:1", "undo:EXE_1:0"]


async def test_what_can_not_be_taken_back_is_left_to_a_person_and_never_done_twice(
    world: Any, make_command: Make, call: Calls
) -> None:
    shop = world.forgetful(DESK, can_undo=False)
    world.faults.coming["EXE_1:1"] = ["reject"]
    executor = world.executor(systems={DESK: shop})
    command = make_command(call["job"](), call["task"](needs=[0]))
    execution = await executed(executor, command)
    assert statuses(execution) == [StepStatus.NOT_UNDONE, StepStatus.FAILED]
    assert "can't take it back" in execution.steps[0].error
    (sent,) = (await world.inbox.sent(recipient="staff", limit=9, cursor=None)).items
    assert "could not be taken back" in sent.notification.fields["done"]
    again = await executed(executor, command, AGAIN)
    assert again.status is ExecutionStatus.SUCCEEDED
    assert shop.made == {"EXE_1:0": 1, "EXE_1:1": 1}


async def test_taking_back_is_tried_until_it_works_and_a_person_hears_of_it_at_once(
    world: Any, make_command: Make, call: Calls
) -> None:
    shop = world.forgetful(DESK)
    world.faults.coming |= {"EXE_1:1": ["reject"], "undo:EXE_1:0": ["down", "down_after", "busy"]}
    executor = world.executor(systems={DESK: shop})
    command = make_command(call["job"](), call["task"](needs=[0]))
    for _ in range(3):
        execution = await executed(executor, command)
        assert execution.status is ExecutionStatus.FAILED
        assert statuses(execution) == [StepStatus.SUCCEEDED, StepStatus.FAILED]
    assert await world.inbox_subjects("staff") == ["Execution EXE_1 needs a person"]
    execution = await executed(executor, command)
    assert execution.status is ExecutionStatus.DEAD_LETTERED
    assert statuses(execution) == [StepStatus.UNDONE, StepStatus.FAILED]
    assert shop.undone == {"EXE_1:0": 1}


async def test_giving_up_leaves_to_a_person_what_can_not_be_taken_back_now(
    world: Any, make_command: Make, call: Calls
) -> None:
    world.faults.coming |= {"EXE_1:1": ["reject"], "undo:EXE_1:0": ["down"] * 9}
    executor = world.executor(systems={DESK: world.forgetful(DESK)})
    command = make_command(call["job"](), call["task"](needs=[0]))
    await executed(executor, command)
    world.wait(90_000)
    execution = await executed(executor, command)
    assert execution.status is ExecutionStatus.DEAD_LETTERED
    assert statuses(execution) == [StepStatus.NOT_UNDONE, StepStatus.FAILED]


async def test_a_retry_does_again_what_was_taken_back_under_a_new_key(
    world: Any, make_command: Make, call: Calls
) -> None:
    shop = world.forgetful(DESK)
    world.faults.coming["EXE_1:1"] = ["reject"]
    executor = world.executor(systems={DESK: shop})
    command = make_command(call["job"](), call["task"](needs=[0]), call["note"](needs=[1]))
    await executed(executor, command)
    execution = await executed(executor, command, AGAIN)
    assert execution.status is ExecutionStatus.SUCCEEDED
    assert [step.round for step in execution.steps] == [1, 0, 0]
    assert shop.order == ["EXE_1:0", "undo:EXE_1:0", "EXE_1:0:r1", "EXE_1:1"]


async def test_two_workers_do_not_both_take_back(world: Any, make_command: Make, call: Calls) -> None:
    shop = world.forgetful(DESK)
    world.faults.coming["EXE_1:1"] = ["reject"]
    world.faults.pause_s = 0.02
    command = make_command(call["job"](), call["task"](needs=[0]))
    await asyncio.gather(*(executed(world.executor(systems={DESK: shop}), command) for _ in range(5)))
    world.wait(600)
    execution = await executed(world.executor(systems={DESK: shop}), command)
    assert execution.status is ExecutionStatus.DEAD_LETTERED
    assert world.faults.calls.count("undo:EXE_1:0") == 1


@pytest.mark.parametrize("needs", [[0], [1], [-1]])
async def test_an_action_needs_earlier_ones_only(world: Any, make_command: Make, call: Calls, needs: list[int]) -> None:
    with pytest.raises(Invalid):
        world.executor().plan(make_command(call["job"](needs=needs)))


async def test_steps_for_two_systems_do_not_wait_for_one_another(world: Any, make_command: Make, call: Calls) -> None:
    shop = world.forgetful("shop")
    world.faults.coming["EXE_1:0"] = ["hang"]
    executor = world.executor(systems={"shop": shop}, routes={ActionKind.CREATE_STAFF_TASK: "shop"})
    running = asyncio.create_task(executed(executor, make_command(call["job"](), call["task"](), call["note"]())))
    async with asyncio.timeout(5):
        while not (shop.made and await world.inbox_subjects("RES_1")):
            await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_system_without_room_costs_no_try(world: Any, make_command: Make, call: Calls) -> None:
    world.faults.coming["EXE_1:0"] = ["busy"] * 5
    executor = world.executor(attempts=1)
    for _ in range(5):
        progress = await executor.execute(make_command(call["job"]()))
        assert progress.execution.status is ExecutionStatus.FAILED
        assert progress.execution.steps[0].attempts == 0
        assert progress.wait_s == 0.01
    assert (await executed(executor, make_command(call["job"]()))).status is ExecutionStatus.SUCCEEDED


async def test_the_last_try_is_looked_for_before_it_is_given_up(world: Any, make_command: Make, call: Calls) -> None:
    shop = world.forgetful(DESK)
    world.faults.coming["EXE_1:0"] = ["down_after"]
    execution = await executed(world.executor(systems={DESK: shop}, attempts=1), make_command(call["job"]()))
    assert (execution.status, execution.steps[0].external_id) == (ExecutionStatus.SUCCEEDED, "EXT-1")


async def test_work_that_is_done_at_once_is_told_so(world: Any, make_command: Make, call: Calls) -> None:
    shop = world.forgetful(DESK, is_done=True)
    executor = world.executor(systems={DESK: shop})
    await executed(executor, make_command(call["job"](), call["note"]()))
    await executed(executor, make_command(call["job"](), call["note"]()))
    news = await world.news()
    assert [(each.kind, each.job) for each in news] == [
        ("running", None),
        ("succeeded", None),
        ("work_completed", "EXT-1"),
    ]
    assert [step.is_work_done for step in news[1].steps] == [True, False]


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[ActionCall], list[list[str]], list[list[str]], list[int]]:
    """Actions with needs, what each meets when it is done and when it is taken back, and when the worker is killed."""
    size = draw(st.integers(1, 5))
    actions: list[ActionCall] = []
    for index in range(size):
        needs = draw(st.lists(st.integers(0, index - 1), unique=True, max_size=2)) if index else []
        kind = draw(st.sampled_from(["job", "job", "task", "note"]))
        actions.append(_make(kind, index, needs))
    faults = st.sampled_from(["ok", "ok", "down", "down_after", "crash_after", "busy", "reject"])
    undo_faults = st.sampled_from(["ok", "down", "down_after", "busy", "reject"])
    forward = draw(st.lists(st.lists(faults, max_size=3), min_size=size, max_size=size))
    backward = draw(st.lists(st.lists(undo_faults, max_size=2), min_size=size, max_size=size))
    kills = draw(st.lists(st.integers(0, 12), max_size=3))
    return actions, forward, backward, kills


def _make(kind: str, index: int, needs: list[int]) -> ActionCall:
    if kind == "note":
        parameters = {"recipient_kind": "resident", "recipient": "RES_1", "subject": f"n{index}", "body": "Soon."}
        return ActionCall(action=ActionKind.NOTIFY, parameters=parameters, needs=tuple(needs))
    action = ActionKind.DISPATCH_WORK_ORDER if kind == "job" else ActionKind.CREATE_STAFF_TASK
    parameters = {"title": f"{kind} {index}", "crew": "plumbing"}
    return ActionCall(action=action, parameters=parameters, needs=tuple(needs))


def all_needs(actions: list[ActionCall], index: int) -> set[int]:
    direct = set(actions[index].needs)
    return direct.union(*(all_needs(actions, need) for need in direct))


def expect_consistent(actions: list[ActionCall], execution: Any) -> None:
    """The rules of the contract, written anew."""
    found = statuses(execution)
    work = [index for index, call in enumerate(actions) if call.action not in MESSAGES]
    failed_work = [index for index in work if found[index] is StepStatus.FAILED]
    needed = {need for index in failed_work for need in all_needs(actions, index) if need in work}
    resting = {index for index in work if all_needs(actions, index) & needed}
    standing = (StepStatus.SUCCEEDED, StepStatus.NOT_UNDONE)
    for index, status in enumerate(found):
        if status is StepStatus.SKIPPED:
            assert set(actions[index].needs) & {n for n, s in enumerate(found) if s not in standing} or (
                set(actions[index].needs) & (needed | resting)
            )
        elif index in needed:
            assert status in (StepStatus.UNDONE, StepStatus.NOT_UNDONE)
        elif index in resting:
            assert status in (StepStatus.UNDONE, StepStatus.NOT_UNDONE, StepStatus.FAILED)
        else:
            assert status in (StepStatus.SUCCEEDED, StepStatus.FAILED)
    if execution.status is ExecutionStatus.SUCCEEDED:
        assert set(found) == {StepStatus.SUCCEEDED}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(plan=plans())
def test_every_effect_stands_or_is_taken_back_once(
    make_world: Callable[[Path], Any],
    make_command: Make,
    plan: tuple[list[ActionCall], list[list[str]], list[list[str]], list[int]],
) -> None:
    actions, forward, backward, kills = plan

    async def play() -> None:
        with tempfile.TemporaryDirectory() as folder:
            world = make_world(Path(folder))
            shop, yard = world.forgetful(DESK), world.forgetful("yard")
            world.faults.coming |= {f"EXE_1:{index}": list(each) for index, each in enumerate(forward)}
            world.faults.coming |= {f"undo:EXE_1:{index}": list(each) for index, each in enumerate(backward)}
            executor = world.executor(
                systems={DESK: shop, "yard": yard}, routes={ActionKind.CREATE_STAFF_TASK: "yard"}, attempts=3
            )
            command = make_command(*actions)
            for steps in kills:
                await killed_after(steps, executor, command)
                world.wait(60)
            for _ in range(20):
                execution = await executed(executor, command)
                if execution.status in (ExecutionStatus.SUCCEEDED, ExecutionStatus.DEAD_LETTERED):
                    break
                world.wait(60)
            else:
                raise AssertionError(execution)
            expect_consistent(actions, execution)
            for index, step in enumerate(execution.steps):
                if actions[index].action in MESSAGES:
                    continue
                key, system = f"EXE_1:{index}", shop if step.system == DESK else yard
                assert system.made[key] <= 1, "performed twice"
                assert system.undone[key] <= 1
                if step.status is StepStatus.UNDONE:
                    assert (system.made[key], system.undone[key]) == (1, 1)
                elif step.status in (StepStatus.SUCCEEDED, StepStatus.NOT_UNDONE):
                    assert system.made[key] == 1
                    assert step.external_id is not None
                elif step.status is StepStatus.SKIPPED:
                    assert system.made[key] == 0
                else:
                    assert key not in system.standing, "done, but told as failed"
            # A message whose workers were stopped at each try may have gone out; twice it never does.
            told = await world.inbox_subjects("RES_1")
            assert len(set(told)) == len(told)
            assert len(told) >= sum(
                step.status is StepStatus.SUCCEEDED for step in execution.steps if step.action in MESSAGES
            )
            await world.close()

    asyncio.run(play())


async def killed_after(steps: int, executor: Executor, command: ExecutionCommand) -> None:
    """Run a worker for so many turns of the event loop, and stop it wherever it is."""
    worker = asyncio.create_task(executor.execute(command, Turn(SINCE)))
    for _ in range(steps):
        await asyncio.sleep(0.001)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
