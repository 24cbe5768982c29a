"""The pages' languages: every text is translated and fits its place; which language a page has; numbers and times."""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from string import punctuation

import httpx
import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.frontend import CommandLineInterface
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from core.labels import Role
from core.notices import LANGUAGES
from tests.web.small_pages import SmallPages, make_pages
from web.csrf import make_token
from web.language import COOKIE, FOLDER, language_of, words_in

ROOT = FOLDER.parent.parent
SPANISH = FOLDER / "es" / "LC_MESSAGES" / "messages.po"
SAME = frozenset(
    {
        "%(figure)s → %(value)s",
        "%(number)s – %(words)s",
        "Apartment Manager",
        "Chat",
        "Factor",
        "General",
        "No",
        "Software",
        "Supervisor",
        "Total",
        "Webhook",
    }
)
"""Texts that are written alike in both languages."""
NO_TIMES = frozenset(
    {
        "ahead",
        "behind",
        "category",
        "confidence",
        "cost",
        "current",
        "day",
        "least",
        "legal",
        "other",
        "p90",
        "rating",
        "reason",
        "second",
        "share",
        "situation",
        "status",
        "stored",
        "tier",
        "typed",
        "zone",
    }
)
"""Gaps that no clock time fills. A time in Spanish ends with a dot ("2:05 p.m."), which a full stop would double."""
ABBREVIATIONS = frozenset({"No."})
"""Texts that end with a dot and are no sentences."""
GAP = re.compile(r"%\((\w+)\)[sd]|\{(\w+)\}")
BEFORE_FULL_STOP = re.compile(r"%\((\w+)\)s[”]?\.(?!\w)")
FAMILIAR = re.compile(r"\b(?:tú|tu|tus|te|ti|contigo|puedes|tienes|quieres|debes|vosotros)\b", re.IGNORECASE)
EN, ES = words_in("en", "America/Los_Angeles"), words_in("es", "America/Los_Angeles")
AFTERNOON = datetime(2026, 11, 23, 22, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """What the commands in the head of babel.cfg extract."""
    target = tmp_path_factory.mktemp("language") / "messages.pot"
    options = ["-F", str(FOLDER / "babel.cfg"), "-k", "N_", "--no-location", "--omit-header"]
    command = ["pybabel", "extract", *options, "-o", str(target), str(ROOT / "web")]
    CommandLineInterface().run(command)  # type: ignore[reportUnknownMemberType]
    with target.open("rb") as file:
        return read_po(file)


def spanish(source: Path = SPANISH) -> Catalog:
    with source.open("rb") as file:
        return read_po(file, locale="es")


def entries(catalog: Catalog) -> Iterator[Message]:
    return (message for message in catalog if message.id)


def forms(texts: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else tuple(texts or ())


def pairs() -> Iterator[tuple[str, str]]:
    """Each English text with its Spanish, where it has any: the one with the one, the many with the many."""
    for message in entries(spanish()):
        both = zip(forms(message.id), forms(message.string), strict=False)
        yield from ((english, told) for english, told in both if told)


def gaps(text: str) -> set[str]:
    return {found[1] or found[2] for found in GAP.finditer(text)}


def test_every_text_of_the_pages_is_in_spanish(template: Catalog) -> None:
    translated = {forms(message.id): forms(message.string) for message in entries(spanish())}
    asked = {forms(message.id) for message in entries(template)}
    assert len(asked) > 1000
    missing = sorted(one for one in asked if not all(translated.get(one, ("",))))
    assert not missing, f"{len(missing)} texts have no Spanish; see the head of web/locale/babel.cfg"
    assert sorted(set(translated) - asked) == [], "nobody says these any more"


def test_no_translation_is_a_guess_or_left_over() -> None:
    catalog = spanish()
    assert [message.id for message in entries(catalog) if message.fuzzy] == []
    assert list(catalog.obsolete) == []


def test_plurals_are_complete(template: Catalog) -> None:
    catalog = spanish()
    assert catalog.num_plurals == 2
    counted = [message for message in entries(catalog) if message.pluralizable]
    assert len(counted) > 10
    for message in counted:
        assert len(forms(message.string)) == 2, message.id
        assert all(text.strip() for text in forms(message.string)), message.id
    asked = {forms(message.id) for message in entries(template) if message.pluralizable}
    assert asked == {forms(message.id) for message in counted}


def test_gaps_are_the_same_on_both_sides() -> None:
    assert [(english, told) for english, told in pairs() if gaps(english) != gaps(told)] == []


def test_gaps_can_be_filled() -> None:
    for english, told in pairs():
        filling = dict.fromkeys(gaps(english), "1")
        if "%(" in english or "%%" in english:
            assert "1" in told % filling or not filling, told
            assert "%(" not in told % filling, told
        else:
            assert told.count("%") <= english.count("%"), f"a template would take it for a gap: {told}"


def test_a_translation_is_another_text() -> None:
    assert {english for english, told in pairs() if english == told} == SAME


def test_numbers_and_blanks_are_kept() -> None:
    for english, told in pairs():
        assert sorted(re.findall(r"\d+", english)) == sorted(re.findall(r"\d+", told)), english
        assert (english != english.strip()) == (told != told.strip()), english
        if english[-1] in ".!:" and english not in ABBREVIATIONS:
            assert told.endswith(english[-1]), told


def test_everybody_is_addressed_formally() -> None:
    assert [told for _, told in pairs() if FAMILIAR.search(told)] == []


def test_no_time_stands_before_a_full_stop() -> None:
    found = {name for _, told in pairs() for name in BEFORE_FULL_STOP.findall(told)}
    assert found - NO_TIMES == set(), "put the time elsewhere in the sentence, or add a gap that is no time to NO_TIMES"
    assert ES.when(AFTERNOON).endswith(".")


def asking(accepted: str | None, cookie: str | None = None) -> Request:
    headers = [(b"cookie", f"{COOKIE}={cookie}".encode("latin-1"))] if cookie is not None else []
    if accepted is not None:
        headers.append((b"accept-language", accepted.encode("latin-1")))
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("es", "es"),
        ("ES", "es"),
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("es-419", "es"),
        ("en-US,en;q=0.9,es;q=0.8", "en"),
        ("en;q=0.2, es;q=0.9", "es"),
        ("es;q=0, en", "en"),
        ("es;q=0", "en"),
        ("fr-CA, de;q=0.9, es;q=0.1", "es"),
        ("fr, *;q=0.5", "en"),
        ("es;q=banana", "es"),
        ("est, esperanto", "en"),
    ],
)
def test_the_browser_is_heard(accepted: str | None, language: str) -> None:
    assert language_of(asking(accepted)) == language


