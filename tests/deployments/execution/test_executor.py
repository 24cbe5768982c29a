import asyncio
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import Conflict, QueueUnavailable, StoreUnavailable
from core.execution import ActionCall, Execution, ExecutionCommand
from core.execution_labels import ActionKind, ExecutionStatus, StepStatus
from core.labels import Category, Urgency
from deployments.execution.actions import compose_notification, context_of
from deployments.execution.executor import Executor
from deployments.execution.retries import RetryPolicy, Turn

Make = Callable[..., ExecutionCommand]
Calls = dict[str, Callable[..., ActionCall]]

OVER = ExecutionStatus.SUCCEEDED
DONE, WAITING, REFUSED = StepStatus.SUCCEEDED, StepStatus.QUEUED, StepStatus.FAILED


async def execute(executor: Executor, command: ExecutionCommand, *, again: bool = False) -> Execution:
    turn = Turn(datetime(2026, 3, 1, 12, tzinfo=UTC), put_back_at=datetime.max.replace(tzinfo=UTC) if again else None)
    return (await executor.execute(command, turn)).execution


async def test_each_action_is_done_in_its_system_and_told(world: Any, make_command: Make) -> None:
    execution = await execute(world.executor(), make_command(urgency=Urgency.EMERGENCY))
    assert execution.status is OVER
    assert [(s.action, s.system, s.status, s.attempts, s.error) for s in execution.steps] == [
        (ActionKind.ALERT_ON_CALL, "notifier", DONE, 1, None),
        (ActionKind.DISPATCH_WORK_ORDER, "operations_desk", DONE, 1, None),
        (ActionKind.NOTIFY, "notifier", DONE, 1, None),
    ]
    assert world.faults.calls == ["EXE_1:0", "EXE_1:1", "EXE_1:2"]
    assert await world.log.get(execution.execution_id) == execution

    order = await world.desk.work_order(execution.steps[1].external_id)
    assert (order.request_id, order.execution_id, order.urgency) == ("REQ_1", "EXE_1", Urgency.EMERGENCY)
    sent = {
        each.notification_id: each.notification
        for each in (await world.inbox.sent(recipient=None, limit=10, cursor=None)).items
    }
    on_call, told = (sent[execution.steps[index].external_id] for index in (0, 2))
    assert (on_call.recipient_kind, on_call.recipient, on_call.role) == ("on_call", "BLD_A", "staff")
    assert (told.recipient_kind, told.recipient, told.request_id) == ("resident", "RES_1", "REQ_1")

    news = await world.news()
    assert [outcome.kind for outcome in news] == ["running", "succeeded"]
    assert news[1].steps == execution.steps


async def test_what_no_request_asked_for_is_told_to_no_request(world: Any, make_command: Make) -> None:
    execution = await execute(world.executor(), make_command(request_id=None))
    assert execution.status is OVER
    assert await world.news() == []


@pytest.mark.parametrize("fault", ["down", "crash", "hang"])
async def test_a_failing_step_holds_up_none_of_the_others(world: Any, make_command: Make, fault: str) -> None:
    world.faults.coming["EXE_1:1"] = [fault]
    executor = world.executor(call_timeout_s=0.1)
    execution = await execute(executor, make_command())
    assert execution.status is ExecutionStatus.FAILED
    assert [step.status for step in execution.steps] == [DONE, WAITING, DONE]
    assert execution.steps[1].error
    assert execution.steps[1].external_id is None
    assert [outcome.kind for outcome in await world.news()] == ["running", "failed"]

    again = await execute(executor, make_command())
    assert again.status is OVER
    assert [step.attempts for step in again.steps] == [1, 2, 1]
    assert again.steps[1].error is None
    assert again.attempts == 2
    assert world.faults.calls == ["EXE_1:0", "EXE_1:1", "EXE_1:2", "EXE_1:1"]
    assert [outcome.kind for outcome in await world.news()] == ["succeeded"]


