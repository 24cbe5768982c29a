"""Which words a label hangs on, by leaving each out."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from core.labels import Category
from core.settings import Settings
from deployments.ai_processing.deployment import AIProcessing
from deployments.ai_processing.occlusion import MOST_PARTS, parts_of


@given(st.text(max_size=400), st.integers(1, 60))
def test_parts_follow_each_other_and_are_no_more_than_asked_for(text: str, most: int) -> None:
    parts = parts_of(text, most)
    assert len(parts) <= most
    assert all(start < end for start, end in parts)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(parts))
    covered = "".join(text[start:end] for start, end in parts)
    assert [c for c in covered if c.isalnum()] == [c for c in text if c.isalnum()]


@pytest.fixture(scope="module")
def ai(built_settings: Settings) -> AIProcessing:
    return AIProcessing(built_settings)


async def test_the_telling_word_adds_most(ai: AIProcessing) -> None:
    message = "Hello there, my invoice shows a late fee twice, could you please have a look"
    found = await ai.explain(message)
    assert found.label is Category.BILLING
    best = sorted(found.words, key=lambda word: -word.contribution)[:3]
    assert {"invoice", "fee"} & {word.text for word in best}
    assert all(message[word.start : word.end] == word.text for word in found.words)
    assert len(found.words) == len(found.urgency_words) == 15
    assert found.safety_rule is None


async def test_a_rule_that_decides_is_named(ai: AIProcessing) -> None:
    found = await ai.explain("There is a strong smell of gas in my kitchen")
    assert found.safety_rule is not None


async def test_a_long_message_is_cut_into_few_parts(ai: AIProcessing) -> None:
    found = await ai.explain("the tap in the kitchen drips all night " * 60)
    assert len(found.words) <= MOST_PARTS


async def test_a_message_of_one_word_is_explained(ai: AIProcessing) -> None:
    (word,) = (await ai.explain("leak")).words
    assert word.text == "leak"


async def test_a_message_without_words_is_refused(ai: AIProcessing) -> None:
    with pytest.raises(Invalid):
        await ai.explain("🫠 !!!")
