"""The life-safety screen: what it must call, what it must leave, and that it can only raise."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import deployments.ai_processing.safety
from adapters.safety_rules import read_safety_rules
from core.errors import ArtefactRefused
from core.labels import Category, Trade, Urgency
from deployments.ai_processing.safety import SafetyScreen, normalise

_WORDS = re.compile(r"[a-z0-9]+")
RULES = Path(str(deployments.ai_processing.safety.__file__)).with_name("safety_rules.yaml")

HAZARDS = [
    ("I smell gas in the hallway", "gas-leak"),
    ("bit of a funny eggy smell by the stove, probably nothing?", "gas-leak"),
    ("huele a gas en la cocina", "gas-leak"),
    ("The CO alarm is going off and we are outside", "carbon-monoxide-alarm"),
    ("carbon monoxide detector chirped once, and now I am dizzy", "carbon-monoxide-symptoms"),
    ("There is a fire in the kitchen", "fire"),
    ("thick black smoke in the stairwell", "smoke"),
    ("sale humo por debajo de la puerta", "smoke"),
    ("smoke alarm is sounding in the empty flat", "smoke-alarm"),
    ("the outlet behind the fridge is sparking", "electrical-danger"),
    ("I got an electric shock from the washer", "electrical-danger"),
    ("it smells like burning plastic behind the wall", "burning-smell"),
    ("water is pouring through my bathroom ceiling and the light is flickering", "electrified-water"),
    ("water is dripping out of the ceiling lamp", "electrified-water"),
    ("a pipe burst and the kitchen is flooding", "flooding"),
    ("se reventó el tubo y hay agua por todas partes", "flooding"),
    ("sewage is backing up into the tub", "sewage-backup"),
    ("no heat and it's 12 degrees outside", "no-heat-in-the-cold"),
    ("the heat is out and my mother is 88", "no-heat-in-the-cold"),
    ("AC is dead, it's 91 in here and we have a newborn", "no-cooling-in-great-heat"),
    ("air conditioning is out and it is 101 outside", "no-cooling-in-great-heat"),
    ("somebody is trying to open my window right now", "break-in-in-progress"),
    ("a man with a knife is in the lobby threatening people", "weapon-or-threat"),
    ("my husband hit me and I am locked in the bathroom", "violence-at-home"),
    ("next door she is screaming for him to stop", "violence-at-home"),
    ("I am stuck in the elevator", "person-trapped-in-lift"),
    ("estoy atrapada en el ascensor", "person-trapped-in-lift"),
    ("the bedroom ceiling came down on the bed", "collapse"),
    ("a woman collapsed in the lobby and is not breathing", "medical"),
    ("my roommate says he wants to kill himself", "despair"),
    ("my front door won't lock and it is midnight", "door-open-at-night"),
    ("locked out, 2 am and freezing", "locked-out-at-risk"),
    ("a toddler fell into the pool", "drowning"),
    ("the power is out and my oxygen concentrator stopped", "medical-device-without-power"),
    ("fridge died with all my insulin in it", "medicine-not-cooled"),
    ("no hot water for two days and I have a 3 week old baby", "water-lost-vulnerable-person"),
]

HARMLESS = [
    "the ceiling is dripping again and nobody called back",
    "no gas smell any more, they fixed it",
    "the leak has stopped, just want the stain painted",
    "Is the fire pit free on Saturday?",
    "My gas bill is too high",
    "the smoke alarm in the hall is chirping",
    "When is the next fire drill?",
    "this gym is flooded with people",
    "the charge on my fob is dead",
    "What should I do if I smell gas?",
    "no heat in 2C, it's 55 outside",
    "my neighbor smokes weed and the smoke comes in through the vents",
    "The elevator is stuck on nine with nobody in it",
    "My front door won't lock unless I lift the handle, noticed at noon",
    "the stairs are killing me, when is the elevator back",
    "there was a break-in last week, is there camera footage?",
    "Please tell me the hours of the pool",
    "DISASTER: hallway bulb is out",
    "you threatened me with a late fee",
    "no hay olor a gas",
    "",
    "   ",
    "?",
]


@pytest.mark.parametrize(("text", "rule"), HAZARDS)
def test_a_hazard_is_an_emergency(screen: SafetyScreen, text: str, rule: str) -> None:
    finding = screen.screen(text)
    assert finding is not None
    assert (finding.rule_id, finding.urgency) == (rule, Urgency.EMERGENCY)
    assert set(finding.matched.replace(",", " ").split()) <= set(_WORDS.findall(normalise(text)))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_sounds_like_a_hazard_is_left(screen: SafetyScreen, text: str) -> None:
    assert screen.screen(text) is None


def test_every_rule_has_legal_labels_and_a_reason(screen: SafetyScreen) -> None:
    rules = read_safety_rules(RULES)["rules"]
    assert [rule["id"] for rule in rules] == list(screen.rule_ids)
    for rule in rules:
        assert rule["reason"].endswith(".")
        assert (rule.get("trade") is not None) == (rule["category"] == "Maintenance")


def test_danger_at_an_amenity_is_the_amenities(screen: SafetyScreen) -> None:
    at_home, at_grill = (
        screen.screen("strong smell of gas in the hall"),
        screen.screen("strong smell of gas at the grill"),
    )
    assert at_home is not None
    assert at_grill is not None
    assert (at_home.category, at_home.trade) == (Category.MAINTENANCE, Trade.PLUMBING)
    assert (at_grill.category, at_grill.trade) == (Category.AMENITIES, None)


def test_a_negation_reaches_no_further_than_its_clause(screen: SafetyScreen) -> None:
    assert screen.screen("no gas smell any more but there is smoke in the hall")
    assert screen.screen("The leak has stopped. I smell gas now.")


def test_typography_and_case_do_not_matter(screen: SafetyScreen) -> None:
    assert screen.screen("THE STREET DOOR WON\u2019T LOCK AND IT\u2019S 11:40 PM")
    assert screen.screen("the heat\u2019s off and it's below freezing")


@given(
    before=st.text(max_size=200),
    hazard=st.sampled_from([text for text, _ in HAZARDS]),
    after=st.sampled_from(HARMLESS),
)
@example(before="no", hazard="I smell gas in the hallway", after="it has stopped, all good")
@settings(max_examples=150, deadline=None)
def test_no_other_sentence_can_hide_a_hazard(screen: SafetyScreen, before: str, hazard: str, after: str) -> None:
    assert screen.screen(f"{before}\n{hazard}\n{after}")
    assert screen.screen(f"{after}\n{hazard}\n{before}")


@given(first=st.sampled_from([text for text, _ in HAZARDS] + HARMLESS), second=st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_adding_a_sentence_never_lowers(screen: SafetyScreen, first: str, second: str) -> None:
    if screen.screen(first):
        assert screen.screen(f"{first}\n{second}")


@given(st.text(max_size=4000))
@settings(max_examples=60, deadline=None)
def test_any_text_is_screened_the_same_way_twice(screen: SafetyScreen, text: str) -> None:
    assert screen.screen(text) == screen.screen(text)


def test_a_long_hostile_text_is_screened_quickly(screen: SafetyScreen) -> None:
    from time import perf_counter

    for text in ("water " * 660, "a" * 4000, "the light in " * 300, "smoke alarm " * 330, "no " * 1300):
        began = perf_counter()
        screen.screen(text)
        assert perf_counter() - began < 1.0


@pytest.mark.parametrize(
    "change",
    [
        {"any_of": ["("]},
        {"any_of": ["smoke ~ hall"]},
        {"any_of": ["smoke > "]},
        {"any_of": ["UNHEARD_OF > smoke"]},
        {"guards": ["unknown"]},
        {"when": [["unknown"]]},
        {"category": "Weather"},
        {"colour": "red"},
    ],
)
def test_rules_that_do_not_fit_are_refused(change: dict[str, object]) -> None:
    data = read_safety_rules(RULES)
    data["rules"] = [{**data["rules"][0], **change}]
    with pytest.raises(ArtefactRefused):
        SafetyScreen.from_rules(data)


def test_two_rules_of_one_name_are_refused() -> None:
    data = read_safety_rules(RULES)
    data["rules"] = [data["rules"][0]] * 2
    with pytest.raises(ArtefactRefused, match="same id"):
        SafetyScreen.from_rules(data)
