"""The four outside systems of the run, which count what happens in them, and their configuration."""

from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from core.execution_labels import ActionKind
from tests.outside.atlas_server import EMAIL, PASSWORD, AtlasServer
from tests.outside.billing_server import SECRET, BillingServer
from tests.outside.faulty_server import Call, FaultyServer, Reply

ROUTES: Mapping[ActionKind, str] = {
    ActionKind.DISPATCH_WORK_ORDER: "atlas",
    ActionKind.CREDIT_BILL: "billing",
    ActionKind.TRACE_PARCEL: "lockers",
    ActionKind.ISSUE_ACCESS_CODE: "doors",
}
ENVIRONMENT = {"SOAK_ATLAS_PASSWORD": PASSWORD, "SOAK_SECRET": SECRET}
POLICY: Mapping[str, Any] = {
    "timeout_s": 3,
    "attempts": 1,
    "concurrency": 8,
    "breaker_failures": 5,
    "breaker_reset_s": 1.0,
}
ACCOUNTS = {"billing": "parameters.resident_id", "lockers": "parameters.resident_id", "doors": "parameters.holder"}
"""Whose the entry is, as each service asks for it."""


NOBODY = "nobody"
"""For whom the doors open to no code."""


class DoorServer(BillingServer):
    """Access control: it refuses a code for nobody."""

    def reply(self, call: Call) -> Reply:
        if call.method == "POST" and call.json().get("account") == NOBODY:
            return Reply(422, {"error": "nobody holds this code"})
        return super().reply(call)


@dataclass(frozen=True)
class Systems:
    """The servers by the name of their system."""

    servers: Mapping[str, FaultyServer]

    def effects(self) -> dict[str, Counter[str]]:
        """How often each idempotency key took effect, by system."""
        return {name: Counter(_effects(server)) for name, server in self.servers.items()}

    def standing(self) -> dict[str, Counter[str]]:
        """How many things stand with each idempotency key, by system; what was taken back does not."""
        return {name: Counter(_keys(server)) for name, server in self.servers.items()}


def _effects(server: FaultyServer) -> Mapping[str, int]:
    return server.effects if isinstance(server, BillingServer | AtlasServer) else {}


def _keys(server: FaultyServer) -> Iterator[str]:
    if isinstance(server, BillingServer):
        yield from (entry["key"] for entry in server.credits.values())
    elif isinstance(server, AtlasServer):
        for order in server.orders.values():
            # The mark that the connector puts at the end of a description.
            yield str(order["description"]).rpartition("[aam:")[2].rstrip("]")


@contextmanager
def open_systems() -> Generator[Systems]:
    """All four, listening on this machine."""
    with ExitStack() as stack:
        servers: dict[str, FaultyServer] = {
            "atlas": stack.enter_context(AtlasServer()),
            # It makes two of one key: its caller has to ask before it repeats.
            "billing": stack.enter_context(BillingServer(idempotent=False)),
            "lockers": stack.enter_context(BillingServer()),
            "doors": stack.enter_context(DoorServer()),
        }
        yield Systems(servers)


def write_configuration(systems: Systems, path: Path) -> None:
    """The file that `AAM_SYSTEMS_FILE` names."""
    atlas = {
        "kind": "atlas_cmms",
        "name": "atlas",
        "url": systems.servers["atlas"].url,
        "network": "private",
        "email": EMAIL,
        "password_variable": "SOAK_ATLAS_PASSWORD",
        "policy": dict(POLICY),
    }
    others = [_service(name, systems.servers[name].url) for name in ("billing", "lockers", "doors")]
    routes = {str(action): name for action, name in ROUTES.items()}
    path.write_text(yaml.safe_dump({"systems": [atlas, *others], "routes": routes}))


def _service(name: str, url: str) -> dict[str, Any]:
    (action,) = (str(kind) for kind, system in ROUTES.items() if system == name)
    mapping = {
        "path": "/credits",
        "body": {"account": ACCOUNTS[name]},
        "external_id": "id",
        "is_done": True,
        "find": "/credits?key={context.idempotency_key}",
        "found_id": "credits[0].id",
        "undo": "/credits/{external_id}",
    }
    return {
        "kind": "webhook",
        "name": name,
        "url": url,
        "network": "private",
        "secret_variable": "SOAK_SECRET",
        "policy": dict(POLICY),
        "actions": {action: mapping},
    }
