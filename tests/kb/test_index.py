import json
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from adapters.artefacts import build_once, load
from adapters.asked_questions import read_asked_questions
from adapters.knowledge_chroma import ChromaKnowledge
from adapters.knowledge_files import ANSWERS, CONTENTS, RULES, KnowledgeContents
from adapters.llm_offline import AnswerCalibration
from adapters.relevance import RELEVANCE, RelevanceOf
from core.messages import RetrieveQuery
from core.rules import RuleBook
from kb.asked import asked_folder, read_asked
from kb.index import build, inputs_hash, read_corpus
from kb.reader import DOCUMENTS, DocumentFault, read_documents
from tests.kb.word_embedder import DAY, WordEmbedder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "kb"
    build_once(folder, "kb", "x", lambda scratch: build(scratch, WordEmbedder(), on=DAY))
    return folder


def test_the_artefact_holds_rules_contents_and_calibration(built: Path):
    rules = RuleBook.model_validate_json((built / RULES).read_bytes())
    contents = KnowledgeContents.model_validate_json((built / CONTENTS).read_bytes())
    calibration = AnswerCalibration.model_validate_json((built / ANSWERS).read_bytes())
    manifest = load(built, "kb")
    assert manifest.details["kb_version"] == rules.kb_version
    assert manifest.details["passages"] == len(contents.passages) > 200
    assert (contents.embedding_model, contents.embedding_version) == ("words", "7")
    assert contents.dimensions == 256
    relevance = RelevanceOf.model_validate_json((built / RELEVANCE).read_bytes())
    weights = dict(zip(relevance.passages.features, relevance.passages.weights, strict=True))
    assert weights["own_words"] > 0
    assert weights["asked_words"] > 0
    assert 0.0 < contents.passage_minimum < 1.0
    assert calibration.sections > 100
    assert calibration.frequencies["gym"] >= 2
    assert 0.0 <= manifest.metrics["false_answers"] <= 1.0


def test_kept_questions_are_indexed_for_their_section_and_their_sentence(built: Path):
    contents = KnowledgeContents.model_validate_json((built / CONTENTS).read_bytes())
    passages, sentences = read_asked_questions(built, "passages"), read_asked_questions(built, "sentences")
    assert passages is not None
    assert sentences is not None
    held = [each for document in contents.documents for each in read_asked().get(document.doc_id, ())]
    assert len(passages.vectors) == len(held) == load(built, "kb").details["asked"]
    said = next(place for place, each in enumerate(held) if each.sentence and each.section == "Gym")
    (own,) = {contents.sentences[int(place)].text for place in sentences.own.texts(np.array([said]))}
    assert own == held[said].sentence
    assert {contents.passages[int(place)].section for place in passages.own.texts(np.array([said]))} == {"Gym"}
    assert len(sentences.section.texts(np.array([said]))) > 1


