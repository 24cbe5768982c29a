"""What must hold of the life-safety screen whatever is written: monotone, deterministic, blind to typography, quick."""

from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import deployments.ai_processing.safety
from adapters.safety_rules import read_safety_rules
from core.labels import Urgency
from deployments.ai_processing.safety import SafetyScreen
from kb.reader import read_documents

RULES: list[dict[str, Any]] = read_safety_rules(
    Path(str(deployments.ai_processing.safety.__file__)).with_name("safety_rules.yaml")
)["rules"]
FIRES = [(rule["id"], text) for rule in RULES for text in rule["fires"]]
SILENT = [(rule["id"], text) for rule in RULES for text in rule["silent"]]
NO_DANGER_TO_LIFE = {"flooding", "sewage-backup", "cold-radiators-in-frost"}
"""Rules for damage or discomfort: their advice need not name the emergency number."""

hazards = st.sampled_from([text for _, text in FIRES])


@pytest.mark.parametrize(("rule", "text"), FIRES)
def test_every_rule_fires_on_its_examples(screen: SafetyScreen, rule: str, text: str) -> None:
    finding = screen.screen(text)
    assert finding is not None
    assert (finding.rule_id, finding.urgency) == (rule, Urgency.EMERGENCY)


@pytest.mark.parametrize(("rule", "text"), SILENT)
def test_no_rule_fires_on_what_must_stay_silent(screen: SafetyScreen, rule: str, text: str) -> None:
    assert screen.screen(text) is None, rule


def test_every_rule_has_an_id_of_its_own_and_examples_of_both_kinds() -> None:
    ids = [rule["id"] for rule in RULES]
    assert len(set(ids)) == len(ids)
    assert all(rule["fires"] and rule["silent"] for rule in RULES)


def test_every_rule_for_a_danger_to_life_advises_to_call_the_emergency_number() -> None:
    advice = next(rules.advice for rules in (document.front.rules.emergency for document in read_documents()) if rules)
    assert "911" in advice["default"]
    for rule in RULES:
        if rule["id"] not in NO_DANGER_TO_LIFE:
            assert "911" in advice[rule["id"]], rule["id"]


@given(hazard=hazards, boundary=st.sampled_from([". ", "! ", "\n", "? ", "; "]), more=st.text(max_size=300))
@example(hazard="I smell gas in the hallway", boundary=". ", more="no it has stopped, all good, last week, false alarm")
@settings(max_examples=200, deadline=None)
def test_more_text_never_silences(screen: SafetyScreen, hazard: str, boundary: str, more: str) -> None:
    assert screen.screen(f"{hazard}{boundary}{more}")


@given(hazard=hazards, harmless=st.sampled_from([text for _, text in SILENT]))
@settings(max_examples=200, deadline=None)
def test_no_harmless_sentence_silences(screen: SafetyScreen, hazard: str, harmless: str) -> None:
    assert screen.screen(f"{harmless}. {hazard}. {harmless}")


@given(
    hazard=hazards,
    case=st.sampled_from([str.upper, str.lower, str.title]),
    blank=st.sampled_from(["  ", "\t", "\u00a0", " \t "]),
    end=st.sampled_from(["", ".", "!!!", "...", "?!?!", " !!"]),
)
@settings(max_examples=200, deadline=None)
def test_case_blanks_and_punctuation_do_not_matter(
    screen: SafetyScreen, hazard: str, case: Any, blank: str, end: str
) -> None:
    plain, dressed = screen.screen(hazard), screen.screen(blank + case(hazard).replace(" ", blank) + end)
    assert plain is not None
    assert dressed == plain


@pytest.mark.parametrize(
    ("plain", "dressed"),
    [
        ("hay un incendio en el pasillo", "h\u00e1y \u00fan inc\u00e9ndio en \u00e9l pas\u00edllo"),
        ("my door wont lock and its midnight", "my door won\u2019t lock and it's midnight"),
        ("the outlet is sparking", "the \uff4futlet is sparking"),
        ("the outlet, it is sparking", "the outlet,,, it is sparking"),
    ],
)
def test_accents_apostrophes_and_forms_do_not_matter(screen: SafetyScreen, plain: str, dressed: str) -> None:
    finding = screen.screen(plain)
    assert finding is not None
    assert screen.screen(dressed) == finding


@given(st.text(max_size=2000))
@settings(max_examples=60, deadline=None)
def test_the_same_text_gives_the_same_finding_and_none_below_an_emergency(screen: SafetyScreen, text: str) -> None:
    first, again = screen.screen(text), screen.screen(text)
    assert first == again
    assert first is None or first.urgency is Urgency.EMERGENCY


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        ("the leak stopped but now there's smoke", True),
        ("there is no smoke", False),
        ("they fixed the outlet but it is sparking again", True),
        ("they fixed the outlet that was sparking", False),
        ("who do I call if the outlet is sparking", False),
        ("is it ok if the outlet is hot and buzzing", True),
        ("last month I smelled gas", False),
        ("I can't find where the gas smell comes from", True),
        ("not sure if it's nothing, I smell gas", True),
        ("no gas smell, no smoke", False),
        ("no heat in the bedroom, it is 10 degrees outside", True),
        ("not the low battery one, the carbon monoxide alarm is going off", True),
    ],
)
def test_negation_tense_and_supposition_hold_in_their_clause(screen: SafetyScreen, text: str, fires: bool) -> None:
    assert (screen.screen(text) is not None) is fires


HOSTILE = {
    "one letter": "a",
    "blanks": " ",
    "words": "water ",
    "phrases": "no gas smell ",
    "pairs": "smell gas not ",
    "halves": "the light in ",
    "stops": "gas. no. ",
    "commas": "fire,",
    "digits": "0",
    "accents": "e\u0301",
    "suppositions": "if no not never ",
    "numbers": "outside 12 ",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_takes_linear_time(screen: SafetyScreen, piece: str) -> None:
    def seconds(length: int) -> float:
        text = (piece * length)[:length]
        return min(_seconds(screen, f"{text} {turn}") for turn in range(3))

    screen.screen(piece * 1000)
    short, long = seconds(4000), seconds(16_000)
    assert short < 0.25
    assert long < 12 * max(short, 0.001)


def test_a_message_is_screened_in_a_fraction_of_a_millisecond(screen: SafetyScreen) -> None:
    texts = [text for _, text in FIRES + SILENT]
    for text in texts:
        screen.screen(text)
    assert median(_seconds(screen, f"{text} ") for text in texts * 3) < 0.0006


def _seconds(screen: SafetyScreen, text: str) -> float:
    began = process_time()
    screen.screen(text)
    return process_time() - began
