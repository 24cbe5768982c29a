"""A step whose answer was lost with its process: the same call again finds it done, and does nothing twice."""

import httpx

from core.identity import Principal
from core.labels import Role, Status
from core.ports.store import StoredAnswer
from core.record import MadeCall, RequestRecord
from deployments.request_management.change import CALLS_KEPT
from deployments.request_management.idempotency import TTL_S, Idempotency, current_call
from tests.builders import build_full_record
from tests.deployments.request_management.light import Light


async def step(client: httpx.AsyncClient, request_id: str, name: str, key: str) -> httpx.Response:
    return await client.post(f"/requests/{request_id}/{name}", headers={"Idempotency-Key": key})


async def lose_answer(light: Light, request_id: str) -> None:
    """As where the process dies between the change and the keeping of its answer, and the key's lease is over."""
    await light.ports.store.forget_answers({request_id})


async def test_it_is_answered_as_done_and_not_done_again(light: Light, light_staff: httpx.AsyncClient) -> None:
    request_id = await light.seed(status=Status.RESOLVED)
    first = await step(light_staff, request_id, "reopen", "k")
    await lose_answer(light, request_id)
    again = await step(light_staff, request_id, "reopen", "k")
    assert (first.status_code, again.status_code) == (200, 200)
    assert (again.json()["status"], again.json()["reopened"]) == ("Reopened", 1)
    assert (await step(light_staff, request_id, "reopen", "another")).status_code == 409


async def test_it_is_not_done_again_where_it_would_be_possible_again(
    light: Light, light_staff: httpx.AsyncClient
) -> None:
    request_id = await light.seed(status=Status.RESOLVED)
    await step(light_staff, request_id, "reopen", "k")
    await lose_answer(light, request_id)
    progress = await light_staff.put(f"/requests/{request_id}", json={"status": "InProgress"})
    assert progress.status_code == 200
    done = await light_staff.post(f"/requests/{request_id}/resolve", json={"resolution_notes": "done"})
    assert done.json()["status"] == "Resolved"
    again = await step(light_staff, request_id, "reopen", "k")
    assert (again.status_code, again.json()["status"], again.json()["reopened"]) == (200, "Resolved", 1)


async def test_another_callers_key_is_another_call(light: Light, light_staff: httpx.AsyncClient) -> None:
    request_id = await light.seed(status=Status.RESOLVED)
    await step(light_staff, request_id, "reopen", "k")
    async with light.client(Role.STAFF, "kim") as other:
        assert (await step(other, request_id, "reopen", "k")).status_code == 409


async def test_only_the_newest_calls_are_kept(light: Light, light_staff: httpx.AsyncClient) -> None:
    request_id = await light.seed(status=Status.ESCALATED)
    for number in range(CALLS_KEPT + 3):
        order = {"request_ids": [request_id], "comment": "Noted"}
        answer = await light_staff.post("/requests/bulk", json=order, headers={"Idempotency-Key": f"k{number}"})
        assert answer.status_code == 200
    record = await light.ports.store.get(request_id)
    assert record is not None
    assert (len(record.calls), len({call.token for call in record.calls})) == (CALLS_KEPT, CALLS_KEPT)


async def test_a_key_that_is_used_again_after_its_life_is_another_call(
    light: Light, light_staff: httpx.AsyncClient
) -> None:
    request_id = await light.seed(status=Status.RESOLVED)
    for times in (1, 2):
        assert (await step(light_staff, request_id, "reopen", "k")).json()["reopened"] == times
        assert (await light_staff.put(f"/requests/{request_id}", json={"status": "InProgress"})).status_code == 200
        done = await light_staff.post(f"/requests/{request_id}/resolve", json={"resolution_notes": "done"})
        assert done.json()["status"] == "Resolved"
        light.clock.advance(TTL_S)


async def test_until_the_end_of_its_life_it_is_the_same_call(light: Light, light_staff: httpx.AsyncClient) -> None:
    request_id = await light.seed(status=Status.RESOLVED)
    await step(light_staff, request_id, "reopen", "k")
    await lose_answer(light, request_id)
    light.clock.advance(TTL_S - 1)
    again = await step(light_staff, request_id, "reopen", "k")
    assert (again.status_code, again.json()["reopened"]) == (200, 1)


async def test_what_is_asked_for_is_part_of_what_tells_calls_apart(light: Light) -> None:
    made: list[MadeCall | None] = []

    async def work(_: str) -> StoredAnswer:
        made.append(current_call())
        return StoredAnswer(200, {}, b"{}")

    idempotency = Idempotency(light.ports.store, light.clock)
    for call in (b"one", b"one", b"another"):
        await idempotency.run(Principal("sam", Role.STAFF), "k", call, "REQ_1", work)
        light.clock.advance(TTL_S)
    first, same, other = [call for call in made if call is not None]
    assert (first.token == same.token, first.token == other.token) == (True, False)
    assert (same.at - first.at).total_seconds() == TTL_S
    assert current_call() is None


def test_tokens_that_were_stored_without_their_times_are_left_behind() -> None:
    stored = build_full_record().model_dump(mode="json")
    assert RequestRecord.model_validate(stored | {"calls": ["0123456789abcdef01234567"]}).calls == ()
    del stored["calls"]
    assert RequestRecord.model_validate(stored).calls == ()
