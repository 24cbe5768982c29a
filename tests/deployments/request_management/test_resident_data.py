"""The export of all that is held about one resident: everything, nothing of others, and for whom."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from core.identity import Principal
from core.labels import Role
from core.request import RequestId
from deployments.request_management.resident_data import ResidentData
from tests.builders import build_event, build_record
from tests.deployments.request_management.erasure_world import (
    NEIGHBOUR,
    OWNER,
    SECRETS,
    World,
    opened,
)

PATH = f"/residents/{OWNER}/export"


async def export(world: World, role: Role, sub: str, buildings: list[str] | None = None) -> Any:
    async with world.light.client(role, sub, buildings=buildings) as client:
        return await client.get(PATH)


async def _subscribe(world: World) -> None:
    """The owner follows the incident in their own right, too."""
    documents = world.light.ports.documents
    document = await documents.get("incident", "INC_1")
    assert document is not None
    body = {**document.body, "subscribers": [OWNER, "RES_A_103"]}
    await documents.put(replace(document, version=document.version + 1, body=body))


async def test_the_resident_gets_all_of_their_own_and_nothing_of_others(folder: Path) -> None:
    async with opened(folder) as world:
        await _subscribe(world)
        answer = await export(world, Role.RESIDENT, OWNER)
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].startswith("attachment;")
        assert answer.headers["cache-control"] == "no-store"
        held = ResidentData.model_validate(answer.json())
        (one,) = held.requests
        assert one.request == (await _record(world, f"REQ_{OWNER}_done")).request
        assert [event.sequence for event in one.timeline if event.internal] == []
        assert [event.sequence for event in one.timeline][:2] == [1, 3]
        assert (one.trace, one.retrieved, one.corrections) == (None, None, None)
        assert [file.attachment.name for file in held.attachments] == ["narwhal.jpg"]
        assert len(held.notifications) == 3
        assert {each.notification.recipient for each in held.notifications} == {OWNER}
        (incident,) = held.incidents
        assert (incident.request_ids, incident.subscribed) == ((RequestId(f"REQ_{OWNER}_done"),), True)
        assert held.audit == ()
        assert not [word for word in (*SECRETS[NEIGHBOUR], NEIGHBOUR, "RES_A_103", "RES_A_104") if word in answer.text]
        # What staff wrote to each other is not among what the resident may see; a job's notes came as news.
        missing = [word for word in SECRETS[OWNER] if word not in answer.text]
        assert missing == ["axolotl", "lemur"]


async def test_the_files_can_be_had_from_the_addresses(folder: Path) -> None:
    async with opened(folder) as world:
        held = (await export(world, Role.RESIDENT, OWNER)).json()
        async with world.light.client() as client:
            file = await client.get(held["attachments"][0]["url"])
        assert (file.status_code, file.headers["content-type"]) == (200, "image/jpeg")


async def test_a_manager_gets_what_staff_know_too_and_who_did_what(folder: Path) -> None:
    async with opened(folder) as world:
        async with world.light.client(Role.MANAGER, "mia", buildings=["A"]) as manager:
            await manager.put(f"/requests/REQ_{OWNER}_done", json={"comment": "noted"})
            await manager.put(f"/requests/REQ_{NEIGHBOUR}_done", json={"comment": "noted"})
        answer = await export(world, Role.MANAGER, "mia", ["A"])
        held = ResidentData.model_validate(answer.json())
        (one,) = held.requests
        record = await _record(world, f"REQ_{OWNER}_done")
        assert (one.trace, one.retrieved, one.terms) == (record.trace, record.retrieved, record.terms)
        assert one.timeline == await world.light.ports.store.events(record.request.request_id)
        assert "axolotl" in answer.text
        # The export itself is the newest entry: it was written down before anything was read.
        assert [(entry.action, entry.target) for entry in held.audit] == [
            ("export_resident", f"resident_id={OWNER}"),
            ("amend", f"request_id=REQ_{OWNER}_done"),
        ]
        assert not [word for word in SECRETS[NEIGHBOUR] if word in answer.text]


async def test_who_may(folder: Path) -> None:
    async with opened(folder) as world:
        for role, sub, buildings, status in (
            (Role.RESIDENT, OWNER, None, 200),
            (Role.RESIDENT, NEIGHBOUR, None, 404),
            (Role.STAFF, "sam", ["A"], 403),
            (Role.SERVICE, "robot", None, 403),
            (Role.MANAGER, "mia", ["A"], 200),
            (Role.MANAGER, "all", None, 200),
            (Role.MANAGER, "max", ["B"], 404),
        ):
            assert (await export(world, role, sub, buildings)).status_code == status, (role, sub)
        async with world.light.client() as nobody:
            assert (await nobody.get(PATH)).status_code == 401


async def test_a_manager_gets_the_part_that_belongs_to_their_buildings(folder: Path) -> None:
    async with opened(folder) as world:
        elsewhere = build_record(request_id="REQ_B", building_id="B", message_text="of another house")
        await world.light.ports.store.create(elsewhere, [build_event(1)])
        for buildings, ids in ((["B"], ["REQ_B"]), (["A"], [f"REQ_{OWNER}_done"]), (None, None)):
            held = (await export(world, Role.MANAGER, "mia", buildings)).json()
            found = [one["request"]["request_id"] for one in held["requests"]]
            assert found == ids or (ids is None and len(found) == 2)
            if buildings == ["B"]:
                assert (held["attachments"], held["incidents"]) == ([], [])
                assert held["notifications"] == []
            if buildings == ["A"]:
                ids_of = {one["notification"]["request_id"] for one in held["notifications"]}
                assert ids_of == {f"REQ_{OWNER}_done"}, "what names no request may be of the other house"


async def test_many_requests_are_written_page_by_page(folder: Path) -> None:
    async with opened(folder) as world:
        for number in range(120):
            record = build_record(request_id=f"REQ_{number:03d}", after_s=number)
            await world.light.ports.store.create(record, [build_event(1)])
        document = await world.light.service.resident_data.open(Principal(OWNER, Role.RESIDENT), OWNER, "http://x")
        pieces = [piece async for piece in document]
        assert len(pieces) > 130
        held = ResidentData.model_validate_json(b"".join(pieces))
        assert len(held.requests) == 121
        assert len({one.request.request_id for one in held.requests}) == 121


async def test_after_an_erasure_nothing_is_held(folder: Path) -> None:
    async with opened(folder) as world:
        async with world.light.client(Role.MANAGER, "mia") as manager:
            assert (await manager.request("DELETE", f"/residents/{OWNER}", json={"reason": "x"})).status_code == 200
        held = (await export(world, Role.RESIDENT, OWNER)).json()
        del held["exported_at"]
        assert held == {
            "resident_id": OWNER, "requests": [], "attachments": [], "notifications": [], "incidents": [], "audit": [],
        }  # fmt: skip


async def _record(world: World, request_id: str) -> Any:
    record = await world.light.ports.store.get(RequestId(request_id))
    assert record is not None
    return record