@pytest.mark.parametrize("fault", ["down_after", "crash_after", "hang_after"])
async def test_what_was_done_before_the_line_broke_is_not_done_again(
    world: Any, make_command: Make, call: Calls, fault: str
) -> None:
    desk = world.forgetful("operations_desk")
    world.faults.coming["EXE_1:0"] = [fault]
    executor = world.executor(systems={"operations_desk": desk}, call_timeout_s=0.1)
    command = make_command(call["job"]())
    assert (await execute(executor, command)).status is ExecutionStatus.FAILED
    execution = await execute(executor, command)
    assert (execution.status, execution.steps[0].external_id) == (OVER, "EXT-1")
    assert desk.made == {"EXE_1:0": 1}


async def test_a_worker_that_dies_between_doing_and_noting(world: Any, make_command: Make, call: Calls) -> None:
    desk = world.forgetful("operations_desk")
    world.faults.coming["EXE_1:0"] = ["hang_after"]
    command = make_command(call["job"](), call["note"]())
    dying = asyncio.create_task(execute(world.executor(systems={"operations_desk": desk}), command))
    while not desk.made or (await world.log.get("EXE_1")).steps[1].status is not DONE:
        await asyncio.sleep(0.005)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)

    # The dead worker's claim still stands, so the next one leaves the step alone and does the other.
    survivor = world.executor(systems={"operations_desk": desk})
    world.wait(1)
    execution = await execute(survivor, command)
    assert execution.status is ExecutionStatus.RUNNING
    assert [step.status for step in execution.steps] == [StepStatus.RUNNING, DONE]
    world.wait(60)
    execution = await execute(survivor, command)
    assert (execution.status, execution.steps[0].external_id) == (OVER, "EXT-1")
    assert desk.made == {"EXE_1:0": 1}


async def test_workers_on_the_same_command_do_each_action_once(world: Any, make_command: Make) -> None:
    world.faults.pause_s = 0.02
    executions = await asyncio.gather(*(execute(world.executor(), make_command()) for _ in range(5)))
    assert any(execution.status is OVER for execution in executions)
    assert sorted(world.faults.calls) == ["EXE_1:0", "EXE_1:1", "EXE_1:2"]
    assert await world.jobs() == ["Fix the tap"]
    assert (await world.log.get(executions[0].execution_id)).status is OVER


async def test_a_refused_action_ends_the_execution_and_a_person_is_told(world: Any, make_command: Make) -> None:
    world.faults.coming["EXE_1:1"] = ["reject"]
    execution = await execute(world.executor(), make_command())
    assert execution.status is ExecutionStatus.DEAD_LETTERED
    assert [step.status for step in execution.steps] == [DONE, REFUSED, DONE]
    assert execution.steps[1].error == "We don't do that here."
    assert await world.log.get(execution.execution_id) == execution
    news = await world.news()
    assert [outcome.kind for outcome in news] == ["running", "dead_lettered"]
    assert news[1].steps == execution.steps
    assert "We don't do that here." in news[1].notes
    assert await world.inbox_subjects("staff") == ["Execution EXE_1 needs a person"]


async def test_parameters_that_do_not_fit_never_reach_a_system(world: Any, make_command: Make, call: Calls) -> None:
    wrong = ActionCall(action=ActionKind.DISPATCH_WORK_ORDER, parameters={"title": "no crew"})
    execution = await execute(world.executor(), make_command(wrong, call["note"]()))
    assert execution.status is ExecutionStatus.DEAD_LETTERED
    assert [step.status for step in execution.steps] == [REFUSED, DONE]
    assert "crew" in execution.steps[0].error
    assert "EXE_1:0" not in world.faults.calls


async def test_a_refusal_waits_for_the_steps_that_may_still_work(world: Any, make_command: Make) -> None:
    world.faults.coming |= {"EXE_1:0": ["reject"], "EXE_1:1": ["down"]}
    executor = world.executor()
    assert (await execute(executor, make_command())).status is ExecutionStatus.FAILED
    execution = await execute(executor, make_command())
    assert execution.status is ExecutionStatus.DEAD_LETTERED
    assert [step.status for step in execution.steps] == [REFUSED, DONE, DONE]
    assert world.faults.calls.count("EXE_1:0") == 1


async def test_a_command_that_comes_again_after_its_end_is_only_told_again(world: Any, make_command: Make) -> None:
    executor = world.executor()
    first = await execute(executor, make_command())
    calls = list(world.faults.calls)
    world.wait(5)
    again = await execute(executor, make_command())
    assert (again.status, again.attempts, again.steps) == (OVER, 1, first.steps)
    assert world.faults.calls == calls
    assert [outcome.kind for outcome in await world.news()] == ["running", "succeeded"]


