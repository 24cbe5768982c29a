import hashlib
import json
import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from adapters.artefacts import build_once, load
from adapters.knowledge_files import ANSWERS, CONTENTS, RULES, KnowledgeContents
from adapters.llm_offline import AnswerCalibration
from adapters.question_words import stems
from core.rules import RuleBook
from kb.index import build, inputs_hash, read_corpus
from kb.reader import DOCUMENTS, DocumentFault, read_documents

DAY = date(2026, 7, 1)


class WordEmbedder:
    """Vectors of word counts, hashed: texts with the same words are near each other."""

    name, version = "words", "7"
    dimensions = 256

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        return [self._embed(text) for text in texts]

    def _embed(self, text: str) -> bytes:
        vector = np.full(self.dimensions, 1e-3, dtype="<f4")
        for word in stems(text):
            vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "little") % self.dimensions] += 1
        return (vector / np.linalg.norm(vector)).astype("<f4").tobytes()


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
    assert calibration.sections > 100
    assert calibration.frequencies["gym"] >= 2
    assert 0.0 <= manifest.metrics["false_answers"] <= 1.0


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
    for name in (RULES, CONTENTS, ANSWERS):
        assert json.loads((tmp_path / name).read_bytes()) == json.loads((built / name).read_bytes())
