"""Incidents and repeats over the real stores: proposed, accepted, followed, ended, and nobody sees another's words."""

import asyncio
import base64
import math
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import Forbidden, Invalid, NotFound, ServiceUnavailable, StoreUnavailable, WrongState
from core.execution_labels import ExecutionStatus
from core.identity import Principal
from core.labels import Category, Role, Status, Trade, Urgency
from core.record import NextAction, RequestRecord
from core.request import ExecutionId, ExecutionSummary, RequestId
from deployments.request_management import lifecycle
from deployments.request_management.change import Draft
from deployments.request_management.dispatch import change_record
from deployments.request_management.duplicates import SimilarQuestion
from deployments.request_management.incident import Incident, IncidentStatus
from tests.builders import build_classification, build_full_record
from tests.deployments.request_management import light as light_module
from tests.deployments.request_management.light import Jobs, Light, Peers, open_light

STAFF = Principal("sam", Role.STAFF)
HEAT = (
    "No heat in my apartment since this morning, radiators are cold",
    "No heat, the radiators are cold this morning",
)


def vector(text: str) -> bytes:
    """A unit vector of the text's words."""
    numbers = [0.0] * 384
    for word in text.lower().replace(",", " ").replace(".", " ").split():
        numbers[zlib.crc32(word.encode()) % 384] += 1.0
    length = math.sqrt(sum(number**2 for number in numbers))
    return struct.pack("<384f", *(number / length for number in numbers))


class Embedding(Peers):
    """Peers that can embed."""

    async def embed(self, texts: list[str]) -> list[bytes]:
        return [vector(text) for text in texts]


@pytest.fixture
async def light(tmp_path: Path) -> AsyncIterator[Light]:
    async with open_light(tmp_path, Embedding()) as made:
        yield made


async def put(light: Light, unit: str, text: str, **fields: Any) -> RequestRecord:
    """A decided request, as the pipeline leaves it."""
    trade, urgency = fields.pop("trade", Trade.HVAC), fields.pop("urgency", Urgency.HIGH)
    record = build_full_record(
        **{
            "resident_id": f"RES_A_{unit}",
            "unit": unit,
            "message_text": text,
            "classification": build_classification(Category.MAINTENANCE, urgency, trade),
            "created_at": light.clock(),
            "status": Status.AWAITING_SELECTION,
        }
        | fields
    )
    assert record.trace is not None
    trace = record.trace.model_copy(update={"inputs": {"embedding": base64.b64encode(vector(text)).decode()}})
    record = record.model_copy(update={"outbox": (), "trace": trace})
    assert await light.ports.store.create(record, ())
    return record


async def present(light: Light, record: RequestRecord) -> RequestRecord:
    found = await light.ports.store.get(record.request.request_id)
    assert found is not None
    return found


async def incidents(light: Light) -> list[Incident]:
    return list((await light.service.incidents.list_incidents(STAFF, "A", None, 50, None)).items)


async def cold(light: Light, *units: str) -> list[RequestRecord]:
    """Residents without heat, each considered."""
    records: list[RequestRecord] = []
    for place, unit in enumerate(units):
        light.clock.advance(300)
        records.append(await put(light, unit, HEAT[place % 2]))
    for record in records:
        await light.service.incidents.consider(record)
    return records


async def told(light: Light, resident_id: str) -> list[str]:
    """The events of what waits to be sent to a resident."""
    await asyncio.sleep(0.05)
    deliveries = await light.ports.executions.receive(max_messages=100, wait_s=0, visibility_s=0.0)
    return [
        call["parameters"]["event"]
        for delivery in deliveries
        for call in delivery.message.data["actions"]
        if call["parameters"].get("recipient") == resident_id
    ]


async def test_what_is_alike_is_proposed_once_and_changes_no_request(light: Light) -> None:
    records = await cold(light, "101", "202", "303")
    (found,) = await incidents(light)
    assert found.status is IncidentStatus.PROPOSED
    assert set(found.members) == {record.request.request_id for record in records}
    assert found.title == "Heating: reported from several homes of building A"
    assert [(await present(light, record)).request.version for record in records] == [1, 1, 1]