async def test_a_queue_that_is_down_holds_up_the_news_but_not_the_actions(world: Any, make_command: Make) -> None:
    world.outcomes.down = 2
    executor = world.executor()
    with pytest.raises(QueueUnavailable):
        await execute(executor, make_command())
    assert len(world.faults.calls) == 3
    assert await world.news() == []
    world.outcomes.down = 0
    assert (await execute(executor, make_command())).status is OVER
    assert len(world.faults.calls) == 3
    assert "succeeded" in [outcome.kind for outcome in await world.news()]


async def test_news_of_the_start_that_was_lost_is_told_at_the_end(world: Any, make_command: Make) -> None:
    world.outcomes.down = 1
    await execute(world.executor(), make_command())
    assert [outcome.kind for outcome in await world.news()] == ["running", "succeeded"]


async def test_giving_up_ends_what_is_left_and_tells_a_person_once(world: Any, make_command: Make) -> None:
    world.faults.coming["EXE_1:1"] = ["down"]
    executor = world.executor()
    await execute(executor, make_command())
    await world.news()
    for _ in range(2):
        execution = (await executor.give_up(make_command(), reason="Given up after 1 try.")).execution
        assert execution.status is ExecutionStatus.DEAD_LETTERED
    assert [step.status for step in execution.steps] == [DONE, REFUSED, DONE]
    assert execution.steps[1].error == "The desk does not answer."
    assert [outcome.kind for outcome in await world.news()] == ["dead_lettered"]
    assert await world.inbox_subjects("staff") == ["Execution EXE_1 needs a person"]


async def test_giving_up_what_was_never_tried_says_why(world: Any, make_command: Make) -> None:
    execution = (await world.executor().give_up(make_command(), reason="The worker died.")).execution
    assert execution.status is ExecutionStatus.DEAD_LETTERED
    assert {step.error for step in execution.steps} == {"The worker died."}
    assert world.faults.calls == ["EXE_1:abandoned:0"]


async def test_giving_up_what_has_succeeded_changes_nothing(world: Any, make_command: Make) -> None:
    executor = world.executor()
    await execute(executor, make_command())
    assert (await executor.give_up(make_command(), reason="too often")).execution.status is OVER
    assert [outcome.kind for outcome in await world.news()] == ["running", "succeeded"]
    assert await world.inbox_subjects("staff") == []


@pytest.mark.parametrize("fault", ["down", "hang"])
async def test_an_end_that_staff_could_not_be_told_of_stands_and_is_told_later(
    world: Any, make_command: Make, fault: str
) -> None:
    world.faults.coming |= {"EXE_1:1": ["reject"], "EXE_1:abandoned:1": [fault]}
    executor = world.executor(call_timeout_s=0.1)
    with pytest.raises(StoreUnavailable):
        await execute(executor, make_command())
    assert (await world.log.get("EXE_1")).status is ExecutionStatus.DEAD_LETTERED
    assert "dead_lettered" in [outcome.kind for outcome in await world.news()]
    assert await world.inbox_subjects("staff") == []
    progress = await executor.execute(make_command())
    assert (progress.execution.status, progress.was_over) == (ExecutionStatus.DEAD_LETTERED, True)
    assert await world.inbox_subjects("staff") == ["Execution EXE_1 needs a person"]
    assert world.faults.calls.count("EXE_1:1") == 1


async def test_the_end_stands_where_the_notifier_refuses_the_words(world: Any, make_command: Make) -> None:
    world.faults.coming |= {"EXE_1:1": ["reject"], "EXE_1:abandoned:1": ["reject"]}
    assert (await execute(world.executor(), make_command())).status is ExecutionStatus.DEAD_LETTERED


