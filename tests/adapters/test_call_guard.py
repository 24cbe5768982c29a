"""A guarded system is called within its limits, left alone while it fails, and nothing is done twice."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from adapters.call_guard import CallGuard, GuardedChannel, GuardedSystem
from core.errors import ActionRejected, Conflict, SystemBusy, SystemUnavailable
from core.execution import ActionCall
from core.execution_labels import ActionKind, ChannelName
from core.labels import Urgency
from core.ports.execution import ActionContext, Effect, Envelope, SystemState
from core.ports.rate_limits import RateAllowance
from core.request import ExecutionId
from core.systems import LONGEST_PAUSE_S, CallPolicy
from tests.clock import Clock

CALL = ActionCall(action=ActionKind.CREATE_STAFF_TASK, parameters={"title": "t", "crew": "office"})
CONTEXT = ActionContext(ExecutionId("EXEC_1"), None, Urgency.LOW, "C", "EXEC_1:0")
ENVELOPE = Envelope(address="a@example.org", subject="s", body="b", language="en", message_id="M")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.call_guard.FIRST_PAUSE_S", 0.001)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("purgatory.domain.model.time.time", clock)
    return clock


def guard(**policy: Any) -> CallGuard:
    return CallGuard("billing", CallPolicy(**policy))


class Work:
    """Ends as told, once for each call; well where nothing is left to be told."""

    def __init__(self, *ends: BaseException | None) -> None:
        self.ends = list(ends)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        problem = self.ends.pop(0) if self.ends else None
        if problem is not None:
            raise problem
        return "done"


DOWN = SystemUnavailable("down")


async def call(guard: CallGuard, *ends: BaseException | None, may_repeat: bool = False) -> str:
    """The result, or the name of the error."""
    try:
        return await guard.call(Work(*ends), may_repeat=may_repeat)
    except Exception as problem:
        return type(problem).__name__


async def test_what_may_have_been_done_is_tried_again_and_nothing_else_is() -> None:
    for problem, calls in (
        (DOWN, 3), (TimeoutError(), 3), (KeyError("x"), 3), (ActionRejected("no"), 1), (SystemBusy("later"), 1),
        (Conflict("no"), 1),
    ):  # fmt: skip
        work = Work(problem, problem)
        if calls == 1:
            with pytest.raises(type(problem)):
                await guard(attempts=3).call(work, may_repeat=True)
        else:
            assert await guard(attempts=3).call(work, may_repeat=True) == "done"
        assert work.calls == calls
        once = Work(problem)
        with pytest.raises(Exception, match=r".") as caught:
            await guard(attempts=3).call(once, may_repeat=False)
        assert isinstance(caught.value, SystemUnavailable | ActionRejected | Conflict)
        assert once.calls == 1


async def test_the_tries_are_counted_and_the_last_error_is_told() -> None:
    work = Work(*[SystemUnavailable(f"{n}") for n in range(9)])
    with pytest.raises(SystemUnavailable, match="2"):
        await guard(attempts=3).call(work, may_repeat=True)
    assert work.calls == 3


async def test_before_a_repetition_the_system_is_asked() -> None:
    found: list[str | None] = [None, "found"]

    async def find() -> str | None:
        return found.pop(0)

    work = Work(DOWN, DOWN, DOWN)
    assert await guard(attempts=4).call(work, may_repeat=True, find=find) == "found"
    assert (work.calls, found) == (2, [])


async def test_what_cannot_be_asked_is_not_repeated() -> None:
    work, asked = Work(DOWN), 0

    async def find() -> str | None:
        nonlocal asked
        asked += 1
        raise SystemUnavailable("still down")

    with pytest.raises(SystemUnavailable):
        await guard(attempts=4).call(work, may_repeat=True, find=find)
    assert (work.calls, asked) == (1, 3)


@pytest.mark.parametrize("policy", [{"breaker_failures": 1}, {"rate": "1/hour"}])
async def test_busy_after_an_unclear_try_does_not_pass_for_nothing_done(policy: dict[str, Any]) -> None:
    work = Work(DOWN)
    with pytest.raises(SystemUnavailable) as caught:
        await guard(attempts=3, **policy).call(work, may_repeat=True)
    assert type(caught.value) is SystemUnavailable
    assert caught.value.detail == "down"
    assert work.calls == 1
    told_off = Work(DOWN, SystemBusy("429"))
    with pytest.raises(SystemUnavailable, match="down"):
        await guard(attempts=3).call(told_off, may_repeat=True)
    assert told_off.calls == 2


async def test_a_call_has_so_much_time() -> None:
    ended: list[str] = []

    async def hang() -> str:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append("cancelled")
        return "never"

    started = time.monotonic()
    with pytest.raises(SystemUnavailable, match=r"billing did not answer within 0\.05 seconds"):
        await guard(timeout_s=0.05).call(hang, may_repeat=False)
    assert time.monotonic() - started < 1.0
    assert ended == ["cancelled"]


async def test_the_circuit_opens_and_one_probe_closes_it(clock: Clock) -> None:
    billing = guard(breaker_failures=2, breaker_reset_s=30.0)
    assert [await call(billing, DOWN), await call(billing, TimeoutError())] == ["SystemUnavailable"] * 2
    assert billing.state().status == "left_alone"
    untouched = Work()
    with pytest.raises(SystemBusy) as caught:
        await billing.call(untouched, may_repeat=True)
    assert untouched.calls == 0
    assert 0 < caught.value.wait_s <= 30.0
    clock.now += 12
    assert await call(billing) == "SystemBusy"
    clock.now += 19
    release = asyncio.Event()

    async def probe() -> str:
        await release.wait()
        return "back"

    task = asyncio.create_task(billing.call(probe, may_repeat=False))
    await asyncio.sleep(0)
    assert [await call(billing) for _ in range(3)] == ["SystemBusy"] * 3
    release.set()
    assert await task == "back"
    assert billing.state().status == "ok"
    assert await call(billing) == "done"


async def test_the_wait_is_the_time_to_the_probe(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.circuit.time.time", clock)
    billing = guard(breaker_failures=1, breaker_reset_s=30.0)
    await call(billing, DOWN)
    clock.now += 12
    with pytest.raises(SystemBusy) as caught:
        await billing.call(Work(), may_repeat=False)
    assert caught.value.wait_s == pytest.approx(18.0)


async def test_a_failed_probe_opens_it_again(clock: Clock) -> None:
    billing = guard(breaker_failures=3, breaker_reset_s=30.0)
    for _ in range(3):
        await call(billing, DOWN)
    clock.now += 31
    assert await call(billing, DOWN) == "SystemUnavailable"
    assert await call(billing) == "SystemBusy"


async def test_refusals_and_a_used_up_rate_open_no_circuit() -> None:
    billing = guard(breaker_failures=2)
    for problem in (ActionRejected("no"), SystemBusy("429"), Conflict("no")) * 3:
        await call(billing, problem)
    assert billing.state().status == "ok"
    assert await call(billing, DOWN) == "SystemUnavailable"
    assert await call(billing, ActionRejected("no")) == "ActionRejected"
    assert await call(billing, DOWN) == "SystemUnavailable"
    assert billing.state().status == "failing"
    assert await call(billing) == "done"


async def test_without_room_a_call_is_refused_at_once() -> None:
    billing = guard(concurrency=2)
    release = asyncio.Event()

    async def wait() -> str:
        await release.wait()
        return "done"

    tasks = [asyncio.create_task(billing.call(wait, may_repeat=False)) for _ in range(2)]
    await asyncio.sleep(0)
    assert billing.state().in_flight == 2
    started = time.monotonic()
    with pytest.raises(SystemBusy, match="no room") as caught:
        await billing.call(wait, may_repeat=True)
    assert time.monotonic() - started < 0.1
    assert caught.value.wait_s > 0
    release.set()
    assert await asyncio.gather(*tasks) == ["done"] * 2
    assert billing.state().in_flight == 0
    assert await call(billing) == "done"


async def test_a_call_that_is_cancelled_gives_its_place_back() -> None:
    billing = guard(concurrency=1)
    task = asyncio.create_task(billing.call(asyncio.Event().wait, may_repeat=False))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await call(billing) == "done"


async def test_a_full_system_holds_up_no_other() -> None:
    slow, quick = guard(concurrency=1), guard(concurrency=1)
    task = asyncio.create_task(slow.call(asyncio.Event().wait, may_repeat=False))
    await asyncio.sleep(0)
    assert (await call(slow), await call(quick)) == ("SystemBusy", "done")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_so_many_calls_in_a_while() -> None:
    billing = guard(rate="3/hour")
    assert [await call(billing) for _ in range(3)] == ["done"] * 3
    with pytest.raises(SystemBusy, match="3/hour") as caught:
        await billing.call(Work(), may_repeat=True)
    assert 3500 < caught.value.wait_s <= 3600
    assert billing.state().calls == 3


async def test_the_rate_is_counted_by_the_shared_limiter_and_not_while_the_circuit_is_open() -> None:
    class Limiter:
        taken = 0

        async def take(self, caller: str) -> RateAllowance:
            assert caller == "billing"
            self.taken += 1
            return RateAllowance(True, 9, 9, 0.0)

    limiter = Limiter()
    billing = CallGuard("billing", CallPolicy(rate="9/hour", breaker_failures=1), limiter=limiter)
    for ends in ([], [DOWN], []):
        await call(billing, *ends)
    assert limiter.taken == 2


async def test_the_state_tells_how_it_goes() -> None:
    billing = guard(breaker_failures=2)
    assert billing.state() == SystemState("billing", "ok")
    await call(billing)
    await call(billing, DOWN)
    assert billing.state() == SystemState("billing", "failing", 0, 2, 1, "down")
    await call(billing)
    assert billing.state().status == "ok"


class Ledger:
    """An outside system without idempotency: what is done twice is there twice."""

    name = "ledger"

    def __init__(self, fail: Callable[[int], Awaitable[None]]) -> None:
        self.done: list[str] = []
        self._fail, self._calls = fail, 0
        self.closed = False

    async def perform(self, call: ActionCall, context: ActionContext) -> Effect:
        self.done.append(context.idempotency_key)
        self._calls += 1
        await self._fail(self._calls)
        return Effect(f"L{len(self.done)}")

    async def find(self, call: ActionCall, context: ActionContext) -> Effect | None:
        return Effect("found") if context.idempotency_key in self.done else None

    async def undo(self, call: ActionCall, context: ActionContext, external_id: str) -> bool:
        self.done.remove(context.idempotency_key)
        return True

    def state(self) -> SystemState:
        return SystemState(self.name, "ok")

    async def close(self) -> None:
        self.closed = True


async def lose_first_answer(number: int) -> None:
    if number == 1:
        raise SystemUnavailable("the answer was lost")


async def test_an_action_whose_answer_was_lost_is_not_done_twice() -> None:
    ledger = Ledger(lose_first_answer)
    system = GuardedSystem(ledger, CallGuard("ledger", CallPolicy(attempts=3)))
    assert (await system.perform(CALL, CONTEXT)).external_id == "found"
    assert ledger.done == ["EXEC_1:0"]
    assert await system.find(CALL, CONTEXT) == Effect("found")
    assert await system.undo(CALL, CONTEXT, "found")
    assert await system.find(CALL, CONTEXT) is None
    assert (system.name, system.state().calls) == ("ledger", 5)
    await system.close()
    assert ledger.closed


class Letters:
    name = ChannelName.EMAIL
    sent = 0

    async def deliver(self, envelope: Envelope) -> str:
        self.sent += 1
        raise SystemUnavailable("the answer was lost")

    def state(self) -> SystemState:
        return SystemState("mail", "ok")

    async def close(self) -> None:
        pass


async def test_a_delivery_is_not_repeated_at_once() -> None:
    letters = Letters()
    channel = GuardedChannel(letters, CallGuard("mail", CallPolicy(attempts=3)))
    with pytest.raises(SystemUnavailable):
        await channel.deliver(ENVELOPE)
    assert letters.sent == 1
    assert (channel.name, channel.state().failures) == (ChannelName.EMAIL, 1)


async def test_no_action_takes_longer_than_the_policy_says() -> None:
    policy = CallPolicy(attempts=3, timeout_s=0.05)

    async def hang(*_: Any) -> Any:
        await asyncio.sleep(30)

    started = time.monotonic()
    with pytest.raises(SystemUnavailable):
        await CallGuard("slow", policy).call(hang, may_repeat=True, find=hang)
    assert time.monotonic() - started < policy.longest_s
    assert policy.longest_s == pytest.approx(5 * 0.05 + 2 * LONGEST_PAUSE_S)