async def test_forty_at_once_are_one_incident(light: Light) -> None:
    records = [await put(light, str(100 + number), HEAT[number % 2]) for number in range(40)]
    await asyncio.gather(*(light.service.incidents.consider(record) for record in records))
    (found,) = await incidents(light)
    assert len(found.members) == 40


async def test_a_fault_of_one_home_is_nobody_elses(light: Light) -> None:
    for unit, text in (("101", "my kitchen tap drips"), ("202", "the tap in my bathroom drips at night")):
        await light.service.incidents.consider(await put(light, unit, text, trade=Trade.PLUMBING))
    assert await incidents(light) == []


async def test_accepting_ties_the_requests_and_the_lead_tells_all(light: Light) -> None:
    first, second, third = await cold(light, "101", "202", "303")
    (found,) = await incidents(light)
    accepted = await light.service.incidents.accept(STAFF, found.incident_id, "Boiler")
    assert accepted.settled
    lead = await present(light, first)
    assert lead.subscribers == ("RES_A_202", "RES_A_303")
    assert NextAction.INCIDENT not in lead.pending
    assert {(await present(light, one)).request.incident_id for one in (first, second, third)} == {found.incident_id}
    assert await told(light, "RES_A_303") == ["incident_joined"]
    now = light.clock()
    option = lead.request.options[0].option_id
    await change_record(
        light.ports.store,
        lead.request.request_id,
        lambda record: lifecycle.select_option(record, option, "sam", now),
    )
    (command,) = [one for one in (await present(light, first)).outbox if one.request_id is None]
    assert [call.parameters["recipient"] for call in command.actions] == ["RES_A_202", "RES_A_303"]
    text = command.model_dump_json()
    for secret in (lead.request.request_id.removeprefix("REQ_"), HEAT[0], "RES_A_101"):
        assert secret not in text


