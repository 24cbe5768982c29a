"""`aam decision replay`: reach a stored decision again from its trace, and say whether it is the same to the byte."""

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass

from core.errors import NotFound
from core.request import RequestId
from core.settings import Settings, load_settings

NAME = "decision"
HELP = "replay a stored decision"


@dataclass(frozen=True)
class Replayed:
    """A stored decision beside the one that was reached again, both as JSON text."""

    request_id: str
    kb_version: str
    policy_version: str
    stored: str
    reached: str
    gates_equal: bool

    @property
    def equal(self) -> bool:
        """Whether the decision is the same byte for byte, and the same gates applied."""
        return self.stored == self.reached and self.gates_equal

    @property
    def differences(self) -> tuple[str, ...]:
        """The fields of the decision that differ, and `gates`."""
        before, after = json.loads(self.stored), json.loads(self.reached)
        fields = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        return (*fields, *(() if self.gates_equal else ("gates",)))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="action", required=True)
    replaying = actions.add_parser("replay", help="decide again from the trace; exits 1 where anything differs")
    replaying.add_argument("request_id", metavar="REQUEST_ID")
    replaying.add_argument("--json", action="store_true", help="print both decisions as JSON")


def run(options: argparse.Namespace) -> int:
    """Replay and tell; 1 where the decision is another one."""
    found = asyncio.run(replay_stored(load_settings(), RequestId(options.request_id)))
    sys.stdout.write(_as_json(found) if options.json else _as_text(found))
    return 0 if found.equal else 1


async def replay_stored(settings: Settings, request_id: RequestId) -> Replayed:
    """Replay one request of the store with the rules of its time.

    Raises `NotFound` for a request that is not there or was not decided, and `ArtefactRefused` without its rules.
    """
    # The simulation's libraries are loaded for this command only.
    from adapters import build
    from adapters.rules_archive import RulesArchive
    from deployments.decision_simulation.replay import replay_case

    store = build.request_store(settings)
    try:
        record = await store.get(request_id)
    finally:
        await store.close()
    if record is None:
        raise NotFound(f"There is no request {request_id}.")
    decision, trace = record.request.decision, record.trace
    if decision is None or trace is None:
        raise NotFound(f"No decision was reached for request {request_id}.")
    rules = RulesArchive(settings.state_dir).read(trace.kb_version, trace.policy_version, trace.rules_hash)
    settled = replay_case(trace, rules)
    return Replayed(
        request_id=request_id,
        kb_version=trace.kb_version,
        policy_version=trace.policy_version,
        stored=decision.model_dump_json(),
        reached=settled.decision.model_dump_json(),
        gates_equal=settled.gates == trace.gates,
    )


def _as_json(found: Replayed) -> str:
    return (
        json.dumps(
            {
                "request_id": found.request_id,
                "equal": found.equal,
                "differences": found.differences,
                "kb_version": found.kb_version,
                "policy_version": found.policy_version,
                "stored": json.loads(found.stored),
                "reached": json.loads(found.reached),
            },
            indent=2,
        )
        + "\n"
    )


def _as_text(found: Replayed) -> str:
    versions = f"knowledge base {found.kb_version}, policy {found.policy_version}"
    decision = json.loads(found.reached)
    verdict = (
        f"equal, all {len(found.stored.encode())} bytes"
        if found.equal
        else f"DIFFERENT in {', '.join(found.differences) or 'bytes alone'}"
    )
    return (
        f"{found.request_id}: {verdict} ({versions})\n"
        f"recommended: {decision['recommended_option_id']}\n{decision['explanation']}\n"
    )
