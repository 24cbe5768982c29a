"""Reporting: what is sent once, what is asked before, what is refused with nothing lost, and advice in danger."""

import asyncio
import html
import io
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from PIL import Image

from core.settings import Settings
from tests.web.conftest import Person, hidden_fields

TAP = "The kitchen tap drips since yesterday and keeps me awake."
GAS = "I smell gas in my kitchen and it is getting stronger."
SCRIPT = "<script>alert(1)</script> & \"quoted\" 'words' {{ 7*7 }}"
JSON = {"Accept": "application/json"}


def picture(kind: str = "JPEG", size: int = 32) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (size, size), (120, 30, 30)).save(made, kind)
    return made.getvalue()


def noise(side: int) -> bytes:
    """A picture that does not compress."""
    made = io.BytesIO()
    Image.effect_noise((side, side), 120).convert("RGB").save(made, "PNG")
    return made.getvalue()


async def own(person: Person) -> list[dict[str, Any]]:
    """The person's requests, by the interface."""
    headers = {"Authorization": f"Bearer {person.token}"}
    answer = await person.get("/api/v1/residents/RES_A_101/requests", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def send(person: Person, text: str, fields: dict[str, object] | None = None, **files: object) -> httpx.Response:
    """The form filled in and sent, redirects not followed."""
    page = await person.page("/home")
    data = hidden_fields(page, "/report") | {"message_text": text} | (fields or {})
    return await person.post("/report", data=data, follow_redirects=False, **files)  # type: ignore[arg-type]


def is_sent(answer: httpx.Response) -> str:
    """The id of the request that the answer leads to."""
    assert answer.status_code == 303, answer.text[:3000]
    found = re.fullmatch(r"/requests/(REQ_\w+)(\?done=[a-z-]+)?", answer.headers["location"])
    assert found, answer.headers["location"]
    return found.group(1)


def again(page: str) -> dict[str, object]:
    """The hidden fields of a form that the server has filled in."""
    inside = re.search(r'<form[^>]*action="/report"[^>]*>(.*?)</form>', page, re.DOTALL)
    assert inside
    fields: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*type=\"hidden\"[^>]*>", inside.group(1), re.DOTALL):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag, re.DOTALL)
        assert name
        assert value
        fields.setdefault(name.group(1), []).append(html.unescape(value.group(1)))
    return fields


async def test_a_message_is_sent_with_its_wishes_which_the_next_form_has_already(resident: Person) -> None:
    wishes = {
        "entry": "yes", "days": ["Monday", "Friday"], "slots": ["8:00-12:00"], "avoided": "Sunday", "call_first": "yes",
        "instructions": "Mind the dog.", "contact": "Ann, 555 0100",
    }  # fmt: skip
    request_id = is_sent(await send(resident, TAP, wishes))
    (found,) = await own(resident)
    assert (found["request_id"], found["message_text"]) == (request_id, TAP)
    assert found["preferences"] == {
        "allow_entry_when_absent": True,
        "preferred_time_slots": ["8:00-12:00"],
        "preferred_days": ["Monday", "Friday"],
        "avoid_days": ["Sunday"],
        "special_instructions": "Mind the dog.",
        "contact_before_arrival": True,
        "emergency_contact": "Ann, 555 0100",
    }
    page = await resident.page("/home")
    assert re.search(r'name="entry" value="yes" checked', page)
    assert re.search(r'name="days" value="Friday" checked', page)
    assert not re.search(r'name="days" value="Sunday" checked', page)
    assert "Mind the dog." in page
    assert "Ann, 555 0100" in page
    # And it is among the open ones.
    assert f'href="/requests/{request_id}"' in page


async def test_without_wishes_none_are_sent(resident: Person) -> None:
    is_sent(await send(resident, TAP, {"entry": ""}))
    assert (await own(resident))[0]["preferences"] is None


