"""The file of outside systems is read strictly, its secrets come from the environment, and production is safe."""

from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from adapters import build
from adapters.call_guard import GuardedSystem
from adapters.system_assembly import (
    GuardedSource,
    assemble_callbacks,
    assemble_channels,
    assemble_routes,
    assemble_sources,
    assemble_systems,
    read_world,
)
from adapters.system_config import fill_headers, read_systems, variables
from core.errors import ArtefactRefused
from core.execution_labels import MESSAGES, ActionKind, ChannelName
from core.ports.execution import OperationsDesk, SystemState
from core.settings import Settings
from core.systems import DESK, SystemsConfig, WebhookSystem

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/systems.example.yaml"
SECRET = "whsec_" + "A" * 32
ENVIRONMENT = {
    "ATLAS_PASSWORD": "p", "ATLAS_CALLBACK_SECRET": "s" * 32, "BILLING_SECRET": SECRET, "BILLING_TOKEN": "t0ken",
    "LOCKERS_SECRET": SECRET, "LOCKERS_CALLBACK_SECRET": SECRET, "DOORS_SECRET": SECRET, "SMTP_PASSWORD": "p",
    "CHAT_SECRET": SECRET,
}  # fmt: skip
HOOK = {
    "kind": "webhook", "name": "billing", "url": "https://b.example", "secret_variable": "BILLING_SECRET",
    "actions": {"credit_bill": {"path": "/c", "external_id": "id"}},
}  # fmt: skip


class Desk:
    """As far as it is assembled."""

    name = DESK

    def state(self) -> SystemState:
        return SystemState(DESK, "ok")


DESK_ALONE = cast(OperationsDesk, Desk())


def written(folder: Path, content: Any) -> Path:
    path = folder / "systems.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def read(folder: Path, content: Any, *, production: bool = False, **environment: str) -> SystemsConfig:
    return read_systems(written(folder, content), {**ENVIRONMENT, **environment}, production=production)


def test_the_example_is_complete_and_fit_for_production() -> None:
    config = read_systems(EXAMPLE, ENVIRONMENT, production=True)
    assert {system.kind for system in config.systems} == {"atlas_cmms", "webhook", "smtp", "sns", "chat"}
    assert {name for system in config.systems for name in variables(system)} == set(ENVIRONMENT)


async def test_the_example_is_assembled_behind_guards() -> None:
    world = read_world(Settings(systems_file=EXAMPLE, environment="production"), ENVIRONMENT)
    systems = assemble_systems(world, DESK_ALONE)
    assert set(systems) == {DESK, "atlas", "billing", "lockers", "doors"}
    assert all(isinstance(system, GuardedSystem) and system.name == name for name, system in systems.items())
    assert {system.state().status for system in systems.values()} == {"ok"}
    routes = assemble_routes(world)
    assert routes[ActionKind.CREDIT_BILL] == "billing"
    assert routes[ActionKind.ORDER_PART] == DESK
    assert set(routes) == set(ActionKind) - MESSAGES
    assert set(routes.values()) <= set(systems)
    assert set(assemble_callbacks(world)) == {"atlas", "lockers"}
    # Its callbacks tell no cost and may be lost.
    (source,) = assemble_sources(world).items()
    assert source[0] == "atlas"
    assert isinstance(source[1], GuardedSource)
    channels = assemble_channels(world)
    assert set(channels) == {ChannelName.EMAIL, ChannelName.SMS, ChannelName.CHAT}
    for each in (*channels.values(), *(system for name, system in systems.items() if name != DESK)):
        await each.close()


