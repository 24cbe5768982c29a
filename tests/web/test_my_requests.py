"""The list of a resident's requests."""

import re

from core.labels import Status
from tests.web.conftest import Person
from web.open_requests import NEXT_STEPS, is_open


async def test_nothing_yet_leads_to_the_box(resident: Person) -> None:
    page = await resident.page("/requests")
    assert "You have not sent anything yet." in page
    assert 'href="/home"' in page


async def _send(person: Person, text: str) -> str:
    headers = {"Authorization": f"Bearer {person.token}"}
    made = await person.post("/api/v1/requests", json={"message_text": text}, headers=headers)
    assert made.status_code == 201, made.text
    return made.json()["request_id"]


async def test_open_ones_come_first_and_each_says_what_is_next(resident: Person) -> None:
    older = await _send(resident, "The kitchen tap drips since yesterday.")
    newer = await _send(resident, "My bathroom light flickers at night.")
    headers = {"Authorization": f"Bearer {resident.token}"}
    cancelled = await _send(resident, "The bedroom door squeaks a lot.")
    answer = await resident.post(f"/api/v1/requests/{cancelled}/cancel", headers=headers)
    assert answer.status_code == 200, answer.text
    page = await resident.page("/requests")
    assert re.findall(r'href="/requests/(REQ_\w+)"', page) == [newer, older, cancelled]
    assert "2 are open" in page
    assert page.index(older) < page.index("<h2>Over</h2>") < page.index(cancelled)
    assert "Nothing more to do." in page


async def test_a_made_up_cursor_is_refused(resident: Person) -> None:
    await resident.page("/requests?cursor=made-up", status=422)


async def test_further_pages_show_each_request_once(resident: Person, monkeypatch: object) -> None:
    from web.pages import my_requests

    sent = [await _send(resident, f"Light {number} in the hall of my flat is dark.") for number in range(5)]
    with_pages = my_requests.FIRST_PAGE, my_requests.PAGE
    my_requests.FIRST_PAGE, my_requests.PAGE = 2, 2
    try:
        page, found = await resident.page("/requests"), list[str]()
        for _ in range(5):
            found += re.findall(r'href="/requests/(REQ_\w+)"', page)
            more = re.search(r'href="(\?cursor=[^"]+)"', page)
            if more is None:
                break
            page = await resident.page("/requests" + more.group(1))
    finally:
        my_requests.FIRST_PAGE, my_requests.PAGE = with_pages
    assert found == sent[::-1]


def test_every_status_has_a_next_step() -> None:
    assert set(NEXT_STEPS) == set(Status)


def test_a_request_that_went_into_another_is_not_open() -> None:
    assert is_open({"status": "Resolved", "duplicate_of": None})
    assert not is_open({"status": "InProgress", "duplicate_of": "REQ_1"})
    assert not is_open({"status": "Closed", "duplicate_of": None})
