"""The stories that residents live through, told over HTTP against the real services."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from adapters.queue_sqlite import SqliteQueue
from core.envelopes import COMMAND_TYPE, OUTCOME_TYPE
from core.ports.queue import QueueMessage

EMERGENCY = "water is pouring through my bathroom ceiling and the light is flickering"
PARCEL = "my parcel shows delivered yesterday but it is not in the locker"
QUESTION = "what time does the gym close?"


async def submit(client: httpx.AsyncClient, message: str, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/requests", json={"message_text": message, **fields}, headers={"Prefer": "wait=20"})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def until(client: httpx.AsyncClient, request_id: str, reached: Any) -> dict[str, Any]:
    """The request once it is as wanted."""
    for _ in range(200):
        request = (await client.get(f"/requests/{request_id}")).json()
        if reached(request):
            return request
        await asyncio.sleep(0.05)
    pytest.fail(f"never reached: {request['status']}, {request['execution']}")


def succeeded(request: dict[str, Any]) -> bool:
    return request["execution"] is not None and request["execution"]["status"] == "Succeeded"


async def kinds(client: httpx.AsyncClient, request_id: str) -> list[str]:
    return [event["kind"] for event in (await client.get(f"/requests/{request_id}/events")).json()["items"]]


async def test_an_emergency_is_acted_on_without_a_selection(
    resident: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    request = await submit(resident, EMERGENCY)
    labels = request["classification"]
    assert labels["urgency"] == "Emergency"
    assert labels["emergency"] is True
    assert labels["source"] == "rules"
    assert labels["safety_rule"]
    assert labels["safety_advice"]
    assert request["decision"]["escalation"]["rule"] == labels["safety_rule"]
    done = await until(resident, request["request_id"], succeeded)
    assert done["status"] == "InProgress"
    assert [step["action"] for step in done["execution"]["steps"]] == ["alert_on_call", "dispatch_work_order", "notify"]
    orders = (await staff.get("/operations/work-orders")).json()["items"]
    assert [order["request_id"] for order in orders] == [request["request_id"]]
    assert orders[0]["work_order_id"] == done["execution"]["steps"][1]["external_id"]
    alert = done["execution"]["steps"][0]["external_id"]
    taken = await staff.post(f"/notifications/{alert}/acknowledge")
    assert taken.json()["acknowledged_by"] == "sam"


async def test_a_choice_is_carried_out_and_the_timeline_says_so(
    resident: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    request = await submit(resident, PARCEL)
    assert request["status"] == "AwaitingSelection"
    assert request["classification"]["category"] == "Deliveries"
    assert len(request["options"]) >= 3
    for option in request["options"]:
        for figures in (option["estimated_cost_usd"], option["estimated_time_hours"]):
            assert 0 <= figures["p50"] <= figures["p90"]
            assert figures["mean"] > 0
        assert option["citations"]
    scores = [score["total"] for score in request["decision"]["scores"]]
    assert scores == sorted(scores, reverse=True)
    assert request["decision"]["recommended_option_id"] == request["decision"]["scores"][0]["option_id"]
    assert request["decision"]["explanation"]

    chosen = request["decision"]["recommended_option_id"]
    answer = await resident.post(f"/requests/{request['request_id']}/select-option", json={"option_id": chosen})
    assert answer.status_code == 200
    assert answer.json()["status"] == "Approved"
    done = await until(resident, request["request_id"], succeeded)
    assert done["status"] == "InProgress"
    assert "execution_succeeded" in await kinds(resident, request["request_id"])

    (order,) = (await staff.get("/operations/work-orders", params={"open": "true"})).json()["items"]
    report = {"notes": "It was in the wrong locker.", "actual_cost_usd": 20, "actual_hours": 0.5}
    closed = await staff.post(f"/operations/work-orders/{order['work_order_id']}/complete", json=report)
    assert closed.json()["status"] == "Done"
    ended = await until(resident, request["request_id"], lambda one: one["status"] == "Resolved")
    assert ended["resolution"]["actual_cost_usd"] == 20
    confirmed = await resident.post(f"/requests/{request['request_id']}/confirm")
    assert confirmed.json()["status"] == "Closed"
    rated = await resident.post(f"/requests/{request['request_id']}/feedback", json={"rating": 5})
    assert rated.json()["feedback"]["rating"] == 5


async def test_citations_are_words_of_the_documents(resident: httpx.AsyncClient) -> None:
    from kb.reader import read_documents

    texts = {document.front.id: " ".join(document.source.split()) for document in read_documents()}
    request = await submit(resident, PARCEL)
    for option in request["options"]:
        for citation in option["citations"]:
            words = " ".join(citation["quote"].rstrip("…").split())
            assert words in texts[citation["doc_id"]]


async def test_a_question_is_answered_with_its_source(resident: httpx.AsyncClient) -> None:
    request = await submit(resident, QUESTION)
    assert request["status"] == "Answered"
    answer = request["answer"]
    assert "23:00" in answer["text"]
    assert answer["source"] == "extract"
    assert answer["citations"][0]["doc_id"] == "amenity-hours"
    assert answer["citations"][0]["quote"] in answer["text"]


async def test_a_question_nobody_wrote_down_goes_to_a_person(resident: httpx.AsyncClient) -> None:
    request = await submit(resident, "what is the name of the architect who designed the fountain in the lobby?")
    assert request["status"] == "NeedsReview"
    assert request["answer"] is None
    assert request["needs_attention"] is True


async def test_a_neighbours_request_does_not_exist(resident: httpx.AsyncClient, neighbour: httpx.AsyncClient) -> None:
    request_id = (await submit(resident, PARCEL))["request_id"]
    for call in (
        neighbour.get(f"/requests/{request_id}"),
        neighbour.get(f"/requests/{request_id}/events"),
        neighbour.get(f"/requests/{request_id}/decision"),
        neighbour.post(f"/requests/{request_id}/cancel"),
        neighbour.post(f"/requests/{request_id}/select-option", json={"option_id": "x"}),
        neighbour.get("/residents/RES_A_101/requests"),
    ):
        answer = await call
        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"


async def test_recurrence_brings_a_person_with_the_history(resident: httpx.AsyncClient) -> None:
    for message in ("the kitchen sink drips", "kitchen sink dripping, bucket under it"):
        await submit(resident, message, category="Maintenance")
    third = await submit(resident, "the kitchen sink is dripping again")
    assert third["status"] == "Escalated"
    assert third["decision"]["escalation"]["rule"].endswith("#escalation")
    assert third["needs_attention"] is True


async def test_the_decision_can_be_replayed_from_what_staff_see(
    resident: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    from core.messages import DecisionTrace
    from deployments.decision_simulation.replay import replay
    from kb.compile import compile_documents

    request = await submit(resident, PARCEL)
    full = (await staff.get(f"/requests/{request['request_id']}/decision")).json()
    again = replay(DecisionTrace.model_validate(full["trace"]), compile_documents())
    assert again.model_dump(mode="json") == full["decision"]
    short = (await resident.get(f"/requests/{request['request_id']}/decision")).json()
    assert "trace" not in short
    assert short["explanation"] == full["decision"]["explanation"]


async def test_a_query_finds_passages_as_its_building_sees_them(staff: httpx.AsyncClient) -> None:
    for building, doc_id in (("A", "amenity-hours"), ("B", "amenity-hours-building-b")):
        query = {"query": "what time does the gym close?", "building_id": building}
        answer = await staff.post("/rag/retrieve", json=query)
        assert answer.status_code == 200
        assert answer.json()["documents"][0]["doc_id"] == doc_id


async def test_what_a_call_causes_carries_its_correlation_id(
    resident: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[QueueMessage] = []
    send = SqliteQueue.send

    async def watched(queue: SqliteQueue, messages: Sequence[QueueMessage]) -> None:
        sent.extend(messages)
        await send(queue, messages)

    monkeypatch.setattr(SqliteQueue, "send", watched)
    request = await submit(resident, PARCEL)
    option = {"option_id": request["options"][0]["option_id"]}
    path = f"/requests/{request['request_id']}/select-option"
    await resident.post(path, json=option, headers={"X-Request-ID": "call-of-the-choice"})
    await until(resident, request["request_id"], succeeded)
    assert {message.type for message in sent} == {COMMAND_TYPE, OUTCOME_TYPE}
    assert {message.correlation_id for message in sent} == {"call-of-the-choice"}
