"""What the API answers to calls made up from its own description: no 5xx, and nothing that is not described.

`python -m bench.schema [--cases 5000] [--seed N] [--examples M]`
"""

import argparse
import asyncio
import json
import logging
import secrets
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import httpx
import schemathesis
import uvicorn
from fastapi import FastAPI
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.engine import Status, events, from_schema
from schemathesis.openapi.checks import RejectedPositiveData

from adapters.tokens import LocalTokens
from bench.load import sample_messages
from bench.one_process import one_process
from core.labels import Role
from core.settings import Settings, load_settings
from deployments.request_management.api.application import build_api

CALLERS: Mapping[str, tuple[Role, str] | None] = MappingProxyType(
    {
        "resident": (Role.RESIDENT, "RES_A_101"),
        "staff": (Role.STAFF, "sam"),
        "manager": (Role.MANAGER, "mia"),
        "service": (Role.SERVICE, "robot"),
        "nobody": None,
    }
)
PHASES = ("examples", "coverage", "fuzzing", "stateful")
UNWRITTEN = frozenset(
    {
        "idempotency_key_reused",
        "invalid_cursor",
        "stale_version",
        "unknown_option",
        "unsupported_file",
        "file_refused",
        "invalid",
    }
)
"""Codes of rules that JSON Schema can't state, as they depend on what was sent or stored before, on several fields or
on a file's content. Of `validation_error` that is so for Pydantic's `value_error`, which only a rule of ours raises."""


@dataclass
class Findings:
    """What came of the calls of one caller."""

    cases: int = 0
    """Generated calls that were answered."""
    calls: int = 0
    """With those that checks made on their own."""
    phases: Counter[str] = field(default_factory=Counter[str])
    """Generated calls by phase."""
    statuses: Counter[int] = field(default_factory=Counter[int])
    checks: Counter[str] = field(default_factory=Counter[str])
    """How often each check passed."""
    failures: dict[tuple[str, str, str], str] = field(default_factory=dict[tuple[str, str, str], str])
    """By check, operation and title, how to see it again."""
    errors: list[str] = field(default_factory=list[str])
    """What kept the calls from being made."""

    def add(self, other: "Findings") -> None:
        """Take in what another run found."""
        self.cases += other.cases
        self.calls += other.calls
        self.phases += other.phases
        self.statuses += other.statuses
        self.checks += other.checks
        self.failures = {**other.failures, **self.failures}
        self.errors += other.errors


@contextmanager
def served(opened: Callable[[], AbstractAsyncContextManager[FastAPI]]) -> Generator[str]:
    """The application over HTTP from a thread of this process, in whose event loop it is opened; its base URL."""
    started, ready = threading.Event(), list[uvicorn.Server]()

    async def serve() -> None:
        async with opened() as app:
            server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off"))
            ready.append(server)
            await server.serve()

    def run() -> None:
        try:
            asyncio.run(serve())
        finally:
            started.set()

    thread = threading.Thread(target=run, name="served", daemon=True)
    thread.start()
    while not (ready and ready[0].started) and thread.is_alive():
        started.wait(0.05)
    try:
        yield f"http://127.0.0.1:{ready[0].servers[0].sockets[0].getsockname()[1]}"
    finally:
        ready[0].should_exit = True
        thread.join(60)


def fuzz(base_url: str, token: str | None, *, seed: int, examples: int, phases: Sequence[str] = PHASES) -> Findings:
    """Call every operation with made-up data, valid and not, as the bearer of `token`; `examples` for each operation.

    Coverage's calls are as many as the description has things to leave out or get wrong, whatever `examples` says.
    """
    loaded: Any = schemathesis.openapi.from_url(
        f"{base_url}/openapi.json", config=_config(token, seed, examples, phases)
    )
    loaded.hook("filter_failure")(_counts)
    found = Findings()
    for event in from_schema(loaded).execute():
        if isinstance(event, events.ScenarioFinished):
            _note(found, event)
        elif isinstance(event, events.NonFatalError):
            found.errors.append(f"{event.label}: {event.info.title}: {event.info.message}")
        elif isinstance(event, events.FatalError):
            raise event.exception
    return found


def prepare(base_url: str, token: str, messages: Sequence[str]) -> None:
    """Send these messages as this resident, so that lists are not empty and calls come upon things that are there."""
    with httpx.Client(base_url=f"{base_url}/api/v1", headers={"Authorization": f"Bearer {token}"}) as client:
        for message in messages:
            client.post("/requests", json={"message_text": message}, timeout=60.0).raise_for_status()


