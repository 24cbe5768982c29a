from pathlib import Path

import pytest

from kb.check.finding import Finding
from kb.check.library import Library, read_library
from tests.kb.check.shelf import DAY, Shelf

HEAD = "---\nid: pets\ntitle: Pets\nkind: policy\nversion: 1\neffective_from: 2026-01-01\nowner: me\n"


def read(folder: Path, source: bytes) -> tuple[Library, list[Finding]]:
    (folder / "pets.md").write_bytes(source)
    return read_library(folder, DAY, folder / "none.yaml")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (b"# Pets\n", 1),
        (f"{HEAD}colour: red\n---\n# Pets\n".encode(), 8),
        (f"{HEAD}rules:\n  figures: [\n---\n# Pets\n".encode(), 10),
        (f"{HEAD}rules:\n  entry:\n    notice_hours: -1\n---\n# Pets\n".encode(), 10),
        (HEAD.replace("01-01", "02-30").encode() + b"---\n# Pets\n", None),
        (f"{HEAD}---\n# Pets\n".encode() + b"\xff", None),
    ],
)
def test_a_file_that_cannot_be_read_is_a_finding_with_its_line(tmp_path: Path, source: bytes, line: int | None):
    library, findings = read(tmp_path, source)
    assert library.documents == ()
    assert [(finding.code, finding.document) for finding in findings] == [("schema", "pets.md"), ("no_documents", "-")]
    assert findings[0].line == line


def test_a_file_that_cannot_be_read_may_state_what_it_names(tmp_path: Path):
    library, _ = read(tmp_path, f"{HEAD}rules:\n  entry:\n    notice_hours: -1\n---\n# Pets\n".encode())
    assert library.may_state("entry")
    assert not library.may_state("approvals")
    assert library.may_name("pets")
    assert not library.may_name("pet")


def test_a_building_reads_general_documents_that_its_own_do_not_replace(shelf: Shelf):
    for doc_id in ("gym", "pets"):
        shelf.put(doc_id)
    shelf.put("gym-b", building="B", supersedes=["gym"])
    library = shelf.library()
    assert [document.front.id for document in library.read_in("B")] == ["pets", "gym-b"]
    assert [document.front.id for document in library.read_in("C")] == ["gym", "pets"]
    assert library.buildings == ["B"]