async def test_a_form_that_is_sent_twice_makes_one_request(resident: Person) -> None:
    page = await resident.page("/home")
    data = hidden_fields(page, "/report") | {"message_text": TAP}
    files = {"photos": ("tap.jpg", picture(), "image/jpeg")}

    def post() -> Any:
        return resident.post("/report", data=data, files=files, follow_redirects=False)

    answers = await asyncio.gather(post(), post())
    ids = {is_sent(answer) for answer in [*answers, await post()]}
    assert len(ids) == 1
    (found,) = await own(resident)
    assert len(found["attachments"]) == 1


async def test_what_is_written_into_a_form_after_it_was_sent_is_another_message(resident: Person) -> None:
    page = await resident.page("/home")
    hidden = hidden_fields(page, "/report")
    first = await resident.post("/report", data=hidden | {"message_text": TAP}, follow_redirects=False)
    second = await resident.post(
        "/report", data=hidden | {"message_text": "When is the gym open on Sundays?"}, follow_redirects=False
    )
    assert is_sent(first) != is_sent(second)


@pytest.mark.parametrize("text", ["", "   \n "])
async def test_a_message_without_words_is_not_sent(resident: Person, text: str) -> None:
    answer = await send(resident, text, {"instructions": "Mind the dog."})
    assert answer.status_code == 422
    assert "Please write what it is about." in answer.text
    assert "Mind the dog." in answer.text
    assert await own(resident) == []


async def test_a_message_of_4001_characters_comes_back_whole_and_one_of_4000_is_sent(resident: Person) -> None:
    text = "The tap drips. " + "é" * (4001 - 15)
    answer = await send(resident, text, {"contact": "Ann"})
    assert answer.status_code == 422
    assert "1 character too long" in answer.text
    assert text in html.unescape(answer.text)
    assert 'value="Ann"' in answer.text
    assert await own(resident) == []
    is_sent(await send(resident, text[:-1]))
    assert len((await own(resident))[0]["message_text"]) == 4000


async def test_line_ends_of_browsers_do_not_count_twice(resident: Person) -> None:
    is_sent(await send(resident, "The tap drips.\r\n" + "x" * 3984))
    assert (await own(resident))[0]["message_text"].startswith("The tap drips.\nxxx")


async def test_script_in_every_field_is_text_everywhere(resident: Person) -> None:
    wishes = {"instructions": SCRIPT, "contact": SCRIPT, "days": SCRIPT, "slots": SCRIPT, "shown_at": SCRIPT}
    refused = await send(resident, SCRIPT * 200, wishes)
    assert refused.status_code == 422
    is_sent(await send(resident, f"The tap drips. {SCRIPT}", wishes))
    asked = await send(resident, f"The tap drips. {SCRIPT}", wishes)
    home, requests = await resident.page("/home"), await resident.page("/requests")
    for page in (refused.text, asked.text, home, requests):
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page
        assert "49" not in re.findall(r"words&#39; (\S+ ?\S* ?\S*)", page)
    assert "Is it one of these?" in asked.text


async def test_what_only_resembles_is_called_a_guess(resident: Person) -> None:
    is_sent(await send(resident, TAP))
    asked = await send(resident, "The kitchen tap drips since yesterday, it gets worse.")
    assert "This may be the same" in asked.text
    assert "It seems alike; that is a guess." in asked.text
    assert "You sent this already" not in asked.text


async def test_a_repeat_is_asked_about_and_nothing_typed_is_lost(resident: Person) -> None:
    first = is_sent(await send(resident, TAP))
    files = {"photos": ("tap.jpg", picture(), "image/jpeg")}
    wishes = {"entry": "no", "days": ["Monday", "Tuesday"], "instructions": "Line one\nline two", "call_first": "yes"}
    asked = await send(resident, TAP, wishes, files=files)
    assert asked.status_code == 200
    assert "Is it one of these?" in asked.text
    assert "You sent this already" in asked.text
    # In danger nobody has to read on: the line comes first, and the first button sends.
    assert asked.text.index("In danger, call 911 now.") < asked.text.index("Is it one of these?</h1>")
    assert re.findall(r'name="answer" value="([^"]+)"', asked.text) == ["new", first]
    fields = again(asked.text)
    assert fields["message_text"] == [TAP]
    assert fields["days"] == ["Monday", "Tuesday"]
    assert fields["instructions"] == ["Line one\nline two"]
    assert len(await own(resident)) == 1
    second = is_sent(await resident.post("/report", data=fields | {"answer": "new"}, follow_redirects=False))
    found = {one["request_id"]: one for one in await own(resident)}
    assert set(found) == {first, second}
    assert found[second]["preferences"]["preferred_days"] == ["Monday", "Tuesday"]
    assert [one["name"] for one in found[second]["attachments"]] == ["tap.jpg"]


