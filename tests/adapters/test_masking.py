"""What is personal is masked in whatever surroundings, what is not stays, and all of it comes back."""

import re

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import Leniency, PhoneNumberFormat, PhoneNumberMatcher

from adapters.masking import mask
from adapters.safety_rules import read_safety_rules
from deployments.ai_processing.safety import SafetyScreen
from models.corpus_reader import read_corpus
from tests.deployments.ai_processing.conftest import RULES

MASKED = {
    "call 212-555-0142": "call [PHONE_1]",
    "call (212) 555-0142 x12 now": "call [PHONE_1] now",
    "call 212.555.0142": "call [PHONE_1]",
    "call 212 555 0142": "call [PHONE_1]",
    "call 2 1 2 5 5 5 0 1 4 2": "call [PHONE_1]",
    "call (212) - 555 01420": "call [PHONE_1]",
    "call +44 20 7946 0958": "call [PHONE_1]",
    "call 555-0142": "call [PHONE_1]",
    "llame al 612 345 678": "llame al [PHONE_1]",
    "me: 2125550142, her: 2125550143, me 2125550142": "me: [PHONE_1], her: [PHONE_2], me [PHONE_1]",
    "mail jo.do+x@example.co.uk.": "mail [EMAIL_1].",
    "mail jo at example dot com": "mail [EMAIL_1]",
    "mail jo @ example.com": "mail [EMAIL_1]",
    "4B here": "[UNIT_1] here",
    "apt 12 leaks": "apt [UNIT_1] leaks",
    "unit #305": "unit #[UNIT_1]",
    "Apt. 3-C": "Apt. [UNIT_1]",
    "apt B": "apt [UNIT_1]",
    "Apt C leaks": "Apt [UNIT_1] leaks",
    "flat 7, top floor": "flat [UNIT_1], top floor",
    "piso 3B": "piso [UNIT_1]",
    "apto 615": "apto [UNIT_1]",
    "the man in 310": "the man in [UNIT_1]",
    "#1204 again": "#[UNIT_1] again",
    "my name is Tom Reyes, I live here": "my name is [NAME_1], I live here",
    "MY NAME IS EDNA.": "MY NAME IS [NAME_1].",
    "me llamo Pilar y": "me llamo [NAME_1] y",
    "Mrs. Vance fell": "Mrs. [NAME_1] fell",
    "It drips.\nThanks,\nJohn Smith\nApt 4B": "It drips.\nThanks,\n[NAME_1]\nApt [UNIT_1]",
    "It drips. — J. Abelard, 6C": "It drips. — [NAME_1], [UNIT_1]",
    "this is jordan in 1206": "this is [NAME_1] in [UNIT_1]",
}
PLAIN = [
    "2 burners are dead",
    "since 5pm, or 17:30, or 5 PM, or 8:15am",
    "on 1/12/2026 or 2026-01-12 10:30 or Jan 12",
    "$2,000, then $1640 and 1640 again",
    "it's 95F in here, 12 degrees outside, 51 in my bedroom",
    "the unit makes 3 noises",
    "unit 2 weeks without heat",
    "my name is still not on the lease",
    "MY NAME IS STILL NOT ON THE LEASE",
    "meet me @ 5pm",
    "it is 9F outside, 9F now, and the thermostat says 12C",
    "a 15A breaker and a 3D printer, 5G internet",
    "between 2200 and 0500 in 2019",
    "20h as always",
    "no heat for 5 days and 3 people are ill",
    "Thanks",
    "ticket #20817",
]


@pytest.mark.parametrize(("text", "masked"), MASKED.items())
def test_what_is_personal_is_masked(text: str, masked: str) -> None:
    found = mask(text)
    assert found.text == masked
    assert found.unmask(found.text) == text


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_not_personal_stays(text: str) -> None:
    assert mask(text).text == text


def test_a_text_that_speaks_in_placeholders_comes_back_unharmed() -> None:
    text = "[UNIT_1] and [UNIT_2] are not 4B"
    found = mask(text)
    assert found.text == "[UNIT_1] and [UNIT_2] are not [UNIT_3]"
    assert found.unmask(found.text) == text


def test_the_originals_are_not_shown() -> None:
    assert "0142" not in repr(mask("call 212-555-0142"))


@given(st.text(alphabet=st.sampled_from("0123456789 -.()+@#aBFxé\n[]_PHONEUIT1$:/,") | st.characters(), max_size=80))
@settings(max_examples=300, deadline=None)
def test_everything_comes_back(text: str) -> None:
    found = mask(text)
    assert found.unmask(found.text) == text
    assert not any(placeholder in text for placeholder in found.replacements)


REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
FORMATS = [PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL]


@st.composite
def phones(draw: st.DrawFn) -> str:
    region = draw(st.sampled_from(REGIONS))
    kind = draw(st.sampled_from([phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE]))
    number = phonenumbers.example_number_for_type(region, kind) or phonenumbers.example_number(region)
    assert number is not None
    written = phonenumbers.format_number(number, draw(st.sampled_from(FORMATS)))
    if region in ("US", "CA", "PR") and draw(st.booleans()):
        written = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    return re.sub(r"[ -]", lambda _: draw(st.sampled_from([" ", ".", "-", "\u00a0", " - "])), written)


SURROUNDINGS = st.text(max_size=30) | st.sampled_from(
    ["call ", "tel:", "(", "\n", "x", "7", " and apt 4B ", "a@", "é", "$"]
)


@given(SURROUNDINGS, phones(), SURROUNDINGS)
@settings(max_examples=300, deadline=None)
def test_no_phone_number_survives(before: str, phone: str, after: str) -> None:
    left = mask(before + phone + after).text
    digits = re.sub(r"\D", "", phone)
    assert phone not in left
    assert digits not in re.sub(r"[^\d\[]", "", left)


@given(SURROUNDINGS, st.emails(), SURROUNDINGS)
@settings(max_examples=300, deadline=None)
def test_no_address_survives(before: str, address: str, after: str) -> None:
    assert address not in mask(before + address + after).text


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [message.text for message in read_corpus()]


def test_no_phone_or_address_of_the_corpus_survives(texts: list[str]) -> None:
    for text in texts:
        left = mask(text).text
        assert not re.search(r"[^\s@]+@[^\s@]+\.\w", left)
        assert not PhoneNumberMatcher(left, "US", leniency=Leniency.VALID).has_next()


def test_the_safety_screen_finds_the_same_in_a_masked_text(texts: list[str]) -> None:
    screen = SafetyScreen.from_rules(read_safety_rules(RULES))

    def rule_of(text: str) -> str | None:
        finding = screen.screen(text)
        return finding.rule_id if finding else None

    # A unit that was masked reads as one, and not as the word "unit".
    masked = [re.sub(r"\[UNIT_\d+\]", "9Z", mask(text).text) for text in texts]
    changed = [text for text, other in zip(texts, masked, strict=True) if rule_of(text) != rule_of(other)]
    # A name or a unit can stand where a rule looks for a word; hardly any does.
    assert len(changed) <= 0.001 * len(texts), changed
