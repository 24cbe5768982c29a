import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from kb.check import Finding, check
from kb.reader import DOCUMENTS

DAY = date(2026, 7, 1)
Seed = Callable[[Path], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DOCUMENTS, tmp_path / "documents"))


def edit(name: str, old: str, new: str) -> Seed:
    def seed(folder: Path) -> None:
        path = folder / name
        text = path.read_text()
        assert old in text, f"{name} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1))

    return seed


def copy(name: str, new_name: str, old: str, new: str) -> Seed:
    def seed(folder: Path) -> None:
        shutil.copy(folder / name, folder / new_name)
        edit(new_name, old, new)(folder)

    return seed


def remove(name: str) -> Seed:
    return lambda folder: (folder / name).unlink()


def found(findings: list[Finding]) -> set[tuple[str, str]]:
    return {(finding.code, finding.document) for finding in findings}


def test_the_projects_own_documents_are_sound():
    assert check() == []


@pytest.mark.parametrize(
    ("seed", "code", "document"),
    [
        pytest.param(edit("pets.md", "owner:", "colour: red\nowner:"), "schema", "pets.md", id="unknown key"),
        pytest.param(edit("pets.md", "---", "+++"), "schema", "pets.md", id="no front matter"),
        pytest.param(remove("entry-and-work-hours.md"), "missing_key", "-", id="key in no document"),
        pytest.param(remove("procedure-billing.md"), "coverage", "-", id="category without options"),
        pytest.param(
            edit("emergency-actions.md", "gas-leak: emergency-gas\n", "gas-leak: emergency-gases\n"),
            "dangling_option",
            "emergency-actions",
            id="emergency option that is not there",
        ),
        pytest.param(
            edit("emergency-actions.md", "plumbing: emergency-flood", "plumbing: plumbing-same-day-repair"),
            "dangling_option",
            "emergency-actions",
            id="emergency option that is none",
        ),
        pytest.param(
            edit("emergency-actions.md", "crew: plumbing", "crew: concierge"),
            "absent_crew",
            "emergency-actions",
            id="emergency crew that is not on call",
        ),
        pytest.param(
            edit("emergency-actions.md", "      Leasing: emergency-leasing\n", ""),
            "emergency_coverage",
            "emergency-actions",
            id="category without emergency option",
        ),
        pytest.param(
            edit("workforce.md", "building: all", "building: B"), "building_rules", "workforce", id="local rules"
        ),
        pytest.param(edit("pets.md", "# Pets and", "# Dogs and"), "title", "pets", id="heading is not the title"),
        pytest.param(
            edit("pets.md", "## Pet fees", "## Rules for pets"), "duplicate_section", "pets", id="section twice"
        ),
    ],
)
def test_a_seeded_fault_is_found(folder: Path, seed: Seed, code: str, document: str):
    seed(folder)
    assert (code, document) in found(check(folder, DAY))


def test_a_trade_may_reach_its_options_with_those_for_any_trade(folder: Path):
    edit("procedure-elevators.md", "urgencies: [Medium, High, Emergency]", "urgencies: [Medium, High]")(folder)
    assert check(folder, DAY) == []


def test_faults_of_several_documents_are_all_found_in_one_go(folder: Path):
    edit("pets.md", "owner:", "colour: red\nowner:")(folder)
    edit("privacy.md", "# Privacy of residents", "# Privacy")(folder)
    assert {("schema", "pets.md"), ("title", "privacy")} <= found(check(folder, DAY))


def test_a_safety_rule_without_advice_is_a_warning_and_advice_without_a_rule_an_error(tmp_path: Path):
    rules = tmp_path / "safety_rules.yaml"
    rules.write_text("rules:\n  - id: gas-leak\n  - id: meteorite\n")
    findings = check(DOCUMENTS, DAY, rules)
    assert {finding.severity for finding in findings if "meteorite" in finding.message} == {"warning"}
    assert any(finding.code == "unknown_rule" and finding.severity == "error" for finding in findings)


def test_a_folder_without_documents_is_a_finding(tmp_path: Path):
    assert ("no_documents", "-") in found(check(tmp_path, DAY))
