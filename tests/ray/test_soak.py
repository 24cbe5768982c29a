"""The small fault run: kills in the middle of the load, then the weeks in which timers fire, and nothing is lost."""

import asyncio
from dataclasses import replace

import pytest

from bench.soak import faults
from bench.soak.checks import check_due_actions, check_world
from bench.soak.run import Report, live_on, new_graph, put_to_the_test, table
from bench.soak.world import World
from core.labels import Status
from core.settings import Settings

REQUESTS = 40
SEED = 7
KILLS = ("AIProcessing", "RequestManagement", faults.EVERYTHING)


@pytest.fixture(scope="module")
def report(built_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """One run for all tests here."""
    graph = new_graph(built_settings, tmp_path_factory.mktemp("soak"))

    async def run() -> Report:
        await asyncio.to_thread(graph.start)
        try:
            found = await put_to_the_test(graph, requests=REQUESTS, planned=KILLS, seed=SEED)
        finally:
            if graph.process is not None and graph.process.poll() is None:
                graph.stop()
        await live_on(found, graph.settings, kills=2)
        return found

    return asyncio.run(run())


def test_nothing_acknowledged_is_lost_or_done_twice(report: Report) -> None:
    assert [kill.what for kill in report.kills] == list(KILLS)
    assert len(report.tally.acknowledged) == REQUESTS
    assert not report.findings, table(report)


def test_every_due_action_happens_once_though_the_sweeper_is_killed(report: Report) -> None:
    assert report.due_actions.total() > REQUESTS / 2
    assert not report.late_findings, table(report)


def _findings(report: Report, world: World) -> bool:
    return bool(check_world(world, report.tally.acknowledged, report.tally.texts))


def test_the_checks_would_notice(report: Report) -> None:
    world = report.world
    request_id = next(name for name, events in world.events.items() if len(events) > 4)
    record, events = world.records[request_id], world.events[request_id]
    execution_id = next(name for name in world.executions if world.executions[name].request_id)
    without_record = {name: each for name, each in world.records.items() if name != request_id}
    without_execution = {name: each for name, each in world.executions.items() if name != execution_id}
    stuck = record.model_copy(update={"request": record.request.model_copy(update={"status": Status.PROCESSING})})
    other = record.model_copy(update={"request": record.request.model_copy(update={"message_text": "other"})})
    broken = [
        replace(world, records=without_record),
        replace(world, records={**world.records, request_id: stuck}),
        replace(world, records={**world.records, request_id: other}),
        replace(world, events={**world.events, request_id: events[:-1]}),
        replace(world, events={**world.events, request_id: (*events[:2], *events)}),
        replace(world, executions=without_execution),
        replace(world, work_orders=(*world.work_orders, ("WO-0", request_id, "EXE_x_opt1", "Open"))),
        replace(world, notifications=world.notifications[1:]),
        replace(world, notifications=(*world.notifications, ("NTF-0", f"{execution_id}:0", "{}"))),
    ]
    assert [number for number, each in enumerate(broken) if not _findings(report, each)] == []


def test_the_check_of_due_actions_would_notice(report: Report) -> None:
    after = report.late_world
    assert after is not None
    request_id = next(name for name, record in report.world.records.items() if record.pending)
    last = after.events[request_id][-1]
    for events in (after.events[request_id][: report.world.records[request_id].last_event], ()):
        assert check_due_actions(report.world, replace(after, events={**after.events, request_id: events}))[0]
    new = [event for event in after.events[request_id] if event.sequence > report.world.records[request_id].last_event]
    twice = (*after.events[request_id], *new, last)
    assert check_due_actions(report.world, replace(after, events={**after.events, request_id: twice}))[0]
