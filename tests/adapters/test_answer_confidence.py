import numpy as np
import pytest

from adapters.answer_confidence import SURENESS, sureness
from adapters.answer_evidence import FEATURES, read_question
from core.messages import Retrieved


def sentence(section: str) -> Retrieved:
    return Retrieved(
        doc_id="amenity-hours",
        title="Amenities",
        section=section,
        doc_type="information",
        building_id="all",
        text="The gym is open.",
        score=0.5,
    )


def shown(levels: list[float], *sections: str) -> dict[str, float]:
    rows = np.arange(len(levels) * len(FEATURES), dtype=np.float64).reshape(len(levels), len(FEATURES))
    question = read_question("When does the gym open?")
    candidates = [sentence(section) for section in sections]
    return dict(zip(SURENESS, sureness(question, candidates, rows, np.array(levels)), strict=True))


def test_the_lead_is_over_the_best_sentence_of_another_section():
    found = shown([1.0, 3.0, 2.9, 2.0], "Pool", "Gym", "Gym", "Roof")
    assert (found["level"], found["ahead_of_sections"]) == (3.0, 1.0)
    both = 1 + np.exp(-0.1)
    assert found["share_of_section"] == pytest.approx(both / (both + np.exp(-1.0) + np.exp(-2.0)))
    assert found["asked_similarity"] == len(FEATURES) + FEATURES.index("asked_similarity")


def test_alone_it_is_ahead_of_nothing_and_has_the_whole_share():
    found = shown([1.0, 3.0], "Gym", "Gym")
    assert (found["share_of_section"], found["ahead_of_sections"]) == (1.0, 4.0)
