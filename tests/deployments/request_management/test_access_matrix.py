"""Every role on every route, on their own things and on others': 401, 403 and 404 exactly as the rules say."""

import io
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from PIL import Image
from starlette.routing import Mount

from core.errors import BrokenInvariant
from core.execution import Execution, Notification, WorkOrder
from core.execution_labels import ExecutionStatus
from core.labels import Crew, Role, Status, Urgency
from core.ports.execution import DeliveredNotification
from core.request import ExecutionId, RequestId
from core.settings import Settings
from core.what_if import RunStatus, Scenario, WhatIfRun
from deployments.request_management import access
from deployments.request_management.access_rules import PUBLIC_PATHS, RULES, Key, Reach, Rule
from deployments.request_management.api.application import PREFIX, build_api
from deployments.request_management.api.guard import entrances, install_rules
from tests.builders import NOON, build_event, build_full_record
from tests.deployments.request_management.light import Light, Peers, open_light


@dataclass(frozen=True)
class Caller:
    """Somebody who calls; `inside` where the request of building A is their business."""

    role: Role | None
    sub: str = ""
    buildings: tuple[str, ...] | None = None
    inside: bool = False


CALLERS: Mapping[str, Caller] = {
    "anonymous": Caller(None),
    "owner": Caller(Role.RESIDENT, "RES_A_101", inside=True),
    "neighbour": Caller(Role.RESIDENT, "RES_A_102"),
    "staff": Caller(Role.STAFF, "insider", ("A",), inside=True),
    "staff elsewhere": Caller(Role.STAFF, "sue", ("B",)),
    "manager": Caller(Role.MANAGER, "insider", ("A",), inside=True),
    "manager elsewhere": Caller(Role.MANAGER, "max", ("B",)),
    "manager of all": Caller(Role.MANAGER, "mia", inside=True),
    "service": Caller(Role.SERVICE, "robot"),
}

BODIES: dict[Key, dict[str, Any]] = {
    ("PUT", "/requests/{request_id}"): {"comment": "noted"},
    ("POST", "/requests/{request_id}/select-option"): {"option_id": "option-0"},
    ("POST", "/requests/{request_id}/resolve"): {"resolution_notes": "done"},
    ("POST", "/requests/{request_id}/feedback"): {"rating": 4},
    ("POST", "/requests/{request_id}/objection"): {"category": "Billing"},
    ("POST", "/requests/{request_id}/attach"): {"request_id": "{earlier_id}"},
    ("POST", "/safety-check"): {"message_text": "the tap drips"},
    ("POST", "/operations/work-orders/{work_order_id}/complete"): {"notes": "done"},
    ("POST", "/requests/bulk"): {"request_ids": ["REQ_none"], "comment": "noted"},
    ("POST", "/requests/{request_id}/comments"): {"text": "noted"},
    ("POST", "/templates"): {"name": "Visit", "text": "We come."},
    ("PUT", "/templates/{template_id}"): {"name": "Visit", "text": "We come."},
}
"""What a route that looks at its body first must be sent, so that it comes to look at whose thing it is."""

SEEDED = frozenset({"execution_id", "work_order_id", "notification_id", "run_id", "attachment_id"})
"""Names of paths whose thing is there, and is building A's or the insiders'."""


def served(app: FastAPI) -> list[Key]:
    """Every route of the interface, as the rules name them."""
    return [(each.method, each.path.removeprefix(PREFIX)) for each in entrances(app, PREFIX) if each.rule is not None]


ROUTES = served(build_api(lambda: cast(Any, None), Settings()))


