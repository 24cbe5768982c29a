"""The sweeper on the real store: whatever is due happens once in effect, whoever dies, and however many sweep."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import ServiceUnavailable
from core.execution_labels import ActionKind
from core.labels import Category, Status, Urgency
from core.messages import ItemFailure
from core.metrics import DUE_WORK
from core.record import NextAction, RequestRecord
from deployments.request_management import decisions, lifecycle, news
from deployments.request_management import due_work as sweeping
from deployments.request_management.due_work import due_actions
from tests.clock import ManualClock
from tests.deployments.request_management.stage import (
    MORNING,
    Peers,
    Stage,
    build_decided,
    build_decision,
    build_open,
    choose_first,
    sent,
    staged,
)

HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MORNING)


@pytest.fixture
def peers() -> Peers:
    return Peers()


@pytest.fixture
async def stage(tmp_path: Path, clock: ManualClock, peers: Peers) -> AsyncIterator[Stage]:
    async with staged(tmp_path, peers, clock) as made:
        yield made


def in_progress() -> RequestRecord:
    chosen = choose_first(build_decided(*build_decision()), MORNING)
    change = news.dispatched(chosen, chosen.outbox, MORNING)
    assert change is not None
    return sent(change.record)


async def test_a_clock_runs_its_whole_course(stage: Stage, clock: ManualClock) -> None:
    record = await stage.add(in_progress())
    for hours, kind in ((24, "response_breached"), (96, "sla_warning"), (120, "sla_breached")):
        clock.now = MORNING + timedelta(hours=hours) - timedelta(seconds=1)
        assert await stage.sweep() == 0
        clock.advance(1)
        assert await stage.sweep() == 1
        assert (await stage.kinds(record))[-2:] == [kind, "execution_queued"]
        (command,) = await stage.commands()
        assert command.actions[0].action is ActionKind.NOTIFY
    after = await stage.get(record)
    assert after.request.sla is not None
    assert (after.request.sla.response_breached, after.request.sla.breached) == (True, True)
    assert after.next_action is None
    clock.advance(10_000_000)
    assert await stage.sweep() == 0


async def test_all_that_is_due_of_a_request_is_done_in_one_sweep(stage: Stage, clock: ManualClock) -> None:
    record = await stage.add(in_progress())
    clock.now = MORNING + 200 * HOUR
    assert await stage.sweep() == 1
    kinds = await stage.kinds(record)
    # A warning that comes after the breach would tell nobody anything.
    assert sorted(kind for kind in kinds if kind != "execution_queued") == ["response_breached", "sla_breached"]
    assert len(await stage.commands()) == 2
    assert (await stage.get(record)).timers == {}


async def test_what_nobody_confirms_closes(stage: Stage, clock: ManualClock) -> None:
    done = sent(lifecycle.resolve(in_progress(), "sam", "done", MORNING).record)
    record = await stage.add(done)
    clock.now = MORNING + 168 * HOUR
    await stage.sweep()
    assert (await stage.get(record)).request.status is Status.CLOSED
    assert await stage.commands() == []


class Dying(Exception):
    """The process is gone."""


class Mortal:
    """A store whose process dies around its nth write: before it is on disk, or right after."""

    def __init__(self, store: Any, dies_at: int, after_write: bool) -> None:
        self._store, self._left, self._after = store, dies_at, after_write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def save(self, record: RequestRecord, **rest: Any) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise asyncio.CancelledError
        await self._store.save(record, **rest)
        if self._left == 0:
            raise asyncio.CancelledError


@pytest.mark.parametrize("after_write", [False, True], ids=["before-the-write", "after-the-write"])
@pytest.mark.parametrize("dies_at", [1, 2, 3])
async def test_a_kill_at_any_write_loses_nothing_and_doubles_nothing(
    stage: Stage, clock: ManualClock, tmp_path: Path, dies_at: int, after_write: bool
) -> None:
    record = await stage.add(in_progress())
    clock.now = MORNING + 200 * HOUR
    mortal = Stage(tmp_path, stage.peers, clock, Mortal(stage.store, dies_at, after_write))
    await mortal.sweep()
    await mortal.queue.close()
    # Nobody else touches it while the lease of the dead one runs; afterwards another does what is left.
    clock.advance(16)
    while await stage.sweep():
        clock.advance(16)
    kinds = await stage.kinds(record)
    assert kinds.count("response_breached") == 1
    assert kinds.count("sla_breached") == 1
    commands = await stage.commands()
    assert len({command.execution_id for command in commands}) == 2
    after = await stage.get(record)
    assert (after.timers, after.outbox, after.next_action) == ({}, (), None)


async def test_two_sweepers_do_everything_once(stage: Stage, clock: ManualClock, tmp_path: Path) -> None:
    records = [
        await stage.add(
            in_progress().model_copy(
                update={"request": in_progress().request.model_copy(update={"request_id": f"REQ_{number:03d}_x"})}
            )
        )
        for number in range(60)
    ]
    other = Stage(tmp_path, stage.peers, clock)
    clock.now = MORNING + 200 * HOUR
    while sum(await asyncio.gather(stage.sweep(), other.sweep())):
        pass
    await other.close()
    for record in records:
        kinds = await stage.kinds(record)
        assert (kinds.count("response_breached"), kinds.count("sla_breached")) == (1, 1)
    commands = await stage.commands()
    assert len(commands) == len({command.execution_id for command in commands}) == 120


async def test_a_sweeper_takes_no_more_than_it_has_room_for(
    stage: Stage, clock: ManualClock, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "CAPACITY", 3)
    for number in range(5):
        await stage.add(build_open(request_id=f"REQ_{number}_x"))
    gate = asyncio.Event()
    peers.before_answer = gate.wait
    clock.advance(20)
    assert await stage.sweeper.sweep() == 3
    assert await stage.sweeper.sweep() == 0
    gate.set()
    await stage.sweeper.settle()
    assert await stage.sweep() == 2


async def test_an_effect_that_fails_holds_up_no_other_and_is_tried_again(
    stage: Stage, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    record = await stage.add(in_progress())
    other = await stage.add(
        sent(lifecycle.resolve(in_progress(), "sam", "done", MORNING).record).model_copy(
            update={
                "request": lifecycle.resolve(in_progress(), "sam", "done", MORNING).record.request.model_copy(
                    update={"request_id": "REQ_other_x"}
                )
            }
        )
    )
    clock.now = MORNING + 200 * HOUR

    def broken(record: RequestRecord, now: object) -> None:
        raise ValueError("a bug")

    with monkeypatch.context() as patch:
        patch.setitem(sweeping.EFFECTS, NextAction.SLA_BREACH, broken)  # pyright: ignore[reportArgumentType]
        patch.setitem(sweeping.EFFECTS, NextAction.RESPONSE_BREACH, broken)  # pyright: ignore[reportArgumentType]
        with caplog.at_level(logging.DEBUG):
            await stage.sweep()
    assert (await stage.get(other)).request.status is Status.CLOSED
    assert record.request.message_text not in caplog.text
    clock.advance(16)
    await stage.sweep()
    assert (await stage.kinds(record)).count("sla_breached") == 1


async def test_what_is_due_and_unclaimed_is_the_lag(stage: Stage, clock: ManualClock) -> None:
    assert await stage.sweeper.lag_s() == 0.0
    await stage.add(in_progress())
    assert await stage.sweeper.lag_s() == 0.0
    clock.now = MORNING + 24 * HOUR + timedelta(seconds=90)
    assert await stage.sweeper.lag_s() == 90.0
    await stage.sweep()
    assert await stage.sweeper.lag_s() == 0.0


async def test_what_was_begun_is_counted(stage: Stage, clock: ManualClock) -> None:
    await stage.add(in_progress())
    clock.now = MORNING + 24 * HOUR
    await stage.sweep()
    assert stage.meter.figures[DUE_WORK] == {(NextAction.RESPONSE_BREACH,): 1}


async def test_what_others_do_is_handed_to_them(stage: Stage, clock: ManualClock) -> None:
    seen: list[str] = []
    record = in_progress()
    due = {**record.timers, NextAction.PUBLISH: MORNING}
    await stage.add(
        record.model_copy(update={"timers": due, "next_action": NextAction.PUBLISH, "next_action_at": MORNING})
    )

    async def publish(record: RequestRecord) -> None:
        seen.append(record.request.request_id)

    stage.sweeper.on(NextAction.PUBLISH, lambda record: asyncio.ensure_future(publish(record)))
    await stage.sweep()
    assert seen == [record.request.request_id]


async def test_what_nothing_decided_gets_its_terms_when_policy_can_be_asked(
    stage: Stage, clock: ManualClock, peers: Peers
) -> None:
    failure = ItemFailure(code="unavailable", detail="a part is down.")
    record = await stage.add(decisions.give_to_person(build_open(), failure, MORNING).record)
    peers.promising = ServiceUnavailable("down")
    clock.advance(10)
    await stage.sweep()
    waiting = await stage.get(record)
    assert waiting.request.sla is None
    assert NextAction.REVISE in waiting.timers
    peers.promising = None
    assert await stage.sweep() == 0
    clock.advance(16)
    await stage.sweep()
    after = await stage.get(record)
    assert after.request.sla is not None
    assert peers.promised == [(Category.OTHER, Urgency.HIGH)] * 2
    assert after.timers[NextAction.SLA_BREACH] == MORNING + 24 * HOUR
    assert NextAction.REVISE not in after.timers


async def test_a_pipeline_that_nobody_finished_is_resumed(stage: Stage, clock: ManualClock) -> None:
    record = await stage.add(build_open())
    clock.advance(14)
    assert await stage.sweep() == 0
    clock.advance(1)
    assert await stage.sweep() == 1
    assert (await stage.get(record)).request.status is Status.AWAITING_SELECTION


def test_a_claimed_record_tells_all_that_is_due_of_it() -> None:
    record = in_progress()
    claimed = record.model_copy(update={"next_action_at": MORNING + 200 * HOUR})
    assert due_actions(claimed, MORNING) == (NextAction.RESPONSE_BREACH,)
    late = MORNING + 150 * HOUR
    assert set(due_actions(claimed, late)) == set(record.timers)
