"""What Execution and its queue tell of a request's work, as pure functions on the stored item."""

from collections.abc import Sequence
from datetime import datetime

from core.execution import ExecutionCommand, ExecutionOutcome
from core.execution_labels import MESSAGES, ActionKind, ExecutionStatus, StepStatus
from core.labels import Status
from core.record import NextAction, RequestRecord
from core.request import ExecutionSummary
from deployments.request_management.change import SYSTEM, Change, Draft
from deployments.request_management.ending import end_work, note_cost

GIVEN_UP = frozenset({StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.UNDONE})
BEFORE_WORK = frozenset({Status.APPROVED, Status.ESCALATED, Status.NEEDS_REVIEW, Status.REOPENED})
"""Where the start of the selected option's work puts a request in progress."""


def dispatched(record: RequestRecord, sent: Sequence[ExecutionCommand], now: datetime) -> Change | None:
    """The queue holds these commands now; None where that was noted before."""
    waiting = {command.execution_id for command in record.outbox}
    sent = [command for command in sent if command.execution_id in waiting]
    if not sent:
        return None
    ids = {command.execution_id for command in sent}
    draft = Draft(record, now, SYSTEM)
    rest = tuple(command for command in record.outbox if command.execution_id not in ids)
    draft.record_fields["outbox"] = rest
    draft.schedule(NextAction.DISPATCH, now if rest else None)
    for command in sent:
        if command.request_id is None:
            # Word to others: no line of this request's story.
            continue
        draft.tell(
            "execution_queued",
            "The work was handed over to be carried out.",
            execution_id=command.execution_id,
            actions=", ".join(call.action for call in command.actions),
            option_id=command.option_id,
            told=_told(command),
        )
    summary = record.request.execution
    starts = summary is not None and summary.execution_id in ids
    if starts and record.request.status in BEFORE_WORK:
        draft.move(Status.IN_PROGRESS, "The work has started.", execution_id=summary.execution_id if summary else None)
    return draft.done()


def _told(command: ExecutionCommand) -> str | None:
    """Who gets a message of this command: of `on_call`, `staff` and `resident` those that do; None for nobody."""
    kinds = {
        "on_call" if call.action is ActionKind.ALERT_ON_CALL else _RECIPIENTS[str(call.parameters["recipient_kind"])]
        for call in command.actions
        if call.action in MESSAGES
    }
    return ", ".join(sorted(kinds)) or None


_RECIPIENTS = {"resident": "resident", "staff_role": "staff"}


def apply_outcome(record: RequestRecord, outcome: ExecutionOutcome, news_id: str, now: datetime) -> Change | None:
    """Take news of an execution into the request's story; None where this very news was taken before."""
    if news_id in record.news:
        return None
    record = record.model_copy(update={"news": (*record.news, news_id)})
    draft = Draft(record, now, outcome.actor)
    summary = record.request.execution
    if summary is not None and summary.execution_id == outcome.execution_id and outcome.kind != "work_completed":
        draft.set(execution=_summary_after(summary, outcome))
        draft.responds = outcome.kind in ("running", "succeeded")
    if outcome.kind == "work_completed":
        return _complete_work(draft, outcome, news_id)
    sentence, details = _OUTCOME_SENTENCES[outcome.kind], _outcome_details(outcome)
    draft.tell(f"execution_{outcome.kind}", sentence, internal=False, **details)
    if outcome.kind == "dead_lettered" and not _has_succeeded(record, outcome):
        draft.set(needs_attention=True)
    return draft.done()


def _has_succeeded(record: RequestRecord, outcome: ExecutionOutcome) -> bool:
    """Whether what the news is about has succeeded since, as far as the request shows."""
    summary = record.request.execution
    return (
        summary is not None
        and summary.execution_id == outcome.execution_id
        and summary.status is ExecutionStatus.SUCCEEDED
    )


_OUTCOME_SENTENCES = {
    "running": "The work is being carried out.",
    "succeeded": "Everything was set in motion in the outside systems.",
    "failed": "A step failed and will be tried again.",
    "dead_lettered": "The work could not be carried out; a person has to look at it.",
}


_STATUS_AFTER = {
    "running": ExecutionStatus.RUNNING,
    "succeeded": ExecutionStatus.SUCCEEDED,
    "failed": ExecutionStatus.FAILED,
    "dead_lettered": ExecutionStatus.DEAD_LETTERED,
}


