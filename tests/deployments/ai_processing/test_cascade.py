"""The second opinion: asked below the floor only, and never in the way."""

import asyncio
import logging
from typing import get_args

import pytest

from core.errors import LanguageModelFailure, LanguageModelUnavailable, Unavailable
from core.labels import Category, Intent, Urgency
from core.request import Classification
from deployments.ai_processing.cascade import Cascade
from tests.deployments.ai_processing.conftest import SilentModel

OPINION = Classification(
    category=Category.BILLING,
    urgency=Urgency.LOW,
    intent=Intent.ANSWER_QUESTION,
    confidence=0.9,
    source="llm",
    emergency=False,
    model_version="model-1",
)


class ScriptedModel(SilentModel):
    """Answers, fails or hangs as its text says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def classify(self, message_text: str) -> Classification | None:
        self.asked.append(message_text)
        if message_text == "down":
            raise Unavailable("The language model does not answer.")
        if message_text in get_args(LanguageModelFailure):
            raise LanguageModelUnavailable("It gave nothing.", message_text)
        if message_text == "broken":
            raise ZeroDivisionError(f"private words: {message_text}")
        if message_text == "slow":
            await asyncio.sleep(30)
        return None if message_text == "silent" else OPINION


async def test_only_what_is_below_the_floor_is_asked() -> None:
    model = ScriptedModel()
    opinions = await Cascade(model, 0.55).second_opinions(["sure", "unsure", "at the floor"], [0.9, 0.5, 0.55])
    assert opinions == [None, OPINION, None]
    assert model.asked == ["unsure"]


async def test_a_floor_of_zero_never_asks() -> None:
    model = ScriptedModel()
    assert await Cascade(model, 0.0).second_opinions(["a", "b"], [0.0, 0.4]) == [None, None]
    assert model.asked == []


async def test_every_failure_leaves_the_local_answer_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    cascade = Cascade(ScriptedModel(), 0.55, deadline_s=0.05)
    texts = ["down", "broken", "slow", "silent", "fine"]
    with caplog.at_level(logging.WARNING):
        assert await cascade.second_opinions(texts, [0.1] * 5) == [None, None, None, None, OPINION]
    assert cascade.outcomes == {"failed": 2, "timed_out": 1, "silent": 1, "answered": 1}
    assert len(caplog.records) == 3


async def test_all_share_one_deadline() -> None:
    cascade = Cascade(ScriptedModel(), 0.55, deadline_s=0.1)
    async with asyncio.timeout(1.0):
        assert await cascade.second_opinions(["slow"] * 20, [0.0] * 20) == [None] * 20


async def test_failures_are_counted_by_their_reason() -> None:
    cascade = Cascade(ScriptedModel(), 0.55)
    reasons = list(get_args(LanguageModelFailure))
    assert await cascade.second_opinions(reasons, [0.1] * len(reasons)) == [None] * len(reasons)
    assert cascade.outcomes == dict.fromkeys(reasons, 1)


async def test_what_was_said_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await Cascade(ScriptedModel(), 0.55).second_opinions(["broken"], [0.1])
    assert "ZeroDivisionError" in caplog.text
    assert "test_cascade.py" in caplog.text
    assert "private words: " not in caplog.text.replace('f"private words: {message_text}"', "")


async def test_the_share_that_is_sent_on_is_described() -> None:
    cascade = Cascade(ScriptedModel(), 0.55)
    await cascade.second_opinions(["fine", "sure", "silent", "sure"], [0.1, 0.9, 0.2, 0.8])
    assert cascade.describe() == "second opinions: 2 of 4 messages (answered 1, silent 1)"
