from pathlib import Path

import pytest

from kb.reader import DocumentFault, read_document, read_documents

HEAD = """---
id: pets
title: Pets
kind: information
version: 1
effective_from: 2026-01-01
owner: Leasing manager
{extra}---
"""


def write(folder: Path, body: str, extra: str = "") -> Path:
    path = folder / "pets.md"
    path.write_text(HEAD.format(extra=extra) + body)
    return path


def test_sections_carry_their_headings_from_the_title_down(tmp_path: Path):
    path = write(tmp_path, "# Pets\n\nIntro.\n\n## Dogs\n\nOn a leash.\n\n### Big dogs\n\nToo.\n\n## Cats\n\nFine.\n")
    document = read_document(path)
    assert [section.path for section in document.sections] == [
        ("Pets",),
        ("Pets", "Dogs"),
        ("Pets", "Dogs", "Big dogs"),
        ("Pets", "Cats"),
    ]
    found = document.section("Dogs")
    assert found is not None
    assert found.text == "On a leash."
    assert document.section("Birds") is None
    assert document.front.building == "all"


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ("colour: red\n", "colour"),
        ("building: [unclosed\n", "not YAML"),
        ("rules: {scoring: {weights: {}}}\n", "scoring"),
        ("rules:\n  entry: {notice_hours: -1}\n", "notice_hours"),
    ],
)
def test_a_faulty_head_names_the_file_and_the_fault(tmp_path: Path, extra: str, says: str):
    with pytest.raises(DocumentFault, match=says) as raised:
        read_document(write(tmp_path, "# Pets\n", extra))
    assert "pets.md" in raised.value.detail


def test_a_document_without_a_head_is_refused(tmp_path: Path):
    path = tmp_path / "bare.md"
    path.write_text("# Just text\n")
    with pytest.raises(DocumentFault, match="front matter"):
        read_document(path)


def test_the_projects_own_documents_can_all_be_read():
    documents = read_documents()
    assert len(documents) >= 20
    assert len({document.front.id for document in documents}) == len(documents)
    assert sum(document.front.building != "all" for document in documents) >= 2
    assert all(document.path.stem == document.front.id for document in documents)
