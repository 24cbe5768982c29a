"""The hand-written messages: legal labels, and no voice on both sides of a split."""

import json
from pathlib import Path

import pytest

from adapters.embedder_onnx import OnnxEmbedder
from core.errors import Invalid
from core.labels import Category, Urgency
from models.corpus_check import near_duplicates
from models.corpus_reader import TEST_VOICES, Message, read_corpus, split_test, validation_splits

GOOD = {
    "text": "tap drips and fee is wrong",
    "category": "Maintenance",
    "urgency": "Medium",
    "intent": "solve_problem",
    "trade": "plumbing",
    "issues": [],
}


@pytest.fixture(scope="module")
def corpus() -> tuple[Message, ...]:
    return read_corpus()


def write(folder: Path, *rows: dict[str, object]) -> Path:
    (folder / "voice.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder


def test_the_corpus_is_sound_and_covers_every_label(corpus: tuple[Message, ...]) -> None:
    assert len(corpus) > 1000
    assert {message.category for message in corpus} == set(Category)
    assert {message.urgency for message in corpus} == set(Urgency)
    assert len({message.voice for message in corpus}) == 8


def test_two_voices_are_kept_for_the_test(corpus: tuple[Message, ...]) -> None:
    split = split_test(corpus)
    assert {message.voice for message in split.judging} == TEST_VOICES
    assert not {message.voice for message in split.learning} & TEST_VOICES


def test_each_development_voice_is_judged_once_by_what_never_saw_it(corpus: tuple[Message, ...]) -> None:
    development = split_test(corpus).learning
    splits = validation_splits(development)
    judged = [message for split in splits for message in split.judging]
    assert sorted(m.text for m in judged) == sorted(m.text for m in development)
    for split in splits:
        assert not {m.voice for m in split.learning} & {m.voice for m in split.judging}


@pytest.mark.parametrize(
    "change",
    [
        {"category": "Plumbing"},
        {"trade": None},
        {"category": "Billing"},
        {"text": ""},
        {"issues": [{"text": "tap drips", "category": "Maintenance", "urgency": "Medium", "trade": "plumbing"}]},
        {
            "issues": [
                {"text": "tap drips", "category": "Maintenance", "urgency": "Medium", "trade": "plumbing"},
                {"text": "not in it", "category": "Billing", "urgency": "Medium", "trade": None},
            ]
        },
        {"mood": "angry"},
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(Invalid, match=r"voice\.jsonl, line 2"):
        read_corpus(write(tmp_path, GOOD, {**GOOD, **change}))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no"):
        read_corpus(tmp_path)


def test_near_duplicates_are_found_across_voices_only(real_embedder: OnnxEmbedder, tmp_path: Path) -> None:
    (message,) = read_corpus(write(tmp_path, GOOD))

    def say(voice: str, text: str) -> Message:
        return message.model_copy(update={"voice": voice, "text": text})

    messages = [
        say("a", "the elevator is out of order again today"),
        say("a", "the elevator is out of order again today"),
        say("b", "The elevator is out of order again today."),
        say("b", "when does the pool open"),
    ]
    pairs = near_duplicates(messages, real_embedder)
    assert {(pair.first.voice, pair.second.voice) for pair in pairs} == {("a", "b")}
    assert len(pairs) == 2
    assert not pairs[0].excused