@pytest.mark.parametrize("fault", ["down", "hang", "down_after", "hang_after"])
@pytest.mark.parametrize(("urgency", "longest_s"), [(Urgency.EMERGENCY, 5.0), (Urgency.MEDIUM, 30.0)])
async def test_a_notifier_that_does_not_answer_costs_no_try_and_a_short_wait(
    world: Any, make_command: Make, call: Calls, fault: str, urgency: Urgency, longest_s: float
) -> None:
    world.faults.coming["EXE_1:0"] = [fault] * 4
    executor = world.executor(attempts=1, call_timeout_s=0.02, first_pause_s=2.0)
    command = make_command(call["alert"](), urgency=urgency)
    for _ in range(4):
        progress = await executor.execute(command)
        assert progress.execution.status is ExecutionStatus.FAILED
        assert [(step.status, step.attempts) for step in progress.execution.steps] == [(WAITING, 0)]
        assert 0 < RetryPolicy().busy_pause_s(progress.wait_s, 1.0) <= longest_s
    assert (await world.executor(attempts=1).execute(command)).execution.status is OVER
    assert await world.inbox_subjects() == ["Gas"]


async def test_a_message_that_meets_a_bug_is_given_up_after_its_tries(
    world: Any, make_command: Make, call: Calls
) -> None:
    world.faults.coming["EXE_1:0"] = ["crash"] * 9
    executor = world.executor(attempts=2)
    assert (await execute(executor, make_command(call["note"]()))).status is ExecutionStatus.FAILED
    assert (await execute(executor, make_command(call["note"]()))).status is ExecutionStatus.DEAD_LETTERED


async def test_every_end_of_a_retry_is_told_however_often_it_was_tried(
    world: Any, make_command: Make, call: Calls
) -> None:
    command, executor = make_command(call["job"]()), world.executor()
    world.faults.coming["EXE_1:0"] = ["busy"] * 99
    await executor.give_up(command, reason="It has waited for too long.")
    world.faults.coming["EXE_1:0"] = ["busy"] * 99
    assert (await execute(executor, command, again=True)).status is ExecutionStatus.FAILED
    await executor.give_up(command, reason="It has waited for too long again.")
    news = await world.news()
    assert [each.kind for each in news].count("dead_lettered") == 2
    assert (await world.log.get("EXE_1")).steps[0].attempts == 0, "no try was counted"
    assert await world.inbox_subjects("staff") == ["Execution EXE_1 needs a person"] * 2


@pytest.mark.parametrize("kept", [0, 1])
async def test_a_retry_has_a_whole_horizon_from_when_it_was_put_back(
    world: Any, make_command: Make, call: Calls, kept: int
) -> None:
    since, command = world.now, make_command(call["job"]())
    world.faults.coming["EXE_1:0"] = ["down"] * kept + ["busy"] * 999
    executor = world.executor(attempts=9)
    await executor.execute(command, Turn(since))
    world.wait(86_401)
    over = await executor.execute(command, Turn(since))
    assert "more than 24 hours" in over.execution.reason
    world.wait(10)
    put_back_at = world.now
    for number in range(1, 200):
        world.wait(400)
        turn = Turn(since, number=number, put_back_at=put_back_at)
        assert (await executor.execute(command, turn)).execution.status is ExecutionStatus.FAILED
    world.wait(86_401)
    end = await executor.execute(command, Turn(since, number=200, put_back_at=put_back_at))
    assert end.execution.status is ExecutionStatus.DEAD_LETTERED


async def test_giving_up_asks_whether_the_last_try_did_it_after_all(
    world: Any, make_command: Make, call: Calls
) -> None:
    shop = world.forgetful("operations_desk")
    world.faults.coming["EXE_1:0"] = ["down_after"]
    executor = world.executor(systems={"operations_desk": shop})
    command = make_command(call["job"]())
    assert (await execute(executor, command)).status is ExecutionStatus.FAILED
    execution = (await executor.give_up(command, reason="It has waited for too long.")).execution
    assert (execution.status, execution.steps[0].external_id) == (OVER, "EXT-1")
    assert shop.made == {"EXE_1:0": 1}


async def test_a_step_that_rests_is_left_alone_and_holds_up_no_other(
    world: Any, make_command: Make, call: Calls
) -> None:
    executor = world.executor()
    world.faults.coming |= {"EXE_1:0": ["down"], "EXE_1:1": ["down"]}
    await executor.execute(make_command())
    turn = Turn(world.now, resting=frozenset({1}))
    execution = (await executor.execute(make_command(), turn)).execution
    assert [(step.status, step.attempts) for step in execution.steps] == [(DONE, 1), (WAITING, 1), (DONE, 1)]
    assert (await executor.execute(make_command())).execution.status is OVER


