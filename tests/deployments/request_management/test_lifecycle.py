"""What may be done to a request: the legal steps, what each one tells and causes, and what it never does."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.actions import JobParameters, ParcelParameters, parse_parameters
from core.entry import EntryRules, EntryTerms
from core.errors import IllegalTransition, Rejected, UnknownOption, WrongState
from core.execution import ExecutionOutcome
from core.execution_labels import MESSAGES, ActionKind, ExecutionStatus, StepStatus
from core.labels import ApprovalTier, Category, Crew, Status, Urgency
from core.messages import ItemFailure
from core.record import NextAction, RequestRecord
from core.request import (
    Approval,
    Confidences,
    ExecutionId,
    ExecutionStep,
    ExecutionSummary,
    PlanStep,
    ResolutionOption,
)
from core.status import LEGAL
from deployments.execution.dependencies import Dependencies
from deployments.request_management import corrections, decisions, lifecycle, news
from deployments.request_management.change import Change
from deployments.request_management.commands import emergency_command, job_count
from deployments.request_management.lifecycle import ApprovalLimitExceeded
from tests.builders import build_full_record, build_option, build_record, build_resolved

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def at(status: Status, **fields: object) -> RequestRecord:
    record = build_full_record(status=status, **fields)
    return record.model_copy(update={"outbox": ()})


def needing(tier: ApprovalTier) -> RequestRecord:
    option = build_option("dear").model_copy(update={"approval": tier})
    return at(Status.AWAITING_SELECTION, options=(option,))


def test_a_new_request_is_in_processing_at_version_one() -> None:
    change = lifecycle.open_record(build_record(status=Status.SUBMITTED), "sam", NOW)
    assert change.record.request.status is Status.PROCESSING
    assert change.record.request.version == 1
    assert [event.kind for event in change.events] == ["submitted", "status_changed"]
    assert [event.sequence for event in change.events] == [1, 2]
    assert change.record.last_event == 2
    assert {event.actor for event in change.events} == {"sam"}


def test_a_decision_waits_for_the_resident() -> None:
    record, resolved = at(Status.PROCESSING), build_resolved(Status.AWAITING_SELECTION)
    change = decisions.apply_decision(record, resolved.classification, resolved.risk, resolved.resolved, NOW)
    assert change.record.request.status is Status.AWAITING_SELECTION
    assert change.record.request.selected_option_id is None
    assert change.record.outbox == ()
    assert change.record.next_action is None


def test_an_emergency_acts_at_once_alerting_first() -> None:
    record, resolved = at(Status.PROCESSING), build_resolved(Status.ESCALATED, act_now=True)
    change = decisions.apply_decision(record, resolved.classification, resolved.risk, resolved.resolved, NOW)
    request = change.record.request
    assert request.status is Status.ESCALATED
    assert request.selected_option_id == resolved.resolved.act_now
    assert request.needs_attention
    (command,) = change.record.outbox
    assert [call.action for call in command.actions] == [
        ActionKind.ALERT_ON_CALL,
        ActionKind.DISPATCH_WORK_ORDER,
        ActionKind.NOTIFY,
    ]
    assert request.execution == ExecutionSummary(execution_id=command.execution_id, status=ExecutionStatus.QUEUED)
    assert change.record.next_action is NextAction.DISPATCH
    assert change.record.next_action_at is not None


def acted(tier: ApprovalTier) -> RequestRecord:
    """An emergency that policy acted on, at a cost of this tier, to be documented two hours later."""
    judged = build_resolved(Status.ESCALATED, act_now=True)
    options = tuple(option.model_copy(update={"approval": tier}) for option in judged.resolved.options)
    resolved = judged.resolved.model_copy(update={"options": options, "document_by": NOW + timedelta(hours=2)})
    change = decisions.apply_decision(at(Status.PROCESSING), judged.classification, judged.risk, resolved, NOW)
    (due,) = [event for event in change.events if event.kind == "documentation_due"]
    assert due.details == {"due_at": "2026-05-04T14:00:00.000Z", "approval": str(tier)}
    return change.record


@pytest.mark.parametrize("tier", ApprovalTier)
def test_an_emergency_starts_before_it_is_agreed_to_and_is_agreed_to_afterwards(tier: ApprovalTier) -> None:
    record = acted(tier)
    assert len(record.outbox) == 1
    if tier is ApprovalTier.NONE:
        assert record.request.approval == Approval(required=tier)
        return
    assert record.request.approval == Approval(required=tier, granted_by="policy", at=NOW)
    below = list(ApprovalTier)[tier.rank - 1]
    with pytest.raises(ApprovalLimitExceeded):
        lifecycle.approve(record, "mia", below, None, NOW)
    later = lifecycle.approve(record, "mia", tier, "documented", NOW)
    assert later.record.request.status is Status.ESCALATED
    assert later.record.request.approval == Approval(required=tier, granted_by="mia", at=NOW)
    assert later.record.outbox == record.outbox
    assert [event.kind for event in later.events] == ["approved_afterwards"]
    with pytest.raises(WrongState):
        lifecycle.approve(later.record, "sam", tier, None, NOW)


def test_an_emergency_that_policy_started_is_not_cancelled() -> None:
    with pytest.raises(IllegalTransition):
        lifecycle.cancel(acted(ApprovalTier.NONE), "RES_A_101", None, NOW)


def chosen_by_policy(tier: ApprovalTier = ApprovalTier.NONE) -> RequestRecord:
    change = lifecycle.select_option(needing(tier), "dear", "policy", NOW, reason="Autonomy: all conditions hold.")
    (line,) = [event for event in change.events if event.kind == "option_selected"]
    assert line.actor == "policy"
    assert line.message.endswith("Autonomy: all conditions hold.")
    return change.record


def test_what_policy_selects_goes_the_way_of_a_persons_selection() -> None:
    record = chosen_by_policy()
    assert record.request.status is Status.APPROVED
    (command,) = record.outbox
    assert command.requested_by == "policy"
    assert command.actions[1].parameters["event"] == "work_started_for_you"
    assert command.actions[1].needs == (0,)
    waiting = chosen_by_policy(ApprovalTier.MANAGER)
    assert waiting.request.status is Status.AWAITING_APPROVAL
    assert waiting.outbox == ()


@pytest.mark.parametrize("tier", [ApprovalTier.NONE, ApprovalTier.MANAGER])
def test_the_resident_can_cancel_what_policy_selected(tier: ApprovalTier) -> None:
    record = chosen_by_policy(tier)
    change = lifecycle.cancel(record, "RES_A_101", "not needed", NOW)
    assert change.record.request.status is Status.CANCELLED
    assert all(command.option_id is None for command in change.record.outbox)
    assert len(change.record.outbox) == (1 if tier is ApprovalTier.NONE else 0)
    assert change.events[0].details["to"] == "Cancelled"
    dispatched = news.dispatched(change.record, record.outbox, NOW)
    assert dispatched is None


def test_what_is_on_its_way_is_stopped_by_word_to_the_staff() -> None:
    record = chosen_by_policy()
    begun = taken(news.dispatched(record, record.outbox, NOW))
    assert begun.request.status is Status.IN_PROGRESS
    change = lifecycle.cancel(begun, "RES_A_101", None, NOW)
    (command,) = change.record.outbox
    assert [call.action for call in command.actions] == [ActionKind.NOTIFY]
    assert command.actions[0].parameters["event"] == "request_recalled"


def test_what_a_person_selected_is_not_cancelled_once_it_is_ordered() -> None:
    record = lifecycle.select_option(at(Status.AWAITING_SELECTION), "option-1", "RES_A_101", NOW).record
    with pytest.raises(IllegalTransition):
        lifecycle.cancel(record, "RES_A_101", None, NOW)
    refused = lifecycle.reject(chosen_by_policy(ApprovalTier.MANAGER), "mia", None, NOW).record
    assert refused.selected_by is None


def test_what_cannot_be_judged_reaches_a_person_on_call() -> None:
    failure = ItemFailure(code="unavailable", detail="a part does not answer.")
    change = decisions.give_to_person(at(Status.PROCESSING), failure, NOW)
    assert change.record.request.status is Status.NEEDS_REVIEW
    assert change.record.request.needs_attention
    (command,) = change.record.outbox
    assert [call.action for call in command.actions] == [ActionKind.ALERT_ON_CALL]
    assert command.urgency is Urgency.HIGH


def test_what_the_safety_screen_found_is_not_lost_with_the_rest() -> None:
    failure = ItemFailure(code="broken_invariant", detail="it failed.", safety_rule="gas-leak", safety_advice="Go out.")
    change = decisions.give_to_person(at(Status.PROCESSING), failure, NOW)
    (command,) = change.record.outbox
    assert command.urgency is Urgency.EMERGENCY
    assert "gas-leak" in command.actions[0].parameters["fields"]["reason"]
    assert command.actions[1].parameters["fields"]["advice"] == "Go out."


def test_a_free_option_is_carried_out_when_it_is_chosen() -> None:
    change = lifecycle.select_option(at(Status.AWAITING_SELECTION), "option-1", "RES_A_101", NOW)
    assert change.record.request.status is Status.APPROVED
    (command,) = change.record.outbox
    assert command.option_id == "option-1"
    assert command.requested_by == "RES_A_101"


@pytest.mark.parametrize("tier", [tier for tier in ApprovalTier if tier is not ApprovalTier.NONE])
def test_an_option_above_the_automatic_limit_spends_nothing_before_it_is_agreed_to(tier: ApprovalTier) -> None:
    change = lifecycle.select_option(needing(tier), "dear", "RES_A_101", NOW)
    assert change.record.request.status is Status.AWAITING_APPROVAL
    assert change.record.request.approval == Approval(required=tier)
    assert change.record.outbox == ()


@given(st.sampled_from(ApprovalTier), st.sampled_from(ApprovalTier))
def test_nobody_agrees_above_their_authority(required: ApprovalTier, authority: ApprovalTier) -> None:
    record = lifecycle.select_option(needing(required), "dear", "RES_A_101", NOW).record
    if required is ApprovalTier.NONE:
        return
    if authority.rank >= required.rank:
        granted = lifecycle.approve(record, "mia", authority, None, NOW).record
        assert granted.request.status is Status.APPROVED
        assert granted.request.approval == Approval(required=required, granted_by="mia", at=NOW)
        assert len(granted.outbox) == 1
    else:
        with pytest.raises(ApprovalLimitExceeded):
            lifecycle.approve(record, "mia", authority, None, NOW)


def test_a_refused_cost_lets_another_option_be_chosen() -> None:
    record = lifecycle.select_option(needing(ApprovalTier.MANAGER), "dear", "RES_A_101", NOW).record
    change = lifecycle.reject(record, "mia", "too much", NOW)
    assert change.record.request.status is Status.AWAITING_SELECTION
    assert change.record.request.selected_option_id is None
    assert change.record.request.approval is None


def test_an_unknown_option_and_a_wrong_state_are_told_apart() -> None:
    with pytest.raises(UnknownOption):
        lifecycle.select_option(at(Status.AWAITING_SELECTION), "option-9", "RES_A_101", NOW)
    with pytest.raises(WrongState, match="Resolved"):
        lifecycle.select_option(at(Status.RESOLVED), "option-1", "RES_A_101", NOW)


@pytest.mark.parametrize("status", [Status.APPROVED, Status.AWAITING_APPROVAL])
def test_staff_cannot_set_a_status_that_spends_money(status: Status) -> None:
    with pytest.raises(WrongState, match="select-option"):
        corrections.amend(at(Status.AWAITING_SELECTION), "sam", NOW, status=status)


@given(st.sampled_from(Status), st.sampled_from(Status))
def test_staff_move_a_request_only_along_the_arrows(current: Status, wanted: Status) -> None:
    try:
        change = corrections.amend(at(current), "sam", NOW, status=wanted)
    except IllegalTransition:
        assert wanted not in LEGAL[current]
    except WrongState:
        unjudged = current in (Status.SUBMITTED, Status.PROCESSING)
        assert unjudged or wanted in (Status.APPROVED, Status.AWAITING_APPROVAL)
    else:
        assert wanted in LEGAL[current]
        assert change.record.request.status is wanted


def test_a_correction_of_labels_is_told_and_kept_as_the_users() -> None:
    change = corrections.amend(
        at(Status.AWAITING_SELECTION), "sam", NOW, category=Category.SECURITY, urgency=Urgency.EMERGENCY
    )
    labels = change.record.request.classification
    assert labels is not None
    assert (labels.category, labels.trade, labels.emergency, labels.source) == (Category.SECURITY, None, True, "user")
    assert change.events[0].details == {"category_before": "Maintenance", "urgency_before": "High"}


def test_there_is_no_doubt_about_labels_that_a_person_corrected() -> None:
    doubts = Confidences(category=0.4, urgency=0.5, intent=0.9, trade=0.6)
    before = at(Status.AWAITING_SELECTION).request.classification
    assert before is not None
    record = at(Status.AWAITING_SELECTION, classification=before.model_copy(update={"confidences": doubts}))
    labels = corrections.amend(record, "sam", NOW, category=Category.SECURITY).record.request.classification
    assert labels is not None
    assert labels.confidence == 1.0
    assert labels.confidences == Confidences(category=1.0, urgency=0.5, intent=0.9)


def test_an_emergency_that_staff_see_alerts_and_waits_for_no_selection() -> None:
    change = corrections.amend(at(Status.AWAITING_SELECTION), "sam", NOW, urgency=Urgency.EMERGENCY)
    assert change.record.request.status is Status.ESCALATED
    assert change.record.request.needs_attention
    (command,) = change.record.outbox
    assert command.urgency is Urgency.EMERGENCY
    assert command.actions[0].action is ActionKind.ALERT_ON_CALL


def test_a_person_labels_what_nothing_could_judge() -> None:
    record = at(Status.NEEDS_REVIEW, classification=None)
    with pytest.raises(WrongState, match="both"):
        corrections.amend(record, "sam", NOW, urgency=Urgency.LOW)
    change = corrections.amend(record, "sam", NOW, category=Category.BILLING, urgency=Urgency.LOW)
    labels = change.record.request.classification
    assert labels is not None
    assert (labels.category, labels.urgency, labels.source) == (Category.BILLING, Urgency.LOW, "user")


@pytest.mark.parametrize("status", [Status.ESCALATED, Status.NEEDS_REVIEW, Status.ANSWERED])
def test_nothing_takes_a_message_away_from_the_safety_screen(status: Status) -> None:
    for step in (
        lambda record: corrections.amend(record, "sam", NOW, status=status),
        lambda record: lifecycle.escalate(record, "RES_A_101", None, NOW),
    ):
        with pytest.raises(WrongState, match="being looked at"):
            step(at(Status.PROCESSING))


def test_a_resolution_set_by_staff_is_a_whole_one() -> None:
    request = corrections.amend(
        at(Status.IN_PROGRESS), "sam", NOW, status=Status.RESOLVED, comment="fixed"
    ).record.request
    assert request.resolution is not None
    assert (request.resolution.resolution_notes, request.resolution.resolved_by) == ("fixed", "sam")


def test_work_in_progress_begins_when_the_queue_has_it() -> None:
    chosen = lifecycle.select_option(at(Status.AWAITING_SELECTION), "option-1", "RES_A_101", NOW).record
    change = news.dispatched(chosen, chosen.outbox, NOW)
    assert change is not None
    assert news.dispatched(change.record, chosen.outbox, NOW) is None
    assert change.record.outbox == ()
    assert change.record.next_action is None
    assert change.record.request.status is Status.IN_PROGRESS
    assert [event.kind for event in change.events] == ["execution_queued", "status_changed"]


def outcome(record: RequestRecord, kind: str) -> ExecutionOutcome:
    summary = record.request.execution
    step = ExecutionStep(
        action=ActionKind.DISPATCH_WORK_ORDER,
        system="operations_desk",
        status=ExecutionStatus.SUCCEEDED,
        external_id="WO-7",
        attempts=1,
    )
    return ExecutionOutcome.model_validate(
        {
            "execution_id": summary.execution_id if summary else ExecutionId("EXE_other"),
            "request_id": record.request.request_id,
            "kind": kind,
            "at": NOW,
            "steps": (step,),
            "actual_cost_usd": 80.0 if kind == "work_completed" else None,
        }
    )


def in_progress() -> RequestRecord:
    chosen = lifecycle.select_option(at(Status.AWAITING_SELECTION), "option-1", "RES_A_101", NOW).record
    return taken(news.dispatched(chosen, chosen.outbox, NOW))


def taken(change: Change | None) -> RequestRecord:
    assert change is not None
    return change.record


def test_news_of_success_shows_what_the_outside_system_calls_it() -> None:
    record = in_progress()
    change = news.apply_outcome(record, outcome(record, "succeeded"), "n1", NOW)
    assert change is not None
    execution = change.record.request.execution
    assert execution is not None
    assert execution.status is ExecutionStatus.SUCCEEDED
    assert change.events[0].details["dispatch_work_order"] == "WO-7"


def test_the_same_news_twice_changes_nothing() -> None:
    record = taken(news.apply_outcome(in_progress(), outcome(in_progress(), "running"), "n1", NOW))
    assert news.apply_outcome(record, outcome(record, "running"), "n1", NOW) is None


def test_late_news_does_not_undo_an_end() -> None:
    record = in_progress()
    ended = taken(news.apply_outcome(record, outcome(record, "succeeded"), "n1", NOW))
    after = taken(news.apply_outcome(ended, outcome(record, "running"), "n2", NOW))
    assert after.request.execution == ended.request.execution


def test_success_is_the_last_word_on_an_execution() -> None:
    record = in_progress()
    assert record.request.execution is not None
    given_up = taken(news.apply_outcome(record, outcome(record, "dead_lettered"), "n1", NOW))
    ended = taken(news.apply_outcome(given_up, outcome(record, "succeeded"), "n2", NOW))
    ended = ended.model_copy(update={"request": ended.request.model_copy(update={"needs_attention": False})})
    late = taken(news.apply_outcome(ended, outcome(record, "dead_lettered"), "n3", NOW))
    assert late.request.execution == ended.request.execution
    assert not late.request.needs_attention
    # The note that somebody had it tried again may come after all of its news.
    noted = taken(news.retried(late, record.request.execution.execution_id, "sam", NOW))
    assert noted.request.execution == ended.request.execution
    again = taken(news.retried(given_up, record.request.execution.execution_id, "sam", NOW))
    assert again.request.execution is not None
    assert again.request.execution.status is ExecutionStatus.QUEUED


def test_a_retry_takes_all_news_anew_but_that_of_completed_work() -> None:
    kept = ("EXE_1:work_completed:WO-1", "EXE_1:work_completed", "EXE_2:dead_lettered:3", "EXE_11:failed", "NTF_1")
    gone = ("EXE_1:running", "EXE_1:failed", "EXE_1:dead_lettered", "EXE_1:dead_lettered:6", "EXE_1:dead_lettered:9")
    record = in_progress().model_copy(update={"news": (*gone, *kept)})
    assert taken(news.retried(record, "EXE_1", "sam", NOW)).news == kept


def test_work_that_cannot_be_carried_out_is_shown_to_a_person() -> None:
    record = in_progress()
    after = taken(news.apply_outcome(record, outcome(record, "dead_lettered"), "n1", NOW))
    assert after.request.needs_attention
    assert after.request.execution is not None
    assert after.request.execution.status is ExecutionStatus.DEAD_LETTERED


def test_a_closed_job_resolves_its_request_with_what_it_really_took() -> None:
    record = in_progress()
    after = taken(news.apply_outcome(record, outcome(record, "work_completed"), "n1", NOW))
    assert after.request.status is Status.RESOLVED
    assert after.request.resolution is not None
    assert after.request.resolution.actual_cost_usd == 80.0


def test_an_alert_that_was_taken_is_noted_once() -> None:
    record = in_progress()
    after = taken(news.acknowledged(record, "NTF_1", "sam", NOW))
    assert after.request.status is record.request.status
    assert news.acknowledged(after, "NTF_1", "sam", NOW) is None


def test_another_job_of_the_request_does_not_end_it() -> None:
    record = in_progress()
    other = outcome(record, "work_completed").model_copy(update={"execution_id": ExecutionId("EXE_other")})
    after = taken(news.apply_outcome(record, other, "n1", NOW))
    assert after.request.status is Status.IN_PROGRESS


def test_a_job_that_is_done_before_its_dispatch_was_noted_ends_its_request() -> None:
    chosen = lifecycle.select_option(at(Status.AWAITING_SELECTION), "option-1", "RES_A_101", NOW).record
    after = taken(news.apply_outcome(chosen, outcome(chosen, "work_completed"), "n1", NOW))
    assert after.request.status is Status.RESOLVED
    noted = taken(news.dispatched(after, chosen.outbox, NOW))
    assert noted.request.status is Status.RESOLVED


def test_a_resolution_after_its_target_is_a_breach() -> None:
    record = in_progress()
    assert record.request.sla is not None
    due = record.request.sla.resolution_due_at
    in_time = lifecycle.resolve(record, "sam", "done", due).record.request.sla
    late = lifecycle.resolve(record, "sam", "done", due + timedelta(seconds=1)).record.request.sla
    assert in_time is not None
    assert late is not None
    assert (in_time.breached, late.breached) == (False, True)


STEPS = {
    "select": lambda record: lifecycle.select_option(record, "option-0", "r", NOW),
    "approve": lambda record: lifecycle.approve(record, "m", ApprovalTier.EXECUTIVE, None, NOW),
    "reject": lambda record: lifecycle.reject(record, "m", None, NOW),
    "resolve": lambda record: lifecycle.resolve(record, "s", "done", NOW),
    "confirm": lambda record: lifecycle.confirm(record, "r", None, NOW),
    "reopen": lambda record: lifecycle.reopen(record, "r", None, NOW),
    "cancel": lambda record: lifecycle.cancel(record, "r", None, NOW),
    "escalate": lambda record: lifecycle.escalate(record, "r", None, NOW),
    "dispatch": lambda record: news.dispatched(record, record.outbox, NOW),
}


@given(
    st.sampled_from([ApprovalTier.NONE, ApprovalTier.MANAGER]), st.lists(st.sampled_from(sorted(STEPS)), max_size=12)
)
def test_whatever_is_tried_in_whatever_order_the_story_stays_whole(tier: ApprovalTier, names: list[str]) -> None:
    option = build_option("option-0").model_copy(update={"approval": tier})
    record = at(Status.AWAITING_SELECTION, options=(option,))
    for name in names:
        before = record
        try:
            change = STEPS[name](record)
        except Rejected:
            continue
        if change is None:
            continue
        record = change.record
        assert record.request.version == before.request.version + 1
        assert [event.sequence for event in change.events] == list(range(before.last_event + 1, record.last_event + 1))
        status = record.request.status
        assert status is before.request.status or status in LEGAL[before.request.status]
        # Money is handed to Execution only with the agreement that it needs.
        if record.outbox and record.request.selected_option_id and status is Status.APPROVED:
            approval = record.request.approval
            assert approval is not None
            assert tier is ApprovalTier.NONE or approval.granted_by == "m"


def plan_option() -> ResolutionOption:
    """Two crews and a vendor, of which the last waits for the others; noise and entry wait for Monday 12:00 UTC."""
    rules = EntryRules(
        notice_hours=24, quiet_start=time(22), quiet_end=time(7), weekend_start=time(9), weekend_end=time(19)
    )
    steps = (
        PlanStep(step_id="look", kind="diagnose", title="Find it", crew=Crew.GENERAL, cost_share=0.333333),
        PlanStep(
            step_id="mend",
            kind="do",
            title="Mend it",
            crew=Crew.PLUMBING,
            after=("look",),
            vendor="pipes-inc",
            licence="plumber",
            cost_share=0.333333,
            entry=EntryTerms(rules=rules, notice=True, time_zone="UTC"),
        ),
        PlanStep(
            step_id="call",
            kind="verify",
            title="Ask",
            crew=Crew.OFFICE,
            after=("look", "mend"),
            action=ActionKind.CREATE_STAFF_TASK,
            cost_share=0.333334,
        ),
    )
    return build_option("plan-plumbing").model_copy(update={"plan": steps})


def planned() -> RequestRecord:
    record = at(Status.AWAITING_SELECTION, options=(plan_option(),))
    return lifecycle.select_option(record, "plan-plumbing", "RES_A_101", NOW).record


def test_a_plan_becomes_one_job_for_each_step_in_its_order() -> None:
    record = planned()
    (command,) = record.outbox
    *calls, told = command.actions
    assert told.action is ActionKind.NOTIFY
    assert [call.action for call in calls] == [
        ActionKind.DISPATCH_WORK_ORDER,
        ActionKind.DISPATCH_WORK_ORDER,
        ActionKind.CREATE_STAFF_TASK,
    ]
    jobs = [JobParameters.model_validate(call.parameters) for call in calls]
    assert [(job.title, job.crew) for job in jobs] == [
        ("Find it", Crew.GENERAL),
        ("Mend it", Crew.PLUMBING),
        ("Ask", Crew.OFFICE),
    ]
    assert sum(round(job.cost_limit_usd * 100) for job in jobs) == 21050  # The option's 90th percentile.
    assert min(job.cost_limit_usd for job in jobs) > 70.0
    assert [(job.vendor, job.licence) for job in jobs] == [(None, None), ("pipes-inc", "plumber"), (None, None)]
    assert [job.not_before for job in jobs] == [None, NOW + timedelta(hours=24), None]
    instructions = [job.instructions or "" for job in jobs]
    assert "waits for no other step" in instructions[0]
    assert "Begin only when this is done: Find it; Mend it." in instructions[2]
    assert all("The tap drips" in each for each in instructions)
    assert record.request.execution is not None
    assert record.request.execution.jobs == 3


def test_only_the_last_job_of_a_plan_ends_its_request_with_what_all_of_them_took() -> None:
    chosen = planned()
    record = taken(news.dispatched(chosen, chosen.outbox, NOW))
    done = outcome(record, "work_completed")
    for number in (1, 2):
        record = taken(news.apply_outcome(record, done, f"WO-{number}", NOW))
        assert record.request.status is Status.IN_PROGRESS
        assert news.apply_outcome(record, done, f"WO-{number}", NOW) is None
    record = taken(news.apply_outcome(record, done.model_copy(update={"actual_cost_usd": None}), "WO-3", NOW))
    assert record.request.status is Status.RESOLVED
    assert record.request.resolution is not None
    assert record.request.resolution.actual_cost_usd == 160.0


def test_a_steps_job_is_opened_only_when_those_before_it_are() -> None:
    (command,) = planned().outbox
    assert [call.needs for call in command.actions] == [(), (0,), (0, 1), (0, 1, 2)]
    jobs = [JobParameters.model_validate(call.parameters) for call in command.actions[:-1]]
    assert [job.waits_for for job in jobs] == [(), (0,), (0, 1)]
    assert Dependencies(command.actions).direct(2) == {0, 1}


def test_the_desk_is_told_the_quiet_hours_of_each_job() -> None:
    (command,) = planned().outbox
    entry = plan_option().plan[1].entry
    jobs = [JobParameters.model_validate(call.parameters) for call in command.actions[:-1]]
    assert [job.entry for job in jobs] == [None, entry, None]
    option = build_option("it").model_copy(update={"entry": entry})
    record = at(Status.AWAITING_SELECTION, options=(option,))
    (command,) = lifecycle.select_option(record, "it", "RES_A_101", NOW).record.outbox
    assert JobParameters.model_validate(command.actions[0].parameters).entry == entry


@pytest.mark.parametrize("alert", [True, False])
def test_in_danger_no_step_waits_for_another(alert: bool) -> None:
    record = at(Status.PROCESSING)
    judged = build_resolved(Status.ESCALATED)
    command = emergency_command(record, judged.classification, judged.resolved, plan_option(), NOW, alert=alert)
    jobs = [call for call in command.actions if call.action not in MESSAGES]
    assert [call.needs for call in jobs] == [(), (), ()]
    places = [command.actions.index(call) for call in jobs]
    waits = [JobParameters.model_validate(call.parameters).waits_for for call in jobs]
    assert waits == [(), (places[0],), (places[0], places[1])]
    assert job_count(command) == 3


@pytest.mark.parametrize("gone", [StepStatus.SKIPPED, StepStatus.FAILED, StepStatus.UNDONE])
def test_a_plan_of_which_a_step_was_given_up_ends_with_staff(gone: StepStatus) -> None:
    chosen = planned()
    record = taken(news.dispatched(chosen, chosen.outbox, NOW))
    (command,) = chosen.outbox
    statuses = (StepStatus.SUCCEEDED, StepStatus.SUCCEEDED, gone, StepStatus.SKIPPED)
    steps = tuple(
        ExecutionStep(action=call.action, system="operations_desk", status=status)
        for call, status in zip(command.actions, statuses, strict=True)
    )
    dead = outcome(record, "dead_lettered").model_copy(update={"steps": steps})
    record = taken(news.apply_outcome(record, dead, "n1", NOW))
    assert record.request.needs_attention
    done = outcome(record, "work_completed")
    # One job more than stands: a job was closed and then opened anew by a retry that failed again.
    for number in (1, 2, 3):
        record = taken(news.apply_outcome(record, done, f"WO-{number}", NOW))
        assert record.request.status is Status.IN_PROGRESS
        assert record.request.needs_attention


@pytest.mark.parametrize("action", list(ActionKind))
def test_whatever_an_option_does_its_job_is_one_that_the_desk_understands(action: ActionKind) -> None:
    option = build_option("it").model_copy(update={"action": action, "vendor": "pipes-inc", "licence": "plumber"})
    record = at(Status.AWAITING_SELECTION, options=(option,))
    (command,) = lifecycle.select_option(record, "it", "RES_A_101", NOW).record.outbox
    job = parse_parameters(command.actions[0].action, command.actions[0].parameters)
    if action is ActionKind.TRACE_PARCEL:
        assert isinstance(job, ParcelParameters)
        assert job.description == record.request.message_text
        return
    assert isinstance(job, JobParameters)
    assert (job.vendor, job.licence, job.not_before) == ("pipes-inc", "plumber", None)


@pytest.mark.parametrize("answered", [False, None])
def test_a_question_that_nothing_answers_is_marked_as_one(answered: bool | None) -> None:
    record, resolved = at(Status.PROCESSING), build_resolved(Status.NEEDS_REVIEW)
    trace = resolved.resolved.trace
    trace = trace.model_copy(update={"inputs": {**trace.inputs, "answered": answered}})
    found = resolved.resolved.model_copy(update={"trace": trace})
    change = decisions.apply_decision(record, resolved.classification, resolved.risk, found, NOW)
    (moved,) = (event for event in change.events if event.kind == "status_changed")
    assert moved.details.get("no_answer") is (True if answered is False else None)
    assert ("I don't know" in moved.message) is (answered is False)


def test_who_is_told_by_a_command_is_noted() -> None:
    change = lifecycle.escalate(at(Status.AWAITING_SELECTION), "RES_A_101", None, NOW)
    sent = news.dispatched(change.record, change.record.outbox, NOW)
    assert sent is not None
    assert [event.details["told"] for event in sent.events if event.kind == "execution_queued"] == ["on_call"]
    chosen = lifecycle.select_option(at(Status.AWAITING_SELECTION), "option-0", "RES_A_101", NOW)
    sent = news.dispatched(chosen.record, chosen.record.outbox, NOW)
    assert sent is not None
    assert [event.details["told"] for event in sent.events if event.kind == "execution_queued"] == ["resident"]
    reopened = lifecycle.reopen(at(Status.RESOLVED), "RES_A_101", None, NOW)
    sent = news.dispatched(reopened.record, reopened.record.outbox, NOW)
    assert sent is not None
    assert [event.details["told"] for event in sent.events if event.kind == "execution_queued"] == ["staff"]
