"""The hand-written messages: legal labels that do not contradict each other, and no voice in two parts."""

import json
from pathlib import Path

import pytest

from adapters.embedder_onnx import OnnxEmbedder
from core.errors import Invalid
from core.labels import Category, Intent, Trade, Urgency
from core.request import Issue
from models.corpus_check import check, near_duplicates
from models.corpus_likeness import contradictions, like_pairs
from models.corpus_reader import TEST_VOICES, VALIDATION_VOICES, Message, read_corpus, split
from models.text.slices import language

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


def test_the_corpus_is_large_and_covers_every_label(corpus: tuple[Message, ...]) -> None:
    assert len(corpus) >= 4000
    assert len({message.voice for message in corpus}) >= 12
    for part in (split(corpus).training, split(corpus).validation, split(corpus).test):
        assert {message.category for message in part} == set(Category)
        assert {message.urgency for message in part} == set(Urgency)
        assert {message.intent for message in part} == set(Intent)
        assert {message.trade for message in part if message.trade} == set(Trade)


def test_about_one_message_in_twenty_is_spanish(corpus: tuple[Message, ...]) -> None:
    spanish = [message for message in corpus if language(message.text) == "Spanish"]
    assert 0.03 <= len(spanish) / len(corpus) <= 0.08
    # Held-out voices write it too, so that the slice report has something to say.
    assert {message.voice for message in spanish} & TEST_VOICES


def test_no_voice_is_in_two_parts_and_no_message_in_none(corpus: tuple[Message, ...]) -> None:
    parts = split(corpus)
    voices = [{message.voice for message in part} for part in (parts.training, parts.validation, parts.test)]
    assert voices[1] == VALIDATION_VOICES
    assert voices[2] == TEST_VOICES
    assert sum(map(len, voices)) == len(set().union(*voices))
    assert len(parts.training) + len(parts.validation) + len(parts.test) == len(corpus)


def test_no_part_knows_another_s_messages_and_no_label_contradicts_another(corpus: tuple[Message, ...]) -> None:
    findings = check(corpus)
    assert [(pair.first.text, pair.second.text) for pair in findings.leaking] == []
    assert [(pair.first.text, pair.differences) for pair in findings.contradicting] == []


def test_the_check_finds_what_is_hidden_among_all_messages(corpus: tuple[Message, ...]) -> None:
    """A test message that a training voice repeats but for its figures and its case, and another relabelled."""
    parts = split(corpus)
    original = next(m for m in parts.test if 12 < len(m.text.split()) < 30 and not m.issues and m.trade is None)
    copied = parts.training[0].model_copy(update={**dict(original), "voice": parts.training[0].voice})
    repeated = copied.model_copy(update={"text": original.text.upper() + "!!"})
    other = Urgency.LOW if original.urgency is not Urgency.LOW else Urgency.HIGH
    findings = check((*corpus, repeated.model_copy(update={"urgency": other})))
    assert [pair.first.text for pair in findings.leaking] == [original.text]
    assert [pair.differences for pair in findings.contradicting] == [("urgency",)]


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


def say(folder: Path, voice: str, text: str, **changes: object) -> Message:
    (message,) = read_corpus(write(folder, GOOD))
    return message.model_copy(update={"voice": voice, "text": text, **changes})


def test_texts_that_mean_the_same_are_found_across_voices_only(real_embedder: OnnxEmbedder, tmp_path: Path) -> None:
    messages = [
        say(tmp_path, "a", "the elevator is out of order again today"),
        say(tmp_path, "a", "the elevator is out of order again today"),
        say(tmp_path, "b", "The elevator is out of order again today."),
        say(tmp_path, "b", "when does the pool open"),
    ]
    pairs = near_duplicates(messages, real_embedder)
    assert {(pair.first.voice, pair.second.voice) for pair in pairs} == {("a", "b")}
    assert len(pairs) == 2
    assert not pairs[0].excused


def test_what_is_written_alike_is_found_whatever_its_case_and_accents(tmp_path: Path) -> None:
    messages = [
        say(tmp_path, "a", "El teléfono del portal no funciona desde ayer por la noche"),
        say(tmp_path, "b", "el telefono del portal NO funciona, desde ayer por la noche!"),
        say(tmp_path, "c", "El agua del baño sale fría desde el lunes por la mañana"),
        say(tmp_path, "d", "no hot water"),
        say(tmp_path, "e", "No hot water!"),
    ]
    pairs = like_pairs(messages)
    assert {(pair.first.voice, pair.second.voice, pair.excused) for pair in pairs} == {
        ("a", "b", False),
        ("d", "e", True),
    }


def test_labels_that_contradict_each_other_are_named_within_a_voice_too(tmp_path: Path) -> None:
    text = "the lobby door does not close and the parcel shelf fell down"
    issue = {"category": Category.MAINTENANCE, "urgency": Urgency.MEDIUM, "trade": Trade.STRUCTURAL}
    issues = tuple(Issue(text=part, **issue) for part in ("the lobby door does not close", "the parcel shelf fell"))
    messages = [
        say(tmp_path, "a", text),
        say(tmp_path, "a", text + "."),
        say(tmp_path, "b", text, urgency=Urgency.LOW),
        say(tmp_path, "c", text, issues=issues),
    ]
    found = {pair.differences for pair in contradictions(like_pairs(messages))}
    assert found == {("urgency",), ("issues",), ("urgency", "issues")}
