import re
import shutil
from datetime import date
from pathlib import Path

import pytest

from core.labels import ApprovalTier, Category, Crew, Situation, Urgency
from kb.compile import compile_documents, compile_rules, in_force, policy_version
from kb.reader import DOCUMENTS, DocumentFault, read_documents

DAY = date(2026, 7, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DOCUMENTS, tmp_path / "documents"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_rule_book_holds_the_figures_of_the_policy():
    book = compile_documents(on=DAY)
    assert book.response_targets[Urgency.EMERGENCY].response_hours == 1
    assert book.response_targets[Urgency.HIGH].response_hours == 24
    assert book.response_targets[Urgency.MEDIUM].clock == "business"
    assert book.approvals.limits[Urgency.HIGH].tier(600) is ApprovalTier.NONE
    assert book.approvals.limits[Urgency.HIGH].tier(600.01) is ApprovalTier.SUPERVISOR
    assert book.approvals.limits[Urgency.LOW].tier(3001) is ApprovalTier.EXECUTIVE
    assert book.scoring.weights[Situation.SECURITY_BREACH].time == 0.40
    assert book.escalation.recurrence_window_days == 180
    assert book.entry.notice_hours == 24
    assert set(book.crews) == set(Crew)
    assert set(Category) <= {Category(key) for key in book.emergency.options if key in list(Category)}


def test_every_option_quotes_the_first_sentence_of_its_section():
    documents = {document.front.id: document for document in read_documents()}
    for option in compile_documents(on=DAY).options:
        section = documents[option.doc_id].section(option.template.section)
        assert section is not None
        assert section.text.startswith(option.quote)
        assert len(option.quote) > 20


def test_every_single_key_says_which_document_states_it():
    book = compile_documents(on=DAY)
    assert book.clause("approvals") == "approval-limits#approvals"
    assert book.clause("entry") == "entry-and-work-hours#entry"
    assert book.sources["crews"] == "workforce"


def test_a_key_stated_by_two_documents_in_force_is_refused(folder: Path):
    twin = (folder / "entry-and-work-hours.md").read_text().replace("id: entry-and-work-hours", "id: twin")
    (folder / "twin.md").write_text(twin)
    with pytest.raises(DocumentFault, match="entry-and-work-hours, twin"):
        compile_documents(folder, DAY)


def test_a_document_that_supersedes_another_takes_its_place_from_its_first_day(folder: Path):
    head, body = (folder / "entry-and-work-hours.md").read_text().split("effective_from: 2026-01-01", 1)
    head = head.replace("id: entry-and-work-hours", "id: entry-2027").replace("version: 1", "version: 2")
    newer = f"{head}effective_from: 2027-01-01\nsupersedes: [entry-and-work-hours]{body}"
    (folder / "entry-2027.md").write_text(newer.replace("notice_hours: 24", "notice_hours: 48"))
    assert compile_documents(folder, date(2026, 12, 31)).entry.notice_hours == 24
    assert compile_documents(folder, date(2027, 1, 1)).entry.notice_hours == 48


def test_an_ended_document_is_not_in_force(folder: Path):
    edit(folder / "privacy.md", "effective_from: 2026-01-01", "effective_from: 2026-01-01\neffective_to: 2026-06-30")
    documents = read_documents(folder)
    assert "privacy" in {document.front.id for document in in_force(documents, date(2026, 6, 30))}
    assert "privacy" not in {document.front.id for document in in_force(documents, date(2026, 7, 1))}


def test_rewording_changes_the_knowledge_version_and_not_the_policy_version(folder: Path):
    before = compile_documents(folder, DAY)
    edit(folder / "approval-limits.md", "Nothing that costs money", "Nothing which costs money")
    reworded = compile_documents(folder, DAY)
    assert reworded.kb_version != before.kb_version
    assert reworded.policy_version == before.policy_version
    edit(folder / "approval-limits.md", "automatic: 1000", "automatic: 1001")
    changed = compile_documents(folder, DAY)
    assert changed.policy_version != before.policy_version


def test_versions_do_not_depend_on_the_order_of_documents():
    documents = in_force(read_documents(), DAY)
    assert policy_version(documents) == policy_version(documents[::-1])
    assert compile_rules(documents).kb_version == compile_rules(documents[::-1]).kb_version


def test_a_rule_book_knows_until_when_it_holds(folder: Path):
    for document in read_documents(folder):
        if document.front.effective_from > DAY or document.front.effective_to is not None:
            document.path.unlink()
    assert compile_documents(folder, DAY).holds_until is None
    pets = folder / "pets.md"
    edit(pets, "\nowner:", "\neffective_to: 2026-12-31\nowner:")
    assert compile_documents(folder, DAY).holds_until == date(2026, 12, 31)
    later = pets.read_text().replace("id: pets\n", "id: pets-later\n")
    later = re.sub(r"effective_from: .*", "effective_from: 2026-09-01", later)
    (folder / "pets-later.md").write_text(later)
    assert compile_documents(folder, DAY).holds_until == date(2026, 8, 31)
    assert compile_documents(folder, date(2026, 9, 1)).holds_until == date(2026, 12, 31)
