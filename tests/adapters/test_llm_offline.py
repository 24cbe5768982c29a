from pathlib import Path

import pytest

from adapters.answer_evidence import FEATURES, measure, read_question, word_frequencies
from adapters.embedder_onnx import OnnxEmbedder
from adapters.knowledge_chroma import ChromaKnowledge
from adapters.llm_offline import AnswerCalibration, OfflineLanguageModel, places_to_quote
from adapters.question_words import stems
from core.errors import ArtefactRefused
from core.messages import Retrieved, RetrieveQuery
from core.request import Answer
from deployments.decision_simulation.answer import CONFIDENCE_FLOOR


def sentence(text: str, score: float = 0.5, section: str = "Gym", doc_id: str = "amenity-hours") -> Retrieved:
    return Retrieved(
        doc_id=doc_id,
        title="Amenities",
        section=section,
        doc_type="information",
        building_id="all",
        text=text,
        score=score,
    )


@pytest.fixture
def ask(kb_folder: Path, real_knowledge: ChromaKnowledge, real_embedder: OnnxEmbedder):
    model = OfflineLanguageModel.open(kb_folder)

    async def answer(question: str, building: str = "A") -> Answer | None:
        query = RetrieveQuery(text=question, building_id=building, top_k=12)
        return await model.answer(question, real_knowledge.sentences([query], real_embedder.embed([question]))[0])

    return answer


async def test_the_gyms_closing_time_is_quoted_with_its_citation(ask):
    answer = await ask("what time does the gym close?")
    assert answer.text == "The gym is open every day from 05:00 to 23:00 (5 AM to 11 PM)."
    assert answer.source == "extract"
    assert answer.confidence > 0.9
    assert (answer.citations[0].doc_id, answer.citations[0].section) == ("amenity-hours", "Gym")
    assert answer.citations[0].quote == answer.text


async def test_building_b_has_hours_of_its_own(ask):
    answer = await ask("what time does the gym close?", "B")
    assert "06:00 to 22:00" in answer.text
    assert answer.citations[0].doc_id == "amenity-hours-building-b"


@pytest.mark.parametrize(
    "question",
    [
        "what time does the sauna open?",
        "Any news on the window contractor? You said the week of the 10th.",
        "what is the capital of France",
        "do you have a shuttle to the airport?",
        "asdf qwer",
    ],
)
async def test_it_does_not_answer_what_the_documents_do_not_say(ask, question: str):
    answer = await ask(question)
    assert answer is None or answer.confidence < CONFIDENCE_FLOOR


async def test_confidence_depends_on_the_evidence(ask):
    sure = await ask("what time does the gym close?")
    less = await ask("gym hrs??")
    assert sure.confidence > less.confidence > 0.5


async def test_no_sentences_no_answer(kb_folder: Path):
    assert await OfflineLanguageModel.open(kb_folder).answer("what time?", []) is None


def test_up_to_three_sentences_of_the_best_ones_section_are_quoted_best_first():
    sentences = [
        sentence("a"),
        sentence("b", section="Pool"),
        sentence("c"),
        sentence("d"),
        sentence("e"),
        sentence("f", doc_id="other"),
    ]
    assert places_to_quote(sentences, [2.0, 1.9, 1.6, 1.9, 1.8, 1.95]) == [0, 3, 4]
    assert places_to_quote(sentences, [2.0, 1.9, 1.0, 1.2, 0.0, 1.95]) == [0]
    assert places_to_quote(sentences[:1], [-5.0]) == [0]


def test_an_exception_is_quoted_with_what_it_takes_back():
    sentences = [sentence("Dogs are welcome."), sentence("Except in the pool area."), sentence("Walk them outside.")]
    assert places_to_quote(sentences, [2.0, -9.0, 1.9]) == [0, 1, 2]
    elsewhere = [sentences[0], sentence("Except in the pool area.", section="Pool")]
    assert places_to_quote(elsewhere, [2.0, -9.0]) == [0]


def test_a_calibration_of_another_make_is_refused(tmp_path: Path):
    calibration = AnswerCalibration(
        features=("similarity",),
        weights=(1.0,),
        sureness=(),
        sureness_weights=(),
        intercept=0,
        frequencies={},
        sections=1,
    )
    with pytest.raises(ArtefactRefused, match="another make"):
        OfflineLanguageModel(calibration)
    with pytest.raises(ArtefactRefused, match="aam build"):
        OfflineLanguageModel.open(tmp_path)


def features(question: str, *texts: str) -> list[dict[str, float]]:
    candidates = [sentence(text) for text in texts]
    frequencies = word_frequencies(["The gym is open", "The pool is open", "Parking costs money", "Lounge deposit"])
    rows = measure(read_question(question), candidates, frequencies, 4)
    return [dict(zip(FEATURES, row, strict=True)) for row in rows]


def test_a_question_for_a_time_wants_a_time_in_the_sentence():
    with_time, without = features("When does the gym close?", "The gym closes at 23:00.", "The gym has mirrors.")
    assert with_time["form_matches"] == 1.0
    assert without["form_missing"] == 1.0
    priced, timed = features("How much is the lounge?", "The lounge costs $75.", "The lounge closes at 22:00.")
    assert priced["form_matches"] == 1.0
    assert timed["form_matches"] == 0.0


def test_an_unknown_subject_and_a_question_for_news_are_seen():
    (sauna,) = features("what time does the sauna open?", "The gym is open from 05:00.")
    (gym,) = features("what time does the gym open?", "The gym is open from 05:00.")
    assert sauna["unknown_subject"] > 0.4
    assert gym["unknown_subject"] == 0.0
    assert gym["question_covered"] > sauna["question_covered"]
    (news,) = features("any news on the gym?", "The gym is open from 05:00.")
    assert news["asks_for_news"] == 1.0
    assert gym["asks_for_news"] == 0.0


def test_only_the_part_of_a_message_that_asks_is_weighed():
    chatty = read_question("My aunt from Peoria brought her parrot. What are the gym hours? Thanks, Zelda")
    assert chatty.words == read_question("What are the gym hours?").words


def test_everyday_words_for_the_same_thing_are_one():
    assert stems("Where is my package?") == stems("where are the parcels")
    assert stems("gym's opening HRS") == stems("gym open hours")
    assert stems("the and of") == []
