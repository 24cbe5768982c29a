from hypothesis import given, settings
from hypothesis import strategies as st

from kb.text import paragraphs, sentences, without_tables


def test_sentences_are_cut_at_their_ends_and_not_at_abbreviations_or_decimals():
    text = "A wash costs $1.75 per load. See RCW 59.18.070 for the law, e.g. Section 3. Is it open? Yes!"
    assert sentences(text) == [
        "A wash costs $1.75 per load.",
        "See RCW 59.18.070 for the law, e.g. Section 3.",
        "Is it open?",
        "Yes!",
    ]


def test_list_items_are_sentences_of_their_own_and_tables_are_none():
    text = "Intro here.\n\n- First item\n- Second item. With more.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert sentences(text) == ["Intro here.", "First item", "Second item.", "With more."]
    assert "| a |" not in without_tables(text)


def test_a_paragraph_over_several_lines_is_one_block():
    assert paragraphs("one\ntwo\n\nthree") == ["one two", "three"]


@settings(deadline=None)
@given(st.lists(st.from_regex(r"[A-Z][a-z]{1,8}( [a-z]{1,8}){0,5}[.!?]", fullmatch=True), min_size=1, max_size=8))
def test_sentences_of_a_paragraph_are_all_of_it(parts: list[str]):
    text = " ".join(parts)
    assert " ".join(sentences(text)) == text
