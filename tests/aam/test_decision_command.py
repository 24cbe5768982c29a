"""`aam decision replay` on a store of its own: equal, different, without rules, and unknown requests."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from aam.__main__ import main
from adapters.rules_archive import RulesArchive
from adapters.store_sqlite import SqliteRequestStore
from core.erasure import ErasureScope, new_pseudonym
from core.labels import Urgency
from core.messages import DecisionTrace, ResolveItem
from core.record import RequestRecord
from core.request import RequestId
from core.rules import RuleBook, rules_hash
from core.settings import load_settings
from deployments.decision_simulation.case import Case
from deployments.decision_simulation.engine import DecisionEngine, Settled
from deployments.decision_simulation.replay import record_inputs
from deployments.decision_simulation.triangular import Floats
from deployments.request_management.erasure import erase_record
from kb.compile import compile_documents
from tests.builders import NOON, build_classification, build_full_record, build_record


@pytest.fixture(scope="module")
def rules() -> RuleBook:
    return compile_documents()


def waits(server: str, urgency: Urgency, hour: float) -> Floats:
    return np.array([0.5, 2.0, 9.0])


def decided(rules: RuleBook) -> RequestRecord:
    """A request with the decision and trace that the engine gives it."""
    risk = build_full_record().request.risk
    assert risk is not None
    item = ResolveItem(
        request_id=RequestId("REQ_1"),
        message_text="The tap in the kitchen drips",
        at=datetime(2026, 3, 3, 14, tzinfo=UTC),
        building_id="A",
        classification=build_classification(),
        risk=risk,
    )
    case = Case(item, 5, 64, waits)
    settled = DecisionEngine(rules, ZoneInfo("UTC")).settle([case])[0]
    assert isinstance(settled, Settled)
    trace = DecisionTrace(
        inputs=record_inputs(case, b"", "UTC"),
        seed=5,
        replications=64,
        method="test",
        model_versions={},
        kb_version=rules.kb_version,
        policy_version=rules.policy_version,
        rules_hash=rules_hash(rules),
        workforce_version="test",
        waiting_hours=dict(settled.waiting_hours),
        gates=settled.gates,
    )
    return build_record(request_id="REQ_1", decision=settled.decision, record={"trace": trace})


@pytest.fixture
async def state(rules: RuleBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AAM_STATE_DIR", str(tmp_path))
    record = decided(rules)
    decision = record.request.decision
    assert decision is not None
    forged = decision.model_copy(update={"explanation": "Somebody wrote another reason."})
    store = SqliteRequestStore(load_settings().database)
    await store.create(record, ())
    other = record.request.model_copy(update={"request_id": RequestId("REQ_2"), "decision": forged})
    await store.create(record.model_copy(update={"request": other}), ())
    await store.create(build_record(request_id="REQ_3"), ())
    await store.close()
    return tmp_path


def test_it_tells_equal_from_different(rules: RuleBook, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    RulesArchive(state).keep(rules)
    assert main(["decision", "replay", "REQ_1"]) == 0
    assert "REQ_1: equal, all" in capsys.readouterr().out
    assert main(["decision", "replay", "REQ_2", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["equal"], told["differences"]) == (False, ["explanation"])
    assert told["kb_version"] == rules.kb_version


def test_without_its_rules_or_its_decision_it_says_so(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for request_id, words in (("REQ_1", "were not kept"), ("REQ_3", "No decision"), ("REQ_9", "no request")):
        assert main(["decision", "replay", request_id]) == 1
        assert words in capsys.readouterr().err


async def test_of_an_erased_request_it_says_that_nothing_is_left_to_decide_on(
    rules: RuleBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AAM_STATE_DIR", str(tmp_path))
    RulesArchive(tmp_path).keep(rules)
    scope = ErasureScope("RES_A_101", new_pseudonym(), frozenset({"REQ_1"}))
    store = SqliteRequestStore(load_settings().database)
    record = decided(rules)
    await store.create(record, ())
    await store.rewrite(erase_record(record, scope, NOON), expected_version=1, events=())
    await store.close()
    assert await asyncio.to_thread(main, ["decision", "replay", "REQ_1"]) == 1
    assert "was erased with the resident's data" in capsys.readouterr().err
