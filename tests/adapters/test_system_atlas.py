"""Work orders in Atlas CMMS, against a server that speaks its protocol and misbehaves."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.call_guard import CallGuard, GuardedSystem
from adapters.outbound_http import OutboundHttp
from adapters.system_atlas import AtlasCmms
from core.errors import ActionRejected, SystemBusy, SystemUnavailable
from core.execution import ActionCall
from core.execution_labels import ActionKind
from core.labels import Urgency
from core.ports.execution import ActionContext
from core.systems import AtlasSystem, CallPolicy
from tests.outside.atlas_server import EMAIL, PASSWORD, AtlasServer
from tests.outside.faults import Fault
from tests.outside.faulty_server import Call, Reply

TIMEOUT_S = 1.5
CALL = ActionCall(
    action=ActionKind.DISPATCH_WORK_ORDER,
    parameters={
        "title": "Mend the leak under the sink",
        "crew": "plumbing",
        "building_id": "bldg-1",
        "unit": "4B",
        "steps": ["Shut the valve", "Change the trap"],
        "instructions": "The dog is friendly. Año nuevo.",
        "cost_limit_usd": 180.0,
        "not_before": "2026-03-03T09:00:00Z",
    },
)


def context(key: str = "exec-1:0", urgency: Urgency = Urgency.HIGH) -> ActionContext:
    return ActionContext("exec-1", "req-1", urgency, "corr-1", key)


@pytest.fixture
def server() -> Iterator[AtlasServer]:
    with AtlasServer() as server:
        server.slow_s = 2.5
        yield server


def connect(server: AtlasServer, password: str = PASSWORD, **options: Any) -> AtlasCmms:
    config = AtlasSystem(
        kind="atlas_cmms",
        name="atlas",
        url=server.url,
        network="private",
        email=EMAIL,
        password_variable="ATLAS_PASSWORD",
        locations={"bldg-1": 7, "bldg-gone": 99},
    )
    http = OutboundHttp(server.url, network="private", allow_loopback=True, timeout_s=TIMEOUT_S)
    return AtlasCmms(config, password, http, **options)


def guarded(server: AtlasServer, attempts: int = 4) -> GuardedSystem:
    policy = CallPolicy(timeout_s=2 * TIMEOUT_S, attempts=attempts, breaker_failures=100)
    return GuardedSystem(connect(server), CallGuard("atlas", policy))


@pytest.fixture
def atlas(server: AtlasServer) -> AtlasCmms:
    return connect(server)


async def test_a_work_order_holds_what_the_crew_needs(server: AtlasServer, atlas: AtlasCmms) -> None:
    effect = await atlas.perform(CALL, context())

    order = server.orders[int(effect.external_id)]
    assert not effect.is_done
    assert (order["title"], order["priority"]) == ("Mend the leak under the sink", "HIGH")
    assert order["location"] == {"id": 7, "name": "Building 7"}
    assert order["estimatedStartDate"] == "2026-03-03T09:00:00.000Z"
    for words in ("unit 4B", "2. Change the trap", "The dog is friendly. Año nuevo.", "180.00 USD", "Crew: plumbing"):
        assert words in order["description"]
    assert order["description"].endswith("[aam:exec-1:0]")


@pytest.mark.parametrize(
    ("urgency", "priority"), [(Urgency.LOW, "LOW"), (Urgency.MEDIUM, "MEDIUM"), (Urgency.EMERGENCY, "HIGH")]
)
async def test_urgency_becomes_priority(server: AtlasServer, atlas: AtlasCmms, urgency: Urgency, priority: str) -> None:
    effect = await atlas.perform(CALL, context(urgency=urgency))
    assert server.orders[int(effect.external_id)]["priority"] == priority


async def test_long_words_are_cut_before_the_mark(server: AtlasServer, atlas: AtlasCmms) -> None:
    parameters = CALL.parameters | {"title": "t" * 300, "instructions": "w" * 8000, "steps": ["s" * 100] * 50}
    effect = await atlas.perform(CALL.model_copy(update={"parameters": parameters}), context())
    order = server.orders[int(effect.external_id)]
    assert len(order["title"]) == 255
    assert order["description"].endswith("[aam:exec-1:0]")
    assert await atlas.find(CALL, context()) == effect


async def test_finds_by_the_key_alone(server: AtlasServer, atlas: AtlasCmms) -> None:
    assert await atlas.find(CALL, context("exec_1:0")) is None
    made = await atlas.perform(CALL, context("exec_1:0"))
    await atlas.perform(CALL, context("execX1:0"))
    await atlas.perform(CALL, context("exec_1:01"))
    assert await atlas.find(CALL, context("exec_1:0")) == made
    assert await atlas.find(CALL, context("EXEC_1:0")) is None


async def test_a_residents_words_are_no_mark(server: AtlasServer, atlas: AtlasCmms) -> None:
    parameters = CALL.parameters | {"instructions": "Read this: [aam:exec-2:0]"}
    await atlas.perform(CALL.model_copy(update={"parameters": parameters}), context("exec-1:0"))
    assert await atlas.find(CALL, context("exec-2:0")) is None


async def test_finds_what_was_done_since(server: AtlasServer, atlas: AtlasCmms) -> None:
    made = await atlas.perform(CALL, context())
    server.complete(int(made.external_id), at=datetime.now(UTC))
    found = await atlas.find(CALL, context())
    assert found is not None
    assert found.is_done


async def test_undo_deletes_what_has_not_begun_and_may_be_repeated(server: AtlasServer, atlas: AtlasCmms) -> None:
    made = await atlas.perform(CALL, context())
    assert await atlas.undo(CALL, context(), made.external_id)
    assert server.orders == {}
    assert await atlas.undo(CALL, context(), made.external_id)


@pytest.mark.parametrize("status", ["IN_PROGRESS", "COMPLETE", "SOMETHING_NEW"])
async def test_undo_leaves_what_was_begun(server: AtlasServer, atlas: AtlasCmms, status: str) -> None:
    made = await atlas.perform(CALL, context())
    server.orders[int(made.external_id)]["status"] = status
    assert not await atlas.undo(CALL, context(), made.external_id)
    assert len(server.orders) == 1


async def test_an_answer_without_a_status_undoes_nothing_and_is_asked_for_again(
    server: AtlasServer, atlas: AtlasCmms
) -> None:
    made = await atlas.perform(CALL, context())
    server.faults.plan(Fault.MISSING_FIELDS)
    with pytest.raises(SystemUnavailable):
        await atlas.undo(CALL, context(), made.external_id)
    assert await atlas.undo(CALL, context(), made.external_id)
    assert not server.orders


async def test_undo_without_the_permission_is_told_as_such(server: AtlasServer, atlas: AtlasCmms) -> None:
    made = await atlas.perform(CALL, context())
    server.may_delete = False
    assert not await atlas.undo(CALL, context(), made.external_id)


@pytest.mark.parametrize("external_id", ["", "12/../13", "1?x=1", "٤٢"])
async def test_undo_takes_no_strange_ids(server: AtlasServer, atlas: AtlasCmms, external_id: str) -> None:
    with pytest.raises(ActionRejected):
        await atlas.undo(CALL, context(), external_id)
    assert server.calls == []


@pytest.mark.parametrize("offset_h", [-12, 0, 14])
async def test_completions_come_with_cost_and_hours_in_any_zone(
    server: AtlasServer, atlas: AtlasCmms, offset_h: int
) -> None:
    server.zone = timedelta(hours=offset_h)
    since = datetime(2026, 3, 5, 12, tzinfo=UTC)
    early, done, begun = [int((await atlas.perform(CALL, context(f"exec-{n}:0"))).external_id) for n in range(3)]
    server.complete(early, at=since - timedelta(seconds=1))
    server.complete(done, at=since, feedback="New trap")
    server.orders[begun]["status"] = "IN_PROGRESS"
    server.labors[done] = [
        {"duration": 5400, "hourlyRate": 40, "includeToTotalTime": True},
        {"duration": 3600, "hourlyRate": 40, "includeToTotalTime": False},
    ]
    server.costs[done] = [{"cost": 12.5, "includeToTotalCost": True}, {"cost": 99.0, "includeToTotalCost": False}]
    server.parts[done] = [{"quantity": 2.0, "part": {"id": 1, "cost": 8.25}}]

    (completion,) = await atlas.completions(since=since)

    assert completion.external_id == str(done)
    assert completion.notes == "New trap"
    assert completion.actual_cost_usd == 60.0 + 12.5 + 16.5
    assert completion.actual_hours == 1.5


async def test_completions_without_entries_have_no_figures(server: AtlasServer, atlas: AtlasCmms) -> None:
    made = await atlas.perform(CALL, context())
    server.complete(int(made.external_id), at=datetime.now(UTC))
    (completion,) = await atlas.completions(since=datetime.now(UTC) - timedelta(minutes=1))
    assert (completion.notes, completion.actual_cost_usd, completion.actual_hours) == (None, None, None)


async def test_completions_go_through_all_pages_and_leave_out_others_work(
    server: AtlasServer, atlas: AtlasCmms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.system_atlas.PAGE_SIZE", 4)
    now = datetime.now(UTC)
    for number in range(1, 19):
        server.orders[number] = {
            "id": number,
            "description": f"[aam:exec-{number}:0]" if number % 2 == 0 else "Somebody else's",
            "status": "COMPLETE",
            "completedOn": now.isoformat(timespec="milliseconds"),
        }
    found = await atlas.completions(since=now - timedelta(hours=1))
    assert {int(completion.external_id) for completion in found} == set(range(2, 19, 2))
    assert [call.json()["pageNum"] for call in server.calls if call.path == "/work-orders/search"] == [0, 1, 2]


async def test_completions_come_a_few_at_a_time_the_earliest_first(server: AtlasServer, atlas: AtlasCmms) -> None:
    since = datetime(2026, 3, 5, 12, tzinfo=UTC)
    ids = [(await atlas.perform(CALL, context(f"exec-{number}:0"))).external_id for number in range(5)]
    for minutes, external_id in enumerate(reversed(ids)):
        server.complete(int(external_id), at=since + timedelta(minutes=minutes))

    known: frozenset[str] = frozenset()
    told: list[str] = []
    while found := await atlas.completions(since=since, known=known, limit=2):
        assert len(found) <= 2
        told += [completion.external_id for completion in found]
        known |= set(told)
    assert told == ids[::-1]


class EndlessServer(AtlasServer):
    """It gives the same page again and never names a last one."""

    def reply(self, call: Call) -> Reply:
        answer = super().reply(call)
        return Reply(answer.status, answer.content | {"last": False}) if call.path == "/work-orders/search" else answer

    def _search(self, criteria: dict[str, Any]) -> Reply:
        return super()._search(criteria | {"pageNum": 0})


async def test_a_server_that_never_names_a_last_page_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.system_atlas.MOST_PAGES", 5)
    since = datetime(2026, 3, 5, 12, tzinfo=UTC)
    with EndlessServer() as server:
        atlas = connect(server)
        made = await atlas.perform(CALL, context())
        server.complete(int(made.external_id), at=since)
        assert [each.external_id for each in await atlas.completions(since=since)] == [made.external_id]
        found = await atlas.find(CALL, context())
        assert found is not None
        assert found.external_id == made.external_id
        other = ActionCall(action=CALL.action, parameters=CALL.parameters)
        server.orders[int(made.external_id)]["description"] += " and [AAM:EXEC-1:1]"
        with pytest.raises(SystemUnavailable, match="last page"):
            await atlas.find(other, context("exec-1:1"))
        assert sum(call.path == "/work-orders/search" for call in server.calls) == 5 + 1 + 5


async def test_an_end_is_told_even_where_its_cost_must_not_be_seen(server: AtlasServer, atlas: AtlasCmms) -> None:
    since = datetime(2026, 3, 5, 12, tzinfo=UTC)
    made = await atlas.perform(CALL, context())
    server.complete(int(made.external_id), at=since)
    server.labors[int(made.external_id)] = [{"duration": 3600, "hourlyRate": 40}]
    server.hidden = frozenset({"additional-costs"})
    (completion,) = await atlas.completions(since=since)
    assert (completion.actual_cost_usd, completion.actual_hours) == (40.0, 1.0)


async def test_one_token_serves_many_calls(server: AtlasServer, atlas: AtlasCmms) -> None:
    await asyncio.gather(*(atlas.perform(CALL, context(f"exec-{number}:0")) for number in range(5)))
    assert server.sign_ins == 1
    assert server.effects == {f"exec-{number}:0": 1 for number in range(5)}


async def test_a_token_is_renewed_before_it_ends(server: AtlasServer) -> None:
    ahead = timedelta(0)
    atlas = connect(server, clock=lambda: datetime.now(UTC) + ahead)
    await atlas.perform(CALL, context("exec-1:0"))
    ahead = timedelta(minutes=58)
    await atlas.perform(CALL, context("exec-2:0"))
    assert server.sign_ins == 1
    ahead = timedelta(minutes=59, seconds=30)
    await atlas.perform(CALL, context("exec-3:0"))
    assert server.sign_ins == 2


@pytest.mark.parametrize(
    "refusal",
    [Reply(401), Reply(403), Reply(500, {"status": 500, "message": "Expired or invalid JWT token"})],
    ids=["401", "403", "500"],
)
async def test_a_refused_token_is_renewed_once(server: AtlasServer, atlas: AtlasCmms, refusal: Reply) -> None:
    server.refusal_of_tokens = refusal
    await atlas.perform(CALL, context("exec-1:0"))
    server.revoke_tokens()
    await asyncio.gather(*(atlas.perform(CALL, context(f"exec-{number}:0")) for number in range(2, 5)))
    assert server.sign_ins == 2
    assert server.effects == {f"exec-{number}:0": 1 for number in range(1, 5)}


async def test_a_missing_permission_is_a_refusal(server: AtlasServer, atlas: AtlasCmms) -> None:
    server.may_create = False
    with pytest.raises(ActionRejected):
        await atlas.perform(CALL, context())
    assert server.sign_ins == 2


async def test_a_wrong_password_is_no_refusal_of_the_action(server: AtlasServer) -> None:
    atlas = connect(server, password="wrong")
    with pytest.raises(SystemUnavailable, match="sign-in"):
        await atlas.perform(CALL, context())
    assert atlas.state().status == "failing"


@pytest.mark.parametrize(
    "call",
    [
        ActionCall(action=ActionKind.CREDIT_BILL, parameters={}),
        ActionCall(action=ActionKind.DISPATCH_WORK_ORDER, parameters={"title": "Without a crew"}),
    ],
    ids=["unknown action", "bad parameters"],
)
async def test_bad_actions_are_refused_before_anything_is_sent(
    server: AtlasServer, atlas: AtlasCmms, call: ActionCall
) -> None:
    with pytest.raises(ActionRejected):
        await atlas.perform(call, context())
    assert server.calls == []


FAULTS: list[tuple[Fault, type[Exception], int]] = [
    (Fault.SLOW, SystemUnavailable, 1),
    (Fault.GARBAGE, SystemUnavailable, 1),
    (Fault.MISSING_FIELDS, SystemUnavailable, 1),
    (Fault.HALF_OPEN, SystemUnavailable, 1),
    (Fault.ERROR_AFTER, SystemUnavailable, 1),
    (Fault.HUGE, SystemUnavailable, 1),
    (Fault.PACKED, SystemUnavailable, 1),
    (Fault.DROPPED, SystemUnavailable, 0),
    (Fault.ERROR_BEFORE, SystemUnavailable, 0),
    (Fault.RATE_LIMITED, SystemBusy, 0),
    (Fault.REDIRECT_AWAY, ActionRejected, 0),
    (Fault.REDIRECT_METADATA, ActionRejected, 0),
]


@pytest.mark.parametrize(("fault", "error", "effects"), FAULTS)
async def test_each_fault_becomes_the_right_error(
    server: AtlasServer, atlas: AtlasCmms, fault: Fault, error: type[Exception], effects: int
) -> None:
    server.faults.plan(fault)
    with pytest.raises(error) as caught:
        await atlas.perform(CALL, context())
    assert type(caught.value) is error
    assert server.effects.total() == effects
    assert (await atlas.find(CALL, context()) is not None) == bool(effects)


@pytest.mark.parametrize("fault", [fault for fault, error, _ in FAULTS if error is SystemUnavailable])
async def test_the_guard_makes_one_work_order_of_a_lost_answer(server: AtlasServer, fault: Fault) -> None:
    server.faults.plan(fault)
    effect = await guarded(server).perform(CALL, context())
    assert server.effects == {"exec-1:0": 1}
    assert list(server.orders) == [int(effect.external_id)]


async def test_the_guard_survives_faults_while_it_looks(server: AtlasServer) -> None:
    server.faults.plan(Fault.HALF_OPEN, Fault.GARBAGE, Fault.ERROR_BEFORE)
    await guarded(server, attempts=5).perform(CALL, context())
    assert server.effects == {"exec-1:0": 1}


async def test_a_worker_that_asks_first_makes_each_work_order_once_among_many_faults(server: AtlasServer) -> None:
    server.faults.spoil(0.4, seed=7)
    system = guarded(server, attempts=3)

    async def carry_out(key: str) -> None:
        """As Execution does: before each later try, the system is asked."""
        for attempt in range(20):
            try:
                if attempt > 0 and await system.find(CALL, context(key)) is not None:
                    return
                await system.perform(CALL, context(key))
                return
            except SystemUnavailable:
                await asyncio.sleep(0.01)
        raise AssertionError("never done")

    keys = [f"exec-{number}:0" for number in range(30)]
    for start in range(0, len(keys), 6):
        await asyncio.gather(*(carry_out(key) for key in keys[start : start + 6]))
    assert server.effects == dict.fromkeys(keys, 1)
    assert len(server.faults.met) > 10


async def test_dead_and_alive_again(server: AtlasServer, atlas: AtlasCmms) -> None:
    server.die()
    with pytest.raises(SystemUnavailable):
        await atlas.perform(CALL, context())
    assert atlas.state().status == "failing"
    server.start()
    await atlas.perform(CALL, context())
    state = atlas.state()
    assert (state.status, state.calls, state.failures) == ("ok", 2, 1)


async def test_garbage_at_the_sign_in(server: AtlasServer, atlas: AtlasCmms) -> None:
    server.spared = frozenset()
    server.faults.plan(Fault.MISSING_FIELDS)
    with pytest.raises(SystemUnavailable, match="token"):
        await atlas.perform(CALL, context())
    await atlas.perform(CALL, context())
    assert server.effects == {"exec-1:0": 1}
