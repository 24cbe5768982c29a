"""What happens by itself when its time has come, once, and that no order of events breaks a request's story."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.errors import Rejected
from core.execution import ExecutionCommand, ExecutionOutcome
from core.execution_labels import ActionKind, ExecutionStatus
from core.labels import ApprovalTier, Category, Status, Urgency
from core.messages import ItemFailure
from core.record import NextAction, RequestRecord
from core.status import ENDED, LEGAL, RECALLABLE
from deployments.request_management import corrections, decisions, follow_up, lifecycle, news
from deployments.request_management.change import Change
from deployments.request_management.promises import outside_quiet_hours
from tests.deployments.request_management.stage import (
    MORNING,
    build_decided,
    build_decision,
    build_open,
    build_terms,
    choose_first,
    sent,
)

HOUR = timedelta(hours=1)
STAFF, RESIDENT = "sam", "RES_A_101"


def taken(change: Change | None) -> RequestRecord:
    assert change is not None
    return change.record


def in_progress(urgency: Urgency = Urgency.MEDIUM) -> RequestRecord:
    chosen = choose_first(build_decided(*build_decision(urgency=urgency)), MORNING)
    return taken(news.dispatched(chosen, chosen.outbox, MORNING))


def fire(record: RequestRecord, action: NextAction, at: datetime | None = None) -> Change | None:
    return follow_up.EFFECTS[action](record, at or record.timers[action])


def test_a_decision_that_waits_for_the_resident_stops_the_houses_clock_and_plans_a_reminder() -> None:
    record = build_decided(*build_decision())
    assert record.request.sla is not None
    assert record.request.sla.paused
    assert record.timers == {NextAction.REMIND: MORNING + 24 * HOUR}
    assert record.next_action is NextAction.REMIND


def test_the_clock_goes_on_where_it_stood_when_the_resident_has_chosen() -> None:
    chosen = choose_first(build_decided(*build_decision()), MORNING + 10 * HOUR)
    sla = chosen.request.sla
    assert sla is not None
    assert not sla.paused
    assert sla.resolution_due_at == MORNING + 130 * HOUR
    assert chosen.timers == {
        NextAction.DISPATCH: MORNING + 10 * HOUR + timedelta(seconds=5),
        NextAction.RESPONSE_BREACH: MORNING + 34 * HOUR,
        NextAction.SLA_WARNING: MORNING + 106 * HOUR,
        NextAction.SLA_BREACH: MORNING + 130 * HOUR,
    }


@pytest.mark.parametrize(
    ("action", "kind", "field"),
    [
        (NextAction.RESPONSE_BREACH, "response_breached", "response_breached"),
        (NextAction.SLA_BREACH, "sla_breached", "breached"),
    ],
)
def test_a_missed_target_is_noted_and_escalated_once(action: NextAction, kind: str, field: str) -> None:
    record = sent(in_progress())
    moment = record.timers[action]
    assert fire(record, action, moment - timedelta(seconds=1)) is None
    change = fire(record, action)
    assert change is not None
    after = change.record
    assert [event.kind for event in change.events] == [kind]
    assert getattr(after.request.sla, field)
    assert after.request.needs_attention
    assert action not in after.timers
    (command,) = after.outbox
    (call,) = command.actions
    assert (call.action, call.parameters["recipient"]) == (ActionKind.NOTIFY, "staff")
    assert "tap" not in str(call.parameters)
    assert fire(after, action, moment + 100 * HOUR) is None


def test_staff_are_warned_once_and_the_resident_does_not_read_it() -> None:
    record = sent(in_progress())
    change = fire(record, NextAction.SLA_WARNING)
    assert change is not None
    assert [event.internal for event in change.events] == [True]
    assert len(change.record.outbox) == 1
    paused = corrections.amend(change.record, STAFF, MORNING + 97 * HOUR, waiting_for_access=True).record
    resumed = corrections.amend(paused, STAFF, MORNING + 98 * HOUR, waiting_for_access=False).record
    assert NextAction.SLA_WARNING not in resumed.timers
    assert resumed.timers[NextAction.SLA_BREACH] == MORNING + 121 * HOUR


def test_a_warning_that_comes_after_the_target_is_dropped_and_a_timer_that_is_too_early_is_set_right() -> None:
    record = sent(in_progress())
    late = fire(record, NextAction.SLA_WARNING, MORNING + 200 * HOUR)
    assert late is not None
    assert (late.events, late.record.outbox) == ((), ())
    assert NextAction.SLA_WARNING not in late.record.timers
    early = record.model_copy(update={"timers": {**record.timers, NextAction.SLA_BREACH: MORNING}})
    change = fire(early, NextAction.SLA_BREACH, MORNING + HOUR)
    assert change is not None
    assert change.events == ()
    assert change.record.timers[NextAction.SLA_BREACH] == MORNING + 120 * HOUR


def test_a_missed_target_of_an_emergency_alerts_the_person_on_call() -> None:
    record = sent(build_decided(*build_decision(Status.ESCALATED, act_now=True, urgency=Urgency.EMERGENCY)))
    after = taken(fire(record, NextAction.RESPONSE_BREACH))
    assert [call.action for call in after.outbox[0].actions] == [ActionKind.ALERT_ON_CALL]
    assert after.outbox[0].urgency is Urgency.EMERGENCY


def test_what_a_person_did_in_time_is_no_breach() -> None:
    record = corrections.amend(in_progress(), STAFF, MORNING + HOUR, comment="on it").record
    assert record.request.sla is not None
    assert record.request.sla.response_met_at == MORNING + HOUR
    assert NextAction.RESPONSE_BREACH not in record.timers


def test_the_first_start_of_the_work_is_a_response_and_the_residents_own_steps_are_none() -> None:
    record = in_progress()
    assert record.request.sla is not None
    assert record.request.sla.response_met_at is None
    assert record.request.execution is not None
    outcome = ExecutionOutcome(
        execution_id=record.request.execution.execution_id,
        request_id=record.request.request_id,
        kind="running",
        at=MORNING,
    )
    running = taken(news.apply_outcome(record, outcome, "n1", MORNING + HOUR))
    assert running.request.sla is not None
    assert running.request.sla.response_met_at == MORNING + HOUR


def test_the_resident_is_reminded_once() -> None:
    record = build_decided(*build_decision())
    change = fire(record, NextAction.REMIND)
    assert change is not None
    assert [event.kind for event in change.events] == ["reminded"]
    (command,) = change.record.outbox
    assert command.actions[0].parameters["recipient"] == RESIDENT
    assert fire(change.record, NextAction.REMIND, MORNING + 100 * HOUR) is None


def test_nobody_is_reminded_at_night_even_where_the_sweeper_comes_late() -> None:
    midnight = datetime(2026, 5, 6, 4, tzinfo=UTC)
    change = fire(build_decided(*build_decision()), NextAction.REMIND, midnight)
    assert change is not None
    assert change.events == ()
    assert change.record.outbox == ()
    assert change.record.timers[NextAction.REMIND] == datetime(2026, 5, 6, 11, tzinfo=UTC)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)), st.times(), st.times())
def test_what_is_moved_out_of_quiet_hours_lies_outside_and_is_the_next_such_moment(
    moment: datetime, start: time, end: time
) -> None:
    _, terms = build_terms(quiet_start=start.replace(microsecond=0), quiet_end=end.replace(microsecond=0))
    asked = moment.replace(tzinfo=UTC)
    found = outside_quiet_hours(asked, terms)
    assert asked <= found <= asked + 25 * HOUR
    assert outside_quiet_hours(found, terms) == found


def test_a_choice_takes_the_reminder_away() -> None:
    assert NextAction.REMIND not in choose_first(build_decided(*build_decision()), MORNING + HOUR).timers


def test_what_nobody_confirms_is_closed_after_the_window() -> None:
    record = sent(lifecycle.resolve(in_progress(), STAFF, "done", MORNING + HOUR).record)
    assert record.timers == {NextAction.AUTO_CLOSE: MORNING + 169 * HOUR}
    assert fire(record, NextAction.AUTO_CLOSE, MORNING + 168 * HOUR) is None
    change = fire(record, NextAction.AUTO_CLOSE)
    assert change is not None
    assert change.record.request.status is Status.CLOSED
    assert change.record.next_action is None
    confirmed = lifecycle.confirm(record, RESIDENT, None, MORNING + 2 * HOUR).record
    assert confirmed.timers == {}


def emergency(tier: ApprovalTier) -> RequestRecord:
    assessment, resolved = build_decision(Status.ESCALATED, act_now=True, urgency=Urgency.EMERGENCY)
    options = tuple(option.model_copy(update={"approval": tier}) for option in resolved.options)
    decided = resolved.model_copy(update={"options": options, "document_by": MORNING + 2 * HOUR})
    return sent(build_decided(assessment, decided))


def test_staff_are_reminded_to_document_and_told_again_when_the_time_is_over() -> None:
    record = emergency(ApprovalTier.MANAGER)
    assert record.timers[NextAction.DOCUMENT] == MORNING + HOUR
    first = fire(record, NextAction.DOCUMENT)
    assert first is not None
    assert [event.kind for event in first.events] == ["documentation_reminder"]
    assert first.record.timers[NextAction.DOCUMENT] == MORNING + 2 * HOUR
    second = fire(first.record, NextAction.DOCUMENT)
    assert second is not None
    assert [event.kind for event in second.events] == ["documentation_overdue"]
    assert NextAction.DOCUMENT not in second.record.timers
    told = [call.parameters["recipient"] for command in second.record.outbox for call in command.actions]
    assert told == ["staff", "manager"] * 2


def test_what_was_documented_is_not_asked_for() -> None:
    agreed = lifecycle.approve(emergency(ApprovalTier.MANAGER), "mia", ApprovalTier.MANAGER, "seen", MORNING).record
    assert NextAction.DOCUMENT not in agreed.timers
    commented = corrections.amend(emergency(ApprovalTier.NONE), STAFF, MORNING, comment="valve closed").record
    assert NextAction.DOCUMENT not in commented.timers
    unagreed = corrections.amend(emergency(ApprovalTier.MANAGER), STAFF, MORNING, comment="valve closed").record
    assert NextAction.DOCUMENT in unagreed.timers


def test_a_reopened_request_reaches_staff_counts_and_its_clock_goes_on() -> None:
    resolved = sent(lifecycle.resolve(in_progress(), STAFF, "done", MORNING + 20 * HOUR).record)
    change = lifecycle.reopen(resolved, RESIDENT, "it drips again", MORNING + 50 * HOUR)
    request = change.record.request
    assert (request.status, request.reopened, request.needs_attention) == (Status.REOPENED, 1, True)
    assert [call.parameters["recipient"] for call in change.record.outbox[0].actions] == ["staff"]
    assert request.sla is not None
    assert request.sla.resolution_due_at == MORNING + 150 * HOUR
    assert change.record.timers[NextAction.SLA_BREACH] == MORNING + 150 * HOUR
    assert NextAction.AUTO_CLOSE not in change.record.timers


def test_an_answer_that_did_not_help_can_be_reopened() -> None:
    record = build_decided(*build_decision(Status.ANSWERED, options=(), urgency=Urgency.LOW))
    assert record.timers == {}
    assert record.request.sla is not None
    assert record.request.sla.response_met_at == MORNING
    again = lifecycle.reopen(record, RESIDENT, None, MORNING + 10 * HOUR).record
    assert again.request.reopened == 1
    assert len(again.outbox) == 1
    assert again.timers[NextAction.SLA_BREACH] == MORNING + 346 * HOUR


def test_access_that_is_waited_for_stops_the_clock_but_no_statutes() -> None:
    statute = MORNING + 10 * HOUR
    terms = build_terms(statutory_resolution_due_at=statute, statutory_resolution_basis="law")[1]
    due = terms.due()
    assessment, resolved = build_decision()
    sla = resolved.sla.model_copy(update={"response_due_at": due.response, "resolution_due_at": due.resolution})
    record = build_decided(assessment, resolved.model_copy(update={"terms": terms, "sla": sla}))
    record = choose_first(record, MORNING)
    waiting = corrections.amend(record, STAFF, MORNING + HOUR, waiting_for_access=True)
    assert [event.kind for event in waiting.events] == ["waiting"]
    assert waiting.record.timers[NextAction.SLA_BREACH] == statute
    resolved_while_waiting = lifecycle.resolve(
        taken(news.dispatched(waiting.record, waiting.record.outbox, MORNING + HOUR)), STAFF, "done", statute - HOUR
    ).record
    assert resolved_while_waiting.waiting_for is None
    assert resolved_while_waiting.request.sla is not None
    assert not resolved_while_waiting.request.sla.paused
    assert not resolved_while_waiting.request.sla.breached


def test_a_late_resolution_is_a_breach_whether_or_not_the_timer_was_seen() -> None:
    request = lifecycle.resolve(in_progress(), STAFF, "done", MORNING + 121 * HOUR).record.request
    assert request.sla is not None
    assert request.sla.breached


def test_what_nothing_decided_asks_for_its_terms_and_closes_like_others() -> None:
    failure = ItemFailure(code="unavailable", detail="down.")
    record = decisions.give_to_person(build_open(), failure, MORNING).record
    assert record.timers[NextAction.REVISE] == MORNING
    promised = taken(decisions.apply_terms(sent(record), *build_terms(MORNING, Urgency.HIGH), MORNING + HOUR))
    assert promised.request.sla is not None
    assert promised.timers[NextAction.SLA_BREACH] == MORNING + 24 * HOUR
    assert NextAction.REVISE not in promised.timers
    assert decisions.apply_terms(promised, *build_terms(), MORNING + HOUR) is None
    done = lifecycle.resolve(sent(record), STAFF, "done", MORNING + 30 * HOUR).record
    late = taken(decisions.apply_terms(done, *build_terms(MORNING, Urgency.HIGH), MORNING + 31 * HOUR))
    assert late.request.sla is not None
    assert late.request.sla.breached
    assert NextAction.AUTO_CLOSE in late.timers


class Story(RuleBasedStateMachine):
    """One request under whatever people, the queue and the timers do to it."""

    @initialize(
        urgency=st.sampled_from(Urgency),
        tier=st.sampled_from([ApprovalTier.NONE, ApprovalTier.MANAGER]),
        policy=st.booleans(),
    )
    def decide(self, urgency: Urgency, tier: ApprovalTier, policy: bool) -> None:
        self.now = MORNING
        self.emitted: dict[str, ExecutionCommand] = {}
        self.opened: list[ExecutionCommand] = []
        self.news = 0
        acting = urgency is Urgency.EMERGENCY
        status = Status.ESCALATED if acting else Status.AWAITING_SELECTION
        assessment, resolved = build_decision(status, act_now=acting, urgency=urgency)
        options = tuple(option.model_copy(update={"approval": tier}) for option in resolved.options)
        extra: dict[str, Any] = {"options": options, "document_by": MORNING + 2 * HOUR if acting else None}
        if policy and not acting:
            extra["carry_out"] = options[0].option_id
        self.resolved = resolved.model_copy(update=extra)
        self.record = build_open()
        self.take(
            decisions.apply_decision(self.record, assessment.classification, assessment.risk, self.resolved, self.now)
        )

    def attempt(self, step: Any) -> None:
        try:
            self.take(step(self.record))
        except Rejected:
            return

    def take(self, change: Change | None) -> None:
        if change is None:
            return
        before, after = self.record, change.record
        assert after.request.version == before.request.version + 1
        assert [event.sequence for event in change.events] == list(range(before.last_event + 1, after.last_event + 1))
        status = before.request.status
        for event in change.events:
            if event.kind == "status_changed":
                wanted = Status(str(event.details["to"]))
                recalled = before.selected_by == "policy" and status in RECALLABLE and wanted is Status.CANCELLED
                assert wanted in LEGAL[status] or recalled
                status = wanted
        assert after.request.status is status
        for command in after.outbox:
            assert self.emitted.setdefault(command.execution_id, command) == command
        self.record = after

    @rule(hours=st.sampled_from([0.0, 0.5, 3.0, 25.0, 170.0]))
    def wait(self, hours: float) -> None:
        self.now += timedelta(hours=hours)

    @rule(action=st.sampled_from(sorted(follow_up.EFFECTS)))
    def fire(self, action: NextAction) -> None:
        was_due = self.record.timers.get(action)
        change = follow_up.EFFECTS[action](self.record, self.now)
        assert (change is not None) == (was_due is not None and was_due <= self.now)
        if change is not None:
            still = change.record.timers.get(action)
            assert still is None or still > self.now
        self.take(change)

    @rule()
    def select(self) -> None:
        self.attempt(lambda r: lifecycle.select_option(r, r.request.options[0].option_id, RESIDENT, self.now))

    @rule(step=st.sampled_from(["confirm", "reopen", "cancel", "escalate"]), who=st.sampled_from([STAFF, RESIDENT]))
    def move(self, step: str, who: str) -> None:
        self.attempt(lambda record: getattr(lifecycle, step)(record, who, None, self.now))

    @rule(agreed=st.booleans())
    def answer(self, agreed: bool) -> None:
        tier = ApprovalTier.EXECUTIVE
        self.attempt(
            lambda record: (
                lifecycle.approve(record, "mia", tier, None, self.now)
                if agreed
                else lifecycle.reject(record, "mia", None, self.now)
            )
        )

    @rule(cost=st.sampled_from([None, 10.0, 70.5]))
    def resolve(self, cost: float | None) -> None:
        self.attempt(lambda record: lifecycle.resolve(record, STAFF, "done", self.now, actual_cost_usd=cost))

    @rule(
        status=st.sampled_from([None, Status.IN_PROGRESS, Status.AWAITING_SELECTION, Status.ESCALATED]),
        urgency=st.sampled_from([None, *Urgency]),
        category=st.sampled_from([None, Category.SECURITY]),
        waiting=st.sampled_from([None, True, False]),
    )
    def amend(
        self, status: Status | None, urgency: Urgency | None, category: Category | None, waiting: bool | None
    ) -> None:
        self.attempt(
            lambda record: corrections.amend(
                record,
                STAFF,
                self.now,
                status=status,
                urgency=urgency,
                category=category,
                waiting_for_access=waiting,
                comment="so",
            )
        )

    @precondition(lambda self: NextAction.REVISE in self.record.timers)
    @rule()
    def revise(self) -> None:
        labels = self.record.request.classification
        assert labels is not None
        if decisions.awaits_emergency_action(self.record, self.now):
            acting = build_decision(Status.ESCALATED, act_now=True, urgency=Urgency.EMERGENCY)[1]
            self.take(decisions.start_emergency_action(self.record, labels, acting, self.now))
        else:
            terms = build_terms(MORNING, Urgency.EMERGENCY if labels.emergency else labels.urgency)
            self.take(decisions.apply_terms(self.record, *terms, self.now))
        assert NextAction.REVISE not in self.record.timers

    @precondition(lambda self: self.record.outbox)
    @rule()
    def dispatch(self) -> None:
        self.opened.extend(self.record.outbox)
        self.take(news.dispatched(self.record, self.record.outbox, self.now))
        assert self.record.outbox == ()
        assert NextAction.DISPATCH not in self.record.timers

    @precondition(lambda self: self.opened)
    @rule(
        data=st.data(),
        kind=st.sampled_from(["running", "succeeded", "failed", "dead_lettered", "work_completed"]),
        cost=st.sampled_from([None, 20.0]),
    )
    def hear(self, data: st.DataObject, kind: Any, cost: float | None) -> None:
        command = data.draw(st.sampled_from(self.opened))
        self.news += 1
        outcome = ExecutionOutcome(
            execution_id=command.execution_id,
            request_id=self.record.request.request_id,
            kind=kind,
            at=self.now,
            actor=STAFF if kind == "work_completed" else "system",
            actual_cost_usd=cost if kind == "work_completed" else None,
        )
        self.take(news.apply_outcome(self.record, outcome, f"{command.execution_id}:{self.news}", self.now))

    @invariant()
    def timers_are_in_step(self) -> None:
        record = self.record
        timers, status = record.timers, record.request.status
        first = min(timers.values(), default=None)
        assert record.next_action_at == first
        assert (record.next_action is None) == (first is None)
        if record.next_action is not None:
            assert timers[record.next_action] == first
        assert (NextAction.DISPATCH in timers) == bool(record.outbox)
        assert (NextAction.AUTO_CLOSE in timers) == (status is Status.RESOLVED)
        clock = {NextAction.SLA_WARNING, NextAction.SLA_BREACH, NextAction.RESPONSE_BREACH}
        if status in ENDED:
            assert not clock & set(timers)
            assert record.waiting_for is None
        else:
            sla, terms = record.request.sla, record.terms
            assert sla is not None
            assert terms is not None
            waits = status is Status.AWAITING_SELECTION or record.waiting_for is not None
            assert sla.paused == (waits and terms.may_pause)
            assert sla.breached or sla.paused or NextAction.SLA_BREACH in timers
        if NextAction.REMIND in timers:
            assert status is Status.AWAITING_SELECTION

    @invariant()
    def money_is_counted(self) -> None:
        note = self.record.request.resolution
        if note is not None and self.record.costs:
            assert note.actual_cost_usd == round(sum(self.record.costs.values()), 2)
        execution = self.record.request.execution
        if execution is not None and execution.status is ExecutionStatus.QUEUED:
            assert execution.execution_id in self.emitted


Story.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestStory = Story.TestCase
