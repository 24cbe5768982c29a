"""The staff's daily work over HTTP: many at once, exports, comments, saved templates, approvals."""

import csv
import io
import json
from datetime import timedelta
from typing import Any, ClassVar

import httpx
import pytest

from adapters.store_sqlite import SqliteRequestStore
from adapters.tokens import LocalTokens
from core.contract import rfc3339
from core.envelopes import unwrap_command
from core.labels import ApprovalTier, Role, Status, Urgency
from core.record import RequestRecord
from core.request import Approval, OptionId, RequestId
from deployments.request_management import export
from deployments.request_management.comments import add_comment
from tests.builders import NOON, build_classification, build_full_record
from tests.deployments.request_management.light import Light


async def seed(light: Light, **request: Any) -> str:
    return await light.seed(**{"status": Status.ESCALATED} | request)


async def stored(light: Light, request_id: str) -> RequestRecord:
    found = await light.ports.store.get(RequestId(request_id))
    assert found is not None
    return found


class TestBulk:
    async def test_one_that_fails_stops_no_other(self, light: Light) -> None:
        first, second = await seed(light), await seed(light)
        elsewhere, ended = await seed(light, building_id="B"), await seed(light, status=Status.CANCELLED)
        order = {"request_ids": [first, elsewhere, ended, "REQ_none", second, first], "status": "InProgress"}
        async with light.client(Role.STAFF, "sam", buildings=["A"]) as client:
            answer = await client.post("/requests/bulk", json=order | {"comment": "We are coming"})
            assert answer.status_code == 200
            found = answer.json()
            assert [(one["request_id"], one["ok"]) for one in found["results"]] == [
                (first, True), (elsewhere, False), (ended, False), ("REQ_none", False), (second, True)
            ]  # fmt: skip
            assert (found["changed"], found["failed"]) == (2, 3)
            codes = [one["problem"] and one["problem"]["code"] for one in found["results"]]
            assert codes == [None, "not_found", "illegal_transition", "not_found", None]
            assert found["results"][2]["problem"]["members"]["legal"] == []
        for request_id in (first, second):
            assert (await stored(light, request_id)).request.status is Status.IN_PROGRESS
        assert (await stored(light, elsewhere)).request.version == 1

    async def test_a_repeated_call_changes_nothing_more(self, light: Light) -> None:
        request_id = await seed(light)
        async with light.client(Role.STAFF, "sam") as client:
            answers = [
                await client.post(
                    "/requests/bulk",
                    json={"request_ids": [request_id], "comment": "Noted"},
                    headers={"Idempotency-Key": "k"},
                )
                for _ in range(2)
            ]
        assert answers[0].json() == answers[1].json()
        assert answers[1].headers["Idempotency-Replayed"] == "true"
        assert (await stored(light, request_id)).request.version == 2

    async def test_one_that_changed_since_the_caller_saw_it_is_left_as_it_is(self, light: Light) -> None:
        seen, changed = await seed(light), await seed(light)
        versions = {seen: 1, changed: 1}
        async with light.client(Role.STAFF, "sam") as client:
            await client.post("/requests/bulk", json={"request_ids": [changed], "urgency": "Low"})
            order = {"request_ids": [seen, changed], "urgency": "High", "versions": versions}
            results = (await client.post("/requests/bulk", json=order)).json()["results"]
        assert [one["problem"] and one["problem"]["code"] for one in results] == [None, "stale_version"]
        assert [one["problem"] and one["problem"]["status"] for one in results] == [None, 412]
        kept = (await stored(light, changed)).request.classification
        assert kept is not None
        assert kept.urgency is Urgency.LOW

    @pytest.mark.parametrize(
        "order",
        [
            {"request_ids": [], "status": "Closed"},
            {"request_ids": [f"REQ_{number}" for number in range(101)], "status": "Closed"},
            {"request_ids": ["REQ_1"]},
            {"request_ids": ["REQ_1"], "waiting_for_access": True},
            {"request_ids": ["REQ_1"], "status": "Closed", "versions": {"REQ_1": 0}},
            {"request_ids": ["REQ_1"], "status": "Closed", "versions": {"REQ_1": True}},
            {"request_ids": ["REQ_1"], "status": "Closed", "versions": {"<b>": 1}},
        ],
    )
    async def test_what_is_no_bulk_order_is_refused(self, light: Light, order: dict[str, Any]) -> None:
        async with light.client(Role.STAFF, "sam") as client:
            assert (await client.post("/requests/bulk", json=order)).status_code == 422


