from pathlib import Path

from kb.asked import AskedQuestion
from kb.check.asked import find
from kb.check.library import read_library
from tests.kb.check.shelf import DAY, Shelf

TEXT = "The gym is open.\n\n## Pool\n\nThe pool is shut. Come back in May."
GOOD = AskedQuestion(section="Pool", question="can I swim?", sentence="The pool is shut.")


def found(shelf: Shelf, *questions: AskedQuestion, doc_id: str = "pool", unread: tuple[str, ...] = ()):
    library = shelf.library(asked={doc_id: questions}, unread=unread)
    return [(finding.code, finding.document, finding.line) for finding in find(library)]


def test_a_question_names_a_section_and_a_sentence_that_are_there(shelf: Shelf):
    shelf.put("pool", TEXT)
    assert found(shelf, GOOD, AskedQuestion(section="Pool", question="swimming hours")) == []
    elsewhere = GOOD.model_copy(update={"question": "gym?", "sentence": "The gym is open."})
    half = GOOD.model_copy(update={"question": "swim when", "sentence": "Come back"})
    lost = GOOD.model_copy(update={"question": "sauna?", "section": "Sauna"})
    assert found(shelf, GOOD, elsewhere, half, lost) == [
        ("dangling_question", "pool.jsonl", line) for line in (2, 3, 4)
    ]


def test_questions_for_a_document_that_is_not_there(shelf: Shelf):
    shelf.put("gym", TEXT)
    assert found(shelf, GOOD) == [("dangling_question", "pool.jsonl", None)]
    assert found(shelf, GOOD, unread=("---\nid: pool\n",)) == []


def test_the_same_question_twice(shelf: Shelf):
    shelf.put("pool", TEXT)
    again = GOOD.model_copy(update={"question": "Can I  swim?"})
    assert found(shelf, GOOD, again) == [("repeated_question", "pool.jsonl", 2)]


def test_a_file_that_cannot_be_read_is_a_finding(tmp_path: Path):
    documents = tmp_path / "documents"
    documents.mkdir()
    (tmp_path / "asked").mkdir()
    (tmp_path / "asked" / "pool.jsonl").write_text("{}\n")
    library, findings = read_library(documents, DAY, tmp_path / "none.yaml")
    assert ("schema", "pool.jsonl", 1) in [(each.code, each.document, each.line) for each in findings]
    assert library.asked == {}