ANY_HEADER = st.text(st.characters(max_codepoint=255)) | st.lists(
    st.tuples(st.sampled_from(["en", "es", "es-MX", "fr", "*", "", "zh-Hant-TW", "-", "es-"]), st.text("q=;.01 ,")),
).map(lambda parts: ",".join(f"{name};{rest}" for name, rest in parts))


@given(ANY_HEADER)
def test_any_accept_language_gives_a_language_of_ours(accepted: str) -> None:
    assert language_of(asking(accepted)) in LANGUAGES


@given(ANY_HEADER, st.sampled_from(LANGUAGES))
def test_what_was_chosen_wins(accepted: str, chosen: str) -> None:
    assert language_of(asking(accepted, chosen)) == chosen


@given(st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz-_0123456789")))
def test_a_cookie_of_no_language_of_ours_is_nothing(cookie: str) -> None:
    if cookie not in LANGUAGES:
        assert language_of(asking("es", cookie)) == "es"
        assert language_of(asking(None, cookie)) == "en"


def plain(text: str) -> str:
    """With ordinary blanks: CLDR puts narrow ones before AM and PM."""
    return re.sub(r"[\u00a0\u202f]", " ", text)


def test_times_are_told_in_both_languages() -> None:
    assert plain(EN.when(AFTERNOON)) == "Mon, Nov 23, 2:05 PM"
    assert plain(ES.when(AFTERNOON)) == "lun, 23 de nov, 2:05 p.m."
    assert (EN.day(AFTERNOON), ES.day(AFTERNOON)) == ("Mon, Nov 23", "lun, 23 de nov")
    assert (EN.date(AFTERNOON), ES.date(AFTERNOON)) == ("Nov 23, 2026", "23 nov 2026")
    assert (EN.weekday(AFTERNOON), ES.weekday(AFTERNOON)) == ("Monday", "lunes")
    assert (plain(EN.clock_time(AFTERNOON)), plain(ES.clock_time(AFTERNOON))) == ("2:05 PM", "2:05 p.m.")
    assert EN.zone_name(AFTERNOON) == "PST"
    later = datetime(2026, 11, 24, 1, 5, tzinfo=UTC)
    assert (EN.ago(AFTERNOON, later), ES.ago(AFTERNOON, later)) == ("3 hours ago", "hace 3 horas")
    assert (EN.ago(later, AFTERNOON), ES.ago(later, AFTERNOON)) == ("in 3 hours", "dentro de 3 horas")
    assert (EN.hours(40 / 60), ES.hours(40 / 60)) == ("40 minutes", "40 minutos")
    assert (EN.hours(48), ES.hours(48)) == ("2 days", "2 días")
    # The same moment as text, and at another offset.
    assert EN.when("2026-11-23T22:05:00+00:00") == EN.when("2026-11-23T14:05:00-08:00") == EN.when(AFTERNOON)


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)))
def test_dates_have_no_dot_at_their_end(moment: datetime) -> None:
    for told in (ES.day(moment), ES.date(moment), ES.weekday(moment), ES.zone_name(moment)):
        assert told[-1] not in punctuation


