"""The labelled questions: enough of them, and every gold section exists and holds the answer."""

import re
from collections import Counter

from kb.asked import read_asked
from kb.passages import passages
from kb.queries import read_queries
from kb.reader import read_documents

NEAR_COPY = 0.8
"""From this overlap of words on, a kept question would tell a fit what a `test` query only measures."""


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


def test_no_kept_question_is_a_near_copy_of_a_test_query():
    kept = {asked.question: words(asked.question) for questions in read_asked().values() for asked in questions}
    copies = [
        (question, query.query)
        for query in read_queries()
        if query.split == "test"
        for question, held in kept.items()
        if overlap(held, words(query.query)) >= NEAR_COPY
    ]
    assert not copies


def test_a_near_copy_is_told_from_a_question_about_the_same_thing():
    measured = words("does the exterminator work saturdays?")
    assert overlap(words("Does the exterminator work Saturdays, please?"), measured) >= NEAR_COPY
    assert overlap(words("does the exterminator come on saturdays?"), measured) < NEAR_COPY


def words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.casefold()))


def overlap(one: frozenset[str], two: frozenset[str]) -> float:
    """Jaccard's index."""
    return len(one & two) / len(one | two)
