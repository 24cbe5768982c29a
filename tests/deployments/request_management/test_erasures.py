"""Erasing a resident's data: what is found in the stored bytes before is not found after, whatever comes between."""

import asyncio
import contextlib
import io
import pickle
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from adapters import build
from adapters.blobs_folder import FolderBlobStore
from adapters.file_inspection import ContentInspector
from core.erasure import ERASED, ErasureScope, StillAtWork, is_pseudonym
from core.errors import NotFound
from core.execution import ActionCall, ExecutionCommand
from core.execution_labels import ActionKind, ExecutionStatus
from core.labels import Role, Status, Urgency
from core.ports.page import Page
from core.request import BuildingId, Event, ExecutionId, RequestId, ResidentId
from core.settings import Settings
from deployments.request_management.attachments import Attachments, Upload
from deployments.request_management.erasure_intent import DONE_KIND, KIND, OpenRequests
from deployments.request_management.erasures import Erasures
from deployments.request_management.incidents import Incidents
from tests.builders import NOON, build_event, build_full_record, build_record
from tests.clock import ManualClock
from tests.deployments.request_management import light
from tests.deployments.request_management.erasure_world import (
    MANAGER,
    NEIGHBOUR,
    OWNER,
    SECRETS,
    World,
    later,
    opened,
)
from tests.dynamo_server import open_documents_store, open_requests_store

PATH = f"/residents/{OWNER}"


async def delete(world: World, reason: str = "moved out", **query: Any) -> Any:
    async with world.light.client(Role.MANAGER, "mia", buildings=["A"]) as manager:
        return await manager.request("DELETE", PATH, json={"reason": reason}, params=query)


async def test_nothing_of_the_resident_is_left_in_any_stored_byte(folder: Path) -> None:
    async with opened(folder) as world:
        assert world.words() == {one: list(words) for one, words in SECRETS.items()}
        before = await world.everything_of(NEIGHBOUR)
        answer = await delete(world)
        assert answer.status_code == 200, answer.text
        made = answer.json()
        assert (made["status"], made["requests"], made["attachments"], made["incidents"]) == ("done", 1, 1, 1)
        assert world.words() == {OWNER: [], NEIGHBOUR: list(SECRETS[NEIGHBOUR])}
        # The audit log alone says whose data were erased; the ids of requests hold the name in these tests.
        assert world.files_with(f'"{OWNER}"') <= {"documents.sqlite3", "documents.sqlite3-wal"}
        assert not list(folder.rglob("ATT_*101"))
        lead = await world.light.ports.store.get(RequestId(f"REQ_{NEIGHBOUR}_done"))
        assert lead is not None
        assert lead.subscribers == ("RES_A_103",)
        after = await world.everything_of(NEIGHBOUR)
        assert after == before | {"requests": after["requests"]}
        (was,), (now,) = before["requests"], after["requests"]
        # Their request has one subscriber fewer, which is a version more.
        for changed in ("version", "updated_at"):
            del was["request"][changed], now["request"][changed]
        assert now == was


async def test_what_is_left_of_a_request_can_be_counted(folder: Path) -> None:
    async with opened(folder) as world:
        store = world.light.ports.store
        before = await store.get(RequestId(f"REQ_{OWNER}_done"))
        kinds = [event.kind for event in await store.events(RequestId(f"REQ_{OWNER}_done"))]
        made = (await delete(world)).json()
        record = await store.get(RequestId(f"REQ_{OWNER}_done"))
        assert before is not None
        assert record is not None
        assert record.request.resident_id == made["pseudonym"]
        assert is_pseudonym(record.request.resident_id)
        assert record.request.unit is None
        assert record.request.message_text == ERASED
        for kept in ("building_id", "status", "created_at", "risk", "sla", "selected_option_id"):
            assert getattr(record.request, kept) == getattr(before.request, kept)
        assert record.costs == before.costs
        assert record.request.feedback is not None
        assert (record.request.feedback.rating, record.request.feedback.comment) == (4, ERASED)
        events = await store.events(record.request.request_id)
        assert [event.kind for event in events] == [*kinds, "erased"]
        assert {event.message for event in events[:-1]} == {ERASED}
        assert events[0].actor == made["pseudonym"]
        assert events[2].details == {"comment_id": "CMT_1", "minutes": 7}
        page = await store.list_by_resident(record.request.resident_id, limit=10, cursor=None)
        assert [one.request_id for one in page.items] == [record.request.request_id]
        assert not (await store.list_by_resident(before.request.resident_id, limit=10, cursor=None)).items