async def test_a_repeat_is_added_to_the_earlier_one(resident: Person) -> None:
    first = is_sent(await send(resident, TAP))
    fields = again((await send(resident, TAP)).text)
    answer = await resident.post("/report", data=fields | {"answer": first}, follow_redirects=False)
    assert is_sent(answer) == first
    repeat = next(one for one in await own(resident) if one["request_id"] != first)
    assert repeat["duplicate_of"] == first
    # The same once more, as by a second click.
    assert is_sent(await resident.post("/report", data=fields | {"answer": first}, follow_redirects=False)) == first
    assert len(await own(resident)) == 2
    assert "your earlier message" in await resident.page("/requests")


async def test_somebody_elses_request_can_not_be_added_to(
    resident: Person, sign_in: Callable[..., Any], settings: Settings
) -> None:
    from core.labels import Role

    neighbour: Person = await sign_in(Role.RESIDENT, "RES_A_102")
    theirs = is_sent(await send(neighbour, TAP))
    made = is_sent(await send(resident, TAP, {"answer": theirs}))
    assert made != theirs
    assert (await own(resident))[0]["duplicate_of"] is None


async def test_an_emergency_is_sent_at_once_though_it_was_sent_before(resident: Person) -> None:
    first = is_sent(await send(resident, GAS))
    second = is_sent(await send(resident, GAS))
    assert first != second
    assert all(one["classification"]["emergency"] for one in await own(resident))


async def test_an_emergency_does_not_wait_for_a_photo_that_fails(resident: Person) -> None:
    files = {"photos": ("note.jpg", b"no picture at all", "image/jpeg")}
    answer = await send(resident, GAS, files=files)
    is_sent(answer)
    assert answer.headers["location"].endswith("?done=sent-without-photo")


