"""What is left of a request: every field is thought of, nothing free remains, and doing it again changes nothing."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.erasure import ERASED, ErasureScope, is_pseudonym, new_pseudonym
from core.execution import ActionCall, ExecutionCommand, Notification
from core.execution_labels import ActionKind
from core.labels import ApprovalTier, Status, Urgency
from core.record import NextAction, RequestRecord
from core.request import Approval, ExecutionId, Feedback, Preferences, Request, RequestId, ResolutionNote
from deployments.request_management import erasure, orders
from tests.builders import NOON, build_event, build_full_record

LATER = NOON + timedelta(hours=3)
WORD = "zebrafinch"


@pytest.fixture
def record() -> RequestRecord:
    full = build_full_record(
        request_id="REQ_1",
        status=Status.RESOLVED,
        unit=f"unit {WORD}",
        message_text=f"My {WORD}",
        preferences=Preferences(special_instructions=WORD),
        approval=Approval(required=ApprovalTier.NONE, granted_by="RES_A_101", at=NOON),
        feedback=Feedback(rating=5, comment=WORD, at=NOON),
        resolution=ResolutionNote(resolution_notes=WORD, resolved_by="RES_A_101", resolved_at=NOON),
    )
    timers = {NextAction.DISPATCH: NOON, NextAction.AUTO_CLOSE: LATER}
    return full.model_copy(
        update={"timers": timers, "next_action": NextAction.DISPATCH, "next_action_at": NOON, "correlation_id": WORD}
    )


@pytest.fixture
def scope() -> ErasureScope:
    return ErasureScope("RES_A_101", new_pseudonym(), frozenset({"REQ_1"}))


def test_somebody_has_thought_of_every_field() -> None:
    for contract, groups in (
        (Request, (erasure.KEPT_OF_REQUEST, erasure.REPLACED_OF_REQUEST, erasure.DROPPED_OF_REQUEST)),
        (RequestRecord, (erasure.KEPT_OF_RECORD, erasure.REPLACED_OF_RECORD, erasure.DROPPED_OF_RECORD)),
    ):
        named = [name for group in groups for name in group]
        assert sorted(named) == sorted(contract.model_fields), "say what becomes of a new field in an erasure"


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


def test_no_word_of_the_resident_remains(record: RequestRecord, scope: ErasureScope) -> None:
    assert WORD in record.model_dump_json()
    left = erasure.erase_record(record, scope, LATER)
    found = list(texts(left.model_dump(mode="json")))
    assert not [text for text in found if WORD in text or "RES_A_101" in text]
    assert left.trace is not None
    assert "embedding" not in left.trace.inputs


def test_work_by_itself_goes_on_without_the_outbox(record: RequestRecord, scope: ErasureScope) -> None:
    left = erasure.erase_record(record, scope, LATER)
    assert left.outbox == ()
    assert (left.pending, left.next_action) == ({NextAction.AUTO_CLOSE: LATER}, NextAction.AUTO_CLOSE)


def test_doing_it_again_changes_nothing(record: RequestRecord, scope: ErasureScope) -> None:
    events = [build_event(1, message=WORD, details={"to": "Resolved", "said": WORD, "hours": 2.5})]
    assert not erasure.is_erased(record, events, scope)
    left, told = erasure.erase_record(record, scope, LATER), erasure.erase_events(events, scope)
    assert erasure.is_erased(left, told, scope)
    assert not erasure.is_erased(left, events, scope)
    assert left.request.version == record.request.version + 1
    assert told[0].details == {"to": "Resolved", "said": ERASED, "hours": 2.5}
    noted = erasure.note_erasure(left, LATER)
    assert noted is not None
    assert erasure.note_erasure(noted.record, LATER) is None


def test_an_outside_call_that_failed_says_why_no_more(scope: ErasureScope) -> None:
    details = {"notify": "NTF-7", "alert_on_call": f"{WORD} was refused", "dispatch_work_order": "Queued"}
    (event,) = erasure.erase_events([build_event(1, details=details)], scope)
    assert event.details == {"notify": "NTF-7", "alert_on_call": ERASED, "dispatch_work_order": "Queued"}


@given(st.text(min_size=1, max_size=30), st.sampled_from(["comment", "note", "reason", "title", "name"]))
def test_details_that_nobody_named_are_erased(text: str, name: str) -> None:
    scope = ErasureScope("RES_A_101", new_pseudonym(), frozenset())
    (event,) = erasure.erase_events([build_event(1, message=text, details={name: text})], scope)
    assert (event.message, event.details) == (ERASED, {name: ERASED})


def test_what_the_urgency_of_orders_goes_by_is_kept(record: RequestRecord, scope: ErasureScope) -> None:
    assert record.trace is not None
    judged = record.trace.model_copy(update={"inputs": {"classification": {"urgency": "High", "issues": [WORD]}}})
    left = erasure.erase_record(record.model_copy(update={"trace": judged}), scope, LATER)
    assert orders.judged_urgency(left) is Urgency.HIGH


def test_a_decision_whose_inputs_are_erased_says_so(record: RequestRecord, scope: ErasureScope) -> None:
    from core.errors import NotFound
    from deployments.decision_simulation.replay import replay

    left = erasure.erase_record(record, scope, LATER)
    assert left.trace is not None
    with pytest.raises(NotFound, match="erased with the resident's data"):
        replay(left.trace, None)  # type: ignore[arg-type]


def command(request_id: str | None, *recipients: str) -> ExecutionCommand:
    return ExecutionCommand(
        execution_id=ExecutionId("EXE_1"),
        request_id=None if request_id is None else RequestId(request_id),
        urgency=Urgency.LOW,
        actions=tuple(
            ActionCall(
                action=ActionKind.NOTIFY,
                parameters={"recipient_kind": "resident", "recipient": one, "subject": WORD, "body": f"{WORD} {one}"},
            )
            for one in recipients
        ),
        correlation_id="c",
        requested_by="sam",
    )


def test_of_a_command_for_several_people_only_ones_own_part_is_erased(scope: ErasureScope) -> None:
    left = scope.command(command(None, "RES_A_101", "RES_A_102"))
    own, others = left.actions
    assert own.parameters["recipient"] == scope.pseudonym
    assert (own.parameters["subject"], own.parameters["body"]) == (ERASED, ERASED)
    assert others.parameters == {
        "recipient_kind": "resident", "recipient": "RES_A_102", "subject": WORD, "body": f"{WORD} RES_A_102",
    }  # fmt: skip
    assert scope.command(left) == left


def test_of_a_command_for_the_request_all_is_erased_and_it_still_fits(scope: ErasureScope) -> None:
    from core.actions import parse_parameters

    left = scope.command(command("REQ_1", "RES_A_101", "staff"))
    assert WORD not in left.model_dump_json()
    assert left.actions[1].parameters["recipient"] == "staff"
    for call in left.actions:
        parse_parameters(call.action, call.parameters)


def test_a_notification_keeps_when_and_about_what(scope: ErasureScope) -> None:
    sent = Notification(recipient_kind="on_call", recipient="A", subject=WORD, body=WORD, request_id=RequestId("REQ_1"))
    left = scope.notification(sent)
    assert (left.subject, left.body, left.recipient, left.request_id) == (ERASED, ERASED, "A", "REQ_1")
    assert scope.concerns("A", "REQ_1")
    assert scope.concerns("RES_A_101", None)
    assert not scope.concerns("RES_A_1", "REQ_11")


def test_pseudonyms_tell_nothing_and_differ() -> None:
    made = {new_pseudonym() for _ in range(100)}
    assert len(made) == 100
    assert all(map(is_pseudonym, made))
    assert not is_pseudonym("RES_A_101")
