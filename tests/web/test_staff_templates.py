"""Saved replies: who reads them, who keeps them, and two who change one."""

import re
from collections.abc import Callable

import pytest

from core.labels import Role
from tests.web.conftest import Person
from tests.web.refused_forms import check_keys


async def save(manager: Person, **fields: object) -> str:
    html = await manager.page("/staff/templates")
    answer = await manager.submit(
        html, "/staff/templates", {"name": "On the way", "text": "We come to {unit}."} | fields
    )
    assert answer.status_code == 200, answer.text
    found = re.findall(r'action="(/staff/templates/TPL_[0-9a-f]+)"', answer.text)
    return found[-1]


async def test_a_manager_saves_changes_and_removes(manager: Person, staff: Person) -> None:
    address = await save(manager, name="<b>Bold</b>")
    html = await manager.page("/staff/templates")
    assert "&lt;b&gt;Bold&lt;/b&gt;" in html
    assert "<b>Bold</b>" not in html
    read = await staff.page("/staff/templates")
    assert "We come to {unit}." in read
    assert '<form method="post" action="/staff/templates' not in read
    changed = await manager.submit(html, address, {"name": "Soon", "text": "Today."})
    assert "The reply was changed." in changed.text
    assert "Today." in await staff.page("/staff/templates")
    removed = await manager.submit(changed.text, address, {"step": "remove", "name": "Soon", "text": "Today."})
    assert "The reply was removed." in removed.text
    assert "Today." not in await staff.page("/staff/templates")


async def test_staff_may_not_change_any(staff: Person, manager: Person) -> None:
    address = await save(manager)
    sign_out = re.search(r'name="csrf_token" value="([^"]+)"', await staff.page("/staff/templates"))
    assert sign_out
    fields = {"csrf_token": sign_out.group(1), "name": "Mine", "text": "Mine"}
    assert (await staff.post("/staff/templates", data=fields)).status_code == 403
    assert (await staff.post(address, data=fields | {"step": "remove"})).status_code == 403


async def test_the_second_of_two_managers_is_told_and_keeps_their_words(manager: Person) -> None:
    address = await save(manager)
    seen = await manager.page("/staff/templates")
    await manager.submit(seen, address, {"name": "First", "text": "First words"})
    second = await manager.submit(seen, address, {"name": "Second", "text": "Second words"})
    assert second.status_code == 412
    assert "Second words" in second.text
    assert "First words" in second.text
    gone = await manager.submit(seen, address, {"step": "remove", "name": "x", "text": "x"})
    assert gone.status_code == 412
    # The refused form names the new version: sent again, it is a decision with open eyes.
    assert (
        "The reply was changed."
        in (await manager.submit(second.text, address, {"name": "Second", "text": "Second words"})).text
    )


async def test_a_refused_one_keeps_what_was_typed(manager: Person) -> None:
    html = await manager.page("/staff/templates")
    answer = await manager.submit(html, "/staff/templates", {"name": "Wrong", "text": "Dear {nobody}"})
    assert answer.status_code == 422
    assert "Dear {nobody}" in answer.text
    assert "is no placeholder" in answer.text
    assert 'value="Wrong"' in answer.text


async def test_another_buildings_are_not_shown(manager: Person, sign_in: Callable[..., object]) -> None:
    await save(manager, building_id="A", text="For building A alone")
    bea: Person = await sign_in(Role.STAFF, "bea", buildings=["B"])  # type: ignore[misc]
    assert "For building A alone" not in await bea.page("/staff/templates")
    assert (await bea.get("/staff/templates/TPL_none")).url.path == "/staff/templates"
    assert "There is" in await bea.page("/staff/templates?cursor=made-up&done=<b>")


async def test_one_that_may_have_been_saved_keeps_its_key_and_its_words(
    manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    html = await manager.page("/staff/templates")
    fields: dict[str, object] = {"name": "On the way", "text": "We come."}
    await check_keys(manager, html, "/staff/templates", fields, monkeypatch)
