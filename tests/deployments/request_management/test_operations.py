"""Who sees and sends messages: staff of some buildings nothing of another's, however its resident is named."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import NotFound
from core.execution import Notification
from core.identity import Principal
from core.labels import Role
from core.ports.execution import DeliveredNotification
from core.ports.page import Page
from deployments.request_management.schemas import NotificationOrder
from tests.builders import NOON, build_record
from tests.deployments.request_management.light import Light, Peers, open_light

OF_A, OF_B = (Principal("sam", Role.STAFF, frozenset({building})) for building in ("A", "B"))
OF_ALL = Principal("mia", Role.STAFF)
ALICE, NOBODY = "alice", "nobody-known"


def message(number: str, kind: str, recipient: str, request_id: str | None = None) -> DeliveredNotification:
    fields = {"recipient_kind": kind, "recipient": recipient, "subject": "s", "body": "b", "request_id": request_id}
    return DeliveredNotification(number, "inbox", Notification.model_validate(fields), NOON)


SENT = {
    "named": message("named", "resident", "RES_B_101", "REQ_A"),
    "of a request": message("of a request", "resident", NOBODY, "REQ_B"),
    "of no request": message("of no request", "resident", ALICE),
    "unknown": message("unknown", "resident", NOBODY),
    "erased request": message("erased request", "resident", NOBODY, "REQ_gone"),
    "alert": message("alert", "on_call", "B"),
    "to all staff": message("to all staff", "staff_role", "staff"),
    "to staff": message("to staff", "staff_role", "staff", "REQ_B"),
}


class Sending(Peers):
    """Execution with what was sent, which takes what is to be sent."""

    def __init__(self) -> None:
        super().__init__(notifications=Page(tuple(SENT.values()), None), enqueue="queued")

    async def notification(self, notification_id: str) -> DeliveredNotification | None:
        return SENT.get(notification_id)

    async def acknowledge(self, notification_id: str, _: str) -> DeliveredNotification:
        return SENT[notification_id]


def nothing(*_: object) -> None:
    """In the place of an application: nobody calls over HTTP here, and making it takes longer than all the rest."""


@pytest.fixture
async def light(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Light]:
    monkeypatch.setattr("tests.deployments.request_management.light.build_api", nothing)
    async with open_light(tmp_path, Sending()) as made:
        for request_id, resident_id, building_id in (("REQ_A", "RES_A_1", "A"), ("REQ_B", ALICE, "B")):
            record = build_record(request_id=request_id, resident_id=resident_id, building_id=building_id)
            assert await made.ports.store.create(record, ())
        yield made


async def seen(light: Light, principal: Principal) -> set[str]:
    page = await light.service.operations.notifications(principal, None, 50, None)
    return {sent.notification_id for sent in page.items}


async def test_staff_of_some_buildings_see_no_message_of_another(light: Light) -> None:
    assert await seen(light, OF_A) == {"to all staff"}
    assert await seen(light, OF_B) == {*SENT} - {"unknown", "erased request"}
    assert await seen(light, OF_ALL) == {*SENT}
    assert await seen(light, Principal(ALICE, Role.RESIDENT)) == {"of no request"}


async def test_what_is_not_seen_is_not_taken_either(light: Light) -> None:
    with pytest.raises(NotFound):
        await light.service.operations.acknowledge(OF_A, "alert")
    assert (await light.service.operations.acknowledge(OF_B, "alert")).notification_id == "alert"


@pytest.mark.parametrize(
    ("principal", "resident_id", "allowed"),
    [
        (OF_A, "RES_A_101", True),
        (OF_A, "RES_B_101", False),
        (OF_A, ALICE, False),
        (OF_A, NOBODY, False),
        (OF_B, ALICE, True),
        (OF_B, NOBODY, False),
        (OF_ALL, NOBODY, True),
        (Principal("robot", Role.SERVICE, frozenset({"A"})), ALICE, False),
    ],
)
async def test_a_message_is_sent_within_the_callers_buildings(
    light: Light, principal: Principal, resident_id: str, allowed: bool
) -> None:
    order = NotificationOrder(resident_id=resident_id, message="hello")
    sent: Any = light.service.operations.notify(principal, order, "EXE_1", "corr")
    if allowed:
        assert await sent == "queued"
    else:
        with pytest.raises(NotFound):
            await sent
