"""The artefact's documents are those of the sources, section by section and rule by rule."""

from datetime import date
from pathlib import Path

import pytest

from adapters.knowledge_files import CONTENTS, KnowledgeContents, read_rules
from adapters.knowledge_library import ArtefactLibrary, joined
from core.errors import InvalidCursor
from core.knowledge import KnowledgeQuery
from kb.passages import section_place
from kb.reader import read_documents
from kb.text import paragraphs


@pytest.fixture(scope="module")
def contents(kb_folder: Path) -> KnowledgeContents:
    return KnowledgeContents.model_validate_json((kb_folder / CONTENTS).read_bytes())


@pytest.fixture(scope="module")
def library(kb_folder: Path, contents: KnowledgeContents) -> ArtefactLibrary:
    return ArtefactLibrary(contents, read_rules(kb_folder))


def test_every_document_says_and_decides_what_its_source_does(library: ArtefactLibrary) -> None:
    for source in read_documents():
        document = library.document(source.front.id)
        assert document is not None
        said = [(" > ".join([*each.parents, each.heading]), each.text) for each in document.sections]
        assert said == [
            (section_place(section), "\n\n".join(paragraphs(section.text)))
            for section in source.sections
            if section.text
        ]
        stated = source.front.rules.model_dump(mode="json", exclude_none=True)
        decided = {key: value for key, value in stated.items() if value and key != "figures"}
        assert document.rules == decided
        assert document.version == source.front.version
        assert sorted(document.decides) == sorted(decided)


def test_pages_hold_every_document_once_and_a_cursor_is_of_its_own_list(library: ArtefactLibrary) -> None:
    query, cursor, seen = KnowledgeQuery(doc_type="policy"), None, list[str]()
    while True:
        page = library.page(query, 7, cursor)
        seen += [each.doc_id for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        with pytest.raises(InvalidCursor):
            library.page(KnowledgeQuery(), 7, cursor)
    assert len(seen) == page.total
    assert seen == sorted(set(seen))


def test_a_building_has_its_own_documents_in_the_place_of_general_ones(library: ArtefactLibrary) -> None:
    found = {each.doc_id: each for each in library.page(KnowledgeQuery(building_id="B"), 200, None).items}
    assert "budgets-building-b" in found
    assert "amenity-hours-building-b" in found
    assert {each.building_id for each in found.values()} == {"B", "all"}
    replaced = {old for each in found.values() for old in each.supersedes}
    assert not replaced & set(found)
    assert found["budgets-building-b"].jurisdictions == ("US-WA",)


def test_all_words_must_be_there_in_whatever_letters(library: ArtefactLibrary) -> None:
    found = [each.doc_id for each in library.page(KnowledgeQuery(words="QUIET  hours"), 200, None).items]
    assert "noise-and-house-rules" in found
    assert len(found) < 60
    assert library.page(KnowledgeQuery(words="quiet xyzzy"), 200, None).total == 0
    assert library.document("../rules") is None


def test_what_is_not_in_force_is_not_listed_and_can_be_read(kb_folder: Path, contents: KnowledgeContents) -> None:
    early = ArtefactLibrary(contents, read_rules(kb_folder), lambda: date(2000, 1, 1))
    assert early.page(KnowledgeQuery(), 200, None).total == 0
    assert early.document("pets") is not None


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        (["one", "two"], "one\n\ntwo"),
        (["- a", "- b"], "- a\n- b"),
        (["1. a", "2. b"], "1. a\n2. b"),
        (["- a", "after"], "- a\n\nafter"),
        (["| a |\n| --- |\n| 1 |", "| 2 |"], "| a |\n| --- |\n| 1 |\n| 2 |"),
        (["| a |\n| --- |\n| 1 |", "| b |\n| :-- |\n| 2 |"], "| a |\n| --- |\n| 1 |\n\n| b |\n| :-- |\n| 2 |"),
    ],
)
def test_cut_tables_and_lists_go_on(pieces: list[str], whole: str) -> None:
    assert joined(pieces) == whole
