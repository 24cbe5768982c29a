import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.lexical_index import K1, B, LexicalIndex, best_places, plain_stems

TEXTS = (
    "Gym: The gym is open every day from 05:00. Wipe the machines of the gym.",
    "Pool: The pool is open from Memorial Day. Glass is not allowed at the pool.",
    "Parcel room: Bring a photo ID to collect a parcel from the parcel room.",
    "Drains: Keep drains free of grease and wipes.",
)


@pytest.fixture(scope="module")
def index() -> LexicalIndex:
    return LexicalIndex.build(TEXTS)


def best(index: LexicalIndex, query: str) -> int:
    own, meant = index.scores(index.read(query))
    return int(np.argmax(own + 0.5 * meant))


def bm25(query: str, text: str) -> float:
    """The formula as Robertson & Zaragoza (2009) have it, with Lucene's inverse document frequency."""
    held = [plain_stems(each) for each in TEXTS]
    average, words = sum(map(len, held)) / len(held), plain_stems(text)
    total = 0.0
    for term in set(plain_stems(query)):
        having = sum(term in each for each in held)
        often = words.count(term)
        rarity = math.log(1 + (len(held) - having + 0.5) / (having + 0.5))
        total += rarity * often / (often + K1 * (1 - B + B * len(words) / average))
    return total


@pytest.mark.parametrize("query", ["when does the gym open", "pool glass", "collect a parcel with an ID", "grease"])
def test_scores_are_okapi_bm25(index: LexicalIndex, query: str):
    own, _ = index.scores(index.read(query))
    assert own.tolist() == pytest.approx([bm25(query, text) for text in TEXTS], rel=1e-5)


def test_a_residents_word_finds_what_the_documents_call_otherwise(index: LexicalIndex):
    terms = index.read("can I flush these")
    assert terms.own == ()
    assert terms.meant
    assert best(index, "can I flush these") == 3


def test_a_word_with_one_wrong_letter_is_found_and_another_word_is_not(index: LexicalIndex):
    for typo in ("machnes", "macihnes", "machimes", "machinnes"):
        assert best(index, typo) == 0, typo
    assert index.read("freeze").own == ()


def test_spanish_finds_the_english_section(index: LexicalIndex):
    assert best(index, "¿Dónde puedo recoger los paquetes?") == 2


def test_words_that_nobody_knows_are_told(index: LexicalIndex):
    assert index.read("gym xylophones").unknown == 0.5
    assert index.read("gym").unknown == 0.0
    assert index.read("").words == 0


def test_a_saved_index_is_the_same_and_the_same_texts_give_the_same_bytes(index: LexicalIndex, tmp_path: Path):
    index.save(tmp_path / "a")
    LexicalIndex.build(TEXTS).save(tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    opened = LexicalIndex.open(tmp_path / "a")
    query = "open the pool"
    assert len(opened) == len(TEXTS)
    for one, other in zip(opened.scores(opened.read(query)), index.scores(index.read(query)), strict=True):
        assert one.tolist() == other.tolist()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0, 2.5, 7.0]), st.booleans()), min_size=1, max_size=60),
    st.integers(min_value=1, max_value=20),
)
def test_the_best_places_are_the_best_visible_ones(cases: list[tuple[float, bool]], count: int):
    scores = np.array([score for score, _ in cases], dtype=np.float32)
    visible = np.array([shown for _, shown in cases])
    found = best_places(scores, visible, count)
    wanted = sorted((score for score, shown in cases if shown and score > 0), reverse=True)[:count]
    assert sorted(scores[found].tolist(), reverse=True) == wanted
    assert visible[found].all()
    assert len(set(found.tolist())) == len(found)
