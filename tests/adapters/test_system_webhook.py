"""A system that is known by its mapping alone: called as mapped, and once in effect whatever it does."""

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from adapters.call_guard import CallGuard, GuardedSystem
from adapters.outbound_http import OutboundHttp
from adapters.system_webhook import SignedWebhookSystem
from core.errors import ActionRejected, ArtefactRefused, SystemBusy, SystemUnavailable
from core.execution import ActionCall
from core.execution_labels import ActionKind
from core.labels import Urgency
from core.ports.execution import ActionContext, Effect
from core.request import ExecutionId
from core.systems import CallPolicy, WebhookSystem
from tests.outside.billing_server import SECRET, BillingServer
from tests.outside.faults import TRANSIENT, Fault
from tests.outside.faulty_server import Call, FaultyServer, Reply

ACTION = {
    "path": "/credits",
    "body": {
        "account": "parameters.resident_id",
        "amount.value": "parameters.amount_usd",
        "amount.currency": "'USD'",
        "reason": "parameters.reason",
        "charge": "parameters.charge_id",
    },
    "external_id": "id",
    "is_done": True,
    "undo": "/credits/{external_id}",
}
FIND = {"find": "/credits?key={context.idempotency_key}", "found_id": "credits[0].id"}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.call_guard.FIRST_PAUSE_S", 0.001)


@pytest.fixture
def server() -> Iterator[BillingServer]:
    with BillingServer() as server:
        yield server


def billing(url: str, *, timeout_s: float = 5.0, find: bool = True, **action: Any) -> SignedWebhookSystem:
    mapping = {**ACTION, **(FIND if find else {}), **action}
    config = WebhookSystem.model_validate(
        {
            "kind": "webhook",
            "name": "billing",
            "url": url,
            "secret_variable": "S_X",
            "actions": {"credit_bill": mapping},
        }
    )
    http = OutboundHttp(url, allow_loopback=True, timeout_s=timeout_s, response_limit_bytes=100_000)
    return SignedWebhookSystem(config, http, secrets=(SECRET,), headers={"Authorization": "Bearer t"})


def credit(**parameters: Any) -> ActionCall:
    given = {"resident_id": "RES_1", "amount_usd": 12.5, "reason": "Heating was off", **parameters}
    return ActionCall(action=ActionKind.CREDIT_BILL, parameters=given)


def context(key: str = "EXEC_1:0") -> ActionContext:
    return ActionContext(ExecutionId("EXEC_1"), None, Urgency.LOW, "COR_1", key)


async def test_an_action_becomes_the_call_that_the_mapping_says(server: BillingServer) -> None:
    effect = await billing(server.url).perform(credit(), context())
    assert effect == Effect("CR-1", is_done=True)
    (call,) = server.calls
    assert (call.method, call.path) == ("POST", "/credits")
    assert call.json() == {
        "account": "RES_1",
        "amount": {"value": 12.5, "currency": "USD"},
        "reason": "Heating was off",
    }
    assert call.headers["idempotency-key"] == call.headers["webhook-id"] == "EXEC_1:0"
    assert call.headers["x-request-id"] == "COR_1"
    assert call.headers["authorization"] == "Bearer t"
    assert Webhook(SECRET).verify(call.body, call.headers)["account"] == "RES_1"
    assert server.unsigned == 0


async def test_what_was_done_is_found_and_taken_back_once(server: BillingServer) -> None:
    system = billing(server.url)
    assert await system.find(credit(), context()) is None
    await system.perform(credit(), context())
    assert await system.find(credit(), context()) == Effect("CR-1", is_done=True)
    assert await system.find(credit(), context("EXEC_2:0")) is None
    assert [await system.undo(credit(), context(), "CR-1") for _ in range(2)] == [True, True]
    assert server.credits == {}
    assert await system.find(credit(), context()) is None
    # A receiver that drops what it has seen must not drop these for the call itself.
    assert {call.headers["webhook-id"] for call in server.calls} == {
        "EXEC_1:0",
        "EXEC_1:0:find",
        "EXEC_2:0:find",
        "EXEC_1:0:undo",
    }