class Desk(Peers):
    """The other services, which know things of one request."""

    request_id = RequestId("")

    def __getattr__(self, name: str) -> Any:
        async def found(*_: Any, **__: Any) -> Any:
            return self._things()[name]

        return found if name in self._things() else super().__getattr__(name)

    def _things(self) -> dict[str, Any]:
        job = WorkOrder(
            work_order_id="WO_1", request_id=self.request_id, execution_id=ExecutionId("EXE_1"), kind="work_order",
            crew=Crew.PLUMBING, title="Tap", building_id="A", urgency=Urgency.LOW, status="Open", created_at=NOON,
        )  # fmt: skip
        alert = Notification(recipient_kind="on_call", recipient="A", subject="Alert", body="Go")
        delivered = DeliveredNotification("NOT_1", "inbox", alert, NOON)
        run = WhatIfRun(
            run_id="WIF_1", status=RunStatus.SUCCEEDED, requested_by="insider", created_at=NOON, scenario=Scenario(),
            source="synthetic",
        )  # fmt: skip
        return {
            "work_order": job,
            "complete_work_order": job,
            "notification": delivered,
            "acknowledge": delivered,
            "describe": Execution(
                execution_id=ExecutionId("EXE_1"), request_id=self.request_id, status=ExecutionStatus.SUCCEEDED,
                attempts=1, steps=(), created_at=NOON, updated_at=NOON,
            ),
            "what_if": run,
            "cancel_what_if": run,
        }  # fmt: skip


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def light(tmp_path: Path, desk: Desk) -> AsyncIterator[Light]:
    async with open_light(tmp_path, desk) as made:
        yield made


async def seed(light: Light, desk: Desk, template: str = "") -> dict[str, str]:
    """A request of RES_A_101 in building A with what belongs to it; the values of the paths' names."""
    record, earlier = (
        build_full_record(
            status=Status.AWAITING_SELECTION,
            created_at=NOON + timedelta(seconds=after_s),
            updated_at=NOON + timedelta(seconds=after_s),
        ).model_copy(update={"last_event": 1})
        for after_s in (60, 0)
    )
    for each in (record, earlier):
        assert await light.ports.store.create(each, [build_event(1)])
    desk.request_id = record.request.request_id
    return {
        "request_id": record.request.request_id,
        "resident_id": "RES_A_101",
        "attachment_id": await _upload(light) if "{attachment_id}" in template else "",
        "execution_id": "EXE_1",
        "work_order_id": "WO_1",
        "notification_id": "NOT_1",
        "run_id": "WIF_1",
        "earlier_id": earlier.request.request_id,
    }


async def _upload(light: Light) -> str:
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    async with light.client(Role.RESIDENT, "RES_A_101") as owner:
        made = await owner.post("/attachments", files={"file": ("a.png", picture.getvalue(), "image/png")})
    assert made.status_code == 201, made.text
    return made.json()["attachment_id"]


async def call(light: Light, caller: Caller, key: Key, ids: Mapping[str, str]) -> httpx.Response:
    method, template = key
    path = template
    for name in names_of(template):
        path = path.replace(f"{{{name}}}", ids.get(name, "NO_SUCH_THING"))
    body = {name: ids.get(str(value).strip("{}"), value) for name, value in BODIES.get(key, {}).items()}
    buildings = list(caller.buildings) if caller.buildings is not None else None
    async with light.client(caller.role, caller.sub, buildings=buildings) as client:
        return await client.request(method, path, json=body if method in ("POST", "PUT", "PATCH") else None)


def names_of(template: str) -> list[str]:
    return [part[1:-1] for part in template.split("/") if part.startswith("{")]


def expected(rule: Rule, caller: Caller, template: str) -> set[int]:
    """The statuses that refuse, of which the answer must be one; none of them where the call is let in."""
    if rule.roles is None:
        return set()
    if caller.role is None:
        return {401}
    names_a_person = rule.reach is Reach.RESIDENT and caller.role is Role.RESIDENT and not caller.inside
    if caller.role not in rule.roles:
        of_a_request = rule.reach is Reach.REQUEST and caller.role in access.SUBMITTERS and not caller.inside
        return {404} if of_a_request or names_a_person else {403}
    if caller.inside or rule.reach in (Reach.ALL, Reach.LIST):
        return set()
    if rule.reach is Reach.OWN:
        is_known = set(names_of(template)) <= SEEDED and caller.role is not Role.SERVICE
        return {404} if is_known else set()
    # Staff elsewhere get a resident's history without what is not theirs, which may be nothing.
    return {404} if rule.reach is Reach.REQUEST or names_a_person else set()


