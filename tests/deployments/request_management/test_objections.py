"""What a resident says against the labels: kept and shown to staff once, and no label is changed by it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from aam.labels import _line as learning_line  # pyright: ignore[reportPrivateUsage]
from core.erasure import ERASED, ErasureScope, new_pseudonym
from core.errors import Invalid, WrongState
from core.labels import Category, Role, Status
from core.record import LabelObjection, RequestRecord
from core.request import RequestId
from core.status import ENDED, UNJUDGED
from deployments.request_management import corrections, erasure
from deployments.request_management.objections import MOST_KEPT, object_to_labels
from tests.builders import NOON, build_full_record, build_record
from tests.deployments.request_management.light import Light

OWNER = "RES_A_101"


@pytest.fixture
async def owner(light: Light) -> AsyncIterator[httpx.AsyncClient]:
    async with light.client(Role.RESIDENT, OWNER) as client:
        yield client


async def seed(light: Light) -> RequestId:
    return await light.seed(status=Status.AWAITING_SELECTION)


async def stored(light: Light, request_id: RequestId) -> RequestRecord:
    record = await light.ports.store.get(request_id)
    assert record is not None
    return record


def test_it_is_kept_with_what_it_is_about_and_changes_no_label() -> None:
    record = build_full_record(status=Status.AWAITING_SELECTION)
    change = object_to_labels(record, OWNER, Category.BILLING, "I asked about my bill.", NOON)
    after = change.record
    assert after.objections == (
        LabelObjection(
            at=NOON,
            by=OWNER,
            category=Category.BILLING,
            comment="I asked about my bill.",
            category_before=Category.MAINTENANCE,
            model_version="cascade-1",
            confidence=0.8125,
        ),
    )
    assert after.request.classification == record.request.classification
    assert (after.request.status, after.request.needs_attention) == (Status.AWAITING_SELECTION, True)
    assert after.corrections == ()
    (event,) = change.events
    assert (event.kind, event.actor, event.internal) == ("objected", OWNER, False)
    assert event.message == "The resident says that it is about Billing and not Maintenance. “I asked about my bill.”"
    assert event.details == {"category_said": "Billing", "category_before": "Maintenance"}
    (told,) = [each for each in after.outbox if each not in record.outbox]
    assert told.actions[0].parameters["event"] == "request_needs_person"


@pytest.mark.parametrize(
    ("category", "comment", "sentence"),
    [
        (None, "no", "The resident says that it was understood wrongly. “no”"),
        (Category.MAINTENANCE, "but the gas", "The resident says that it was understood wrongly. “but the gas”"),
    ],
)
def test_it_may_be_said_in_words_alone(category: Category | None, comment: str, sentence: str) -> None:
    change = object_to_labels(build_full_record(), OWNER, category, comment, NOON)
    assert change.events[0].message == sentence


def test_what_nothing_could_label_is_given_its_first_label_by_the_resident() -> None:
    change = object_to_labels(build_record(status=Status.NEEDS_REVIEW), OWNER, Category.LEASING, None, NOON)
    assert change.events[0].message == "The resident says that it is about Leasing."
    assert change.record.objections[0].model_version is None


def test_the_same_category_without_a_word_says_nothing() -> None:
    with pytest.raises(Invalid):
        object_to_labels(build_full_record(), OWNER, Category.MAINTENANCE, None, NOON)


@pytest.mark.parametrize("status", sorted(ENDED | UNJUDGED))
def test_it_is_refused_where_nobody_would_look_at_it(status: Status) -> None:
    with pytest.raises(WrongState):
        object_to_labels(build_full_record(status=status), OWNER, Category.BILLING, None, NOON)


def test_only_the_newest_are_kept() -> None:
    record = build_full_record()
    for number in range(MOST_KEPT + 3):
        record = object_to_labels(record, OWNER, None, f"No. {number}", NOON).record
    assert [record.objections[0].comment, len(record.objections)] == ["No. 3", MOST_KEPT]


def test_an_erasure_takes_its_words_and_its_writer() -> None:
    record = build_full_record(request_id="REQ_1")
    change = object_to_labels(record, OWNER, Category.BILLING, "zebrafinch", NOON)
    scope = ErasureScope(OWNER, new_pseudonym(), frozenset({"REQ_1"}))
    (left,) = erasure.erase_record(change.record, scope, NOON).objections
    assert (left.by, left.comment, left.category) == (scope.pseudonym, ERASED, Category.BILLING)
    (event,) = erasure.erase_events(change.events, scope)
    assert (event.message, event.details["category_said"]) == (ERASED, "Billing")


def test_what_is_learned_from_names_what_the_resident_said() -> None:
    objected = object_to_labels(build_full_record(), OWNER, Category.BILLING, None, NOON).record
    corrected = corrections.amend(objected, "sam", NOON, category=Category.LEASING).record
    line = learning_line(corrected)
    assert (line["category"], line["category_by_resident"]) == ("Leasing", "Billing")
    unobjected = corrections.amend(build_full_record(), "sam", NOON, category=Category.LEASING).record
    assert learning_line(unobjected)["category_by_resident"] is None


async def test_the_owner_says_it_once_by_the_same_key(light: Light, owner: httpx.AsyncClient) -> None:
    request_id = await seed(light)
    for _ in range(2):
        answer = await owner.post(
            f"/requests/{request_id}/objection", json={"category": "Billing"}, headers={"Idempotency-Key": "k"}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["needs_attention"] is True
    assert len((await stored(light, request_id)).objections) == 1
    # Where the answer was lost with its process, too.
    await light.ports.store.forget_answers({request_id})
    again = await owner.post(
        f"/requests/{request_id}/objection", json={"category": "Billing"}, headers={"Idempotency-Key": "k"}
    )
    assert again.status_code == 200
    assert len((await stored(light, request_id)).objections) == 1
    async with light.client(Role.STAFF, "sam") as staff:
        queue = await staff.get("/requests", params={"needs_attention": True})
    assert [one["request_id"] for one in queue.json()["items"]] == [request_id]


@pytest.mark.parametrize(
    "body", [{}, {"comment": " "}, {"category": "Gas"}, {"comment": "x" * 2001}, {"urgency": "Low"}]
)
async def test_what_says_nothing_is_refused(light: Light, owner: httpx.AsyncClient, body: dict[str, str]) -> None:
    request_id = await seed(light)
    assert (await owner.post(f"/requests/{request_id}/objection", json=body)).status_code == 422
    assert (await stored(light, request_id)).objections == ()


async def test_it_is_not_for_others(light: Light) -> None:
    request_id = await seed(light)
    for role, sub, status in ((Role.RESIDENT, "RES_A_102", 404), (Role.STAFF, "sam", 403), (Role.MANAGER, "mia", 403)):
        async with light.client(role, sub) as client:
            answer = await client.post(f"/requests/{request_id}/objection", json={"category": "Billing"})
        assert answer.status_code == status, answer.text