async def test_a_job_that_is_open_still_is_closed_and_says_nothing(folder: Path) -> None:
    async with opened(folder) as world:
        request_id = RequestId(f"REQ_{OWNER}_done")
        world.execution.start()
        await world.execution.enqueue(
            ExecutionCommand(
                execution_id=ExecutionId("EXE_late"), request_id=request_id, urgency=Urgency.LOW, correlation_id="c",
                requested_by="sam",
                actions=(
                    ActionCall(
                        action=ActionKind.CREATE_STAFF_TASK,
                        parameters={"title": "Ask the zebrafinch", "crew": "office", "unit": "101"},
                    ),
                ),
            )
        )  # fmt: skip
        await _drain(world)
        assert (await delete(world)).status_code == 200
        orders = await world.execution.work_orders(open_only=False, buildings=None, limit=50, cursor=None)
        own = [one for one in orders.items if one.request_id == request_id]
        assert len(own) == 2
        assert {(one.status, one.title, one.unit, one.instructions) for one in own} == {("Done", ERASED, None, None)}
        assert world.words()[OWNER] == []


async def _drain(world: World) -> None:
    taking = asyncio.create_task(world.light.service._outcomes.run())
    await world.settled()
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)


async def test_work_in_hand_is_waited_for(folder: Path) -> None:
    async with opened(folder) as world:
        await world.execution.enqueue(
            ExecutionCommand(
                execution_id=ExecutionId("EXE_soon"), request_id=None, urgency=Urgency.LOW, correlation_id="c",
                requested_by="sam",
                actions=(
                    ActionCall(
                        action=ActionKind.NOTIFY,
                        parameters={
                            "recipient_kind": "resident", "recipient": OWNER, "subject": "Soon", "body": "zebrafinch",
                        },
                    ),
                ),
            )
        )  # fmt: skip
        answer = await delete(world)
        assert (answer.status_code, answer.json()["status"]) == (202, "in_progress")
        assert "zebrafinch" in world.words()[OWNER]
        assert (await delete(world, dry_run=True)).json()["status"] == "in_progress"
        later(world, 61)
        assert await world.light.service.erasures.resume() == 0
        world.execution.start()
        await _drain(world)
        assert await world.light.service.erasures.resume() == 0, "it was tried a moment ago"
        later(world, 61)
        assert await world.light.service.erasures.resume() == 1
        assert world.words()[OWNER] == []


async def give_up(folder: Path, execution_id: ExecutionId) -> None:
    """As the executor does before a message is set aside."""
    log = build.execution_log(Settings(state_dir=folder))
    found = await log.get(execution_id)
    assert found is not None
    await log.finish(found.model_copy(update={"status": ExecutionStatus.DEAD_LETTERED, "reason": "it bites"}))
    await log.close()


async def test_a_message_set_aside_is_emptied(folder: Path) -> None:
    async with opened(folder) as world:
        queue = world.light.ports.executions
        await world.execution.enqueue(
            ExecutionCommand(
                execution_id=ExecutionId("EXE_dead"), request_id=RequestId(f"REQ_{OWNER}_done"), urgency=Urgency.LOW,
                correlation_id="c", requested_by="sam",
                actions=(
                    ActionCall(
                        action=ActionKind.ALERT_ON_CALL,
                        parameters={"role": "staff", "subject": "lemur", "body": "lemur"},
                    ),
                ),
            )
        )  # fmt: skip
        (delivery,) = await queue.receive(max_messages=1, wait_s=0, visibility_s=30)
        await give_up(folder, ExecutionId("EXE_dead"))
        await queue.dead_letter(delivery, reason="the lemur bites")
        assert (await delete(world)).status_code == 200
        assert world.words()[OWNER] == []
        assert (await queue.depth(now=world.light.clock())).dead == 0


