"""A replica takes up changed documents while it serves, and refuses what is broken."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.artefacts import MANIFEST, hash_files, version_of
from adapters.build import rules_archive
from adapters.knowledge_files import ARTEFACT, RULES
from core.labels import ApprovalTier, Urgency
from core.rules import rules_hash
from core.settings import Settings
from deployments.decision_simulation.deployment import DecisionSimulation


@pytest.fixture(scope="module")
def own_settings(built_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with a knowledge base of the test's own."""
    folder = tmp_path_factory.mktemp("artefacts")
    for name in ("embedder", ARTEFACT):
        shutil.copytree(built_settings.artefacts_dir / name, folder / name)
    return built_settings.model_copy(update={"artefacts_dir": folder, "state_dir": folder / "state"})


@pytest.fixture(scope="module")
def replica(own_settings: Settings) -> Iterator[DecisionSimulation]:
    serving = DecisionSimulation(own_settings)
    yield serving
    serving.close()


def publish(settings: Settings, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes the rules of the built knowledge base, as building it from changed documents would."""
    folder: Path = settings.artefacts_dir / ARTEFACT
    rules = json.loads((folder / RULES).read_text())
    change(rules)
    (folder / RULES).write_text(json.dumps(rules))
    files = hash_files(folder)
    del files[MANIFEST]
    manifest = json.loads((folder / MANIFEST).read_text()) | {"files": files, "version": version_of(files)}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_a_changed_limit_holds_after_a_look_and_both_rule_books_are_kept(
    replica: DecisionSimulation, own_settings: Settings
) -> None:
    before, first = replica.describe_knowledge().kb_version, rules_hash(replica._now.rules)
    policy = json.loads((own_settings.artefacts_dir / ARTEFACT / RULES).read_text())["policy_version"]
    assert replica.required_tier(Urgency.LOW, 140.0) is ApprovalTier.NONE

    def lower(rules: dict[str, Any]) -> None:
        rules["approvals"]["limits"]["Low"]["automatic"] = 100.0
        rules["kb_version"], rules["policy_version"] = "changed", "lowered"

    publish(own_settings, lower)
    assert replica.required_tier(Urgency.LOW, 140.0) is ApprovalTier.NONE
    replica._refresh()
    assert replica.required_tier(Urgency.LOW, 140.0) is ApprovalTier.SUPERVISOR
    assert replica.describe_knowledge().kb_version == "changed"
    assert replica.health().status == "healthy"
    archive = rules_archive(own_settings)
    assert archive.read(before, policy, first).approvals.limits[Urgency.LOW].automatic == 150.0
    changed = archive.read("changed", "lowered", rules_hash(replica._now.rules))
    assert changed.approvals.limits[Urgency.LOW].automatic == 100.0


def test_broken_rules_are_refused_and_told_and_the_old_ones_go_on(
    replica: DecisionSimulation, own_settings: Settings
) -> None:
    limit = replica.required_tier(Urgency.HIGH, 10_000.0)
    publish(own_settings, lambda rules: rules.pop("approvals"))
    replica._refresh()
    assert replica.required_tier(Urgency.HIGH, 10_000.0) is limit
    health = replica.health()
    assert health.status == "degraded"
    assert "refused" in health.detail