def _alone(tmp_path: Path, *lines: dict[str, str]) -> ChromaKnowledge:
    """The documents with no other kept questions than these for the gym."""
    documents = Path(shutil.copytree(DOCUMENTS, tmp_path / "documents"))
    (tmp_path / "asked").mkdir()
    if lines:
        (tmp_path / "asked" / "amenity-hours.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    folder = tmp_path / "kb"
    build_once(folder, "kb", "x", lambda scratch: build(scratch, WordEmbedder(), documents=documents, on=DAY))
    return ChromaKnowledge(folder, today=lambda: DAY)


def test_a_kept_question_finds_a_text_with_which_the_query_shares_no_word(tmp_path: Path):
    lines = [json.loads(line) for line in (asked_folder() / "amenity-hours.jsonl").read_text().splitlines()]
    knowledge = _alone(tmp_path, *lines, {"section": "Gym", "question": "flexing biceps triceps"})
    text = "triceps biceps"
    query = RetrieveQuery(text=text, top_k=50, building_id="A", min_score=0.0)
    found = knowledge.search([query], WordEmbedder().embed([text]))[0]
    knowledge.close()
    assert {each.section for each in found if each.asked_similarity > 0.5} == {"Gym"}


def test_many_kept_questions_are_searched_by_the_index_of_neighbours(built: Path, monkeypatch: pytest.MonkeyPatch):
    said = ["gym hours", "can my dog live here", "how do i pay the rent"]
    queries = [RetrieveQuery(text=text, building_id="A") for text in said]
    knowledge = ChromaKnowledge(built, today=lambda: DAY)
    compared = knowledge.search(queries, WordEmbedder().embed(said))
    monkeypatch.setattr("adapters.relevance.EXHAUSTIVE", 0)
    looked_up = knowledge.search(queries, WordEmbedder().embed(said))
    knowledge.close()
    for one, other in zip(compared, looked_up, strict=True):
        assert [(each.section, each.text) for each in one] == [(each.section, each.text) for each in other]
        assert [each.score for each in one] == pytest.approx([each.score for each in other], abs=1e-5)


def test_a_knowledge_base_without_kept_questions_is_searched(tmp_path: Path):
    knowledge = _alone(tmp_path)
    text = "gym hours"
    found = knowledge.search([RetrieveQuery(text=text, building_id="A")], WordEmbedder().embed([text]))[0]
    knowledge.close()
    assert any(each.section == "Gym" for each in found)
    assert {each.asked_similarity for each in found} == {0.0}


def test_a_kept_question_for_a_section_that_is_not_there_is_not_built(tmp_path: Path):
    documents = Path(shutil.copytree(DOCUMENTS, tmp_path / "documents"))
    before = inputs_hash(documents, DAY)
    (tmp_path / "asked").mkdir()
    (tmp_path / "asked" / "pets.jsonl").write_text('{"section": "Dragons", "question": "dragons ok?"}\n')
    assert inputs_hash(documents, DAY) != before
    with pytest.raises(DocumentFault, match="Dragons"):
        build(tmp_path, WordEmbedder(), documents=documents, on=DAY)


def test_faulty_documents_are_not_built(tmp_path: Path):
    documents = Path(shutil.copytree(DOCUMENTS, tmp_path / "documents"))
    (documents / "workforce.md").unlink()
    with pytest.raises(DocumentFault, match="crew plumbing"):
        build(tmp_path, WordEmbedder(), documents=documents, on=DAY)


def test_the_inputs_hash_follows_the_documents_and_the_day_on_which_one_ends(tmp_path: Path):
    documents = Path(shutil.copytree(DOCUMENTS, tmp_path / "documents"))
    before = inputs_hash(documents, DAY)
    assert inputs_hash(documents, date(2026, 8, 1)) == before
    page = documents / "privacy.md"
    page.write_text(page.read_text().replace("owner:", "effective_to: 2026-07-15\nowner:"))
    changed = inputs_hash(documents, DAY)
    assert changed != before
    assert inputs_hash(documents, date(2026, 7, 16)) != changed


def test_what_has_ended_is_left_out_and_what_will_begin_is_indexed(tmp_path: Path):
    documents = Path(shutil.copytree(DOCUMENTS, tmp_path / "documents"))
    for name, line in (("privacy.md", "effective_to: 2026-06-30"), ("pets.md", "effective_to: 2026-07-31")):
        page = documents / name
        page.write_text(page.read_text().replace("owner:", f"{line}\nowner:"))
    page = documents / "safety-at-home.md"
    page.write_text(page.read_text().replace("effective_from: 2026-01-01", "effective_from: 2026-09-01"))
    held = {document.doc_id for document in read_corpus(read_documents(documents), DAY).documents}
    assert "privacy" not in held
    assert {"pets", "safety-at-home"} <= held


def test_the_calibration_is_the_same_each_time(built: Path, tmp_path: Path):
    build(tmp_path, WordEmbedder(), on=DAY)
    for name in (RULES, CONTENTS, ANSWERS, RELEVANCE):
        assert json.loads((tmp_path / name).read_bytes()) == json.loads((built / name).read_bytes())