@pytest.mark.parametrize("key", ROUTES, ids=" ".join)
async def test_every_role_on_this_route(light: Light, desk: Desk, key: Key) -> None:
    rule = RULES[key]
    ids = await seed(light, desk, key[1])
    for name, caller in CALLERS.items():
        # What one caller has changed must not be what the next one is judged by.
        ids = ids if key[0] == "GET" else await seed(light, desk, key[1])
        answer = await call(light, caller, key, ids)
        refusals = expected(rule, caller, key[1])
        told = f"{name}: {answer.status_code} {answer.text[:300]}"
        if refusals:
            assert answer.status_code in refusals, told
            assert answer.headers["content-type"] == "application/problem+json", told
            assert ids["request_id"] not in answer.json()["detail"], told
            continue
        # What is public by a signature is refused without one, and to everybody alike.
        if rule.roles is not None or "{" not in key[1]:
            assert answer.status_code not in (401, 403, 500), told
        if caller.inside and (rule.reach is Reach.REQUEST or set(names_of(key[1])) & SEEDED) and rule.roles is not None:
            assert answer.status_code not in (404, 422), told
        if not caller.inside and caller.role is not Role.SERVICE:
            assert ids["request_id"] not in answer.text, told


async def test_what_others_see_of_lists_is_not_this_request(light: Light, desk: Desk) -> None:
    ids = await seed(light, desk)
    for caller in CALLERS.values():
        if caller.role in access.STAFF:
            answer = await call(light, caller, ("GET", "/requests"), ids)
            assert (ids["request_id"] in answer.text) is caller.inside


def test_the_rules_name_only_routes_that_are_served() -> None:
    assert set(RULES) == set(ROUTES)


def test_a_route_without_a_rule_keeps_the_application_from_being_built(monkeypatch: pytest.MonkeyPatch) -> None:
    app = build_api(lambda: cast(Any, None), Settings())
    added = APIRouter()

    @added.get("/secrets")
    async def secrets() -> str:
        return "all of them"

    app.include_router(added, prefix=PREFIX)
    with pytest.raises(BrokenInvariant, match=r"GET /api/v1/secrets has no access rule; add a line for \('GET', "):
        install_rules(app, PREFIX)
    for key in [("GET", "/requests"), ("PUT", "/requests/{request_id}"), ("GET", "/health")]:
        kept = {each: rule for each, rule in RULES.items() if each != key}
        with pytest.raises(BrokenInvariant, match=key[1].replace("{", r"\{")):
            entrances(build_api(lambda: cast(Any, None), Settings()), PREFIX, kept)


@pytest.mark.parametrize("path", ["/hidden", f"{PREFIX}/hidden"])
def test_an_application_within_the_application_is_refused(path: str) -> None:
    app = build_api(lambda: cast(Any, None), Settings())
    app.router.routes.append(Mount(path, FastAPI()))
    with pytest.raises(BrokenInvariant):
        entrances(app, PREFIX)
    with pytest.raises(BrokenInvariant):
        entrances(app, PREFIX, {**RULES, ("MOUNT", "/hidden"): Rule(None)})


async def test_a_route_that_was_added_later_is_not_served(light: Light) -> None:
    @light.application.get(f"{PREFIX}/later")
    async def later() -> str:
        return "secret"

    async with light.client(Role.MANAGER, "mia") as client:
        answer = await client.get("/later")
    assert answer.status_code == 500
    assert "secret" not in answer.text


async def test_the_documentation_is_public(light: Light) -> None:
    async with light.client() as client:
        for path in ("/docs", "/openapi.json", "/static-offline-docs/swagger-ui.css"):
            assert (await client.get(f"http://testserver{path}")).status_code == 200
    assert "/health" in PUBLIC_PATHS


async def test_somebody_without_a_token_is_told_so_before_anything_is_looked_at(light: Light) -> None:
    async with light.client() as client:
        for path, content in (("/requests", b"{"), ("/nothing", b""), ("/attachments", b"x" * 11_000_000)):
            answer = await client.post(path, content=content, headers={"Content-Type": "application/json"})
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
