"""Sends the commands, spoils the calls, kills the consumer and one system, and waits until all is over."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from adapters import build
from bench.outside_soak.commands import Planned, plan_commands
from bench.outside_soak.systems import ENVIRONMENT, ROUTES, Systems, open_systems, write_configuration
from core.envelopes import wrap_command
from core.execution import Execution, ExecutionCommand
from core.execution_labels import MESSAGES, ExecutionStatus
from core.settings import ROOT, Settings
from deployments.execution.deployment import open_notices
from tests.outside.faults import TRANSIENT

DEAD = "lockers"
"""The system that is dead for a while."""
LIMIT_S = 600.0
"""After so long the run gives up waiting."""
ENDED = (ExecutionStatus.SUCCEEDED, ExecutionStatus.DEAD_LETTERED)


@dataclass(frozen=True)
class Plan:
    """How hard the run is."""

    executions: int = 300
    kills: int = 10
    spoilt: float = 0.2
    """The share of calls that fail, half of them after they took effect."""
    duplicated: float = 0.1
    """The share of messages that are sent twice, as another message."""
    dead_s: float = 15.0
    seed: int = 1

    @property
    def pause_s(self) -> float:
        """Between two commands, so that they come through all of the trouble."""
        return (self.kills * 3.0 + self.dead_s) / self.executions


@dataclass
class Run:
    """What came of a run."""

    plan: Plan
    planned: tuple[Planned, ...]
    executions: dict[str, Execution] = field(default_factory=dict[str, Execution])
    effects: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    standing: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    faults_met: int = 0
    duplicates: int = 0
    kills: int = 0
    dead_letters: dict[str, str] = field(default_factory=dict[str, str])
    """Reason by message."""
    told: tuple[str, ...] = ()
    """The executions of which staff were told."""
    ended_meanwhile: int = 0
    """Executions that need nothing of the dead system and ended while it was dead."""
    waiting_meanwhile: int = 0
    """Executions that needed nothing of it and had not ended when it came back."""
    seconds: float = 0.0


class Consumer:
    """The process that carries out commands; it can be killed at any moment."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """A new process; it takes some seconds until it works."""
        log = (self._settings.state_dir / "worker.log").open("ab")
        variables = {
            "AAM_SYSTEMS_FILE": str(self._settings.systems_file),
            "AAM_ARTEFACTS_DIR": str(self._settings.artefacts_dir),
            "AAM_EXECUTION_RETRY_S": str(self._settings.execution_retry_s),
            "AAM_EXECUTION_ATTEMPTS": str(self._settings.execution_attempts),
            "AAM_QUEUE_VISIBILITY_S": str(self._settings.queue_visibility_s),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.outside_soak.worker", str(self._settings.state_dir)],
            cwd=ROOT,
            env={**os.environ, **ENVIRONMENT, **variables},
            stdout=log,
            stderr=log,
        )
        log.close()

    def kill(self) -> None:
        """Without a word: what was in hand stays half-done."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


async def put_to_the_test(settings: Settings, plan: Plan) -> Run:
    """One run in the settings' state folder, which must be new."""
    settings.state_dir.mkdir(parents=True)
    run = Run(plan, plan_commands(plan.executions, plan.seed))
    with open_systems() as systems:
        for number, server in enumerate(systems.servers.values()):
            server.retry_after = "1"
            server.faults.spoil(plan.spoilt, TRANSIENT, seed=plan.seed + number)
        file = settings.state_dir / "systems.yaml"
        write_configuration(systems, file)
        settings = settings.model_copy(update={"systems_file": file})
        started = time.monotonic()
        consumer = Consumer(settings)
        try:
            await _live_through(run, settings, systems, consumer)
        finally:
            consumer.kill()
        run.seconds = time.monotonic() - started
        run.effects = {name: dict(found) for name, found in systems.effects().items()}
        run.standing = {name: dict(found) for name, found in systems.standing().items()}
        run.faults_met = sum(len(server.faults.met) for server in systems.servers.values())
    return run


