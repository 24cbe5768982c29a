"""How one wishes to be told: saved whole, never over what somebody else saved unseen, and danger is always told."""

import html as html_module
import re
from typing import Any

import pytest

from core.execution_labels import ChannelName, NoticeKind
from core.notices import NotificationPreferences
from core.request import Sla
from deployments.request_management.service import RequestManagementService
from tests.web.conftest import Person
from tests.web.seeded import seed
from web.forms import Form
from web.language import words_in
from web.notice_words import CHANNELS, KINDS
from web.preference_form import differences, kinds_of, preferences_of, rows_of

EN = words_in("en", "America/New_York")
SCRIPT = "<script>alert('1')</script>"
STORED = NotificationPreferences().model_dump(mode="json")
RESIDENT_KINDS = kinds_of(is_resident=True)


def filled(page: str) -> dict[str, Any]:
    """What a browser would send of the form, unchanged."""
    found = re.search(r'<form[^>]*action="/preferences"[^>]*>(.*?)</form>', page, re.DOTALL)
    assert found
    fields: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", found.group(1)):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name is None or ('type="checkbox"' in tag and " checked" not in tag):
            continue
        text = html_module.unescape(value.group(1)) if value else ""
        if name.group(1) in fields:
            text = [*([fields[name.group(1)]]), text]  # type: ignore[assignment]
        fields[name.group(1)] = text
    for name, options in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', found.group(1), re.DOTALL):
        chosen = re.search(r"<option([^>]*) selected>([^<]*)", options) or re.search(r"<option([^>]*)>([^<]*)", options)
        assert chosen
        value = re.search(r'value="([^"]*)"', chosen.group(1))
        fields[name] = value.group(1) if value else chosen.group(2)
    return fields


async def own(person: Person) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {person.token}"}
    return (await person.get("/api/v1/me/notification-preferences", headers=headers)).json()


async def test_what_is_saved_is_shown_and_speaks_the_language(resident: Person) -> None:
    page = await resident.page("/preferences")
    assert "Of danger you are always told" in page
    assert "pace-emergency" not in page
    assert "pace-work" not in page
    fields = filled(page) | {
        "language": "es",
        "email": "ann@example.com",
        "phone": "+1 (206) 555-0100",
        "pace-visit": "never",
        "pace-comment": "daily",
        "channels-request": ["email", "sms"],
        "quiet_start": "22:30",
        "time_zone": "America/Los_Angeles",
        "digest_at": "07:15",
    }
    answer = await resident.post("/preferences", data=fields)
    assert str(answer.url).endswith("/preferences?done=saved")
    assert '<html lang="es">' in answer.text
    stored = await own(resident)
    assert (stored["language"], stored["email"], stored["phone"]) == ("es", "ann@example.com", "+12065550100")
    assert (stored["opted_out"], stored["digest"]) == (["visit"], ["comment"])
    assert stored["channels"] == {"request": ["email", "sms"]}
    assert stored["quiet_hours"]["start"].startswith("22:30")
    assert stored["version"] == 1
    # Saved once more as it is shown, nothing changes.
    again = await resident.post("/preferences", data=filled(answer.text))
    assert again.status_code == 200
    assert await own(resident) | {"version": 1} == stored


async def test_the_house_is_in_the_zone_of_the_residents_building(
    resident: Person, staff: Person, service: RequestManagementService
) -> None:
    assert "As the house<" in await resident.page("/preferences")
    now = service.clock()
    sla = Sla(response_due_at=now, resolution_due_at=now, basis="x#y", time_zone="America/Chicago")
    await seed(service, sla=sla)
    assert "As the house (America/Chicago)" in await resident.page("/preferences")
    assert f"As the house ({service.settings.time_zone})" in await staff.page("/preferences")


async def test_the_parts_are_closed_but_where_something_is_wrong(resident: Person) -> None:
    page = await resident.page("/preferences")
    assert page.count("preferences-part") == 4
    assert page.count('preferences-part" open') == 1
    answer = await resident.post("/preferences", data=filled(page) | {"quiet_start": ""})
    assert answer.text.count('preferences-part" open') == 2


WRONG_FIELDS = {
    "language": "xx",
    "email": "nobody",
    "phone": "12",
    "time_zone": "Mars/Base",
    "digest_at": "soon",
    "quiet_start": "25:99",
    "quiet_end": "",
}


@pytest.mark.parametrize("name", WRONG_FIELDS)
async def test_no_validators_words_are_shown(resident: Person, name: str) -> None:
    fields = filled(await resident.page("/preferences"))
    answer = await resident.post("/preferences", data=fields | {name: WRONG_FIELDS[name]})
    assert answer.status_code == 422
    notice = html_module.unescape(answer.text)
    for raw in ("Value error", "Input should", "value is not"):
        assert raw not in notice
    assert "Please" in notice


