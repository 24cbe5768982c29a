import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from adapters import knowledge_chroma
from adapters.artefacts import load
from adapters.embedder_onnx import OnnxEmbedder
from adapters.knowledge_chroma import ChromaKnowledge
from adapters.knowledge_files import CONTENTS
from adapters.relevance import read_relevance
from core.errors import ArtefactRefused, Invalid
from core.messages import RetrieveQuery
from kb.evaluate_retrieval import read_indexed
from kb.queries import read_queries

OPEN_AND_SEARCH = """
import sys
from pathlib import Path
from adapters.knowledge_chroma import ChromaKnowledge
from core.messages import RetrieveQuery
knowledge = ChromaKnowledge(Path(sys.argv[1]))
vector = bytes.fromhex(sys.argv[2])
found = knowledge.search([RetrieveQuery(text="", building_id="A")], [vector])[0]
knowledge.close()
sys.stdout.write(found[0].section)
"""


def ask(text: str, **fields: object) -> RetrieveQuery:
    return RetrieveQuery.model_validate({"text": text, **fields})


def test_a_search_finds_what_an_exhaustive_one_finds(
    kb_folder: Path, real_knowledge: ChromaKnowledge, real_embedder: OnnxEmbedder
):
    indexed, relevance = read_indexed(kb_folder), read_relevance(kb_folder).passages
    sample = read_queries()[::3]
    queries = [ask(query.query, building_id=query.building, min_score=0.0) for query in sample]
    packed = real_embedder.embed([query.text for query in queries])
    same = 0
    for query, vector, found in zip(sample, packed, real_knowledge.search(queries, packed), strict=True):
        read = indexed.read(query, np.frombuffer(vector, dtype="<f4"), date.today())
        best = indexed.best(read, relevance, len(found))
        same += [text.score for text in found] == pytest.approx([text.score for text in best], abs=1e-4)
    assert same >= 0.98 * len(sample)


def test_opening_leaves_the_artefact_as_it_was_and_several_can_open_it(
    kb_folder: Path, real_knowledge: ChromaKnowledge, real_embedder: OnnxEmbedder
):
    vector = real_embedder.embed(["when can I use the gym"])[0]
    second = ChromaKnowledge(kb_folder)
    query = RetrieveQuery(text="", building_id="A")
    assert second.search([query], [vector]) == real_knowledge.search([query], [vector])
    command = [sys.executable, "-c", OPEN_AND_SEARCH, str(kb_folder), vector.hex()]
    other = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert other.stdout == "Gym"
    second.close()
    load(kb_folder, "kb")
    assert real_knowledge.search([query], [vector])


def test_closing_removes_the_private_copy(kb_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    knowledge = ChromaKnowledge(kb_folder)
    assert any(tmp_path.iterdir())
    knowledge.close()
    assert not any(tmp_path.iterdir())


def test_a_damaged_artefact_is_refused(kb_folder: Path, tmp_path: Path):
    with pytest.raises(ArtefactRefused, match="aam build"):
        ChromaKnowledge(tmp_path / "missing")
    damaged = Path(shutil.copytree(kb_folder, tmp_path / "kb"))
    (damaged / CONTENTS).write_text("{}")
    with pytest.raises(ArtefactRefused, match="not what its manifest says"):
        ChromaKnowledge(damaged)


def test_a_vector_of_another_length_is_refused(real_knowledge: ChromaKnowledge):
    with pytest.raises(Invalid, match="384 dimensions"):
        real_knowledge.search([RetrieveQuery(text="gym")], [b"\0" * 400])


def test_before_its_first_day_no_document_is_found(kb_folder: Path, real_embedder: OnnxEmbedder):
    day = [date(2025, 12, 31)]
    knowledge = ChromaKnowledge(kb_folder, today=lambda: day[0])
    query = ask("what time does the gym close?", building_id="A")
    vectors = real_embedder.embed([query.text])
    assert knowledge.search([query], vectors) == [()]
    day[0] = date(2026, 1, 1)
    assert knowledge.search([query], vectors)[0][0].doc_id == "amenity-hours"
    knowledge.close()


def test_hidden_neighbours_do_not_shorten_the_list(real_knowledge: ChromaKnowledge, real_embedder: OnnxEmbedder):
    """The nearest passages to it are Building B's; a query from elsewhere still gets its full count."""
    text = "Amenities in Building B: gym, pool, laundry room, resident lounge, courtyard and grills, bike room"
    queries = [
        ask(text, building_id="A", top_k=40, min_score=-1.0),
        ask(text, building_id="A", doc_type="sla", top_k=5, min_score=-1.0),
        ask(text, building_id="B", top_k=3, min_score=-1.0),
    ]
    general, sla, own = real_knowledge.search(queries, real_embedder.embed([text] * 3))
    assert len(general) == 40
    assert {passage.building_id for passage in general} == {"all"}
    assert len(sla) == 5
    assert {passage.doc_type for passage in sla} == {"sla"}
    assert own[0].building_id == "B"


def test_files_of_another_make_are_refused(kb_folder: Path, monkeypatch: pytest.MonkeyPatch):
    def lacking(folder: Path, contents: object) -> None:
        raise KeyError("links")

    monkeypatch.setattr(knowledge_chroma, "_read_searched", lacking)
    with pytest.raises(ArtefactRefused, match="of another make"):
        ChromaKnowledge(kb_folder)
