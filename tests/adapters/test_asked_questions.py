from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adapters.asked_questions import AskedQuestions, Links, read_asked_questions
from adapters.knowledge_files import vectors_file
from adapters.lexical_index import LexicalIndex

BY_TEXT = st.lists(st.lists(st.integers(0, 9), unique=True, max_size=5), min_size=1, max_size=8)


@given(BY_TEXT, st.lists(st.integers(0, 9), unique=True))
def test_questions_lead_to_the_texts_that_they_are_kept_for(by_text: list[list[int]], questions: list[int]):
    links = Links.of(by_text)
    wanted = [place for place, held in enumerate(by_text) if set(held) & set(questions)]
    assert links.texts(np.array(questions, dtype=np.intp)).tolist() == wanted
    rows, counts = links.rows(np.arange(len(by_text)))
    assert rows.tolist() == [question for held in by_text for question in held]
    assert counts.tolist() == [len(held) for held in by_text]


@given(BY_TEXT, st.integers(0, 2**16))
def test_the_nearest_is_the_same_with_every_similarity_known_or_none(by_text: list[list[int]], seed: int):
    random = np.random.default_rng(seed)
    vectors = random.uniform(0.1, 1.0, size=(10, 3)).astype(np.float32)
    links, words = Links.of(by_text), LexicalIndex.build(["gym"] * len(by_text))
    asked = AskedQuestions(vectors, links, links, words)
    vector = random.uniform(0.1, 1.0, size=3).astype(np.float32)
    places = random.permutation(len(by_text)).astype(np.intp)
    found = asked.nearest(places, vector)
    np.testing.assert_allclose(found, asked.nearest(places, vector, asked.similarity(vector)), rtol=1e-6)
    near: list[float] = (vectors @ vector).tolist()
    by_hand = [max((near[each] for each in by_text[int(place)]), default=0.0) for place in places]
    np.testing.assert_allclose(found[:, 0], by_hand, rtol=1e-5)


def test_they_are_read_as_they_were_written_and_none_where_there_are_none(tmp_path: Path):
    assert read_asked_questions(tmp_path, "passages") is None
    own, section = Links.of([[1], []]), Links.of([[1], [0, 1]])
    asked = AskedQuestions(np.eye(2, dtype=np.float32), own, section, LexicalIndex.build(["gym hours", ""]))
    asked.save(tmp_path, "passages")
    np.save(vectors_file(tmp_path, "asked"), asked.vectors)
    read = read_asked_questions(tmp_path, "passages")
    assert read is not None
    assert read.own.questions.tolist() == [1]
    assert read.section.starts.tolist() == [0, 1, 3]
    assert isinstance(read.vectors, np.memmap)
    assert read.words.scores(read.words.read("gym"))[0].argmax() == 0