def _config(token: str | None, seed: int, examples: int, phases: Sequence[str]) -> SchemathesisConfig:
    return cast(Any, SchemathesisConfig).from_dict(
        {
            "seed": seed,
            "continue-on-failure": True,
            "request-timeout": 60.0,
            "max-stream-events": 3,
            "headers": {"Authorization": f"Bearer {token}"} if token else {},
            "generation": {"max-examples": examples, "no-shrink": True, "database": "none"},
            "cache": {"enabled": False},
            "phases": {phase: {"enabled": phase in phases} for phase in PHASES},
        }
    )


def _note(found: Findings, scenario: events.ScenarioFinished) -> None:
    recorder: Any = scenario.recorder
    answered = {key: each.response for key, each in recorder.interactions.items() if each.response is not None}
    generated = {key for key, node in recorder.cases.items() if node.parent_id is None or node.transition is not None}
    found.cases += len(generated & answered.keys())
    found.phases[scenario.phase.value] += len(generated & answered.keys())
    found.calls += len(answered)
    found.statuses.update(response.status_code for response in answered.values())
    for key, checks in recorder.checks.items():
        for check in checks:
            if check.status is Status.SUCCESS or check.failure_info is None:
                found.checks[check.name] += 1
                continue
            failure, shown = check.failure_info.failure, answered.get(key)
            label = recorder.cases[key].value.operation.label
            text = shown.content[:600].decode(errors="replace") if shown else ""
            sample = check.failure_info.code_sample[:1500]
            detail = f"{failure.message[:1000]}\n{shown and shown.status_code} {text}\n{sample}"
            found.failures.setdefault((check.name, label, failure.title), detail)


def _counts(context: Any, failure: Failure, case: Any, response: Response) -> bool:
    """Whether a failure is one: a call may fit the description and yet break a rule, if the answer names the rule."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    problem = json.loads(response.content)
    if problem["code"] == "validation_error":
        return any(error["type"] != "value_error" for error in problem["errors"])
    return problem["code"] not in UNWRITTEN


@contextmanager
def _quiet() -> Generator[None]:
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def real_application(settings: Settings) -> Callable[[], AbstractAsyncContextManager[FastAPI]]:
    """The API over all four services with the built models."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[FastAPI]:
        async with one_process(settings) as service:
            yield build_api(lambda: service, settings)

    return opened


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz as everybody in turn until there are as many cases as asked for; 1 where anything failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.schema")
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--examples", type=int, default=5, help="for each operation, caller and round")
    parser.add_argument("--phases", nargs="*", default=PHASES)
    parser.add_argument("--callers", nargs="*", default=list(CALLERS))
    given = parser.parse_args(arguments)
    found = {name: Findings() for name in given.callers}
    seed = given.seed
    with tempfile.TemporaryDirectory() as folder, _quiet():
        settings = load_settings().model_copy(update={"state_dir": Path(folder)})
        with served(real_application(settings)) as base_url:
            tokens = LocalTokens(settings.local_key)
            prepare(base_url, tokens.issue(Role.RESIDENT, "RES_A_101"), sample_messages(12))
            while sum(each.cases for each in found.values()) < given.cases:
                for name, each in found.items():
                    who = CALLERS[name]
                    began = time.perf_counter()
                    token = tokens.issue(*who) if who else None
                    each.add(fuzz(base_url, token, seed=seed, examples=given.examples, phases=given.phases))
                    print(f"seed {seed} {name}: {each.cases} cases, {time.perf_counter() - began:.0f} s", flush=True)
                seed += 1
    return report(found)


def report(found: Mapping[str, Findings]) -> int:
    """Print what was found; 1 where anything failed."""
    for name, each in found.items():
        statuses = " ".join(f"{status}:{count}" for status, count in sorted(each.statuses.items()))
        phases = ", ".join(f"{phase} {count}" for phase, count in each.phases.items())
        print(f"{name}: {each.cases} cases ({phases}), {each.calls} calls; {statuses}")
        for (check, label, title), detail in sorted(each.failures.items()):
            print(f"\nFAILED {name} {check} {label}: {title}\n{detail}")
        for error in each.errors:
            print(f"\nERROR {name} {error}")
    print(f"{sum(each.cases for each in found.values())} cases, checks passed:")
    for check, count in sum((each.checks for each in found.values()), Counter[str]()).most_common():
        print(f"  {check}: {count}")
    return int(any(each.failures or each.errors for each in found.values()))


if __name__ == "__main__":
    sys.exit(main())
