"""The small run over failing outside systems: kills, faults, duplicates, a dead system, and everything happens once."""

import asyncio
from dataclasses import replace

import pytest

from bench.outside_soak.checks import findings, table
from bench.outside_soak.run import Plan, Run, put_to_the_test
from core.execution_labels import ExecutionStatus
from core.settings import Settings

SMALL = Plan(executions=40, kills=2, dead_s=4.0, seed=3)


@pytest.fixture(scope="module")
def run(built_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run for all tests here."""
    settings = built_settings.model_copy(
        update={
            "state_dir": tmp_path_factory.mktemp("outside") / "state",
            "execution_retry_s": 0.3,
            "execution_attempts": 12,
            "queue_visibility_s": 5.0,
        }
    )
    return asyncio.run(put_to_the_test(settings, SMALL))


def test_everything_happens_once_or_is_left_to_a_person_with_a_reason(run: Run) -> None:
    assert not findings(run), table(run)
    assert (run.kills, len(run.planned)) == (SMALL.kills, SMALL.executions)
    assert run.faults_met > SMALL.executions * SMALL.spoilt / 2
    assert run.duplicates > 0


def test_the_checks_would_notice(run: Run) -> None:
    name = next(each.command.execution_id for each in run.planned if not each.is_refused)
    system, key = next((system, key) for system, counts in run.effects.items() for key in counts)
    execution = run.executions[name]
    without = {each: found for each, found in run.executions.items() if each != name}
    failed = execution.model_copy(update={"status": ExecutionStatus.DEAD_LETTERED})
    doubled = {**run.effects, system: {**run.effects[system], key: 2}}
    unwanted = {**run.effects, system: {**run.effects[system], "EXE_x:0": 1}}
    missing = {**run.effects, system: {each: times for each, times in run.effects[system].items() if each != key}}
    broken = [
        replace(run, executions=without),
        replace(run, executions={**run.executions, name: failed}),
        replace(run, effects=doubled),
        replace(run, effects=unwanted),
        replace(run, effects=missing, standing={**run.standing, system: {}}),
        replace(run, told=(*run.told, name)),
        replace(run, ended_meanwhile=0),
    ]
    assert [number for number, each in enumerate(broken) if not findings(each)] == []