async def test_a_failure_is_news_once_while_nothing_changes(world: Any, make_command: Make, call: Calls) -> None:
    world.faults.coming["EXE_1:0"] = ["busy"] * 9
    executor, command = world.executor(), make_command(call["job"]())
    await execute(executor, command)
    sends = world.outcomes.sends
    for _ in range(4):
        await execute(executor, command)
    # The start is told at each turn, under one id.
    assert world.outcomes.sends - sends == 4


async def test_what_is_done_at_once_tells_what_it_costs(world: Any, make_command: Make, call: Calls) -> None:
    shop = world.forgetful("shop", is_done=True)
    credit = {"resident_id": "RES_1", "amount_usd": 25.5, "reason": "No hot water"}
    correction = {
        "resident_id": "RES_1", "charge_id": "CH_1", "charged_usd": 90.0, "correct_usd": 60.0, "reason": "Counted twice"
    }  # fmt: skip
    command = make_command(
        ActionCall(action=ActionKind.CREDIT_BILL, parameters=credit),
        ActionCall(action=ActionKind.CORRECT_BILL, parameters=correction),
        ActionCall(action=ActionKind.ORDER_PART, parameters={"part": "P-1", "cost_limit_usd": 12.0}),
        call["task"](),
    )
    routes = {step.action: "shop" for step in command.actions}
    await execute(world.executor(systems={"shop": shop}, routes=routes), command)
    told = [each for each in await world.news() if each.kind == "work_completed"]
    assert [each.actual_cost_usd for each in told] == [25.5, 30.0, 12.0, None]


@pytest.mark.parametrize(("urgency", "category"), [(Urgency.EMERGENCY, Category.MAINTENANCE), (Urgency.HIGH, None)])
def test_only_an_emergency_chooses_whose_turn_it_is_by_its_category(
    make_command: Make, urgency: Urgency, category: Category | None
) -> None:
    parameters = {"role": "staff", "subject": "Gas", "body": "Smell of gas", "category": Category.MAINTENANCE}
    alert = ActionCall(action=ActionKind.ALERT_ON_CALL, parameters=parameters)
    context = context_of(make_command(alert, urgency=urgency), 0, 0)
    assert compose_notification(alert, context).category is category


async def test_an_abandoned_execution_may_be_started_anew(world: Any, make_command: Make) -> None:
    world.faults.coming["EXE_1:1"] = ["reject"]
    executor = world.executor()
    await execute(executor, make_command())
    assert (await execute(executor, make_command())).status is ExecutionStatus.DEAD_LETTERED
    execution = await execute(executor, make_command(), again=True)
    assert execution.status is OVER
    assert [step.attempts for step in execution.steps] == [1, 2, 1]
    assert [outcome.kind for outcome in await world.news()] == ["running", "dead_lettered", "succeeded"]


async def test_an_id_that_was_used_for_other_actions_is_refused(world: Any, make_command: Make, call: Calls) -> None:
    executor = world.executor()
    await execute(executor, make_command())
    with pytest.raises(Conflict):
        await execute(executor, make_command(call["job"]("Something else")))
    assert await world.jobs() == ["Fix the tap"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(
        st.lists(st.sampled_from(["down", "down_after", "crash", "crash_after"]), max_size=3), min_size=3, max_size=3
    )
)
def test_whatever_fails_each_action_happens_once(
    make_world: Callable[[Path], Any], make_command: Make, faults: list[list[str]]
) -> None:
    async def play() -> None:
        with tempfile.TemporaryDirectory() as folder:
            world = make_world(Path(folder))
            world.faults.coming |= {f"EXE_1:{index}": list(each) for index, each in enumerate(faults)}
            executor = world.executor(attempts=9)
            needed = 1 + max(map(len, faults))
            statuses = [(await execute(executor, make_command())).status for _ in range(needed)]
            assert statuses[-1] is OVER
            assert await world.jobs() == ["Fix the tap"]
            assert sorted(await world.inbox_subjects()) == ["Gas", "We are on it"]
            await world.close()

    asyncio.run(play())
