"""What must hold after a run; each check names what it finds broken, and nothing where all is well."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bench.soak.world import World
from core.errors import IllegalTransition
from core.execution import Execution
from core.execution_labels import MESSAGES, ActionKind, ExecutionStatus, StepStatus
from core.labels import Status
from core.record import NextAction, RequestRecord
from core.request import Event
from core.status import RECALLABLE, UNJUDGED, require_legal
from deployments.execution.notices.record import notice_id_of
from deployments.request_management.commands import POLICY

PURPOSE = re.compile(r"EXE_.+_([a-z]+)\d+")
PURPOSE_OF_EVENT = {
    "emergency_action": "emg",
    "alarm_raised": "alm",
    "reminded": "rem",
    "sla_warning": "wrn",
    "response_breached": "rsp",
    "sla_breached": "brc",
    "documentation_reminder": "doc",
    "documentation_overdue": "doc",
}
EVENT_OF_TIMER = {
    NextAction.RESPONSE_BREACH: "response_breached",
    NextAction.SLA_WARNING: "sla_warning",
    NextAction.SLA_BREACH: "sla_breached",
    NextAction.REMIND: "reminded",
}


@dataclass
class Findings:
    """What is broken, one sentence each."""

    lost: list[str] = field(default_factory=list[str])
    doubled: list[str] = field(default_factory=list[str])
    wrong: list[str] = field(default_factory=list[str])

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.wrong)

    def count(self, what: str, found: int, expected: int) -> None:
        """Note a number that should be another."""
        if found != expected:
            (self.lost if found < expected else self.doubled).append(f"{what}: {found}, not {expected}")


def check_world(world: World, acknowledged: Mapping[str, str], texts: Mapping[str, str]) -> Findings:
    """All checks of one moment. `acknowledged`: request id by idempotency key; `texts`: what each key submitted."""
    findings = Findings()
    _check_submissions(findings, world, acknowledged, texts)
    for request_id, record in world.records.items():
        _check_story(findings, record, world.events[request_id])
        _check_effects(findings, world, record, world.events[request_id])
    _check_executions(findings, world)
    for name, depth in world.depths.items():
        findings.count(f"messages left in the queue of {name}", depth.visible + depth.in_flight, 0)
        findings.count(f"dead letters in the queue of {name}", depth.dead, 0)
    for verdict in world.audit:
        if verdict.broken_at is not None:
            findings.wrong.append(f"audit chain {verdict.chain} is broken at {verdict.broken_at}: {verdict.reason}")
    return findings


def _check_submissions(
    findings: Findings, world: World, acknowledged: Mapping[str, str], texts: Mapping[str, str]
) -> None:
    for key, request_id in acknowledged.items():
        record = world.records.get(request_id)
        if record is None:
            findings.lost.append(f"{request_id} was acknowledged and is not there")
        elif record.request.message_text != texts[key]:
            findings.wrong.append(f"{request_id} does not have the text that was sent")
    made = Counter(record.request.message_text for record in world.records.values())
    for text in texts.values():
        findings.count(f"requests made of {text[:40]!r}", made[text], 1)
    findings.count("requests in the store", len(world.records), len(texts))


def _check_story(findings: Findings, record: RequestRecord, events: tuple[Event, ...]) -> None:
    request_id, status = record.request.request_id, Status.SUBMITTED
    if [event.sequence for event in events] != list(range(1, record.last_event + 1)):
        findings.wrong.append(f"{request_id}: its events are not 1 to {record.last_event} without gaps")
    if len({event.at for event in events}) > record.request.version:
        findings.wrong.append(f"{request_id}: more changes are told than its version {record.request.version} counts")
    for event in events:
        if event.kind == "status_changed":
            status = _follow(findings, record, event, status)
    if status is not record.request.status:
        findings.wrong.append(f"{request_id}: its events end in {status}, it is {record.request.status}")
    if status in UNJUDGED:
        findings.lost.append(f"{request_id} is still {status}")
    if record.outbox:
        findings.lost.append(f"{request_id}: {len(record.outbox)} commands were never sent")


def _follow(findings: Findings, record: RequestRecord, event: Event, status: Status) -> Status:
    before, after = Status(str(event.details["from"])), Status(str(event.details["to"]))
    recalled = after is Status.CANCELLED and before in RECALLABLE and record.selected_by == POLICY
    try:
        if not recalled:
            require_legal(before, after)
    except IllegalTransition:
        findings.wrong.append(f"{record.request.request_id}: {before} → {after} is no legal step")
    if before is not status:
        findings.wrong.append(f"{record.request.request_id}: event {event.sequence} leaves {before}, it was {status}")
    return after


def _check_effects(findings: Findings, world: World, record: RequestRecord, events: tuple[Event, ...]) -> None:
    request_id = record.request.request_id
    executions = {name: each for name, each in world.executions.items() if each.request_id == request_id}
    wanted, found = caused(events), Counter(map(purpose, executions))
    for kind in wanted | found:
        findings.count(f"{request_id}: executions for {kind!r}", found[kind], wanted[kind])
    for kind in ("queued", "running", "succeeded"):
        told = Counter(str(e.details["execution_id"]) for e in events if e.kind == f"execution_{kind}")
        for name in executions.keys() | told.keys():
            findings.count(f"{request_id}: news that {name} is {kind}", told[name], int(name in executions))
    summary = record.request.execution
    if summary is not None and summary.execution_id not in executions:
        findings.lost.append(f"{request_id}: its execution {summary.execution_id} was never begun")
    done = sum(order[1] == request_id and order[3] == "Done" for order in world.work_orders)
    told_done = sum(event.kind == "work_completed" for event in events)
    findings.count(f"{request_id}: jobs told as done", told_done, done)
    labels = record.request.classification
    if labels is not None and labels.emergency:
        # Whoever reopens an emergency has it alerted to anew.
        begun_again = sum(event.details.get("to") == Status.REOPENED for event in events)
        findings.count(f"{request_id}: alerts of this emergency", _first_alerts(executions), 1 + begun_again)
        findings.count(f"{request_id}: emergency actions", found["emg"], wanted["emg"])


def _first_alerts(executions: Mapping[str, Execution]) -> int:
    """How often the person on call was told of an emergency, not counting what its targets cause."""
    steps = [step for name, each in executions.items() if purpose(name) in ("emg", "alm", "rev") for step in each.steps]
    return sum(step.action is ActionKind.ALERT_ON_CALL and step.external_id is not None for step in steps)


def purpose(execution_id: str) -> str:
    """What an execution is for, by its id."""
    found = PURPOSE.fullmatch(execution_id)
    return found[1] if found else "?"


def caused(events: tuple[Event, ...]) -> Counter[str]:
    """How many executions of each purpose the timeline says were caused."""
    kinds = {event.kind for event in events}
    wanted = Counter(PURPOSE_OF_EVENT[event.kind] for event in events if event.kind in PURPOSE_OF_EVENT)
    for event in events:
        if event.kind == "status_changed":
            before, after = Status(str(event.details["from"])), Status(str(event.details["to"]))
            wanted.update(_caused_by_step(before, after, "emergency_action" in kinds, "code" in event.details))
    return wanted


def _caused_by_step(before: Status, after: Status, emergency: bool, gave_up: bool) -> Iterator[str]:
    if after is Status.APPROVED:
        yield "opt"
    elif after is Status.REOPENED:
        yield "reo"
    elif after is Status.CANCELLED and before in RECALLABLE - {Status.AWAITING_APPROVAL}:
        yield "rec"
    elif (after is Status.NEEDS_REVIEW and gave_up) or (after is Status.ESCALATED and before is not Status.PROCESSING):
        yield "rev"
    elif after is Status.ESCALATED and not emergency:
        yield "esc"


def _check_executions(findings: Findings, world: World) -> None:
    """Each step of each execution once in the outside world, and nothing there that no step asked for."""
    jobs: Counter[str] = Counter()
    messages: Counter[str] = Counter()
    outside: Counter[str] = Counter()
    for name, execution in world.executions.items():
        if execution.status is not ExecutionStatus.SUCCEEDED:
            findings.lost.append(f"{name} is {execution.status}")
        for index, step in enumerate(execution.steps):
            if step.status is not StepStatus.SUCCEEDED or step.external_id is None:
                findings.lost.append(f"{name}: step {index} is {step.status}")
                continue
            outside[step.external_id] += 1
            (messages if step.action in MESSAGES else jobs)[name] += 1
    _compare(findings, "jobs on the desk", Counter(order[2] for order in world.work_orders), jobs)
    owners = {
        notice_id_of(f"{name}:{index}"): name
        for name, execution in world.executions.items()
        for index in range(len(execution.steps))
    }
    # What staff are told of an execution itself is no step of it.
    steps = [name for name, event, _ in world.notifications if event != "execution_needs_person"]
    _compare(findings, "messages in the inbox", Counter(owners.get(name, name) for name in steps), messages)
    there = [order[0] for order in world.work_orders] + steps
    _compare(findings, "the outside thing", Counter(there), outside)


def _compare(findings: Findings, what: str, found: Counter[str], expected: Counter[str]) -> None:
    for name in found | expected:
        findings.count(f"{name}: {what}", found[name], expected[name])


def check_due_actions(before: World, after: World) -> tuple[Findings, Counter[str]]:
    """Each timer that was set `before` caused its event once by `after`, and nothing else did; how many there were."""
    findings, expected_in_all = Findings(), Counter[str]()
    for request_id, record in before.records.items():
        new = Counter(_due_events(after.events[request_id][record.last_event :]))
        expected = _expected_events(record, before.events[request_id])
        _compare(findings, f"{request_id}: by itself", new, expected)
        expected_in_all += expected
        left = set(after.records[request_id].pending)
        if left:
            findings.lost.append(f"{request_id}: {', '.join(sorted(left))} never came")
    return findings, expected_in_all


def _due_events(events: tuple[Event, ...]) -> Iterator[str]:
    for event in events:
        if event.kind in {*EVENT_OF_TIMER.values(), "documentation_reminder", "documentation_overdue"}:
            yield event.kind
        elif event.kind == "status_changed":
            yield f"to {event.details['to']}"


def _expected_events(record: RequestRecord, told: tuple[Event, ...]) -> Counter[str]:
    expected = Counter(EVENT_OF_TIMER[kind] for kind in record.pending if kind in EVENT_OF_TIMER)
    if NextAction.AUTO_CLOSE in record.pending:
        expected[f"to {Status.CLOSED}"] += 1
    if NextAction.DOCUMENT in record.pending:
        expected["documentation_overdue"] += 1
        expected["documentation_reminder"] += not any(event.kind == "documentation_reminder" for event in told)
    return expected
