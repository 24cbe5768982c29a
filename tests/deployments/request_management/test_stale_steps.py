"""Steps with `If-Match`: one that was decided on an older version than the stored one does nothing."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from core.labels import ApprovalTier, Role, Status
from core.request import Approval, RequestId
from tests.deployments.request_management.light import Light

STEPS: Mapping[str, tuple[Status, Mapping[str, Any]]] = {
    "select-option": (Status.AWAITING_SELECTION, {"option_id": "option-0"}),
    "approve": (Status.AWAITING_APPROVAL, {}),
    "reject": (Status.AWAITING_APPROVAL, {}),
    "resolve": (Status.IN_PROGRESS, {"resolution_notes": "done"}),
    "confirm": (Status.RESOLVED, {}),
    "reopen": (Status.RESOLVED, {}),
    "cancel": (Status.AWAITING_SELECTION, {}),
    "escalate": (Status.AWAITING_SELECTION, {}),
}


@pytest.fixture
async def staff(light: Light) -> AsyncIterator[httpx.AsyncClient]:
    async with light.client(Role.MANAGER, "mia") as client:
        yield client


async def seed(light: Light, status: Status) -> RequestId:
    chosen = {"selected_option_id": "option-0", "approval": Approval(required=ApprovalTier.MANAGER)}
    selected = chosen if status is Status.AWAITING_APPROVAL else {}
    return await light.seed(status=status, **selected)


@pytest.mark.parametrize("name", STEPS)
async def test_a_step_on_an_older_version_is_refused_and_nothing_is_done(
    light: Light, staff: httpx.AsyncClient, name: str
) -> None:
    status, body = STEPS[name]
    request_id = await seed(light, status)
    noted = await staff.put(f"/requests/{request_id}", json={"comment": "seen"})
    address, headers = f"/requests/{request_id}/{name}", {"Idempotency-Key": "k", "If-Match": '"1"'}
    for tag in ('"1"', '"999"', "nonsense"):
        late = await staff.post(address, json=body, headers=headers | {"If-Match": tag})
        assert (late.status_code, late.json()["code"]) == (412, "stale_version")
    kept = (await staff.get(f"/requests/{request_id}")).json()
    assert (kept["status"], kept["version"]) == (status, 2)
    fresh = await staff.post(address, json=body, headers=headers | {"If-Match": noted.headers["ETag"]})
    assert fresh.status_code == 200, fresh.text
    assert fresh.json()["status"] != status


@pytest.mark.parametrize("kept", [True, False], ids=["the answer is kept", "the answer was lost with its process"])
async def test_a_repeated_call_gets_its_first_answer_although_the_version_has_moved_on(
    light: Light, staff: httpx.AsyncClient, kept: bool
) -> None:
    request_id = await seed(light, Status.RESOLVED)
    headers = {"Idempotency-Key": "k", "If-Match": '"1"'}
    first = await staff.post(f"/requests/{request_id}/reopen", headers=headers)
    if not kept:
        await light.ports.store.forget_answers({request_id})
    again = await staff.post(f"/requests/{request_id}/reopen", headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert (again.json()["status"], again.json()["reopened"]) == ("Reopened", 1)


async def test_any_version_will_do_without_it_or_with_a_star(light: Light, staff: httpx.AsyncClient) -> None:
    request_id = await seed(light, Status.RESOLVED)
    assert (await staff.post(f"/requests/{request_id}/reopen")).status_code == 200
    await staff.put(f"/requests/{request_id}", json={"status": "InProgress"})
    done = await staff.post(
        f"/requests/{request_id}/resolve", json={"resolution_notes": "done"}, headers={"If-Match": "*"}
    )
    assert done.status_code == 200
