"""What the house says in English reads in Spanish: all advice, options and steps of the documents, and incidents."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from core.labels import Category, Trade
from deployments.decision_simulation import plan
from deployments.request_management import commands
from deployments.request_management.incident import title_of
from deployments.request_management.likeness import Matter
from deployments.request_management.matters import SYSTEMS, Mentions
from kb.reader import Document, read_documents
from web.knowledge_words import OF_BUILDING, in_message, marked, plainly, stated
from web.language import FOLDER, words_in
from web.recommendation import dateless

EN, ES = words_in("en", "America/New_York"), words_in("es", "America/New_York")
PLANS = ("Deal with everything in order", "Find the root cause, then mend it for good")
"""Titles of options that are composed."""
HELP = "Help is on its way."
"""Said in an emergency that has no advice of its own, as `commands.ADVICE` is."""
FAMILIAR = re.compile(r"\b(?:tú|tu|tus|te|ti|puedes|tienes|debes)\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return read_documents()


def advice_of(documents: list[Document]) -> set[str]:
    rules = [each.front.rules.emergency for each in documents]
    found = {text for one in rules if one is not None for text in one.advice.values()}
    assert len(found) > 20
    return found


def options_of(documents: list[Document]) -> set[str]:
    options = [option for each in documents for option in each.front.rules.options]
    assert len(options) > 100
    titles = {title for option in options for title in (option.title, dateless(option.title))}
    return titles | {step for option in options for step in option.steps}


def matter(category: Category | None, trade: Trade | None, systems: frozenset[str]) -> Matter:
    mentions = replace(Mentions(), systems=systems)
    return Matter("REQ_1", "RES_1", None, datetime.now(UTC), category, trade, None, (), mentions)


def fault_titles() -> set[str]:
    """Under which incidents are proposed."""
    matters = [matter(None, None, frozenset())]
    matters += [matter(category, None, frozenset()) for category in Category]
    matters += [matter(None, trade, frozenset()) for trade in Trade]
    matters += [matter(None, None, frozenset({system})) for system in SYSTEMS]
    return {title_of("D", one, one) for one in matters}  # type: ignore[arg-type]


def entries() -> Iterator[Message]:
    with (FOLDER / "es" / "LC_MESSAGES" / "knowledge.po").open("rb") as file:
        yield from (message for message in read_po(file, locale="es") if message.id)


def test_all_advice_in_danger_is_in_spanish(documents: list[Document]) -> None:
    assert f'"{HELP}"' in inspect.getsource(commands)
    said = advice_of(documents) | {commands.ADVICE, HELP}
    untranslated = sorted(text for text in said if stated(text, ES).language is not None)
    assert not untranslated, "write them in web/locale/es/LC_MESSAGES/knowledge.po"


def test_all_options_and_their_steps_are_in_spanish(documents: list[Document]) -> None:
    untranslated = sorted(text for text in options_of(documents) if stated(text, ES).language is not None)
    assert not untranslated, "write them in web/locale/es/LC_MESSAGES/knowledge.po"


def test_composed_plans_are_in_spanish() -> None:
    source = inspect.getsource(plan)
    for title in PLANS:
        assert f'"{title}"' in source
        assert stated(title, ES).language is None
    assert plainly("Book a plumbing visit: “my <sink>: broken”", ES) == (
        "Programar una visita del plomero: “my <sink>: broken”"
    )
    assert plainly("Book a plumbing visit: plumbing", ES) == "Programar una visita del plomero: plomería"
    assert plainly("Book a plumbing visit: maintenance", ES) == "Programar una visita del plomero: mantenimiento"


def test_names_of_incidents_are_in_spanish() -> None:
    titles = fault_titles()
    assert len(titles) > 40
    for title in titles:
        told = stated(title, ES)
        assert told.language is None, title
        assert "avisos de varias viviendas" in told.text
        assert told.text.endswith(" D")


def test_nothing_is_translated_that_nobody_says(documents: list[Document]) -> None:
    said = {" ".join(text.split()) for text in advice_of(documents) | options_of(documents)} | set(PLANS)
    said |= {title.partition(" of building ")[0] for title in fault_titles()} | {OF_BUILDING}
    said |= {commands.ADVICE, HELP}
    assert {str(message.id) for message in entries()} - said == set()


def test_figures_are_kept_and_everybody_is_addressed_formally() -> None:
    for message in entries():
        english, told = str(message.id), str(message.string)
        assert not message.fuzzy, english
        assert sorted(re.findall(r"\d[\d,-]*", english)) == sorted(re.findall(r"\d[\d,-]*", told)), english
        assert not FAMILIAR.search(told), told
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", told)), english
        assert english.endswith(".") == told.endswith("."), english


def test_advice_to_call_for_help_stays_as_strong(documents: list[Document]) -> None:
    for text in advice_of(documents):
        told = plainly(text, ES)
        assert len(told) > 0.8 * len(text), text
        assert len(re.findall(r"\bDon't\b|\bNever\b", text)) <= len(re.findall(r"\b(?:no|nunca)\b", told, re.I)), text


def test_what_nobody_translated_is_marked_as_english() -> None:
    assert str(marked("Ask <b>Ann</b>", ES)) == '<span lang="en">Ask &lt;b&gt;Ann&lt;/b&gt;</span>'
    assert str(marked("Ask <b>Ann</b>", EN)) == "Ask &lt;b&gt;Ann&lt;/b&gt;"
    assert str(marked("Deal with  everything\nin order", ES)) == "Atender todo en orden"
    assert str(marked("Book a plumbing visit: “<b>”", ES)) == "Programar una visita del plomero: “&lt;b&gt;”"


@given(st.text() | st.text("{}%<>: “”abcreported from several homes of building"))
def test_any_text_is_shown_and_none_is_html(text: str) -> None:
    assert stated(text, EN).text == text
    shown = re.sub(r'^<span lang="en">|</span>$', "", str(marked(text, ES)))
    assert "<" not in shown
    if stated(text, ES).language is not None:
        assert plainly(text, ES) == text


def test_a_message_is_told_with_its_advice(documents: list[Document]) -> None:
    advice = sorted(advice_of(documents))[0]
    body = f"{advice}\n\nSi alguien está en peligro, llame al 911 ahora."
    fields = {"advice": advice, "title": "", "text": "911"}
    assert in_message(body, fields, EN) == body
    told = in_message(body, fields, ES)
    assert advice not in told
    assert told.startswith(plainly(advice, ES))
    assert told.endswith("llame al 911 ahora.")
    # What a person wrote stays as they wrote it.
    assert in_message("Ann: Repair", {"text": "Ann: Repair"}, ES) == "Ann: Repair"