async def test_an_interrupted_acceptance_is_finished_by_a_repeat(light: Light, monkeypatch: pytest.MonkeyPatch) -> None:
    records = await cold(light, "101", "202", "303")
    (found,) = await incidents(light)
    save, calls = light.ports.store.save, 0

    async def failing(*args: Any, **kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise StoreUnavailable("The power went.")
        await save(*args, **kwargs)

    monkeypatch.setattr(light.ports.store, "save", failing)
    with pytest.raises(StoreUnavailable):
        await light.service.incidents.accept(STAFF, found.incident_id)
    monkeypatch.undo()
    (half,) = await incidents(light)
    assert half.status is IncidentStatus.ACCEPTED
    assert not half.settled
    lead = await present(light, records[0])
    # Without a repeat the lead's timer would see to it.
    assert lead.pending[NextAction.INCIDENT] > light.clock()
    await light.service.incidents.follow(lead)
    (whole,) = await incidents(light)
    assert whole.settled
    states = [await present(light, record) for record in records]
    assert {state.request.incident_id for state in states} == {found.incident_id}
    assert states[0].subscribers == ("RES_A_202", "RES_A_303")
    again = await light.service.incidents.accept(STAFF, found.incident_id)
    assert again.settled
    kinds = [event.kind for event in await light.ports.store.events(records[1].request.request_id)]
    assert kinds.count("incident_joined") == 1


async def resolve(light: Light, record: RequestRecord) -> RequestRecord:
    """Staff end the request; what follows is done as the sweeper does it."""

    def step(current: RequestRecord) -> Any:
        draft = Draft(current, light.clock(), "sam")
        draft.move(Status.ESCALATED, "Staff take it.")
        return draft.done()

    now = light.clock()
    await change_record(light.ports.store, record.request.request_id, step)
    ended = await change_record(
        light.ports.store, record.request.request_id, lambda current: lifecycle.resolve(current, "sam", "Pump", now)
    )
    assert NextAction.INCIDENT in ended.pending
    await light.service.incidents.follow(ended)
    return await present(light, ended)


async def test_the_members_end_with_their_lead_and_may_be_reopened(light: Light) -> None:
    first, second = await cold(light, "101", "202")
    emergency = await put(light, "303", HEAT[0], urgency=Urgency.EMERGENCY, status=Status.ESCALATED)
    await light.service.incidents.consider(emergency)
    (found,) = await incidents(light)
    await light.service.incidents.accept(STAFF, found.incident_id)
    lead = await resolve(light, first)
    assert NextAction.INCIDENT not in lead.pending
    member = (await present(light, second)).request
    assert member.status is Status.RESOLVED
    assert (await incidents(light))[0].status is IncidentStatus.ENDED
    left = (await present(light, emergency)).request
    assert (left.status, left.needs_attention) == (Status.ESCALATED, True)
    now = light.clock()
    reopened = lifecycle.reopen(await present(light, second), "RES_A_202", "still cold", now)
    assert reopened.record.request.status is Status.REOPENED


async def test_work_that_a_member_had_ordered_ends_with_it(light: Light, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = Jobs(is_down=True)
    monkeypatch.setattr(light.service.incidents, "_jobs", jobs)
    work = ExecutionSummary(execution_id=ExecutionId("EXE_1"), status=ExecutionStatus.SUCCEEDED)
    first, second, third = await cold(light, "101", "202", "303")

    def order(current: RequestRecord) -> Any:
        draft = Draft(current, light.clock(), "sam")
        draft.set(execution=work)
        return draft.done()

    await change_record(light.ports.store, second.request.request_id, order)
    (found,) = await incidents(light)
    await light.service.incidents.accept(STAFF, found.incident_id, leader=first.request.request_id)
    with pytest.raises(ServiceUnavailable):
        await resolve(light, first)
    # The lead's timer is still there, and tries again.
    lead = await present(light, first)
    assert NextAction.INCIDENT in lead.pending
    jobs.is_down = False
    await light.service.incidents.follow(lead)
    assert [(request_id, by) for request_id, by, _ in jobs.cancelled] == [(second.request.request_id, "system")]
    assert NextAction.INCIDENT not in (await present(light, first)).pending
    assert (await present(light, third)).request.status is Status.RESOLVED


async def test_a_withdrawn_lead_hands_the_incident_on(light: Light) -> None:
    first, second, third = await cold(light, "101", "202", "303")
    (found,) = await incidents(light)
    await light.service.incidents.accept(STAFF, found.incident_id)
    now = light.clock()
    ended = await change_record(
        light.ports.store,
        first.request.request_id,
        lambda record: lifecycle.cancel(record, "RES_A_101", None, now),
    )
    await light.service.incidents.follow(ended)
    (after,) = await incidents(light)
    assert (after.status, after.lead) == (IncidentStatus.ACCEPTED, second.request.request_id)
    assert (await present(light, second)).subscribers == ("RES_A_303",)
    withdrawn = await present(light, first)
    assert (withdrawn.request.incident_id, withdrawn.subscribers) == (None, ())
    assert third.request.request_id in after.members


async def test_later_reports_wait_for_staff_and_are_taken_in_by_accepting_again(light: Light) -> None:
    await cold(light, "101", "202")
    (found,) = await incidents(light)
    await light.service.incidents.accept(STAFF, found.incident_id)
    (late,) = await cold(light, "303")
    (waiting,) = await incidents(light)
    assert waiting.candidates == (late.request.request_id,)
    assert (await present(light, late)).request.incident_id is None
    await light.service.incidents.accept(STAFF, found.incident_id)
    assert (await present(light, late)).request.incident_id == found.incident_id


async def test_staff_put_in_take_out_and_dismiss(light: Light) -> None:
    first, second = await cold(light, "101", "202")
    other = await put(light, "404", "The thermostat shows an error")
    (found,) = await incidents(light)
    own, request_id = light.service.incidents, other.request.request_id
    await own.accept(STAFF, found.incident_id)
    await own.change_members(STAFF, found.incident_id, (request_id,), (second.request.request_id,))
    assert (await present(light, other)).request.incident_id == found.incident_id
    assert (await present(light, second)).request.incident_id is None
    assert (await present(light, first)).subscribers == ("RES_A_404",)
    with pytest.raises(Invalid):
        await own.change_members(STAFF, found.incident_id, (), (first.request.request_id,))
    with pytest.raises(Invalid):
        await own.change_members(STAFF, found.incident_id, (RequestId("REQ_none"),), ())
    await own.dismiss(STAFF, found.incident_id)
    assert {(await present(light, one)).request.incident_id for one in (first, other)} == {None}
    with pytest.raises(WrongState):
        await own.accept(STAFF, found.incident_id)


async def test_residents_see_titles_and_follow_or_not(light: Light) -> None:
    first, second = await cold(light, "101", "202")
    (found,) = await incidents(light)
    path = f"/incidents/{found.incident_id}"
    async with (
        light.client(Role.RESIDENT, "RES_A_202") as resident,
        light.client(Role.RESIDENT, "RES_B_101") as stranger,
        light.client(Role.STAFF, "bo", buildings=["B"]) as other_staff,
        light.client(Role.STAFF, "sam") as staff,
    ):
        assert (await resident.get(path)).status_code == 404
        assert (await resident.get("/incidents")).json()["items"] == []
        assert (await resident.post(f"{path}/accept")).status_code == 403
        assert (await other_staff.post(f"{path}/accept")).status_code == 404
        assert (await staff.post(f"{path}/accept")).status_code == 200
        assert (await stranger.get(path)).status_code == 404
        seen = (await resident.get(path)).json()
        assert seen["subscribed"] is True
        for secret in (first.request.request_id, "RES_A_101", HEAT[0], "members"):
            assert secret not in str(seen)
            assert secret not in (await resident.get("/incidents")).text
        assert (await resident.post(f"{path}/unsubscribe")).json()["subscribed"] is False
        assert (await resident.get(path)).json()["subscribed"] is False
        assert (await present(light, first)).subscribers == ()
        assert (await resident.post(f"{path}/subscribe")).status_code == 200
        assert (await present(light, first)).subscribers == ("RES_A_202",)
        assert first.request.request_id in (await staff.get(path)).text
    assert (await present(light, second)).request.incident_id == found.incident_id


async def test_a_repeat_is_noted_and_shown_and_attached(light: Light) -> None:
    text = "The toilet keeps running after I flush"
    first = await put(light, "101", text, trade=Trade.PLUMBING)
    light.clock.advance(3600)
    again = await put(light, "101", f"{text}, please come", trade=Trade.PLUMBING)
    await light.service.incidents.consider(again)
    assert (await present(light, again)).request.possible_duplicates == (first.request.request_id,)
    assert await incidents(light) == []
    async with light.client(Role.RESIDENT, "RES_A_101") as resident, light.client(Role.RESIDENT, "RES_A_102") as other:
        found = (await resident.post("/requests/similar", json={"message_text": text})).json()
        assert found["requests"][0]["request_id"] == first.request.request_id
        assert (await other.post("/requests/similar", json={"message_text": text})).json()["requests"] == []
        path = f"/requests/{again.request.request_id}/attach"
        order = {"request_id": first.request.request_id}
        assert (await other.post(path, json=order)).status_code == 404
        for _ in range(2):
            attached = await resident.post(path, json=order)
            assert attached.status_code == 200
            assert (attached.json()["status"], attached.json()["duplicate_of"]) == (
                "Cancelled",
                first.request.request_id,
            )
    told_again = [
        event for event in await light.ports.store.events(first.request.request_id) if event.kind == "repeated"
    ]
    assert [event.message for event in told_again] == [f"The resident wrote again: “{text}, please come”"]


@pytest.mark.parametrize(
    ("status", "ends"),
    [
        (Status.AWAITING_SELECTION, Status.CANCELLED),
        (Status.AWAITING_APPROVAL, Status.CANCELLED),
        (Status.ESCALATED, Status.RESOLVED),
        (Status.NEEDS_REVIEW, Status.RESOLVED),
        (Status.IN_PROGRESS, Status.RESOLVED),
        (Status.REOPENED, Status.RESOLVED),
    ],
)
async def test_an_attached_request_ends_the_legal_way(light: Light, status: Status, ends: Status) -> None:
    first, again = await put(light, "101", "x"), await put(light, "101", "y", status=status)
    resident = Principal("RES_A_101", Role.RESIDENT)
    ended = await light.service.duplicates.attach(resident, again.request.request_id, first.request.request_id)
    assert ended.status is ends


async def test_what_may_not_be_attached(light: Light) -> None:
    resident, attach = Principal("RES_A_101", Role.RESIDENT), light.service.duplicates.attach
    first, other = await put(light, "101", "x"), await put(light, "102", "x")
    ended = await put(light, "101", "x", status=Status.RESOLVED)
    emergency = await put(light, "101", "gas", urgency=Urgency.EMERGENCY, status=Status.ESCALATED)
    undecided = await put(light, "101", "y", status=Status.PROCESSING, classification=None)
    again = await put(light, "101", "y")
    refused: list[tuple[RequestRecord, RequestRecord, type[Exception]]] = [
        (again, other, NotFound),
        (again, ended, WrongState),
        (emergency, first, WrongState),
        (undecided, first, WrongState),
        (again, again, Invalid),
    ]
    for one, earlier, error in refused:
        with pytest.raises(error):
            await attach(resident, one.request.request_id, earlier.request.request_id)
    assert await light.ports.store.events(first.request.request_id) == ()
    with pytest.raises(Invalid):
        await attach(STAFF, again.request.request_id, other.request.request_id)


async def test_an_outage_of_the_comparison_disturbs_nothing(tmp_path: Path) -> None:
    async with open_light(tmp_path) as light:
        record = await put(light, "101", HEAT[0])
        bare = record.model_copy(update={"trace": None})
        await light.service.incidents.consider(bare)
        assert await incidents(light) == []
        with pytest.raises(Forbidden):
            await light.service.duplicates.similar(Principal("svc", Role.SERVICE), SimilarQuestion(message_text="x"))


def nothing(*_: object) -> None:
    """In the place of what would disturb a test."""


class Doomed:
    """Stores whose writes fail for good once so many were made: the process dies."""

    def __init__(self, light: Light, monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
        self.left, self.made = writes, list[str]()
        for port, name in ((light.service.incidents._store, "save"), (light.ports.documents, "put")):
            monkeypatch.setattr(port, name, self._counted(getattr(port, name), name))

    def _counted(self, write: Any, name: str) -> Any:
        async def counted(*args: Any, **kwargs: Any) -> None:
            if self.left == 0:
                raise StoreUnavailable("The power went.")
            self.left -= 1
            self.made.append(name)
            await write(*args, **kwargs)

        return counted


async def swept(light: Light) -> None:
    """Another process does what is due within a few minutes."""
    for _ in range(4):
        light.clock.advance(61)
        await light.service.sweeper.sweep()
        await light.service.sweeper.settle()


async def require_in_step(light: Light, found: Incident, records: list[RequestRecord]) -> None:
    """The requests are as the stored incident says, and nothing more is to happen."""
    assert found.settled
    accepted = found.status is IncidentStatus.ACCEPTED
    for record in records:
        now = await present(light, record)
        belongs = accepted and now.request.request_id in found.members
        assert now.request.incident_id == (found.incident_id if belongs else None)
        assert NextAction.INCIDENT not in now.pending
        follows = belongs and found.lead != now.request.request_id
        assert now.led_by == (found.lead if follows else None)
        homes = {one.request.resident_id for one in records if one.request.request_id in found.members}
        if belongs and found.lead == now.request.request_id:
            expected = {*homes, *found.subscribers} - {now.request.resident_id, *found.unsubscribed}
            assert set(now.subscribers) == expected


OPERATIONS = ("accept", "accept_led", "dismiss", "change_members", "subscribe", "unsubscribe")


async def operate(light: Light, operation: str, incident_id: str, records: list[RequestRecord]) -> None:
    own = light.service.incidents
    match operation:
        case "accept":
            await own.accept(STAFF, incident_id)
        case "accept_led":
            await own.accept(STAFF, incident_id, None, records[2].request.request_id)
        case "dismiss":
            await own.dismiss(STAFF, incident_id)
        case "change_members":
            added, removed = records[-1].request.request_id, records[1].request.request_id
            await own.change_members(STAFF, incident_id, (added,), (removed,))
        case "subscribe":
            await own.subscribe(Principal("RES_A_909", Role.RESIDENT), incident_id)
        case _:
            await own.unsubscribe(Principal("RES_A_202", Role.RESIDENT), incident_id)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_what_is_killed_anywhere_is_finished_by_the_sweeper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    # Nobody calls over HTTP here, and making the application takes longer than all the rest.
    monkeypatch.setattr(light_module, "build_api", nothing)
    whole = await killed_after(10_000, operation, tmp_path / "whole", monkeypatch)
    assert whole.index("put") > 0, "the timer comes first"
    for writes in range(1, len(whole)):
        assert await killed_after(writes, operation, tmp_path / str(writes), monkeypatch) == whole[:writes]


async def killed_after(writes: int, operation: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Begin in a process that dies after so many writes, and let the sweeper go on; the writes that were made."""
    async with open_light(folder, Embedding()) as light:
        records = [*await cold(light, "101", "202", "303"), await put(light, "404", "The thermostat shows an error")]
        (found,) = await incidents(light)
        with monkeypatch.context() as patched:
            # What is sent meanwhile would count as a write or not, as it happens.
            patched.setattr(light.service.incidents._dispatcher, "start", nothing)
            if not operation.startswith("accept"):
                await light.service.incidents.accept(STAFF, found.incident_id)
            (before,) = await incidents(light)
            doomed = Doomed(light, patched, writes)
            try:
                await operate(light, operation, found.incident_id, records)
            except StoreUnavailable:
                assert writes < 10_000
        await swept(light)
        (after,) = await incidents(light)
        if "put" in doomed.made:
            assert after != before, "what was meant stands"
        await require_in_step(light, after, records)
        return doomed.made


async def test_a_dismissal_takes_the_lead_out_last(light: Light, monkeypatch: pytest.MonkeyPatch) -> None:
    records = await cold(light, "101", "202")
    (found,) = await incidents(light)
    await light.service.incidents.accept(STAFF, found.incident_id)
    order: list[str] = []
    save = light.service.incidents._store.save

    async def noted(record: RequestRecord, **kwargs: Any) -> None:
        if record.request.incident_id is None:
            order.append(record.request.request_id)
        await save(record, **kwargs)

    monkeypatch.setattr(light.service.incidents._store, "save", noted)
    monkeypatch.setattr(light.service.incidents._dispatcher, "start", nothing)
    await light.service.incidents.dismiss(STAFF, found.incident_id)
    assert order == [records[1].request.request_id, records[0].request.request_id]


@pytest.mark.parametrize("when", ["before the words", "after the words"])
async def test_what_ends_meanwhile_takes_nothing_in(light: Light, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    first, again = await put(light, "101", "x"), await put(light, "101", "y")
    resident, store = Principal("RES_A_101", Role.RESIDENT), light.service.duplicates._store
    save, kept = store.save, list[RequestRecord]()

    async def end_first() -> None:
        record = await present(light, first)
        ended = lifecycle.cancel(record, "RES_A_101", None, light.clock())
        await light.ports.store.save(ended.record, expected_version=record.request.version, events=ended.events)

    async def meanwhile(record: RequestRecord, **kwargs: Any) -> None:
        if kept:
            return await save(record, **kwargs)
        kept.append(record)
        if when == "before the words":
            await end_first()
            return await save(record, **kwargs)
        await save(record, **kwargs)
        return await end_first()

    monkeypatch.setattr(store, "save", meanwhile)
    with pytest.raises(WrongState):
        await light.service.duplicates.attach(resident, again.request.request_id, first.request.request_id)
    assert (await present(light, again)).request.status is Status.AWAITING_SELECTION
    kinds = [event.kind for event in await light.ports.store.events(first.request.request_id)]
    assert ("repeated" in kinds) is (when == "after the words")
