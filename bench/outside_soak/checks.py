"""What must hold after a run, whatever went wrong in it."""

from collections.abc import Iterator, Mapping

from bench.outside_soak.commands import Planned
from bench.outside_soak.run import Run
from bench.outside_soak.systems import ROUTES
from core.execution import Execution
from core.execution_labels import MESSAGES, ExecutionStatus, StepStatus


def findings(run: Run) -> list[str]:
    """Everything that is not as it must be; empty for a good run."""
    return [*_of_executions(run), *_of_effects(run), *_of_dead_letters(run), *_of_the_others(run)]


def _of_executions(run: Run) -> Iterator[str]:
    for planned in run.planned:
        name = planned.command.execution_id
        execution = run.executions.get(name)
        wanted = ExecutionStatus.DEAD_LETTERED if planned.is_refused else ExecutionStatus.SUCCEEDED
        if execution is None:
            yield f"{name} was lost"
        elif execution.status is not wanted:
            yield f"{name} is {execution.status}, not {wanted}: {execution.reason}"
        elif not planned.is_refused:
            yield from _of_steps(name, execution)


def _of_steps(name: str, execution: Execution) -> Iterator[str]:
    for place, step in enumerate(execution.steps):
        if step.status is not StepStatus.SUCCEEDED or step.external_id is None:
            yield f"{name}:{place} is {step.status} without an end"


def _of_effects(run: Run) -> Iterator[str]:
    """Each wanted effect happened once outside and stands; what was refused, or taken back, does not stand."""
    wanted = {name: dict(_wanted(run, name)) for name in run.effects}
    for system, counts in run.effects.items():
        for key, times in counts.items():
            if times != 1:
                yield f"{key} took effect {times} times in {system}"
            if key not in wanted[system]:
                yield f"{key} took effect in {system}, where nobody ordered it"
        for key, stands in wanted[system].items():
            if counts.get(key, 0) == 0 and stands:
                yield f"{key} never took effect in {system}"
            if run.standing[system].get(key, 0) != int(stands):
                times = run.standing[system].get(key, 0)
                yield f"{key} stands {times} times in {system}, not {int(stands)}; its step is {_step_of(run, key)}"


def _step_of(run: Run, key: str) -> str:
    name, _, place = key.partition(":")
    execution = run.executions.get(name)
    step = execution.steps[int(place)] if execution is not None and place.isdigit() else None
    return "unknown" if step is None else f"{step.status} ({step.error})"


def _wanted(run: Run, system: str) -> Iterator[tuple[str, bool]]:
    """The keys that may take effect in a system, and whether what they did must stand at the end."""
    for planned in run.planned:
        for place, call in enumerate(planned.command.actions):
            if call.action not in MESSAGES and ROUTES.get(call.action) == system:
                yield f"{planned.command.execution_id}:{place}", not planned.is_refused


def _of_dead_letters(run: Run) -> Iterator[str]:
    refused = {planned.command.execution_id for planned in run.planned if planned.is_refused}
    for name in refused:
        if not run.dead_letters.get(name):
            yield f"{name} lies among the dead letters without a reason, or not at all"
        if name not in run.told:
            yield f"nobody was told of {name}"
    for name in set(run.told) - refused:
        yield f"staff were told of {name}, which was carried out"


def _of_the_others(run: Run) -> Iterator[str]:
    if run.ended_meanwhile == 0:
        yield "nothing else ended while one system was dead"


def table(run: Run) -> str:
    """The run as a table for a report."""
    rows: Mapping[str, object] = {
        "seed": run.plan.seed,
        "executions": len(run.planned),
        "of them to be refused": sum(map(_is_refused, run.planned)),
        "messages sent twice": run.duplicates,
        "calls that failed": run.faults_met,
        "kills of the consumer": run.kills,
        "succeeded": _count(run, ExecutionStatus.SUCCEEDED),
        "dead-lettered, with a reason, and staff told": _count(run, ExecutionStatus.DEAD_LETTERED),
        "effects outside": sum(sum(found.values()) for found in run.effects.values()),
        "effects that happened twice": sum(times > 1 for found in run.effects.values() for times in found.values()),
        "ended while one system was dead, of others": run.ended_meanwhile,
        "of others not ended when it came back": run.waiting_meanwhile,
        "seconds": f"{run.seconds:.0f}",
    }
    lines = ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())]
    return "\n".join([*lines, *(f"FOUND: {finding}" for finding in findings(run))])


def _is_refused(planned: Planned) -> bool:
    return planned.is_refused


def _count(run: Run, status: ExecutionStatus) -> int:
    return sum(execution.status is status for execution in run.executions.values())