async def test_quiet_hours_are_switched_off(resident: Person) -> None:
    fields = filled(await resident.page("/preferences"))
    del fields["quiet"]
    await resident.post("/preferences", data=fields)
    assert (await own(resident))["quiet_hours"] is None


async def test_what_is_wrong_is_marked_and_what_was_typed_stays(resident: Person) -> None:
    fields = filled(await resident.page("/preferences"))
    answer = await resident.post("/preferences", data=fields | {"email": SCRIPT, "phone": "12", "quiet_start": ""})
    assert answer.status_code == 422
    assert "Nothing was saved yet." in answer.text
    assert "Please write an address such as name@example.com." in answer.text
    assert 'id="phone-wrong"' in answer.text
    assert 'aria-describedby="phone-hint phone-wrong"' in answer.text
    assert 'id="start-wrong"' in answer.text
    assert SCRIPT not in answer.text
    assert f'value="{html_module.escape(SCRIPT).replace("&#x27;", "&#39;")}"' in answer.text
    assert 'value="12"' in answer.text
    assert (await own(resident))["version"] == 0


async def test_what_changed_meanwhile_is_told_and_saved_over_only_knowingly(resident: Person) -> None:
    first = filled(await resident.page("/preferences"))
    await resident.post("/preferences", data=first | {"email": "old@example.com", "pace-visit": "never"})
    answer = await resident.post("/preferences", data=first | {"email": "new@example.com"})
    assert answer.status_code == 412
    page = html_module.unescape(answer.text)
    assert "Mail address: saved now is “old@example.com”, you entered “new@example.com”." in page
    assert "What you are told of only here: saved now is “Visits to your home”, you entered “nothing”." in page
    assert 'value="new@example.com"' in page
    assert (await own(resident))["email"] == "old@example.com"
    saved = await resident.post("/preferences", data=filled(answer.text))
    assert saved.status_code == 200
    assert ((await own(resident))["email"], (await own(resident))["opted_out"]) == ("new@example.com", [])


async def test_a_form_without_its_version_overwrites_nothing(resident: Person) -> None:
    fields = filled(await resident.page("/preferences"))
    await resident.post("/preferences", data=fields)
    del fields["version"]
    assert (await resident.post("/preferences", data=fields | {"email": "x@example.com"})).status_code == 412


async def test_the_residents_data_are_downloaded(resident: Person) -> None:
    answer = await resident.get("/preferences/data")
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.json()["resident_id"] == "RES_A_101"
    assert "pages.internal" not in answer.text


async def test_staff_have_preferences_but_no_data(staff: Person) -> None:
    page = await staff.page("/preferences")
    assert "pace-work" in page
    assert "/preferences/data" not in page
    await staff.page("/preferences/data", status=403)


def form(**fields: str) -> Form:
    return Form(fields, {name: (value,) for name, value in fields.items()})


def test_what_the_form_does_not_show_stays() -> None:
    stored = STORED | {"channels": {"work": ["chat"]}, "opted_out": ["work"], "digest": []}
    made = preferences_of(form(language="en", digest_at="08:00"), stored, RESIDENT_KINDS)
    assert made["channels"]["work"] == ["chat"]
    assert made["opted_out"] == ["work"]


def test_nobody_switches_danger_off_by_a_made_up_form() -> None:
    made = preferences_of(form(**{"language": "en", "pace-emergency": "never"}), STORED, RESIDENT_KINDS)
    assert made["opted_out"] == []
    assert NoticeKind.EMERGENCY not in RESIDENT_KINDS


def test_a_kind_for_which_nobody_chose_goes_by_mail() -> None:
    rows = rows_of(STORED, RESIDENT_KINDS, EN)
    assert {row.channels for row in rows} == {(ChannelName.EMAIL,)}
    ticked = {f"channels-{kind}": "email" for kind in RESIDENT_KINDS}
    made = preferences_of(
        form(
            **{"language": "en", "digest_at": "08:00", "channels-visit": "sms"}
            | {name: value for name, value in ticked.items() if name != "channels-visit"}
        ),
        STORED,
        RESIDENT_KINDS,
    )
    assert made["channels"] == {"visit": ["sms"]}


@pytest.mark.parametrize("name", ["language", "email", "quiet_hours", "digest_at", "time_zone", "channels"])
def test_each_difference_is_told(name: str) -> None:
    other = {
        "language": "es", "email": "a@example.com", "quiet_hours": None, "digest_at": "09:00:00",
        "time_zone": "America/Chicago", "channels": {"visit": ["sms"]},
    }  # fmt: skip
    (one,) = differences(STORED, STORED | {name: other[name]}, EN)
    assert one.stored != one.typed
    assert differences(STORED, STORED, EN) == ()


def test_every_kind_and_channel_has_words() -> None:
    assert set(KINDS) == set(NoticeKind)
    assert set(CHANNELS) == set(ChannelName) - {ChannelName.INBOX}