async def test_open_requests_are_named_and_nothing_is_erased(folder: Path) -> None:
    async with opened(folder) as world:
        await world.light.ports.store.create(
            build_record(request_id="REQ_open", status=Status.ESCALATED), [build_event(1)]
        )
        planned = (await delete(world, dry_run=True)).json()
        assert (planned["status"], planned["requests"], planned["open_requests"]) == ("planned", 2, ["REQ_open"])
        answer = await delete(world)
        assert (answer.status_code, answer.json()["code"]) == (409, "open_requests")
        assert answer.json()["open_requests"] == ["REQ_open"]
        assert await world.light.ports.documents.get(KIND, OWNER) is None
        assert world.words()[OWNER] == list(SECRETS[OWNER])


async def test_a_dry_run_changes_nothing(folder: Path) -> None:
    async with opened(folder) as world:
        before = await world.everything_of(OWNER)
        planned = (await delete(world, dry_run=True)).json()
        assert planned == {
            "resident_id": OWNER, "status": "planned", "requests": 1, "attachments": 1, "incidents": 1,
            "notifications": 3, "open_requests": [], "pseudonym": None,
        }  # fmt: skip
        assert await world.everything_of(OWNER) == before


async def test_erasing_again_finds_nothing(folder: Path) -> None:
    async with opened(folder) as world:
        await delete(world)
        again = (await delete(world)).json()
        assert (again["status"], again["requests"], again["attachments"], again["notifications"]) == ("done", 0, 0, 0)
        records = await world.light.ports.documents.list(DONE_KIND, "all", limit=10)
        (made,) = records.items
        assert OWNER not in str(made.body)
        assert (made.body["reason"], made.body["requested_by"]) == ("moved out", "mia")


async def test_the_call_is_in_the_audit_log_before_it_is_done(folder: Path) -> None:
    async with opened(folder) as world:
        await delete(world)
        entries = (await world.light.service.audit.entries(MANAGER, "A", 10, None)).items
        assert [(one.actor, one.action, one.target, one.outcome) for one in entries] == [
            ("mia", "erase_resident", f"resident_id={OWNER}", "begun")
        ]


class Killed(Exception):
    """The process dies here."""


class Fatal:
    """A port that works until its calls are used up, all of them counted together."""

    def __init__(self, port: object, calls: "Calls") -> None:
        self._port = port
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if name in WRITES:
                self._calls.take(name)
            return await found(*args, **kwargs)

        return call if name in WRITES else found


WRITES = frozenset({"put", "delete", "rewrite", "save", "forget_answers", "compact"})
PARTS = frozenset({"erase"})


class Calls:
    """How many more writes there are before the process dies."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.made: list[str] = []

    def take(self, name: str) -> None:
        if self.left == 0:
            raise Killed(name)
        self.left -= 1
        self.made.append(name)


def doomed(world: World, calls: Calls) -> Erasures:
    """The world's erasures, whose writes fail once the calls are used up."""
    service = world.light.service
    ports = world.light.ports
    store: Any = Fatal(ports.store, calls)
    documents: Any = Fatal(ports.documents, calls)
    attachments = service.attachments
    attachments._documents = documents
    attachments._blobs = Fatal(ports.blobs, calls)  # pyright: ignore[reportAttributeAccessIssue]
    incidents = service.incidents
    incidents._documents, incidents._store = documents, store
    for name in ("_desk", "_notifier", "_log", "_commands", "_outcomes"):
        part = getattr(world.execution, name)
        if not isinstance(part, Erasing):
            setattr(world.execution, name, Erasing(part, calls))
    return Erasures(
        store, documents, attachments, incidents, service.erasures._execution, service.erasures._dispatcher,
        world.light.clock,
    )  # fmt: skip


class Erasing:
    """A part of Execution that erases until the calls are used up."""

    def __init__(self, part: object, calls: Calls) -> None:
        self._part = part
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        found: Callable[..., Awaitable[Any]] = getattr(self._part, name)

        async def erase(*args: Any, **kwargs: Any) -> Any:
            self._calls.take(name)
            return await found(*args, **kwargs)

        return erase if name in PARTS else found


