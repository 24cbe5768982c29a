from pathlib import Path

import pytest

from adapters.lexical_index import plain_stems
from kb.asked import AskedFault, asked_folder, read_asked
from kb.check.asked import find
from kb.check.library import Library
from kb.queries import read_queries
from kb.reader import read_documents
from tests.kb.word_embedder import DAY


def test_every_kept_question_leads_to_a_section_and_most_documents_have_some():
    documents, asked = read_documents(), read_asked()
    assert list(find(Library(tuple(documents), DAY, asked=asked))) == []
    assert len(asked) >= 0.9 * len(documents)
    assert sum(len(each) for each in asked.values()) >= 3000


def test_no_measured_question_is_kept_so_that_the_measurement_stays_blind():
    measured = {frozenset(plain_stems(query.query)) for query in read_queries()}
    kept = {frozenset(plain_stems(each.question)) for questions in read_asked().values() for each in questions}
    assert not measured & kept


def test_they_lie_beside_the_documents(tmp_path: Path):
    documents = tmp_path / "documents"
    assert read_asked(documents) == {}
    asked_folder(documents).mkdir()
    line = '{"section": "Gym", "question": "gym hrs?", "sentence": "It is open."}\n'
    (tmp_path / "asked" / "amenities.jsonl").write_text(line)
    (question,) = read_asked(documents)["amenities"]
    assert (question.section, question.question, question.sentence) == ("Gym", "gym hrs?", "It is open.")


def test_a_line_that_cannot_be_read_is_named(tmp_path: Path):
    (tmp_path / "asked").mkdir()
    (tmp_path / "asked" / "pets.jsonl").write_text('{"section": "Fees", "question": "fee?"}\n{"question": "cost?"}\n')
    with pytest.raises(AskedFault, match=r"pets\.jsonl, line 2"):
        read_asked(tmp_path / "documents")