def test_without_a_file_everything_stays_on_the_desk(tmp_path: Path) -> None:
    systems, routes, readers = build.outside_systems(Settings(state_dir=tmp_path), DESK_ALONE)
    assert set(systems) == {DESK}
    assert set(routes.values()) == {DESK}
    assert (readers, build.channels(Settings(state_dir=tmp_path))) == ({}, {})
    assert read(tmp_path, "") == SystemsConfig()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("systems: [", "not valid YAML"),
        ("systems: []\nsystems: []", "systems stands twice"),
        ("- a", "Input should be"),
        ({"sytems": []}, "sytems"),
        ({"systems": [{**HOOK, "kind": "fax"}]}, "fax|kind"),
        ({"systems": [{**HOOK, "colour": "red"}]}, "colour"),
        ({"systems": [{**HOOK, "url": "ftp://x"}]}, "url"),
        ({"systems": [{**HOOK, "actions": {}}]}, "actions"),
        ({"systems": [{**HOOK, "actions": {"dance": {"path": "/c", "external_id": "id"}}}]}, "dance"),
        ({"systems": [{**HOOK, "policy": {"rate": "often"}}]}, "rate"),
        ({"systems": [{**HOOK, "policy": {"timeout_s": 0}}]}, "timeout_s"),
        ({"systems": [{**HOOK, "callback_secret_variable": "X_SECRET"}]}, "belong together"),
        ({"systems": [HOOK, HOOK]}, "a name of its own"),
        ({"systems": [{**HOOK, "name": DESK}]}, "a name of its own"),
        ({"systems": [HOOK], "routes": {"order_part": "billing"}}, "does not carry it out"),
        ({"routes": {"credit_bill": "nobody"}}, "does not carry it out"),
        ({"systems": [{"kind": "sns", "region": "r"}, {"kind": "sns", "region": "r", "name": "b"}]}, "at most one"),
        ({"systems": [{**HOOK, "headers": {"webhook-id": "x"}}]}, "can't be set"),
        ({"systems": [{**HOOK, "headers": {"a b": "x"}}]}, "can't be set"),
        ({"systems": [{**HOOK, "headers": {"A": "${BILLING_TOKEN}\n"}}]}, "what no header can"),
        ({"systems": [{**HOOK, "headers": {"A": "é"}}]}, "what no header can"),
    ],
)
def test_what_it_must_not_say_is_refused(tmp_path: Path, content: Any, complaint: str) -> None:
    with pytest.raises(ArtefactRefused, match=complaint):
        read(tmp_path, content)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactRefused, match="can't be read"):
        read_systems(tmp_path / "none.yaml", {}, production=False)


def test_missing_variables_are_named(tmp_path: Path) -> None:
    content = {"systems": [{**HOOK, "headers": {"A": "Bearer ${BILLING_TOKEN}"}}]}
    with pytest.raises(ArtefactRefused, match=r"BILLING_SECRET, BILLING_TOKEN"):
        read(tmp_path, content, BILLING_SECRET="", BILLING_TOKEN="")


def test_a_secret_that_is_none_stops_the_start(tmp_path: Path) -> None:
    path = written(tmp_path, {"systems": [HOOK]})
    world = read_world(Settings(systems_file=path), {"BILLING_SECRET": "password"})
    with pytest.raises(ArtefactRefused, match="BILLING_SECRET") as caught:
        assemble_systems(world, DESK_ALONE)
    assert "password" not in caught.value.detail


def test_headers_are_filled_from_the_environment(tmp_path: Path) -> None:
    config = read(
        tmp_path, {"systems": [{**HOOK, "headers": {"Authorization": "Bearer ${BILLING_TOKEN}", "X-A": "b"}}]}
    )
    (system,) = config.systems
    assert isinstance(system, WebhookSystem)
    assert fill_headers(system, ENVIRONMENT) == {"Authorization": "Bearer t0ken", "X-A": "b"}


@pytest.mark.parametrize(
    "system",
    [
        {**HOOK, "url": "http://b.example"},
        {"kind": "chat", "url": "http://b.example", "secret_variable": "CHAT_SECRET"},
        {"kind": "sns", "region": "r", "endpoint_url": "http://b.example"},
        {"kind": "atlas_cmms", "name": "a", "url": "http://b.example", "email": "a@b.example",
         "password_variable": "ATLAS_PASSWORD"},
        {"kind": "smtp", "host": "m.example", "port": 25, "security": "none", "sender": "a@b.example"},
    ],
)  # fmt: skip
def test_production_refuses_what_others_can_read_along(tmp_path: Path, system: dict[str, Any]) -> None:
    assert len(read(tmp_path, {"systems": [system]}).systems) == 1
    with pytest.raises(ArtefactRefused, match="in production"):
        read(tmp_path, {"systems": [system]}, production=True)
