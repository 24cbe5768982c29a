"""What every implementation of the ports does when a resident's data are erased."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.desk_database import open_desk_database
from adapters.execution_log_sqlite import SqliteExecutionLog
from adapters.notify_inbox import InboxNotifier
from adapters.system_operations_desk import SqliteOperationsDesk
from core.erasure import ERASED, ErasureScope
from core.execution import ActionCall, ExecutionCommand, Notification
from core.execution_labels import ActionKind, StepStatus
from core.labels import Crew, Urgency
from core.ports.documents import Document, DocumentStore
from core.ports.execution import ActionContext
from core.ports.queue import Queue
from core.ports.store import RequestStore
from core.record import RequestRecord
from core.request import ExecutionId, ExecutionStep, RequestId, ResidentId
from tests.builders import NOON, build_event, build_message, build_record

RESIDENT = "RES_A_101"
SCOPE = ErasureScope(RESIDENT, ResidentId("RES_ERASED_0123456789abcdef"), frozenset({"REQ_1"}))


async def test_a_rewritten_request_is_found_under_the_pseudonym_alone(store: RequestStore) -> None:
    record = build_record(request_id="REQ_1", resident_id=RESIDENT, unit="101")
    await store.create(record, [build_event(1)])
    await store.create(build_record(request_id="REQ_2", resident_id="RES_A_102"), [build_event(1)])
    renamed = {"resident_id": SCOPE.pseudonym, "unit": None, "version": 2}
    left = RequestRecord(request=record.request.model_copy(update=renamed), correlation_id="c")
    await store.rewrite(left, expected_version=1, events=[build_event(1)])
    assert await store.get(RequestId("REQ_1")) == left

    async def of(resident_id: str) -> list[str]:
        page = await store.list_by_resident(ResidentId(resident_id), limit=10, cursor=None)
        return [one.request_id for one in page.items]

    assert (await of(RESIDENT), await of(SCOPE.pseudonym), await of("RES_A_102")) == ([], ["REQ_1"], ["REQ_2"])
    span = {"since": NOON - timedelta(days=1), "before": NOON + timedelta(days=1)}
    for resident_id, expected in ((RESIDENT, 0), (SCOPE.pseudonym, 1)):
        past, facts = await store.history(ResidentId(resident_id), left.request.building_id, **span)
        assert (len(past), facts.requests_180d) == (expected, 2)
    (one, other) = await store.open_requests(left.request.building_id, since=span["since"], limit=10)
    assert {one.resident_id, other.resident_id} == {SCOPE.pseudonym, "RES_A_102"}
    await store.compact()
    assert await store.get(RequestId("REQ_1")) == left


async def test_documents_are_there_after_compacting(documents: DocumentStore) -> None:
    made = [Document("note", f"k{number}", "all", str(number), 1, {"n": number}) for number in range(5)]
    for each in made:
        await documents.put(each)
    await documents.delete("note", "k0")
    await documents.compact()
    assert (await documents.list("note", "all", limit=10, newest_first=False)).items == tuple(made[1:])


async def test_messages_set_aside_are_emptied_and_those_that_wait_are_counted(
    queue: Queue, open_queue: Callable[..., Queue], noon: datetime
) -> None:
    about = {"request_id": "REQ_1", "text": "a zebrafinch"}
    await queue.send([build_message("dead", data=about), build_message("other", data={"request_id": "REQ_11"})])
    for delivery in await queue.receive(max_messages=2, wait_s=0, visibility_s=60):
        await queue.dead_letter(delivery, reason="a zebrafinch bites")
    elsewhere = open_queue("outcomes")
    await elsewhere.send([build_message("dead", data=about)])
    assert await queue.erase(SCOPE.needles) == 0
    assert (await queue.depth(now=noon)).dead == 1
    await queue.send([build_message("waits", data=about), build_message("later", data={"resident": RESIDENT})])
    assert await queue.erase(SCOPE.needles) == 2
    assert len(await queue.receive(max_messages=5, wait_s=0, visibility_s=60)) == 2
    assert await queue.erase(SCOPE.needles) == 2, "what is in hand is not done with"
    left = await elsewhere.depth(now=noon)
    assert left.visible + left.in_flight == 1, "another queue is not looked at"


def command(execution_id: str, request_id: str | None, recipient: str) -> ExecutionCommand:
    told = {"recipient_kind": "resident", "recipient": recipient, "subject": "x", "body": f"zebrafinch {recipient}"}
    return ExecutionCommand(
        execution_id=ExecutionId(execution_id),
        request_id=None if request_id is None else RequestId(request_id),
        urgency=Urgency.LOW,
        actions=(ActionCall(action=ActionKind.NOTIFY, parameters=told),),
        correlation_id="c",
        requested_by="sam",
    )


async def test_the_log_keeps_what_was_done_and_forgets_the_words(tmp_path: Path) -> None:
    log = SqliteExecutionLog(tmp_path / "executions.sqlite3")
    step = ExecutionStep(action=ActionKind.NOTIFY, system="notifier", status=StepStatus.QUEUED)
    failed = step.model_copy(update={"status": StepStatus.FAILED, "error": "zebrafinch", "attempts": 2})
    for execution_id, request_id, recipient in (
        ("E1", "REQ_1", "staff"), ("E2", None, RESIDENT), ("E3", "REQ_11", "RES_A_1010"),
    ):  # fmt: skip
        made = command(execution_id, request_id, recipient)
        await log.open(made, (step,), now=NOON)
        await log.claim_step(made.execution_id, 0, now=NOON, lease_s=5)
        await log.record_step(made.execution_id, 0, failed, now=NOON)
    before = await log.get(ExecutionId("E3"))
    assert set(await log.erase(SCOPE)) == {"E1", "E2"}
    assert set(await log.erase(SCOPE)) == {"E1", "E2"}, "what was erased before is named again"
    for execution_id in ("E1", "E2"):
        found = await log.get(ExecutionId(execution_id))
        assert found is not None
        assert found.steps == (failed.model_copy(update={"error": ERASED}),)
    assert await log.get(ExecutionId("E3")) == before
    await log.close()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert content.count(b"zebrafinch RES_A_1010") == 1
    assert b"zebrafinch staff" not in content
    assert f'"{RESIDENT}"'.encode() not in content


@pytest.fixture
async def desk_and_inbox(tmp_path: Path) -> Any:
    database = open_desk_database(tmp_path / "desk.sqlite3")
    yield SqliteOperationsDesk(database, clock=lambda: NOON), InboxNotifier(database)
    await database.close()


async def test_jobs_lose_their_words_and_are_closed(
    desk_and_inbox: tuple[SqliteOperationsDesk, InboxNotifier], tmp_path: Path
) -> None:
    desk, _ = desk_and_inbox
    parameters = {
        "title": "The zebrafinch", "crew": Crew.PLUMBING, "steps": ["zebrafinch"], "building_id": "A", "unit": "101",
        "instructions": "zebrafinch", "cost_limit_usd": 50.0,
    }  # fmt: skip
    call = ActionCall(action=ActionKind.DISPATCH_WORK_ORDER, parameters=parameters)
    ids: list[str] = []
    for key, request_id in (("open", "REQ_1"), ("done", "REQ_1"), ("silent", "REQ_1"), ("others", "REQ_11")):
        context = ActionContext(ExecutionId("E"), RequestId(request_id), Urgency.LOW, "c", key)
        ids.append((await desk.perform(call, context)).external_id)
    for job, notes in zip(ids[1:3], ("The zebrafinch is well", ""), strict=True):
        await desk.complete(job, by="sam", notes=notes, actual_cost_usd=40.0, actual_hours=1.0, now=NOON)
    others = await desk.work_order(ids[3])
    later = NOON + timedelta(hours=1)
    assert await desk.erase(SCOPE, now=later) == tuple(ids[:3])
    assert await desk.erase(SCOPE, now=later + timedelta(hours=1)) == tuple(ids[:3])
    left = [await desk.work_order(one) for one in ids[:3]]
    assert all(one is not None for one in left)
    facts = [(one.title, one.unit, one.instructions, one.steps, one.status, one.cost_limit_usd) for one in left if one]
    assert set(facts) == {(ERASED, None, None, (), "Done", 50.0)}
    assert [(one.closed_by, one.closed_at, one.actual_cost_usd) for one in left if one] == [
        ("system", later, None), ("sam", NOON, 40.0), ("sam", NOON, 40.0),
    ]  # fmt: skip
    assert await desk.work_order(ids[3]) == others
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert content.count(b"The zebrafinch") == 1


async def test_notifications_lose_their_words(
    desk_and_inbox: tuple[SqliteOperationsDesk, InboxNotifier], tmp_path: Path
) -> None:
    _, inbox = desk_and_inbox

    async def send(key: str, kind: Any, recipient: str, request_id: str | None) -> str:
        sent = Notification(
            recipient_kind=kind, recipient=recipient, subject="zebrafinch", body=f"zebrafinch {key}",
            request_id=None if request_id is None else RequestId(request_id),
        )  # fmt: skip
        return await inbox.send(sent, idempotency_key=key, now=NOON)

    own = [
        await send("1", "resident", RESIDENT, None),
        await send("2", "on_call", "A", "REQ_1"),
        await send("3", "staff_role", "staff", "REQ_1"),
    ]
    other = await send("kept", "resident", "RES_A_1010", "REQ_11")
    for _ in range(2):
        assert set(await inbox.erase(SCOPE)) == set(own)
    page = await inbox.sent(recipient=SCOPE.pseudonym, limit=10, cursor=None)
    assert [(one.notification_id, one.notification.body) for one in page.items] == [(own[0], ERASED)]
    assert (await inbox.sent(recipient=RESIDENT, limit=10, cursor=None)).items == ()
    kept = await inbox.find_sent(other)
    assert kept is not None
    assert kept.notification.body == "zebrafinch kept"
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert content.count(b"zebrafinch") == 2