async def _live_through(run: Run, settings: Settings, systems: Systems, consumer: Consumer) -> None:
    queue, log = build.execution_queue(settings), build.execution_log(settings)
    try:
        commands = [planned.command for planned in run.planned]
        consumer.start()
        trouble = asyncio.create_task(_make_trouble(run, settings, systems, consumer))
        draw = random.Random(run.plan.seed)
        for command in commands:
            await queue.send([wrap_command(command, datetime.now(UTC))])
            if draw.random() < run.plan.duplicated:
                run.duplicates += 1
                message = wrap_command(command, datetime.now(UTC))
                await queue.send([replace(message, message_id=f"{message.message_id}-again")])
            await asyncio.sleep(run.plan.pause_s)
        await trouble
        run.executions = await _ended(settings, commands)
        run.dead_letters = {each.message.message_id: each.reason for each in await queue.dead_letters(1000)}
        run.told = await _told(settings)
    finally:
        await queue.close()
        await log.close()


async def _make_trouble(run: Run, settings: Settings, systems: Systems, consumer: Consumer) -> None:
    """Kills at random moments; in the middle of them one system is dead for a while."""
    draw = random.Random(run.plan.seed + 1)
    for number in range(run.plan.kills):
        await asyncio.sleep(draw.uniform(2.0, 4.0))
        if number == run.plan.kills // 3:
            await _be_dead(run, settings, systems)
        consumer.kill()
        run.kills += 1
        consumer.start()


async def _be_dead(run: Run, settings: Settings, systems: Systems) -> None:
    server = systems.servers[DEAD]
    before = await _ended_now(settings, run.planned)
    server.die()
    await asyncio.sleep(run.plan.dead_s)
    ended = await _ended_now(settings, run.planned)
    others = {each.command.execution_id for each in run.planned if not _needs(each.command, DEAD)}
    run.ended_meanwhile = len((ended - before) & others)
    run.waiting_meanwhile = len(others - ended)
    server.start()


def _needs(command: ExecutionCommand, system: str) -> bool:
    return any(ROUTES.get(call.action) == system for call in command.actions if call.action not in MESSAGES)


async def _ended_now(settings: Settings, planned: Sequence[Planned]) -> set[str]:
    log = build.execution_log(settings)
    try:
        found = [await log.get(each.command.execution_id) for each in planned]
        return {each.execution_id for each in found if each is not None and each.status in ENDED}
    finally:
        await log.close()


async def _ended(settings: Settings, commands: Sequence[ExecutionCommand]) -> dict[str, Execution]:
    """All executions, once each has ended and the queue holds nothing but dead letters; as they are after the limit."""
    log, queue = build.execution_log(settings), build.execution_queue(settings)
    limit = time.monotonic() + LIMIT_S
    try:
        while True:
            found = {str(one.execution_id): each for one in commands if (each := await log.get(one.execution_id))}
            depth = await queue.depth(now=datetime.now(UTC))
            over = len(found) == len(commands) and all(each.status in ENDED for each in found.values())
            if (over and not depth.visible and not depth.in_flight) or time.monotonic() > limit:
                return found
            await asyncio.sleep(0.5)
    finally:
        await log.close()
        await queue.close()


async def _told(settings: Settings) -> tuple[str, ...]:
    """The executions of which staff were told that they need a person."""
    notices = open_notices(settings.model_copy(update={"systems_file": None}))
    try:
        found: list[str] = []
        cursor = None
        while True:
            page = await notices.sent(recipient="staff", limit=200, cursor=cursor)
            told = [sent.notification for sent in page.items if sent.notification.event == "execution_needs_person"]
            found += [each.fields["execution_id"] for each in told]
            cursor = page.next_cursor
            if cursor is None:
                return tuple(found)
    finally:
        await notices.close()
