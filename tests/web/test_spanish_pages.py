"""A resident who reads Spanish is told in Spanish what to do in danger, and what is offered; and stays one."""

import asyncio
import html as html_module
import re
from collections.abc import Sequence
from typing import Any

import pytest

from tests.web.conftest import Person, hidden_fields
from web.knowledge_words import plainly
from web.language import COOKIE, words_in

ES = words_in("es", "America/New_York")
GAS = "Huele muy fuerte a gas en mi cocina."
TAP = "The kitchen tap drips all night."


async def preferences(person: Person) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {person.token}"}
    return (await person.get("/api/v1/me/notification-preferences", headers=headers)).json()


async def own_requests(person: Person) -> Sequence[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {person.token}"}
    return (await person.get("/api/v1/residents/RES_A_101/requests", headers=headers)).json()["items"]


async def inbox_of(person: Person) -> str:
    """As soon as there is a message in it: they are sent aside."""
    for _ in range(100):
        inbox = html_module.unescape(await person.page("/messages"))
        if 'class="card inbox-message"' in inbox:
            return inbox
        await asyncio.sleep(0.1)
    raise AssertionError("no message came")


@pytest.fixture
async def spanish(resident: Person) -> Person:
    """Somebody who has pressed the switch on their first page."""
    page = await resident.page("/home")
    answer = await resident.submit(page, "/language", {"language": "es"})
    assert '<html lang="es">' in answer.text
    assert resident.cookies[COOKIE] == "es"
    return resident


async def test_the_switch_is_kept_among_the_preferences_and_changes_no_other(resident: Person) -> None:
    before = await preferences(resident)
    assert before["language"] == "en"
    page = await resident.page("/preferences")
    await resident.submit(page, "/language", {"language": "es"})
    after = await preferences(resident)
    assert after == before | {"language": "es", "version": before["version"] + 1}
    # Pressed again in an old tab it changes nothing.
    await resident.submit(page, "/language", {"language": "es"})
    assert await preferences(resident) == after
    shown = await resident.page("/preferences")
    assert re.search(r'<option value="es" lang="es" selected>', shown)
    await resident.submit(shown, "/language", {"language": "en"})
    assert (await preferences(resident))["language"] == "en"
    assert '<html lang="en">' in await resident.page("/home")


async def test_danger_is_told_in_spanish_while_typing_and_afterwards(spanish: Person) -> None:
    page = await spanish.page("/home")
    token = str(hidden_fields(page, "/report")["csrf_token"])
    headers = {"Accept": "application/json", "X-CSRF-Token": token}
    said = (await spanish.post("/report/advice", data={"message_text": GAS}, headers=headers)).json()
    assert said["emergency"] is True
    assert said["advice"].startswith("Salga ahora")
    assert "911" in said["advice"]
    await spanish.submit(page, "/report", {"message_text": GAS})
    request = (await own_requests(spanish))[0]
    english = request["classification"]["safety_advice"]
    story = html_module.unescape(await spanish.page(f"/requests/{request['request_id']}"))
    top = story[: story.index("<h1>")]
    assert plainly(english, ES) in top
    assert english not in story
    assert plainly(english, ES) == said["advice"]
    inbox = await inbox_of(spanish)
    assert plainly(english, ES) in inbox
    assert english not in inbox


async def test_options_and_what_happens_are_told_in_spanish(spanish: Person) -> None:
    page = await spanish.page("/home")
    await spanish.submit(page, "/report", {"message_text": TAP, "answer": "new"})
    request = (await own_requests(spanish))[0]
    assert request["options"]
    story = html_module.unescape(await spanish.page(f"/requests/{request['request_id']}"))
    for option in request["options"]:
        if option["source"] != "catalog":
            continue
        assert option["title"] not in re.sub(r'lang="en">.*?</', "", story)
        for step in option["steps"]:
            assert plainly(step, ES) in story
            assert plainly(step, ES) != step
    assert ".." not in re.sub(r"\.\.\.", "", re.sub(r"<[^>]*>", "", story))