def test_money_and_numbers_are_told_in_both_languages() -> None:
    for words in (EN, ES):
        assert words.money(1234.5) == "$1,234.50"
        assert words.money(1234) == "$1,234"
        assert words.money(-20) == "-$20"
        assert words.number(1234.567) == "1,234.57"
        assert words.number(1234.567, 0) == "1,235"
        assert plain(words.percent(0.871)).replace(" ", "") == "87%"
        for nothing in (words.money, words.percent, words.number, words.hours, words.when, words.day, words.date):
            assert nothing(None) == "–"


def test_a_count_chooses_its_form() -> None:
    one, many = "With %(num)s photo", "With %(num)s photos"
    assert [ES.ngettext(one, many, count) % {"num": count} for count in (0, 1, 2)] == [
        "Con 0 fotos",
        "Con 1 foto",
        "Con 2 fotos",
    ]
    assert ES.gettext("Nobody ever wrote this.") == "Nobody ever wrote this."


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[SmallPages]:
    made = make_pages(tmp_path)
    yield made
    await made.backstage.documents.close()


async def test_who_has_not_signed_in_keeps_the_language_in_a_cookie(pages: SmallPages) -> None:
    async with pages.browser() as browser:
        answer = await browser.post("/language", data={"language": "es", "next": "/sign-in"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        assert browser.cookies[COOKIE] == "es"
        assert '<html lang="es">' in (await browser.get("/sign-in")).text
        unknown = await browser.post("/language", data={"language": "tlh", "next": "https://elsewhere.example"})
        assert (unknown.headers["location"], "set-cookie" in unknown.headers) == ("/", False)
    assert pages.api.calls == []


async def switch(browser: httpx.AsyncClient, token: str) -> None:
    answer = await browser.post("/language", data={"language": "es", "next": "/home", "csrf_token": token})
    assert answer.status_code == 303
    assert browser.cookies[COOKIE] == "es"


async def test_a_form_without_the_sessions_token_changes_no_preference(pages: SmallPages) -> None:
    session = await pages.backstage.open("RES_A_101")
    other = await pages.backstage.open("RES_A_102")
    async with pages.browser(session) as browser:
        for token in ("", "x.y", make_token(other.stored.csrf_secret)):
            await switch(browser, token)
    assert pages.api.calls == []


async def test_the_pages_speak_it_although_it_cannot_be_stored(
    pages: SmallPages, caplog: pytest.LogCaptureFixture
) -> None:
    session = await pages.backstage.open("RES_A_101")
    pages.api.status = 503
    async with pages.browser(session) as browser:
        await switch(browser, make_token(session.stored.csrf_secret))
    assert pages.api.calls == [("GET", "/api/v1/me/notification-preferences")]
    assert "was not kept as a preference" in caplog.text


async def test_a_service_is_not_written_to(pages: SmallPages) -> None:
    session = await pages.backstage.open("probe", Role.SERVICE)
    async with pages.browser(session) as browser:
        await switch(browser, make_token(session.stored.csrf_secret))
    assert pages.api.calls == []
