"""What every implementation of the `LanguageModel` port keeps."""

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.llm_offline import OfflineLanguageModel
from core.messages import Retrieved
from core.ports.intelligence import LanguageModel

IMPLEMENTATIONS: dict[str, Callable[[Path], LanguageModel]] = {"offline": OfflineLanguageModel.open}

QUESTION = "What time does the gym close?"
SENTENCES = tuple(
    Retrieved(
        doc_id="amenity-hours",
        title="Amenities and their hours",
        section="Gym",
        doc_type="information",
        building_id="all",
        text=text,
        score=score,
    )
    for text, score in (
        ("The gym is open every day from 05:00 to 23:00 (5 AM to 11 PM).", 0.78),
        ("Your fob opens the gym door; no booking is needed.", 0.55),
        ("Wipe the machines after use and leave music to your headphones.", 0.31),
    )
)


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
def model(request: pytest.FixtureRequest, kb_folder: Path) -> LanguageModel:
    return IMPLEMENTATIONS[request.param](kb_folder)


def test_it_names_its_source(model: LanguageModel):
    assert model.source in ("llm", "extract")


async def test_an_answer_is_sure_cited_and_from_the_sentences_alone(model: LanguageModel):
    answer = await model.answer(QUESTION, SENTENCES)
    assert answer is not None
    assert "23:00" in answer.text or "11 PM" in answer.text
    assert answer.source == model.source
    assert 0.5 < answer.confidence <= 1.0
    for citation in answer.citations:
        assert (citation.doc_id, citation.section) == ("amenity-hours", "Gym")
        assert any(citation.quote in sentence.text for sentence in SENTENCES)


async def test_without_sentences_there_is_no_answer(model: LanguageModel):
    assert await model.answer(QUESTION, ()) is None


async def test_sentences_on_something_else_hold_no_answer(model: LanguageModel):
    away = tuple(sentence.model_copy(update={"score": 0.18}) for sentence in SENTENCES[1:])
    assert await model.answer("How much does the guest suite cost a night?", away) is None


async def test_the_same_question_gets_the_same_answer(model: LanguageModel):
    assert await model.answer(QUESTION, SENTENCES) == await model.answer(QUESTION, SENTENCES)


async def test_labels_are_complete_or_none(model: LanguageModel):
    labels = await model.classify("There is water coming through my ceiling")
    assert labels is None or labels.source == "llm"
