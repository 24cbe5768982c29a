"""The comparison of ways of searching, on a small index whose right answers are known."""

from pathlib import Path

import pytest

from adapters.artefacts import build_once
from kb.evaluate_retrieval import BY_MEANING, BY_WORDS, PARTS, SHIPPED, compare_retrieval
from kb.index import build
from kb.queries import LabelledQuery, read_queries
from models.report.document import Table
from models.report.retrieval import retrieval, retrieval_targets
from tests.kb.word_embedder import DAY, WordEmbedder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("compared") / "kb"
    build_once(made, "kb", "x", lambda scratch: build(scratch, WordEmbedder(), on=DAY))
    return made


def test_every_way_is_measured_on_every_part(folder: Path):
    found = compare_retrieval(folder, WordEmbedder(), read_queries(), DAY)
    assert [(each.part, each.way) for each in found] == [
        (part, way) for part in PARTS for way in (SHIPPED, BY_MEANING, BY_WORDS)
    ]
    for each in found:
        assert 0.0 < each.first.value <= each.reciprocal_rank.value <= each.among_top.value + 0.1
        assert each.strict.among_top.value <= each.among_top.value
    fit = next(each for each in found if (each.part, each.way) == ("fit", SHIPPED))
    assert fit.strict.shown_by_mistake.value <= 0.12
    assert fit.lenient is not None
    assert fit.lenient.minimum < fit.strict.minimum
    blocks = retrieval(found)
    assert sum(isinstance(block, Table) for block in blocks) == 2
    assert len(retrieval_targets(found)) == 6


def test_a_question_in_a_sections_own_words_finds_it_and_nonsense_finds_nothing_right(folder: Path):
    gym = ("amenity-hours", "Gym")
    query = "Residents under 16 use the gym only together with an adult"
    known = LabelledQuery(query=query, building="A", docs=(gym[0],), sections=(gym,), answer=("16",), split="fit")
    wrong = known.model_copy(update={"sections": (("pets", "Pet fees"),), "docs": ("pets",)})
    unknown = LabelledQuery(query="photosynthesis in algae", building="A", docs=(), answer=(), split="fit")
    right = compare_retrieval(folder, WordEmbedder(), [known, unknown], DAY)
    missed = compare_retrieval(folder, WordEmbedder(), [wrong, unknown], DAY)
    assert {each.first.value for each in right if each.part == "fit"} == {1.0}
    assert {each.first.value for each in missed if each.part == "fit"} == {0.0}