class TestExport:
    async def test_it_holds_what_a_list_with_the_same_filters_holds_in_its_order(
        self, light: Light, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(export, "PAGE", 2)
        for hours, urgency in enumerate((Urgency.LOW, Urgency.EMERGENCY, Urgency.HIGH, Urgency.EMERGENCY)):
            await seed(
                light,
                created_at=NOON - timedelta(hours=hours),
                needs_attention=True,
                classification=build_classification(urgency=urgency),
            )
        await seed(light)
        async with light.client(Role.STAFF, "sam") as client:
            for where in ({"needs_attention": "true"}, {"urgency": "Emergency"}, {"category": "Billing"}):
                listed = (await client.get("/requests", params=where)).json()["items"]
                exported = (await client.get("/requests/export", params={"format": "json", **where})).json()
                assert [one["request_id"] for one in exported] == [one["request_id"] for one in listed]
            # What is most urgent may be older than what is less so: none of the period may be lost to the order.
            since = {"since": rfc3339(NOON - timedelta(hours=2)), "needs_attention": "true", "format": "json"}
            assert len((await client.get("/requests/export", params=since)).json()) == 3

    async def test_both_forms_hold_the_requests_of_the_period_and_the_caller(
        self, light: Light, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(export, "PAGE", 3)
        ids = [await seed(light, created_at=NOON - timedelta(hours=hours)) for hours in range(10)]
        await seed(light, building_id="B")
        period = {"since": rfc3339(NOON - timedelta(hours=7)), "before": rfc3339(NOON - timedelta(hours=1))}
        async with light.client(Role.STAFF, "sam", buildings=["A"]) as client:
            as_csv = await client.get("/requests/export", params=period)
            as_json = await client.get("/requests/export", params=period | {"format": "json"})
            every = await client.get("/requests/export", params={"format": "json"})
            none = await client.get("/requests/export", params={"format": "json", "building_id": "B"})
            closed = await client.get("/requests/export", params={"status": "Closed"})
            wrong = await client.get("/requests/export", params={"since": period["before"], "before": period["since"]})
        rows = list(csv.DictReader(io.StringIO(as_csv.text)))
        assert [row["request_id"] for row in rows] == ids[2:8]
        assert list(rows[0]) == list(export.COLUMNS)
        assert [one["request_id"] for one in as_json.json()] == ids[2:8]
        assert [one["request_id"] for one in every.json()] == ids
        assert none.json() == []
        assert closed.text.strip() == ",".join(export.COLUMNS)
        assert wrong.status_code == 422
        assert as_csv.headers["content-type"] == "text/csv; charset=utf-8"
        assert "attachment" in as_csv.headers["content-disposition"]

    async def test_no_cell_is_a_formula(self, light: Light) -> None:
        for text in ("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", 'a "quoted", text\nof lines'):
            await seed(light, message_text=text)
        async with light.client(Role.STAFF, "sam") as client:
            answer = await client.get("/requests/export")
        cells = {row["message_text"] for row in csv.DictReader(io.StringIO(answer.text, newline=""))}
        assert cells == {"'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\tx", "'\rx", 'a "quoted", text\nof lines'}

    async def test_no_more_than_a_page_is_read_ahead(self, light: Light, monkeypatch: pytest.MonkeyPatch) -> None:
        for hours in range(9):
            await seed(light, created_at=NOON - timedelta(hours=hours))
        monkeypatch.setattr(export, "PAGE", 2)
        limits: list[int] = []
        real = SqliteRequestStore.list_requests

        async def counted(store: SqliteRequestStore, *where: Any, limit: int, cursor: str | None) -> Any:
            limits.append(limit)
            return await real(store, *where, limit=limit, cursor=cursor)

        monkeypatch.setattr(SqliteRequestStore, "list_requests", counted)
        async with light.client(Role.MANAGER, "mia") as client:
            since = rfc3339(NOON - timedelta(hours=3))
            assert len((await client.get("/requests/export", params={"since": since, "format": "json"})).json()) == 4
        assert limits == [2, 2, 2]

    async def test_it_is_in_the_audit_log_before_the_first_byte(self, light: Light) -> None:
        await seed(light)
        async with light.client(Role.MANAGER, "mia") as client:
            await client.get("/requests/export")
            entries = (await client.get("/audit")).json()["items"]
        assert [(one["actor"], one["action"]) for one in entries if one["action"] == "export_requests"] == [
            ("mia", "export_requests")
        ]


class TestComments:
    async def test_internal_ones_never_reach_the_resident(self, light: Light) -> None:
        request_id = await seed(light)
        path = f"/requests/{request_id}"
        async with light.client(Role.STAFF, "sam") as staff:
            hidden = await staff.post(f"{path}/comments", json={"text": "Owes rent", "visibility": "internal"})
            shown = await staff.post(f"{path}/comments", json={"text": "Coming at noon"})
            assert (hidden.status_code, shown.status_code) == (201, 201)
            assert hidden.json()["actor"] == "sam"
            seen = (await staff.get(f"{path}/events")).text
            assert "Owes rent" in seen
            await staff.put(path, json={"status": "InProgress"})
            await staff.post(f"{path}/resolve", json={"resolution_notes": "done"})
            await staff.put(path, json={"status": "Closed"})
        async with light.client(Role.RESIDENT, "RES_A_101") as owner:
            answers = [await owner.get(path), await owner.get(f"{path}/events"), await owner.get(f"{path}/decision")]
            stream = await owner.get(f"{path}/events", headers={"Accept": "text/event-stream"})
            assert "Coming at noon" in answers[1].text
            assert "Coming at noon" in stream.text
            for answer in (*answers, stream):
                assert "Owes rent" not in answer.text
        told = await light.ports.executions.receive(max_messages=50, wait_s=0, visibility_s=60)
        bodies = json.dumps([unwrap_command(each.message).model_dump(mode="json") for each in told])
        assert "Owes rent" not in bodies

    async def test_the_owner_comments_and_staff_are_told(self, light: Light) -> None:
        request_id = await seed(light)
        async with light.client(Role.RESIDENT, "RES_A_101") as owner:
            answer = await owner.post(f"/requests/{request_id}/comments", json={"text": "It got worse"})
            assert answer.status_code == 201
            assert answer.json()["internal"] is False
            for order in ({"text": "x", "visibility": "internal"}, {"template_id": f"TPL_{'0' * 24}"}):
                assert (await owner.post(f"/requests/{request_id}/comments", json=order)).status_code == 422
        async with light.client(Role.RESIDENT, "RES_A_102") as neighbour:
            assert (await neighbour.post(f"/requests/{request_id}/comments", json={"text": "x"})).status_code == 404

    async def test_a_repeated_call_comments_once(self, light: Light) -> None:
        request_id = await seed(light)
        async with light.client(Role.STAFF, "sam") as staff:
            ids = {
                (
                    await staff.post(
                        f"/requests/{request_id}/comments", json={"text": "Once"}, headers={"Idempotency-Key": "k"}
                    )
                ).json()["details"]["comment_id"]
                for _ in range(3)
            }
        assert len(ids) == 1
        events = await light.ports.store.events(RequestId(request_id))
        assert [event.message for event in events].count("Once") == 1

    def test_only_what_the_resident_sees_counts_as_the_promised_response(self) -> None:
        from tests.deployments.request_management.stage import MORNING, build_terms

        sla, terms = build_terms()
        record = build_full_record(status=Status.ESCALATED, sla=sla).model_copy(update={"terms": terms})
        for internal in (True, False):
            change = add_comment(record, "sam", "Hello", "CMT_1", MORNING, by_staff=True, internal=internal)
            kept = change.record.request.sla
            assert kept is not None
            assert (kept.response_met_at is None) is internal
            assert len(change.record.outbox) == len(record.outbox) + (not internal)


class TestTemplates:
    FORM: ClassVar[dict[str, str]] = {
        "name": "Visit",
        "text": "We come to {unit} for {request_id} ({category}). {{sic}}",
        "building_id": "A",
    }

    async def test_managers_save_and_staff_send_them(self, light: Light) -> None:
        request_id = await seed(light, unit="4B")
        async with light.client(Role.MANAGER, "mia", buildings=["A"]) as manager:
            made = await manager.post("/templates", json=self.FORM)
            assert made.status_code == 201
            assert made.headers["ETag"] == '"1"'
        template_id = made.json()["template_id"]
        async with light.client(Role.STAFF, "sam", buildings=["A"]) as staff:
            assert [one["name"] for one in (await staff.get("/templates")).json()["items"]] == ["Visit"]
            path = f"/requests/{request_id}/comments"
            sent = await staff.post(path, json={"template_id": template_id})
            assert sent.json()["message"] == f"We come to 4B for {request_id} (Maintenance). {{sic}}"
            assert (await staff.post("/templates", json=self.FORM)).status_code == 403
            homeless = await seed(light, unit=None)
            missing = await staff.post(f"/requests/{homeless}/comments", json={"template_id": template_id})
            assert missing.status_code == 422
            assert "{unit}" in missing.json()["detail"]
        async with light.client(Role.STAFF, "sue", buildings=["B"]) as elsewhere:
            assert (await elsewhere.get("/templates")).json()["items"] == []
            assert (await elsewhere.get(f"/templates/{template_id}")).status_code == 404

    async def test_a_change_needs_the_version_that_is_there(self, light: Light) -> None:
        async with light.client(Role.MANAGER, "mia") as manager:
            path = f"/templates/{(await manager.post('/templates', json=self.FORM)).json()['template_id']}"
            changed = await manager.put(path, json=self.FORM | {"text": "Hello"}, headers={"If-Match": '"1"'})
            assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
            for stale in ('"1"', '"7"', '"other"'):
                headers = {"If-Match": stale}
                assert (await manager.put(path, json=self.FORM, headers=headers)).status_code == 412
                assert (await manager.delete(path, headers=headers)).status_code == 412
            moved = await manager.put(path, json=self.FORM | {"building_id": "B"})
            assert moved.status_code == 422
            assert (await manager.get(path)).json()["text"] == "Hello"
            assert (await manager.delete(path, headers={"If-Match": '"2"'})).status_code == 204
            assert (await manager.get(path)).status_code == 404

    async def test_what_is_for_all_is_changed_by_who_acts_for_all(self, light: Light) -> None:
        form = {"name": "All", "text": "Hello {resident_id}"}
        async with light.client(Role.MANAGER, "mia") as manager:
            template_id = (await manager.post("/templates", json=form)).json()["template_id"]
        async with light.client(Role.MANAGER, "ann", buildings=["A"]) as manager:
            own = await manager.post("/templates", json=form)
            assert own.json()["building_id"] == "A"
        async with light.client(Role.MANAGER, "max", buildings=["A", "C"]) as manager:
            assert (await manager.get(f"/templates/{template_id}")).status_code == 200
            assert (await manager.put(f"/templates/{template_id}", json=form)).status_code == 403
            assert (await manager.delete(f"/templates/{template_id}")).status_code == 403
            assert (await manager.post("/templates", json=form)).status_code == 403
            assert (await manager.post("/templates", json=form | {"building_id": "B"})).status_code == 403

    @pytest.mark.parametrize(
        "text", ["{salary}", "{unit.secret}", "{unit[0]}", "{unit!r}", "{unit:>9}", "{", "}", "{}", "{0}"]
    )
    async def test_what_is_no_known_placeholder_is_refused_when_saved(self, light: Light, text: str) -> None:
        async with light.client(Role.MANAGER, "mia") as manager:
            answer = await manager.post("/templates", json={"name": "Odd", "text": text})
        assert answer.status_code == 422
        assert answer.json()["errors"]


class TestApprovals:
    @pytest.mark.parametrize(
        ("claimed", "required", "status"),
        [
            (None, ApprovalTier.MANAGER, 200),
            (None, ApprovalTier.REGIONAL, 403),
            (ApprovalTier.SUPERVISOR, ApprovalTier.SUPERVISOR, 200),
            (ApprovalTier.SUPERVISOR, ApprovalTier.MANAGER, 403),
            (ApprovalTier.EXECUTIVE, ApprovalTier.EXECUTIVE, 200),
            (ApprovalTier.NONE, ApprovalTier.SUPERVISOR, 403),
        ],
    )
    async def test_a_persons_tier_goes_before_that_of_the_role(
        self, light: Light, claimed: ApprovalTier | None, required: ApprovalTier, status: int
    ) -> None:
        request_id = await seed(
            light,
            status=Status.AWAITING_APPROVAL,
            selected_option_id=OptionId("option-0"),
            approval=Approval(required=required),
        )
        async with client_with(light, claimed) as staff:
            answer = await staff.post(f"/requests/{request_id}/approve")
        assert answer.status_code == status, answer.text
        approved = (await stored(light, request_id)).request
        assert (approved.approval is not None and approved.approval.granted_by == "sam") is (status == 200)


def client_with(light: Light, tier: ApprovalTier | None) -> httpx.AsyncClient:
    """Staff whose token states this tier; those of the role stand for `manager` here."""
    import jwt

    claims = jwt.decode(
        LocalTokens(light.settings.local_key).issue(Role.STAFF, "sam"), options={"verify_signature": False}
    )
    if tier is not None:
        claims["approval_tier"] = tier
    client = light.client(Role.STAFF, "sam")
    client.headers["Authorization"] = f"Bearer {jwt.encode(claims, light.settings.local_key.read_bytes(), 'HS256')}"
    return client
