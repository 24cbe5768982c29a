"""Bringing the old system's requests over: mapping, repeating, and comparing."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import boto3
import httpx
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from aam.migration.comparison import Agreement, compare
from aam.migration.importer import import_items
from aam.migration.items import read_file, read_table
from aam.migration.mapping import map_item
from adapters.store_sqlite import SqliteRequestStore
from core.errors import Invalid
from core.labels import ApprovalTier, Category, Intent, Status, Urgency
from core.record import NextAction
from core.request import RequestId
from core.rules import RuleBook
from kb.compile import compile_documents

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
OLD: dict[str, Any] = {
    "request_id": "REQ_20250102030405_abc123",
    "resident_id": "RES_North_Tower_12B",
    "message_text": "The kitchen tap has dripped for days.",
    "created_at": "2025-01-02T03:04:05",
    "updated_at": "2025-01-03T03:04:05+00:00",
    "category": "maintenance",
    "urgency": "HIGH",
    "intent": "solve_problem",
    "classification_confidence": 0.82,
    "risk_forecast": 0.4,
    "simulated_options": [
        {
            "option_id": "opt_1",
            "action": "Send a plumber",
            "estimated_cost": 700,
            "estimated_time": 30,
            "resident_satisfaction_impact": 0.3,
            "reasoning": "It drips.",
            "source_doc_ids": ["kb_1"],
            "steps": ["Look", "Repair"],
        },
        {"option_id": "opt_2", "action": "Wait", "estimated_cost": "none", "estimated_time": 0},
    ],
    "recommended_option_id": "opt_1",
    "user_selected_option_id": "opt_1",
    "chosen_action": "Send a plumber",
    "status": "In Progress",
    "admin_comments": ["called twice"],
    "is_recurring_issue": False,
    "allow_entry_when_absent": True,
    "preferred_days": ["Monday"],
    "emergency_contact": "Ann",
    "colour": "green",
}


@pytest.fixture(scope="module")
def rules() -> RuleBook:
    return compile_documents()


def item(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**OLD, **changes}.items() if value is not None}


class TestMapping:
    def test_an_item_keeps_what_it_said(self, rules: RuleBook) -> None:
        mapped = map_item(item(), rules, NOW)
        request = mapped.record.request
        assert (request.building_id, request.unit) == ("North_Tower", "12B")
        assert request.created_at == datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
        labels = request.classification
        assert labels is not None
        assert (labels.category, labels.urgency, labels.intent) == (
            Category.MAINTENANCE,
            Urgency.HIGH,
            Intent.SOLVE_PROBLEM,
        )
        assert (labels.confidence, labels.model_version) == (0.82, "old-system")
        assert request.status is Status.IN_PROGRESS
        assert request.preferences is not None
        assert request.preferences.preferred_days == ("Monday",)
        assert request.preferences.allow_entry_when_absent is True

    def test_options_come_over_with_the_present_limits(self, rules: RuleBook) -> None:
        mapped = map_item(item(), rules, NOW)
        (option,) = mapped.record.request.options
        assert (option.estimated_cost_usd.mean, option.estimated_cost_usd.p90) == (700, 700)
        assert option.approval is ApprovalTier.SUPERVISOR
        assert option.sla_breach_probability == 0.0
        assert mapped.record.request.selected_option_id == "opt_1"
        assert "simulated_options[1]: incomplete or twice the same id" in mapped.unmapped

    def test_what_has_no_place_is_told(self, rules: RuleBook) -> None:
        mapped = map_item(item(urgency="Urgent!", resolved_at="yesterday"), rules, NOW)
        assert mapped.record.request.classification is None
        assert "colour: unknown field" in mapped.unmapped
        assert "urgency: no such value here" in mapped.unmapped

    def test_comments_of_the_office_stay_with_the_office(self, rules: RuleBook) -> None:
        events = map_item(item(), rules, NOW).events
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert [event.internal for event in events if event.kind == "comment"] == [True]
        assert events[-1].details["risk_forecast"] == 0.4

    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({"status": "submitted"}, Status.PROCESSING),
            ({"status": None}, Status.PROCESSING),
            ({"status": "Processing"}, Status.PROCESSING),
            ({"status": "Submitted", "intent": "HUMAN_ESCALATION"}, Status.ESCALATED),
            ({"status": "Submitted", "is_recurring_issue": True}, Status.ESCALATED),
            (
                {"status": "Submitted", "is_recurring_issue": True, "recurring_issue_non_escalated": True},
                Status.PROCESSING,
            ),
            ({"status": "Escalated"}, Status.ESCALATED),
            ({"status": "Resolved", "resolved_at": "2026-10-31T00:00:00Z"}, Status.RESOLVED),
            ({"status": "Resolved", "resolved_at": "2025-02-01T00:00:00Z"}, Status.CLOSED),
            ({"status": "Lost"}, Status.NEEDS_REVIEW),
        ],
    )
    def test_a_status_is_what_it_means(self, rules: RuleBook, changes: dict[str, Any], status: Status) -> None:
        record = map_item(item(**changes), rules, NOW).record
        assert record.request.status is status
        assert (record.next_action is NextAction.PROCESS) == (status is Status.PROCESSING)
        assert record.request.needs_attention == (status in (Status.ESCALATED, Status.NEEDS_REVIEW))

    @pytest.mark.parametrize(
        "changes",
        [{"request_id": None}, {"resident_id": "Bob"}, {"message_text": " "}, {"created_at": "soon"}],
    )
    def test_without_identity_it_is_refused(self, rules: RuleBook, changes: dict[str, Any]) -> None:
        with pytest.raises(Invalid):
            map_item(item(**changes), rules, NOW)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        changes=st.dictionaries(
            st.sampled_from(sorted(set(OLD) - {"request_id", "resident_id", "message_text", "created_at"})),
            st.one_of(st.none(), st.text(max_size=8), st.floats(), st.booleans(), st.lists(st.text(max_size=3))),
        )
    )
    def test_whatever_else_an_item_holds_it_comes_over(self, rules: RuleBook, changes: dict[str, Any]) -> None:
        mapped = map_item({**OLD, **changes}, rules, NOW)
        assert mapped.record.request.message_text == OLD["message_text"]
        assert mapped.record.last_event == len(mapped.events)


class TestItems:
    def test_a_file_may_hold_plain_or_typed_items(self, tmp_path: Path) -> None:
        typed = {"request_id": {"S": "R"}, "risk_forecast": {"N": "0.5"}, "steps": {"L": [{"S": "a"}]}}
        lines = [json.dumps({"request_id": "P"}), "", json.dumps({"Item": typed}), json.dumps(typed)]
        path = tmp_path / "old.jsonl"
        path.write_text("\n".join(lines))
        plain: Mapping[str, Any] = {"request_id": "R", "risk_forecast": 0.5, "steps": ["a"]}
        assert list(read_file(path)) == [{"request_id": "P"}, plain, plain]

    @pytest.mark.parametrize("line", ["{", "[]", '"text"', '{"Item": 3}'])
    def test_a_bad_line_is_named(self, tmp_path: Path, line: str) -> None:
        path = tmp_path / "old.jsonl"
        path.write_text(f'{{"request_id": "P"}}\n{line}')
        with pytest.raises(Invalid, match="line 2"):
            list(read_file(path))

    @pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore", "ignore::ResourceWarning")
    def test_the_old_table_is_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        server = ThreadedMotoServer(port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = cast(Any, boto3).client("dynamodb", region_name="us-east-1", endpoint_url=endpoint)
        key = {"AttributeName": "request_id"}
        client.create_table(
            TableName="aam_requests",
            KeySchema=[{**key, "KeyType": "HASH"}],
            AttributeDefinitions=[{**key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        for number in range(30):
            stored = {"request_id": {"S": f"REQ_{number}"}, "risk_forecast": {"N": "0.25"}}
            client.put_item(TableName="aam_requests", Item=stored)
        items = list(read_table("aam_requests", region="us-east-1", endpoint_url=endpoint))
        server.stop()
        assert {one["request_id"] for one in items} == {f"REQ_{number}" for number in range(30)}
        assert {one["risk_forecast"] for one in items} == {0.25}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteRequestStore]:
    made = SqliteRequestStore(tmp_path / "requests.sqlite3")
    yield made
    await made.close()


class TestImport:
    async def test_an_import_may_be_repeated(self, store: SqliteRequestStore, rules: RuleBook) -> None:
        items = [item(request_id=f"REQ_{number}") for number in range(120)]
        items.append(item(request_id="REQ_bad", resident_id="Bob"))
        first = await import_items(items, store, rules, NOW)
        again = await import_items(items, store, rules, NOW + timedelta(hours=1))
        assert (first.imported, first.already_there, sum(first.refused.values())) == (120, 0, 1)
        assert (again.imported, again.already_there) == (0, 120)
        assert first.unmapped["colour: unknown field"] == 120
        assert first.refused_ids == ["REQ_bad"]
        record = await store.get(RequestId("REQ_7"))
        assert record is not None
        assert len(await store.events(RequestId("REQ_7"))) == record.last_event

    async def test_a_dry_run_stores_nothing(self, store: SqliteRequestStore, rules: RuleBook) -> None:
        report = await import_items([item()], store, rules, NOW, dry_run=True)
        assert report.imported == 1
        assert await store.get(RequestId(OLD["request_id"])) is None

    async def test_what_was_not_decided_is_due_at_once(self, store: SqliteRequestStore, rules: RuleBook) -> None:
        await import_items([item(status="Submitted")], store, rules, NOW)
        (due,) = await store.claim_due(now=NOW, lease_s=10, limit=5)
        assert due.next_action is NextAction.PROCESS


class TestComparison:
    def test_kappa_is_cohens(self) -> None:
        # The worked example of Cohen (1960) as textbooks give it: 20, 5, 10 and 15 of 50.
        agreement = Agreement()
        agreement.pairs.update({("y", "y"): 20, ("y", "n"): 5, ("n", "y"): 10, ("n", "n"): 15})
        assert agreement.share == pytest.approx(0.7)
        assert agreement.kappa == pytest.approx(0.4)

    async def test_labels_are_compared_over_http(self) -> None:
        async def classify(request: web.Request) -> web.Response:
            text = (await request.json())["message_text"]
            if text == "down":
                return web.json_response({}, status=503)
            emergency = text == "gas"
            urgency = "Emergency" if emergency else "High"
            return web.json_response(
                {"category": "Maintenance", "urgency": urgency, "intent": "solve_problem", "emergency": emergency}
            )

        async def risk(_: web.Request) -> web.Response:
            return web.json_response({"score": 0.5})

        application = web.Application()
        application.router.add_post("/api/v1/classify", classify)
        application.router.add_post("/api/v1/predict-risk", risk)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        items = [
            item(message_text="tap"),
            item(message_text="gas", request_id="REQ_gas"),
            item(message_text="down"),
            item(message_text="bill", category="Billing", risk_forecast="0.9"),
        ]
        result = await compare(items, f"http://127.0.0.1:{port}/", "token")
        await runner.cleanup()
        assert result.agreements["category"].pairs == {
            ("maintenance", "maintenance"): 2,
            ("billing", "maintenance"): 1,
        }
        assert result.emergencies == ["REQ_gas"]
        assert result.failed == {"HTTP 503": 1}
        assert sorted(round(one, 6) for one in result.risk_differences) == [-0.4, 0.1, 0.1]
        assert any("agree, kappa" in line for line in result.lines())

    async def test_a_graph_that_does_not_answer_is_told(self) -> None:
        result = await compare([item()], "http://127.0.0.1:9", "token")
        assert result.failed == {httpx.ConnectError.__name__: 1}
