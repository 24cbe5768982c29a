"""Every event has words in both languages, and what fills their gaps stays data."""

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.message_templates import FOLDER, JinjaTemplates
from core.errors import ArtefactRefused, Invalid
from core.notices import EVENTS, LANGUAGES

TEMPLATES = JinjaTemplates()
BOTH = [(event, language) for event in sorted(EVENTS) for language in LANGUAGES]
NASTY = "{{ 7*7 }} {% raw %} <b>&amp;</b>\r\nBcc: all@example.com\x00"
STATUSES = (
    "AwaitingSelection", "AwaitingApproval", "Approved", "InProgress", "Escalated", "NeedsReview", "Resolved",
    "Closed", "Reopened", "Cancelled",
)  # fmt: skip


def filled(event: str, value: str = "x") -> dict[str, str]:
    return {name: f"{value}{name}" for name in EVENTS[event].fields}


@pytest.mark.parametrize(("event", "language"), BOTH)
def test_every_field_is_told_and_subjects_are_one_line(event: str, language: str) -> None:
    subject, body = TEMPLATES.render(event, language, filled(event, "zebra "))
    assert 0 < len(subject) <= 200
    assert subject.isprintable()
    told = f"{subject}\n{body}".lower()
    missing = {name for name in EVENTS[event].fields if f"zebra {name}" not in told}
    # A status is told in a sentence of its own.
    assert missing == ({"status"} if event == "incident_status" else set())


@pytest.mark.parametrize(("event", "language"), BOTH)
def test_what_fields_hold_stays_as_it_is(event: str, language: str) -> None:
    fields = dict.fromkeys(EVENTS[event].fields, NASTY)
    subject, body = TEMPLATES.render(event, language, fields)
    assert "\n" not in subject
    assert "\r" not in subject
    assert "\x00" not in subject
    assert "49" not in f"{subject}{body}"
    if any(f"{{{{ {name} }}}}" in body_source(event, language) for name in fields):
        assert NASTY in body or NASTY.strip() in body


def body_source(event: str, language: str) -> str:
    return (FOLDER / language / f"{event}.txt").read_text().partition("\n")[2]


def test_both_languages_differ() -> None:
    for event in EVENTS:
        english, spanish = (TEMPLATES.render(event, language, filled(event)) for language in LANGUAGES)
        assert english[0] != spanish[0]
        assert english[1] != spanish[1] or event == "staff_comment"


def test_there_are_just_the_templates_of_the_catalogue() -> None:
    for language in LANGUAGES:
        assert {path.stem for path in (FOLDER / language).iterdir()} == set(EVENTS)
    assert TEMPLATES.events() == set(EVENTS)


@pytest.mark.parametrize("event", ["help_is_coming", "help_has_started"])
@pytest.mark.parametrize("advice", ["Leave the home.", "Leave. If anybody is in danger, call 911 now. We come."])
def test_in_danger_the_advice_comes_first_and_911_is_named_once(event: str, advice: str) -> None:
    fields = filled(event) | {"advice": advice}
    english, spanish = (TEMPLATES.render(event, language, fields)[1] for language in LANGUAGES)
    assert english.startswith(advice)
    assert spanish.startswith(advice)
    assert english.count("If anybody is in danger, call 911 now.") == 1
    assert "llame al 911 ahora" in spanish


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_status_of_an_incident_has_a_sentence_of_its_own(language: str) -> None:
    told = {TEMPLATES.render("incident_status", language, {"topic": "", "status": each})[1] for each in STATUSES}
    assert len(told) == len(STATUSES)
    other = TEMPLATES.render("incident_status", language, {"topic": "", "status": "Submitted"})[1]
    assert other not in told
    assert "()" not in other


def test_an_alert_names_place_category_reason_and_words() -> None:
    fields = {"building_id": "BLD_A", "unit": "", "category": "", "reason": "Gas", "text": "It smells"}
    subject, body = TEMPLATES.render("emergency", "en", fields)
    assert subject == "EMERGENCY in BLD_A"
    assert body.startswith("Gas\n\nBuilding: BLD_A\n\nThe resident wrote:\nIt smells")
    subject, body = TEMPLATES.render("emergency", "en", fields | {"unit": "101", "category": "Maintenance"})
    assert subject == "EMERGENCY Maintenance in BLD_A 101"
    assert "Home: 101\nCategory: Maintenance\n" in body


@given(st.text(max_size=500))
def test_a_subject_is_one_line_whatever_fills_it(text: str) -> None:
    subject, _ = TEMPLATES.render("emergency_target", "en", {"building_id": text, "request_id": text, "what": "x"})
    assert 0 < len(subject) <= 200
    assert len(subject.splitlines()) == 1


@pytest.mark.parametrize(
    ("event", "language", "fields"),
    [
        ("unheard_of", "en", {}),
        ("work_started", "fr", {"title": "x"}),
        ("work_started", "en", {}),
        ("work_started", "en", {"title": "x", "other": "y"}),
        ("../en/emergency", "en", {}),
    ],
)
def test_what_does_not_fit_is_refused(event: str, language: str, fields: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        TEMPLATES.render(event, language, fields)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "can't be read"),
        ("Subject\n{{ title", "is broken"),
        ("Subject\n{{ other }}", "these fields: title"),
        ("Subject\nno field", "these fields: title"),
        ("Subject {{ title }}\n", "needs a subject, a body"),
        ("\n{{ title }}", "needs a subject, a body"),
    ],
)
def test_broken_templates_are_found_at_the_start(tmp_path: Path, text: str | None, complaint: str) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(FOLDER, folder)
    file = folder / "es" / "work_started.txt"
    file.unlink()
    if text is not None:
        file.write_text(text)
    with pytest.raises(ArtefactRefused, match=re.escape(complaint)):
        JinjaTemplates(folder)


def test_a_template_reaches_nothing_but_its_fields(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(FOLDER, folder)
    (folder / "en" / "work_started.txt").write_text("Subject\n{{ title.__class__.__mro__ }}")
    with pytest.raises(Invalid):
        JinjaTemplates(folder).render("work_started", "en", {"title": "x"})
