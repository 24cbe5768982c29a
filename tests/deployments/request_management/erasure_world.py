"""Two residents with everything that the system may come to hold about them, on files, with the real Execution."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from PIL import Image

from adapters import build
from core.actions import JobParameters
from core.execution import ActionCall, ExecutionCommand
from core.execution_labels import ActionKind
from core.identity import Principal
from core.labels import ApprovalTier, Category, Role, Status, Urgency
from core.ports.documents import Document
from core.ports.store import StoredAnswer
from core.record import RequestRecord
from core.request import (
    Answer,
    Approval,
    Attachment,
    BuildingId,
    ExecutionId,
    Feedback,
    Issue,
    Preferences,
    RequestId,
    ResidentId,
    ResolutionNote,
)
from core.settings import Settings
from deployments.execution.notices.notifier import Notices
from deployments.execution.operations import ExecutionService
from deployments.request_management.attachments import Upload
from deployments.request_management.incident import Incident, IncidentStatus
from tests.builders import NOON, build_event, build_full_record
from tests.deployments.request_management.light import Light, Peers, open_light

OWNER, NEIGHBOUR = "RES_A_101", "RES_A_102"
MANAGER = Principal("mia", Role.MANAGER, frozenset({"A"}))
SECRETS = {
    OWNER: ("zebrafinch", "marmalade", "quokka", "axolotl", "okapi", "narwhal", "wombat", "tapir", "lemur", "ibex"),
    NEIGHBOUR: (
        "heron", "curlew", "dunlin", "godwit", "knotbird", "plover", "sanderling", "turnstone", "whimbrel", "avocet",
    ),
}  # fmt: skip
"""Words that stand in a resident's data, and nowhere else: one for each kind of place."""
NOTICE_KEY = b"signs links"
EXECUTION = (
    "enqueue", "describe", "work_orders", "work_order", "complete_work_order", "cancel_work_orders", "notifications",
    "notification",
    "acknowledge", "erase", "calendar", "plan_work_order", "dead_lettered", "retry", "systems", "take_callback",
    "preferences", "choose_preferences", "unsubscribe",
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """The application on a folder, with Execution beside it."""

    light: Light
    execution: ExecutionService
    folder: Path

    def words(self) -> dict[str, list[str]]:
        """Which of the two residents' words are in which files, by resident; searched in the bytes on disk."""
        found: dict[str, list[str]] = {OWNER: [], NEIGHBOUR: []}
        contents = [path.read_bytes() for path in self.folder.rglob("*") if path.is_file()]
        for resident, words in SECRETS.items():
            found[resident] = [word for word in words if any(word.encode() in content for content in contents)]
        return found

    def files_with(self, text: str) -> set[str]:
        """The names of the files that hold these bytes."""
        return {path.name for path in self.folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()}

    async def settled(self) -> None:
        """Wait until every command has been carried out and its news were taken."""
        ports = self.light.ports
        async with asyncio.timeout(20):
            while True:
                depths = [await queue.depth(now=NOON) for queue in (ports.executions, ports.outcomes)]
                if not any(depth.visible or depth.in_flight for depth in depths):
                    return
                await asyncio.sleep(0.02)

    async def everything_of(self, resident: str) -> dict[str, Any]:
        """All that can be read of a resident, as JSON."""
        async with self.light.client(Role.MANAGER, "mia") as manager:
            answer = await manager.get(f"/residents/{resident}/export")
        assert answer.status_code == 200, answer.text
        held = answer.json()
        for name in ("exported_at", "audit"):
            del held[name]
        for file in held["attachments"]:
            del file["url"], file["expires_at"]
        orders = await self.execution.work_orders(open_only=False, buildings=None, limit=200, cursor=None)
        own = {one["request"]["request_id"] for one in held["requests"]}
        held["work_orders"] = [one.model_dump(mode="json") for one in orders.items if one.request_id in own]
        return held


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[World]:
    """The application on this folder; Execution takes no work until it is started."""
    settings = Settings(state_dir=folder)
    desk, _ = build.operations_desk(settings)
    systems, routes, readers = build.outside_systems(settings, desk)
    documents = build.document_store(settings)
    notices = Notices(
        build.document_store(settings), {}, build.message_templates(), lambda _, __: (), zone="UTC", public_url=None,
        key=NOTICE_KEY,
    )  # fmt: skip
    execution = ExecutionService(
        log=build.execution_log(settings), desk=desk, systems=systems, routes=routes, notifier=notices,
        documents=documents, readers=readers, commands=build.execution_queue(settings),
        outcomes=build.outcome_queue(settings), settings=settings, version="test",
    )  # fmt: skip
    peers = Peers()
    for name in EXECUTION:
        setattr(peers, name, getattr(execution, name))
    try:
        async with open_light(folder, peers) as light:
            yield World(light, execution, folder)
    finally:
        await execution.stop()
        await execution.close()


async def settle_in(world: World) -> None:
    """Fill the application with both residents' stories, carried out by the real Execution."""
    world.execution.start()
    outcomes = world.light.service._outcomes
    taking = asyncio.create_task(outcomes.run())
    for resident in (OWNER, NEIGHBOUR):
        await _story(world, resident, SECRETS[resident])
    await _incident(world)
    await world.settled()
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    await world.execution.stop()


async def _story(world: World, resident: str, words: tuple[str, ...]) -> None:
    """A request with everything a request can have, carried out and ended."""
    message, wishes, comment, inside, notes, file, option, answer, refused, done = words
    store = world.light.ports.store
    request_id = RequestId(f"REQ_{resident}_done")
    attachments = await _file(world, resident, f"{file}.jpg", request_id)
    base = build_full_record()
    request = base.request
    assert request.classification is not None
    assert base.trace is not None
    own = request.options[0].model_copy(
        update={"source": "llm", "title": f"Chase the {option}", "reasoning": f"The {option} is loose."}
    )
    record = base.model_copy(
        update={
            "chosen_category": Category.MAINTENANCE,
            "trace": base.trace.model_copy(
                update={"inputs": {"message_text": f"The {message} sings", "classification": {"urgency": "High"}}}
            ),
            "outbox": (),
            "selected_by": resident,
            "last_event": 3,
            "correlation_id": f"corr-{message}",
            "request": request.model_copy(
                update={
                    "request_id": request_id,
                    "resident_id": resident,
                    "unit": resident[-3:],
                    "message_text": f"The {message} sings in my kitchen. " + "It does not stop. " * 200,
                    "status": Status.RESOLVED,
                    "classification": request.classification.model_copy(
                        update={
                            "issues": (
                                Issue(
                                    text=f"The {message} sings", category=Category.MAINTENANCE, urgency=Urgency.HIGH
                                ),
                            )
                        }
                    ),
                    "options": (own, *request.options[1:]),
                    "answer": Answer(text=f"About your {answer}.", confidence=0.9, source="llm", citations=()),
                    "selected_option_id": own.option_id,
                    "approval": Approval(required=ApprovalTier.NONE, granted_by=resident, at=NOON),
                    "preferences": Preferences(special_instructions=f"Feed it {wishes}", emergency_contact="0401"),
                    "attachments": attachments,
                    "feedback": Feedback(rating=4, comment=f"Nice {comment}", at=NOON),
                    "resolution": ResolutionNote(
                        resolution_notes=f"Gave it an {notes}", actual_cost_usd=80.0, resolved_by="sam",
                        resolved_at=NOON,
                    ),
                }
            ),
        }
    )  # fmt: skip
    events = (
        build_event(1, kind="submitted", actor=resident, message="The message was received."),
        build_event(2, kind="comment", message=f"A {inside} lives there", internal=True, actor="sam"),
        build_event(3, kind="comment", message=f"Dear {comment}", details={"comment_id": "CMT_1", "minutes": 7}),
    )
    assert await store.create(record, events)
    for command in _commands(record, wishes, message, refused):
        await world.execution.enqueue(command)
    await world.settled()
    orders = await world.execution.work_orders(open_only=True, buildings=None, limit=10, cursor=None)
    (order,) = (one for one in orders.items if one.request_id == request_id)
    await world.execution.complete_work_order(
        order.work_order_id, by="sam", notes=f"Met the {done}", actual_cost_usd=80.0, actual_hours=1.0
    )
    await _answered(world, "submit", request_id, f'{{"message_text": "The {message}"}}')
    await _answered(world, "comment", "CMT_1", f'{{"message": "Dear {comment}"}}')
    await _answered(world, "job", order.work_order_id, f'{{"notes": "Met the {done}"}}')


def _commands(record: RequestRecord, wishes: str, message: str, refused: str) -> tuple[ExecutionCommand, ...]:
    request = record.request

    def command(number: int, action: ActionKind, of_request: bool = True, **parameters: Any) -> ExecutionCommand:
        return ExecutionCommand(
            execution_id=ExecutionId(f"EXE_{request.resident_id}_{number}"),
            request_id=request.request_id if of_request else None,
            urgency=Urgency.HIGH,
            actions=(ActionCall(action=action, parameters=parameters),),
            correlation_id=record.correlation_id,
            requested_by=request.resident_id,
        )

    job = JobParameters(
        title=f"Visit the {message}", crew=record.request.options[0].crew, steps=(f"Bring {wishes}",),
        building_id="A", unit=request.unit, instructions=f"{wishes}\n{request.message_text}",
    )  # fmt: skip
    told = {"recipient_kind": "resident", "recipient": request.resident_id, "subject": "News"}
    staff = {"recipient_kind": "staff_role", "recipient": "staff", "subject": "A word", "body": f"Mind the {refused}"}
    return (
        command(1, ActionKind.DISPATCH_WORK_ORDER, **job.model_dump(mode="json")),
        command(2, ActionKind.ALERT_ON_CALL, role="staff", building_id="A", subject="Alert", body=request.message_text),
        command(3, ActionKind.NOTIFY, **told, body=f"The {message} is on our list"),
        command(4, ActionKind.NOTIFY, of_request=False, **told, body=f"The {message} is a topic of the house"),
        command(5, ActionKind.NOTIFY, **staff),
    )


async def _file(world: World, resident: str, name: str, request_id: RequestId) -> tuple[Attachment, ...]:
    picture = io.BytesIO()
    Image.new("RGB", (32, 32), "navy" if resident == OWNER else "teal").save(picture, "JPEG")
    attachments = world.light.service.attachments
    upload = Upload(name, "image/jpeg", picture.getvalue())
    identifier = f"ATT_{resident[-3:]:0>24}"
    home = (ResidentId(resident), BuildingId("A"))
    await attachments.upload(Principal(resident, Role.RESIDENT), home, upload, identifier)
    await _answered(world, "upload", identifier, json.dumps({"name": name}))
    return await attachments.claim([Attachment(attachment_id=identifier)], request_id, resident)


async def _answered(world: World, key: str, resource_id: str, body: str) -> None:
    """Keep an answer for a retry, as a call with an idempotency key does."""
    store = world.light.ports.store
    key = f"{key}-{resource_id}"
    await store.claim_key(key, fingerprint="f", resource_id=resource_id, now=NOON, lease_s=60, ttl_s=86_400)
    await store.finish_key(key, StoredAnswer(200, {}, body.encode()))


async def _incident(world: World) -> None:
    """The neighbour's request leads an incident that the owner follows only by a request in it, and was told of."""
    lead, member = RequestId(f"REQ_{NEIGHBOUR}_done"), RequestId(f"REQ_{OWNER}_done")
    made = Incident(
        incident_id="INC_1", building_id=BuildingId("A"), status=IncidentStatus.ENDED, title="Heating", lead=lead,
        members=(lead, member), subscribers=(ResidentId("RES_A_103"),),
        unsubscribed=(ResidentId("RES_A_104"),), proposed_by="system", created_at=NOON, updated_at=NOON,
    )  # fmt: skip
    body = made.model_dump(mode="json")
    await world.light.ports.documents.put(Document("incident", "INC_1", "A", body["created_at"], 1, body))
    record = await world.light.ports.store.get(lead)
    assert record is not None
    followed = record.model_copy(
        update={
            "subscribers": (ResidentId(OWNER), ResidentId("RES_A_103")),
            "request": record.request.model_copy(
                update={"version": record.request.version + 1, "incident_id": "INC_1"}
            ),
        }
    )
    await world.light.ports.store.save(followed, expected_version=record.request.version, events=())
    told = ExecutionCommand(
        execution_id=ExecutionId("EXE_both"),
        request_id=None,
        urgency=Urgency.MEDIUM,
        actions=tuple(
            ActionCall(
                action=ActionKind.NOTIFY,
                parameters={"recipient_kind": "resident", "recipient": who, "subject": "House", "body": f"For {word}"},
            )
            for who, word in ((OWNER, "zebrafinch"), (NEIGHBOUR, "heron"))
        ),
        correlation_id="corr",
        requested_by="system",
    )
    await world.execution.enqueue(told)


def later(world: World, seconds: float) -> None:
    """Let this time pass."""
    world.light.clock.now += timedelta(seconds=seconds)