async def test_what_has_no_undo_or_find_says_so(server: BillingServer) -> None:
    system = billing(server.url, find=False, undo=None)
    assert await system.find(credit(), context()) is None
    assert not await system.undo(credit(), context(), "CR-1")
    assert server.calls == []


@pytest.mark.parametrize(
    ("status", "undone"), [(204, True), (404, True), (410, True), (405, False), (409, False), (422, False)]
)
async def test_what_an_undo_is_answered(status: int, undone: bool) -> None:
    with Fixed(Reply(status)) as server:
        assert await billing(server.url).undo(credit(), context(), "CR-1") is undone


async def test_an_undo_that_is_not_answered_well_is_none(server: BillingServer) -> None:
    server.faults.plan(Fault.ERROR_BEFORE, Fault.RATE_LIMITED, Fault.REDIRECT_AWAY)
    for error in (SystemUnavailable, SystemBusy, ActionRejected):
        with pytest.raises(error):
            await billing(server.url).undo(credit(), context(), "CR-1")


class Fixed(FaultyServer):
    """Always answers this."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.always = reply

    def reply(self, call: Call) -> Reply:
        return self.always


@pytest.mark.parametrize(
    ("fault", "error", "effects"),
    [
        (Fault.SLOW, SystemUnavailable, 1),
        (Fault.RATE_LIMITED, SystemBusy, 0),
        (Fault.HALF_OPEN, SystemUnavailable, 1),
        (Fault.DROPPED, SystemUnavailable, 0),
        (Fault.ERROR_BEFORE, SystemUnavailable, 0),
        (Fault.ERROR_AFTER, SystemUnavailable, 1),
        (Fault.REDIRECT_AWAY, ActionRejected, 0),
        (Fault.REDIRECT_METADATA, ActionRejected, 0),
        (Fault.HUGE, SystemUnavailable, 1),
        (Fault.PACKED, SystemUnavailable, 1),
    ],
)
async def test_each_fault_has_its_error(
    server: BillingServer, fault: Fault, error: type[Exception], effects: int
) -> None:
    server.faults.plan(fault)
    with pytest.raises(error) as caught:
        await billing(server.url, timeout_s=0.5).perform(credit(), context())
    assert type(caught.value) is error
    if isinstance(caught.value, SystemBusy):
        assert caught.value.wait_s == 7.0
    assert server.effects.total() == effects
    assert len(server.calls) == 1


async def test_a_dead_system_is_unavailable(server: BillingServer) -> None:
    server.die()
    for work in (billing(server.url).perform(credit(), context()), billing(server.url).find(credit(), context())):
        with pytest.raises(SystemUnavailable):
            await work


@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.MISSING_FIELDS])
async def test_a_success_without_an_id_is_looked_up(server: BillingServer, fault: Fault) -> None:
    server.faults.plan(fault)
    assert await billing(server.url).perform(credit(), context()) == Effect("CR-1", is_done=True)
    server.faults.plan(fault, Fault.RATE_LIMITED)
    with pytest.raises(SystemUnavailable) as caught:
        await billing(server.url).perform(credit(), context("EXEC_2:0"))
    # The credit is there, so that this must not look as if nothing had been done.
    assert type(caught.value) is SystemUnavailable


async def test_without_find_the_key_takes_the_ids_place(
    server: BillingServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults.plan(Fault.MISSING_FIELDS, Fault.GARBAGE)
    system = billing(server.url, find=False)
    assert (await system.perform(credit(), context())).external_id == "EXEC_1:0"
    assert "its idempotency key takes the id's place" in caplog.text
    with pytest.raises(SystemUnavailable, match="can't be read"):
        await system.perform(credit(), context("EXEC_2:0"))


async def test_a_success_that_the_system_knows_nothing_of_is_none() -> None:
    with Fixed(Reply(200, {"credits": []})) as server, pytest.raises(SystemUnavailable, match="knows nothing of it"):
        await billing(server.url).perform(credit(), context())


@pytest.mark.parametrize("fault", [Fault.MISSING_FIELDS, Fault.GARBAGE])
async def test_an_answer_to_another_question_does_not_pass_for_nothing_done(
    server: BillingServer, fault: Fault
) -> None:
    server.faults.plan(fault)
    with pytest.raises(SystemUnavailable, match="can't be read"):
        await billing(server.url).find(credit(), context())


@pytest.mark.parametrize(
    ("found_id", "said", "is_answered"),
    [
        ("credits[0].id", {"credits": []}, True), ("credits[0].id", {"note": "thanks"}, False),
        ("[0].id", [], True), ("[0].id", {"note": "thanks"}, False), ("id", {"id": None}, True), ("id", {}, False),
        ("credits[?kind == 'x'] | [0].id", {"credits": []}, True), ("sort_by(items, &at)[0].id", {}, False),
        ("data.items[0].id", {"data": {}}, True), ("data.items[0].id", [], False),
    ],
)  # fmt: skip
async def test_what_says_that_nothing_was_done(found_id: str, said: Any, is_answered: bool) -> None:
    with Fixed(Reply(200, said)) as server:
        system = billing(server.url, found_id=found_id)
        if is_answered:
            assert await system.find(credit(), context()) is None
        else:
            with pytest.raises(SystemUnavailable):
                await system.find(credit(), context())


@pytest.mark.parametrize(
    "said", [{"id": None}, {"id": ["a"]}, {"id": True}, {"id": ""}, {"id": "x" * 201}, {"id": "a\nb"}, [1]]
)
async def test_only_text_and_whole_numbers_are_ids(said: Any) -> None:
    with Fixed(Reply(200, said)) as server:
        assert (await billing(server.url, find=False).perform(credit(), context())).external_id == "EXEC_1:0"


async def test_a_whole_number_is_an_id() -> None:
    with Fixed(Reply(200, {"id": 41})) as server:
        assert (await billing(server.url, find=False).perform(credit(), context())).external_id == "41"


async def test_a_refusal_tells_nothing_of_what_the_remote_said(server: BillingServer) -> None:
    system = billing(server.url, body={"reason": "parameters.reason"})
    with pytest.raises(ActionRejected) as caught:
        await system.perform(credit(), context())
    assert caught.value.detail == "The system refused the action (422)."


async def test_a_value_can_not_leave_its_place_in_the_path() -> None:
    with Fixed(Reply(200, {"id": "a"})) as server:
        system = billing(server.url, path="/accounts/{parameters.resident_id}/credits", find=False)
        for resident in ("../../admin", "a/b?c=d#e", "ä %2e", "{x}"):
            await system.perform(credit(resident_id=resident), context())
        paths = [call.raw_path for call in server.calls]
        assert paths[:2] == ["/accounts/..%2F..%2Fadmin/credits", "/accounts/a%2Fb%3Fc%3Dd%23e/credits"]
        assert [call.path for call in server.calls][2:] == ["/accounts/ä %2e/credits", "/accounts/{x}/credits"]
        for resident in ("..", "."):
            with pytest.raises(ActionRejected, match="path"):
                await system.perform(credit(resident_id=resident), context())
        for external_id in ("..", ""):
            with pytest.raises(ActionRejected):
                await system.undo(credit(), context(), external_id)
        assert len(server.calls) == 4


async def test_an_action_without_a_mapping_or_with_wrong_parameters_is_refused(server: BillingServer) -> None:
    other = ActionCall(action=ActionKind.ORDER_PART, parameters={"part": "p", "cost_limit_usd": 1.0})
    for call in (other, credit(amount_usd=-1.0)):
        with pytest.raises(ActionRejected):
            await billing(server.url).perform(call, context())
    assert server.calls == []


@pytest.mark.parametrize(
    "action",
    [
        {"external_id": "a[["},
        {"path": "/a/{b"},
        {"path": "/a/{]}"},
        {"body": {"a": "x", "a.b": "y"}},
        {"body": {"a..b": "x"}},
        {"body": {"a": "not a thing("}},
    ],
)
def test_a_mapping_that_can_not_be_read_is_refused_at_the_start(action: dict[str, Any]) -> None:
    with pytest.raises(ArtefactRefused, match=r"billing\.credit_bill"):
        billing("http://127.0.0.1:9", **action)


def guarded(system: SignedWebhookSystem, **policy: Any) -> GuardedSystem:
    options: dict[str, Any] = {"attempts": 4, "breaker_failures": 50, "timeout_s": 1.0, **policy}
    return GuardedSystem(system, CallGuard("billing", CallPolicy(**options)))


@pytest.mark.parametrize("fault", [Fault.HALF_OPEN, Fault.ERROR_AFTER, Fault.SLOW, Fault.HUGE, Fault.GARBAGE])
@pytest.mark.parametrize("idempotent", [True, False])
async def test_what_was_done_without_an_answer_is_not_done_twice(fault: Fault, idempotent: bool) -> None:
    """Also in a system that makes two things of two calls."""
    with BillingServer(idempotent=idempotent) as server:
        server.faults.plan(fault)
        system = guarded(billing(server.url, timeout_s=0.3))
        assert await system.perform(credit(), context()) == Effect("CR-1", is_done=True)
        assert server.effects == {"EXEC_1:0": 1}


async def test_a_system_that_keeps_keys_needs_no_find() -> None:
    with BillingServer() as server:
        server.faults.plan(Fault.HALF_OPEN, Fault.ERROR_AFTER, Fault.DROPPED)
        assert (await guarded(billing(server.url, find=False)).perform(credit(), context())).external_id == "CR-1"
        assert server.effects == {"EXEC_1:0": 1}
        assert len(server.calls) == 4


async def test_a_hundred_credits_happen_once_each_while_a_third_of_all_calls_fail() -> None:
    with BillingServer(idempotent=False) as server:
        server.faults.spoil(0.33, TRANSIENT, seed=7)
        system, open_keys, rounds = guarded(billing(server.url)), [f"EXEC_{n}:0" for n in range(100)], 0
        done: dict[str, str] = {}
        tried: set[str] = set()
        chance = random.Random(3)
        while open_keys and (rounds := rounds + 1) < 2000:
            key = chance.choice(open_keys)
            try:
                # As the executor does: what may have been begun is asked for first.
                found = await system.find(credit(), context(key)) if key in tried else None
                tried.add(key)
                effect = found or await system.perform(credit(), context(key))
            except SystemUnavailable:
                continue
            done[key] = effect.external_id
            open_keys.remove(key)
        assert open_keys == []
        assert set(server.effects.values()) == {1}
        assert len(server.effects) == 100
        assert set(done.values()) == set(server.credits)
        assert len(server.faults.met) > 30


async def test_a_dead_system_is_left_alone_and_comes_back(server: BillingServer) -> None:
    system = guarded(billing(server.url), attempts=1, breaker_failures=3, breaker_reset_s=0.3)
    server.die()
    ends: list[type[Exception]] = []
    for _ in range(5):
        with pytest.raises(SystemUnavailable) as caught:
            await system.perform(credit(), context())
        ends.append(type(caught.value))
    assert ends == [SystemUnavailable] * 3 + [SystemBusy] * 2
    assert system.state().status == "left_alone"
    server.start()
    with pytest.raises(SystemBusy) as caught:
        await system.perform(credit(), context())
    await asyncio.sleep(caught.value.wait_s + 0.05)
    assert (await system.perform(credit(), context())).external_id == "CR-1"
    assert system.state().status == "ok"