async def test_where_the_rules_can_not_be_asked_the_message_is_sent(
    resident: Person, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.errors import ServiceUnavailable

    is_sent(await send(resident, TAP))

    async def fail(*_: object) -> None:
        raise ServiceUnavailable("not now")

    monkeypatch.setattr(service.analysis, "check_safety", fail)
    is_sent(await send(resident, TAP))
    assert len(await own(resident)) == 2


async def test_a_slow_search_for_repeats_does_not_hold_the_message_up(
    resident: Person, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from web.pages import report

    is_sent(await send(resident, TAP))

    async def hang(*_: object) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr(report, "SIMILAR_WITHIN_S", 0.1)
    monkeypatch.setattr(service.duplicates, "similar", hang)
    is_sent(await send(resident, TAP))


async def test_advice_comes_while_typing(resident: Person) -> None:
    token = hidden_fields(await resident.page("/home"), "/report")["csrf_token"]
    headers = JSON | {"X-CSRF-Token": str(token)}
    said = (await resident.post("/report/advice", data={"message_text": GAS}, headers=headers)).json()
    assert said["emergency"] is True
    assert "911" in said["advice"]
    for text in ("", TAP, "x" * 5000):
        answer = await resident.post("/report/advice", data={"message_text": text}, headers=headers)
        assert answer.json() == {"emergency": False, "advice": None}
    assert await own(resident) == []
    assert (await resident.post("/report/advice", data={"message_text": GAS})).status_code == 403


async def test_a_message_that_is_too_long_tells_of_danger_all_the_same(resident: Person) -> None:
    answer = await send(resident, GAS + " Please help." * 400)
    assert answer.status_code == 422
    assert "This sounds dangerous." in answer.text
    assert not re.search(r"data-danger-box[^>]*hidden", answer.text)
    assert re.search(r"data-danger-box[^>]*hidden", await resident.page("/home"))


async def test_photos_are_added_one_by_one_and_taken_back(resident: Person) -> None:
    fields = hidden_fields(await resident.page("/home"), "/report")
    keys = {"csrf_token": fields["csrf_token"], "idempotency_key": fields["idempotency_key"]}

    async def add(name: str, content: bytes, kind: str) -> httpx.Response:
        return await resident.post("/photos", data=keys, files={"photos": (name, content, kind)}, headers=JSON)

    kept = await add("tap.jpg", picture(), "image/jpeg")
    assert kept.status_code == 201, kept.text
    # Once more, as where the answer was lost: the same file.
    assert (await add("tap.jpg", picture(), "image/jpeg")).json() == kept.json()
    gone = (await add("pipe.webp", picture("WEBP"), "image/webp")).json()
    for _ in range(2):
        address = f"/photos/{gone['attachment_id']}/remove"
        assert (await resident.post(address, data=keys, headers=JSON)).status_code == 200
    photo = f"{kept.json()['attachment_id']} tap.jpg"
    is_sent(await resident.post("/report", data=fields | {"message_text": TAP, "photo": photo}, follow_redirects=False))
    assert [one["name"] for one in (await own(resident))[0]["attachments"]] == ["tap.jpg"]


async def test_a_photo_of_10_mb_works_and_one_of_11_does_not(resident: Person) -> None:
    fields = hidden_fields(await resident.page("/home"), "/report")
    large = picture(size=64) + b"\0" * (10 * 1024 * 1024 - len(picture(size=64)))
    assert len(large) == 10 * 1024 * 1024
    made = await resident.post("/photos", data=fields, files={"photos": ("big.jpg", large, "image/jpeg")}, headers=JSON)
    assert made.status_code == 201, made.text
    larger = large + b"\0" * (1024 * 1024)
    files = {"photos": ("bigger.jpg", larger, "image/jpeg")}
    assert (await resident.post("/photos", data=fields, files=files, headers=JSON)).status_code == 413
    answer = await send(resident, TAP, {"instructions": "Mind the dog."}, files=files)
    assert answer.status_code == 413
    assert "“bigger.jpg” is larger than 10 MB." in answer.text
    assert TAP in answer.text
    assert "Mind the dog." in answer.text
    assert await own(resident) == []


async def test_a_wrong_file_is_named_and_the_right_ones_are_kept(resident: Person) -> None:
    files = [
        ("photos", ("tap.png", picture("PNG"), "image/png")),
        ("photos", ("note<b>.jpg", b"dear landlord", "image/jpeg")),
        ("photos", ("song.mp3", b"ID3", "audio/mpeg")),
    ]
    answer = await send(resident, TAP, files=files)
    assert 400 <= answer.status_code < 500
    assert (
        "note&lt;b&gt;.jpg” can&#39;t be read as a photo" in answer.text
        or "note&lt;b&gt;.jpg” is no photo" in answer.text
    )
    assert "song.mp3” is no photo or PDF" in answer.text
    assert TAP in answer.text
    fields = again(answer.text)
    (photo,) = fields["photo"]  # type: ignore[misc]
    assert str(photo).endswith(" tap.png")
    request_id = is_sent(await resident.post("/report", data=fields | {"message_text": TAP}, follow_redirects=False))
    (found,) = await own(resident)
    assert (found["request_id"], len(found["attachments"])) == (request_id, 1)


async def test_a_photo_can_be_left_out_without_script(resident: Person) -> None:
    refused = await send(resident, "", files={"photos": ("tap.png", picture("PNG"), "image/png")})
    fields = again(refused.text)
    (photo,) = fields["photo"]  # type: ignore[misc]
    data = fields | {"message_text": TAP, "drop": str(photo).split(" ")[0]}
    is_sent(await resident.post("/report", data=data, follow_redirects=False))
    assert (await own(resident))[0]["attachments"] == []


async def test_a_photo_that_is_gone_is_named_and_the_rest_is_kept(resident: Person) -> None:
    answer = await send(resident, TAP, {"photo": f"ATT_{'0' * 24} old.jpg"})
    assert 400 <= answer.status_code < 500
    assert "“old.jpg” is no longer there." in answer.text
    assert "photo" not in again(answer.text)
    assert TAP in answer.text


async def test_an_emergency_goes_without_a_photo_that_is_gone(resident: Person) -> None:
    is_sent(await send(resident, GAS, {"photo": f"ATT_{'0' * 24} old.jpg"}))


async def test_an_emergency_that_left_a_photo_out_is_one_though_it_is_sent_twice(resident: Person) -> None:
    fields = hidden_fields(await resident.page("/home"), "/report")
    photo = {"photos": ("a.jpg", picture(), "image/jpeg")}
    made = await resident.post("/photos", data=fields, files=photo, headers=JSON)
    photos = [f"{made.json()['attachment_id']} a.jpg", f"ATT_{'0' * 24} old.jpg"]
    data = fields | {"message_text": GAS, "photo": photos}
    first, second = [is_sent(await resident.post("/report", data=data, follow_redirects=False)) for _ in range(2)]
    assert first == second
    (request,) = await own(resident)
    assert [one["name"] for one in request["attachments"]] == ["a.jpg"]


async def test_too_many_words_for_a_wish_are_named(resident: Person) -> None:
    answer = await send(resident, TAP, {"instructions": "x" * 1001})
    assert answer.status_code == 422
    assert "1,000 characters" in answer.text
    assert "x" * 1001 in answer.text


async def test_a_script_is_told_where_to_go_and_that_the_session_has_ended(resident: Person) -> None:
    fields = hidden_fields(await resident.page("/home"), "/report") | {"message_text": TAP}
    made = await resident.post("/report", data=fields, headers=JSON)
    assert made.status_code == 201
    assert re.fullmatch(r"/requests/REQ_\w+", made.json()["location"])
    resident.cookies.clear()
    assert (await resident.post("/report", data=fields, headers=JSON)).status_code == 401
    assert (await resident.post("/photos", data=fields, headers=JSON)).status_code == 401


async def test_staff_have_no_box(staff: Person) -> None:
    await staff.page("/home", status=403)
    await staff.page("/requests", status=403)


async def test_known_faults_are_shown_offered_and_followed(
    resident: Person, manager: Person, sign_in: Callable[..., Any]
) -> None:
    from core.labels import Role

    neighbours: list[Person] = [await sign_in(Role.RESIDENT, f"RES_A_10{number}") for number in (2, 3)]
    for neighbour in neighbours:
        is_sent(await send(neighbour, "There is no hot water in the whole building since this morning."))
    headers = {"Authorization": f"Bearer {manager.token}"}
    proposed: list[dict[str, Any]] = []
    for _ in range(50):
        answer = await manager.get("/api/v1/incidents?building_id=A", headers=headers)
        proposed = answer.json()["items"]
        if proposed:
            break
        await asyncio.sleep(0.1)
    assert proposed
    incident_id = proposed[0]["incident_id"]
    accepted = await manager.post(f"/api/v1/incidents/{incident_id}/accept", json={}, headers=headers)
    assert accepted.status_code == 200, accepted.text
    page = await resident.page("/home")
    assert accepted.json()["title"] in page
    followed = await resident.submit(page, f"/known-faults/{incident_id}/follow")
    assert "You follow this fault" in followed.text
    left = await resident.submit(followed.text, f"/known-faults/{incident_id}/leave")
    assert "You do not follow this fault any more." in left.text
    # What names the fault is asked about; what does not is sent.
    asked = await send(resident, "No hot water in my shower today.")
    assert f'value="{incident_id}"' in asked.text
    chosen = await resident.post("/report", data=again(asked.text) | {"answer": incident_id})
    assert "You follow this fault" in chosen.text
    assert await own(resident) == []
    is_sent(await send(resident, "When is the gym open on Sundays?"))