def _summary_after(summary: ExecutionSummary, outcome: ExecutionOutcome) -> ExecutionSummary:
    # News can overtake each other: success is the last word, and only it, or a retry, follows on having been given up.
    if summary.status is ExecutionStatus.SUCCEEDED:
        return summary
    if summary.status is ExecutionStatus.DEAD_LETTERED and outcome.kind in ("running", "failed"):
        return summary
    steps = outcome.steps or summary.steps
    return summary.model_copy(update={"status": _STATUS_AFTER[outcome.kind], "steps": steps})


def _outcome_details(outcome: ExecutionOutcome) -> dict[str, str | int | float | bool | None]:
    details: dict[str, str | int | float | bool | None] = {"execution_id": outcome.execution_id}
    for step in outcome.steps:
        details[str(step.action)] = step.external_id or step.error or str(step.status)
    return details


def _complete_work(draft: Draft, outcome: ExecutionOutcome, news_id: str) -> Change:
    """The last job of the selected option ends its request; any other is only told of. What each cost is counted."""
    notes = outcome.notes or "The work is done."
    summary = draft.record.request.execution
    draft.tell("work_completed", notes, execution_id=outcome.execution_id)
    if outcome.actual_cost_usd is not None:
        note_cost(draft, news_id, outcome.actual_cost_usd, instead_of=outcome.execution_id)
    if summary is None or summary.execution_id != outcome.execution_id:
        return draft.done()
    summary = _summary_with_job(summary, outcome)
    draft.set(execution=summary)
    if draft.status in BEFORE_WORK:
        # The work was done before its dispatch was noted.
        draft.move(Status.IN_PROGRESS, "The work has started.", execution_id=outcome.execution_id)
    if draft.status is Status.IN_PROGRESS and summary.jobs_done >= summary.jobs and not _lacks_work(summary):
        end_work(draft, notes, actual_hours=summary.actual_hours)
    return draft.done()


def _lacks_work(summary: ExecutionSummary) -> bool:
    """Whether a part of the work was given up; then the rest does not end the request, a person does."""
    return summary.status is ExecutionStatus.DEAD_LETTERED and any(
        step.action not in MESSAGES and step.status in GIVEN_UP for step in summary.steps
    )


def _summary_with_job(summary: ExecutionSummary, outcome: ExecutionOutcome) -> ExecutionSummary:
    """With one more job done, and what it took."""
    return summary.model_copy(
        update={
            "jobs_done": summary.jobs_done + 1,
            "actual_cost_usd": _sum(summary.actual_cost_usd, outcome.actual_cost_usd),
            "actual_hours": _sum(summary.actual_hours, outcome.actual_hours),
        }
    )


def _sum(before: float | None, more: float | None) -> float | None:
    """Of what is known."""
    return before if more is None else more + (before or 0.0)


def acknowledged(record: RequestRecord, notification_id: str, by: str, now: datetime) -> Change | None:
    """A person has taken the alert about it; None where that was noted before."""
    if notification_id in record.news:
        return None
    draft = Draft(record.model_copy(update={"news": (*record.news, notification_id)}), now, by)
    draft.tell("alert_acknowledged", "The person on call has taken it.", internal=True)
    return draft.done()


def retried(record: RequestRecord, execution_id: str, by: str, now: datetime) -> Change | None:
    """Staff have what was given up tried again; from now on its news is taken anew, but for that of completed work."""
    summary = record.request.execution
    kept = tuple(each for each in record.news if not _is_news_of_progress(each, execution_id))
    draft = Draft(record.model_copy(update={"news": kept}), now, by)
    given_up = summary is not None and summary.status is ExecutionStatus.DEAD_LETTERED
    if summary is not None and given_up and summary.execution_id == execution_id:
        draft.set(execution=summary.model_copy(update={"status": ExecutionStatus.QUEUED}))
    draft.tell("execution_retried", "The work that could not be carried out is tried again.", execution_id=execution_id)
    return draft.done()


def _is_news_of_progress(news_id: str, execution_id: str) -> bool:
    """Whether news of this id tells how far the execution has come; each end of it has an id of its own."""
    return news_id.startswith(f"{execution_id}:") and not news_id.startswith(f"{execution_id}:work_completed")
