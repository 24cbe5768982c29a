from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.asked_questions import AskedQuestions, Links
from adapters.knowledge_files import Parts
from adapters.lexical_index import LexicalIndex
from adapters.relevance import (
    FEATURES,
    RELEVANCE,
    SIGNALS,
    Relevance,
    RelevanceOf,
    TextIndex,
    query_traits,
    read_relevance,
)
from core.errors import ArtefactRefused

FITTED = Relevance(
    features=FEATURES, weights=(2.0, 4.0, 2.0, 1.0, 1.0, 0.3, 0.1, 0.1, -2.0, -1.0, -0.5), intercept=-3.0
)
SIGNAL = st.floats(min_value=-1.0, max_value=20.0)


@given(st.lists(st.tuples(*(SIGNAL for _ in SIGNALS)), min_size=2, max_size=8), st.integers(0, len(SIGNALS) - 1))
def test_a_score_is_a_probability_and_never_falls_when_a_signal_rises(rows: list[tuple[float, ...]], signal: int):
    signals = np.array(rows)
    raised = signals.copy()
    raised[:, signal] += 1.0
    before, after = (FITTED.scores(each, (0.0, 0.0, 1.0)) for each in (signals, raised))
    assert ((before > 0.0) & (before < 1.0)).all()
    assert (after >= before).all()


def test_news_and_unknown_words_make_it_less_sure():
    index = LexicalIndex.build(["The boiler part is ordered."])
    plain = query_traits("where is the boiler", index.read("where is the boiler"))
    news = query_traits("any news on the boiler", index.read("any news on the boiler"))
    strange = query_traits("where is the gazebo", index.read("where is the gazebo"))
    assert (plain[1], news[1]) == (0.0, 1.0)
    assert strange[0] > plain[0]


def test_the_nearest_sentence_counts_and_a_text_without_one_counts_as_a_whole():
    vectors = np.eye(3, dtype=np.float32)
    parts = Parts(np.eye(3, dtype=np.float16)[[2, 0, 1]], np.array([0, 2, 2, 3]))
    query = np.array([0.6, 0.8, 0.0], dtype=np.float32)
    index = TextIndex(vectors, LexicalIndex.build(["pool", "gym", "roof"]), parts)
    found = index.signals(index.match("gym", query), np.array([0, 1, 2]))
    assert found[:, 0].tolist() == pytest.approx([0.6, 0.8, 0.0], abs=1e-3)
    assert found[:, 1].tolist() == pytest.approx([0.6, 0.8, 0.8], abs=1e-3)
    assert found[:, SIGNALS.index("own_words")].argmax() == 1
    assert parts.nearest(np.array([1]), query).tolist() == [-1.0]


def test_the_nearest_kept_question_counts_for_its_text_and_for_the_others_of_its_section():
    asked = AskedQuestions(
        vectors=np.eye(3, dtype=np.float32),
        own=Links.of([[0, 1], [], [2]]),
        section=Links.of([[0, 1], [0, 1], [2]]),
        words=LexicalIndex.build(["when can I swim", "", "sunbathing"]),
    )
    index = TextIndex(np.zeros((3, 3), dtype=np.float32), LexicalIndex.build(["pool", "gym", "roof"]), asked=asked)
    query = np.array([0.6, 0.8, 0.0], dtype=np.float32)
    found = index.signals(index.match("swim", query), np.array([0, 1, 2]))
    assert found[:, 2:5].ravel().tolist() == pytest.approx([0.8, 0.8, 0.8, 0.0, 0.8, 0.8, 0.0, 0.0, 0.0])
    assert found[0, SIGNALS.index("asked_words")] > 0.0 == found[1, SIGNALS.index("asked_words")]


def test_scores_of_another_make_are_refused(tmp_path: Path):
    with pytest.raises(ArtefactRefused, match="aam build"):
        read_relevance(tmp_path)
    other = FITTED.model_copy(update={"features": ("similarity",)})
    (tmp_path / RELEVANCE).write_text(RelevanceOf(passages=other, sentences=other).model_dump_json())
    with pytest.raises(ArtefactRefused, match="of another make"):
        read_relevance(tmp_path)
