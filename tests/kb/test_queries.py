"""The labelled questions: enough of them, and every gold section exists and holds the answer."""

from collections import Counter

from kb.passages import passages
from kb.queries import read_queries
from kb.reader import read_documents


def sections() -> dict[tuple[str, str], str]:
    texts: dict[tuple[str, str], str] = {}
    for document in read_documents():
        for entry in passages(document):
            key = (entry.doc_id, entry.section)
            texts[key] = f"{texts.get(key, '')}\n{entry.text}"
    return texts


def test_there_are_enough_of_each_kind_in_each_part():
    counts = Counter((query.split, query.answerable) for query in read_queries())
    assert counts["fit", True] + counts["test", True] >= 250
    assert counts["test", True] >= 60
    assert counts["test", False] >= 40


def test_no_question_stands_there_twice():
    asked = [(query.query, query.building) for query in read_queries()]
    assert len(set(asked)) == len(asked)


def test_every_gold_section_exists_and_holds_the_answer():
    texts = sections()
    for query in read_queries():
        assert query.answerable == bool(query.sections) == bool(query.answer), query.query
        for section in query.sections:
            assert section in texts, (query.query, section)
            assert any(part in texts[section] for part in query.answer), (query.query, section)
            assert section[0] in query.docs, (query.query, section)


def test_every_gold_section_can_be_seen_from_the_questions_building():
    fronts = {document.front.id: document.front for document in read_documents()}
    for query in read_queries():
        seen = [section for section, _ in query.sections if fronts[section].building in ("all", query.building)]
        assert seen or not query.answerable, query.query


def test_no_question_is_copied_into_a_document():
    sources = [document.source.lower() for document in read_documents()]
    for query in read_queries():
        if len(query.query.split()) > 4:
            assert not any(query.query.lower() in source for source in sources), query.query
