import pytest

from adapters.spanish import in_english
from kb.queries import read_queries


def test_spanish_is_put_into_english_words():
    assert in_english("¿Cuánto cuesta la lavandería?") == "how much costs the laundry room ?"
    assert "mould" in in_english("hay moho negro en el baño")


@pytest.mark.parametrize(
    "text",
    [
        "Dan here",
        "Luz Toda, unit 3",
        "Dan Mora here about rent",
        "",
        "what time does the gym close?",
        "my son has no heat, come now",
        "42",
        "la la la is a song I like",
    ],
)
def test_other_text_stays_as_it_is(text: str):
    assert in_english(text) == text


def test_no_english_question_of_the_labelled_ones_is_taken_for_spanish():
    for query in read_queries():
        if query.query.isascii():
            changed = in_english(query.query) != query.query
            assert not changed or any(word in query.query.split() for word in ("los", "el", "hay", "que")), query.query


def test_short_spanish_is_still_put_into_english():
    assert in_english("no hay luz") == "no there is electricity"
    assert in_english("¿basura?") == "trash ?"