async def test_an_erasure_that_is_killed_anywhere_is_finished_by_the_next_run(
    lived_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody calls over HTTP here, and making the application takes longer than all the rest.
    monkeypatch.setattr(light, "build_api", lambda *_: None)
    unhindered = await _kill_after(10_000, lived_in, tmp_path / "unhindered")
    assert set(unhindered) >= {"put", "rewrite", "save", "erase", "forget_answers", "compact", "delete"}
    for writes in range(len(unhindered)):
        assert await _kill_after(writes, lived_in, tmp_path / str(writes)) == unhindered[:writes]


async def _kill_after(writes: int, template: Path, folder: Path) -> list[str]:
    """Erase in a process that dies after so many writes, then let another one go on; the writes that were made."""
    shutil.copytree(template, folder)
    calls = Calls(writes)
    async with opened(folder) as world:
        try:
            await doomed(world, calls).erase(MANAGER, OWNER, "moved out")
        except Killed:
            is_over = False
        else:
            is_over = True
    async with opened(folder) as world:
        later(world, 120)
        finished = await world.light.service.erasures.resume()
        if writes == 0:
            # Not even the intent was stored.
            assert finished == 0
            assert world.words()[OWNER] == list(SECRETS[OWNER])
            await world.light.service.erasures.erase(MANAGER, OWNER, "moved out")
        else:
            assert finished == (0 if is_over else 1), calls.made
        assert world.words() == {OWNER: [], NEIGHBOUR: list(SECRETS[NEIGHBOUR])}, calls.made
        lead = await world.light.ports.store.get(RequestId(f"REQ_{NEIGHBOUR}_done"))
        assert lead is not None
        assert OWNER not in lead.subscribers, calls.made
        assert await world.light.ports.documents.get(KIND, OWNER) is None
    shutil.rmtree(folder)
    return calls.made


async def test_whoever_follows_without_a_request_is_found_until_the_lead_tells_them_no_more(folder: Path) -> None:
    async with opened(folder) as world:
        store, documents = world.light.ports.store, world.light.ports.documents
        document = await documents.get("incident", "INC_1")
        assert document is not None
        for writes in range(4):
            incident_id = f"INC_{writes}_"
            lead = build_full_record(request_id=f"REQ_lead_{writes}", resident_id=NEIGHBOUR, status=Status.CLOSED)
            own = {"lead": lead.request.request_id, "members": [lead.request.request_id], "subscribers": [OWNER]}
            body = {**document.body, **own, "incident_id": incident_id}
            await store.create(lead.model_copy(update={"outbox": (), "subscribers": (ResidentId(OWNER),)}), ())
            await documents.put(replace(document, key=incident_id, version=1, body=body))
            doomed(world, Calls(writes))
            with contextlib.suppress(Killed):
                await world.light.service.incidents.forget(incident_id, OWNER)
            world.light.service.incidents._store = store
            world.light.service.incidents._documents = documents
            found = [one.incident_id async for one in world.light.service.incidents.about(["A"], OWNER, ())]
            left = await store.get(lead.request.request_id)
            assert left is not None
            assert OWNER not in left.subscribers or incident_id in found
            assert writes < 2 or (OWNER not in left.subscribers and incident_id not in found)


async def test_what_is_opened_again_meanwhile_is_left_alone_until_it_ends(folder: Path) -> None:
    async with opened(folder) as world:
        erasures, store = world.light.service.erasures, world.light.ports.store
        calls = Calls(2)
        with pytest.raises(Killed):
            await doomed(world, calls).erase(MANAGER, OWNER, "moved out")
    async with opened(folder) as world:
        erasures, store = world.light.service.erasures, world.light.ports.store
        record = await store.get(RequestId(f"REQ_{OWNER}_done"))
        assert record is not None
        for status in (Status.REOPENED, Status.RESOLVED):
            version = record.request.version
            request = record.request.model_copy(update={"status": status, "version": version + 1})
            record = record.model_copy(update={"request": request})
            await store.save(record, expected_version=version, events=())
            later(world, 120)
            finished = await erasures.resume()
            if status is Status.REOPENED:
                assert finished == 0
                made = await erasures.plan(MANAGER, OWNER)
                assert (made.status, made.open_requests) == ("in_progress", (record.request.request_id,))
                assert "zebrafinch" in world.words()[OWNER]
        assert finished == 1
        assert world.words()[OWNER] == []


async def test_only_managers_of_all_the_buildings_may(folder: Path) -> None:
    async with opened(folder) as world:
        erasures = world.light.service.erasures
        with pytest.raises(NotFound):
            await erasures.erase(replace(MANAGER, buildings=frozenset({"B"})), OWNER, "x")
        elsewhere = build_record(request_id="REQ_B", building_id="B", status=Status.CLOSED)
        await world.light.ports.store.create(elsewhere, [build_event(1)])
        async with world.light.client(Role.MANAGER, "mia", buildings=["A"]) as manager:
            answer = await manager.request("DELETE", PATH, json={"reason": "x"})
        assert answer.status_code == 403
        for role, sub, status in (
            (Role.STAFF, "sam", 403),
            (Role.SERVICE, "robot", 403),
            (Role.RESIDENT, OWNER, 403),
            (Role.RESIDENT, NEIGHBOUR, 404),
            (None, "", 401),
        ):
            async with world.light.client(role, sub) as client:
                assert (await client.request("DELETE", PATH, json={"reason": "x"})).status_code == status
        async with world.light.client(Role.MANAGER, "mia") as manager:
            for body in ({}, {"reason": ""}, {"reason": "x" * 301}):
                assert (await manager.request("DELETE", PATH, json=body)).status_code == 422
        assert world.words()[OWNER] == list(SECRETS[OWNER])


def test_the_errors_survive_the_way_between_processes() -> None:
    for error in (OpenRequests(("REQ_1",)), StillAtWork("wait")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.detail, again.members()) == (type(error), error.detail, error.members())


class QuietExecution:
    """Execution that has nothing of the resident."""

    async def notifications(self, **_: Any) -> Page[Any]:
        return Page((), None)

    async def erase(self, scope: ErasureScope) -> tuple[str, ...]:
        return ()


async def test_in_dynamodb_too(tmp_path: Path) -> None:
    store, documents = open_requests_store(tmp_path), open_documents_store(tmp_path)
    blobs, clock = FolderBlobStore(tmp_path / "files"), ManualClock(NOON + timedelta(hours=1))
    nobody: Any = None

    async def is_stored(request_id: RequestId) -> bool:
        return await store.get(request_id) is not None

    attachments = Attachments(documents, blobs, ContentInspector(), b"key", 1_000_000, clock, is_stored)
    incidents = Incidents(store, documents, nobody, nobody, clock)
    execution: Any = QuietExecution()
    erasures = Erasures(store, documents, attachments, incidents, execution, nobody, clock)
    long = build_full_record(request_id="REQ_1", status=Status.CLOSED, message_text="zebrafinch " * 300, unit="101")
    await store.create(long.model_copy(update={"outbox": (), "last_event": 40}), _timeline(40))
    await store.create(build_record(request_id="REQ_2", resident_id=NEIGHBOUR), [build_event(1)])
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    home = (ResidentId(OWNER), BuildingId("A"))
    identifier = f"ATT_{'0' * 24}"
    await attachments.upload(MANAGER, home, Upload("zebrafinch.png", "image/png", picture.getvalue()), identifier)
    made = await erasures.erase(MANAGER, OWNER, "moved out")
    assert (made.status, made.requests, made.attachments) == ("done", 1, 1)
    record = await store.get(RequestId("REQ_1"))
    assert record is not None
    assert (record.request.resident_id, record.request.unit) == (made.pseudonym, None)
    told = await store.events(RequestId("REQ_1"))
    assert [event.kind for event in told] == ["noted"] * 40 + ["erased"]
    kept = record.model_dump_json() + "".join(event.model_dump_json() for event in told)
    assert "zebrafinch" not in kept
    assert OWNER not in kept
    assert not (await store.list_by_resident(ResidentId(OWNER), limit=10, cursor=None)).items
    assert await blobs.get(identifier) is None
    assert await attachments.of_resident(OWNER) == ()
    assert await documents.get(KIND, OWNER) is None
    neighbour = await store.get(RequestId("REQ_2"))
    assert neighbour is not None
    assert neighbour.request.version == 1
    await store.close()
    await documents.close()


def _timeline(count: int) -> list[Event]:
    return [build_event(number, message=f"zebrafinch {number} " * 30) for number in range(1, count + 1)]
