"""What people choose is kept, and a link switches off just what it names."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from core.erasure import ErasureScope
from core.errors import Invalid, NotFound, StaleVersion
from core.execution_labels import NoticeKind
from core.notices import NotificationPreferences, of_person, of_resident, of_role
from core.request import ResidentId
from deployments.execution.notices.preferences import make_token
from tests.deployments.execution.notices.conftest import KEY, House, alert, message

MAIL = "ada@example.com"
ADA = of_resident("RES_1")


async def test_who_chose_nothing_has_the_defaults(house: House) -> None:
    assert await house.notices.preferences(ADA) == NotificationPreferences()


async def test_what_was_chosen_is_kept_and_others_changes_are_not_overwritten(house: House) -> None:
    first = await house.notices.choose_preferences(ADA, NotificationPreferences(email=MAIL, language="es"))
    assert first.version == 1
    assert await house.replica()[0].preferences(ADA) == first
    second = await house.notices.choose_preferences(ADA, first.model_copy(update={"phone": "+12125550100"}))
    assert second.version == 2
    for stale in (first, NotificationPreferences()):
        with pytest.raises(StaleVersion):
            await house.notices.choose_preferences(ADA, stale)
    assert await house.notices.preferences(ADA) == second
    assert (await house.notices.preferences(of_resident("RES_2"))).version == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"opted_out": ["emergency"]},
        {"digest": ["emergency", "request"]},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"time_zone": ""},
        {"email": "two@at@example.com"},
        {"email": "ada@example.com\nBcc: x@example.com"},
        {"phone": "555-0100"},
        {"language": "fr"},
    ],
)
def test_what_can_not_be_chosen(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NotificationPreferences.model_validate(fields)


async def test_the_link_in_a_mail_switches_its_kind_off(house: House) -> None:
    await house.choose("RES_1", email=MAIL)
    await house.send("1", kind=NoticeKind.VISIT)
    await house.settle()
    url = house.mail.taken[0].unsubscribe_url
    assert url is not None
    assert url.startswith("https://home.example/api/v1/unsubscribe?token=")
    token = url.partition("token=")[2]
    for _ in range(2):
        assert await house.notices.unsubscribe(token) is NoticeKind.VISIT
    chosen = await house.notices.preferences(ADA)
    assert (chosen.opted_out, chosen.email, chosen.version) == (frozenset({NoticeKind.VISIT}), MAIL, 2)


async def test_many_clicks_at_once_switch_off_each_kind(house: House) -> None:
    kinds = [NoticeKind.VISIT, NoticeKind.COMMENT, NoticeKind.INCIDENT]
    sent = {kind: await house.send(kind, kind=kind) for kind in kinds}
    tokens = [make_token(KEY, ADA, kind, sent[kind]) for kind in kinds * 3]
    await asyncio.gather(*map(house.notices.unsubscribe, tokens))
    assert (await house.notices.preferences(ADA)).opted_out == set(kinds)


async def test_there_is_no_link_for_danger_nor_without_an_address_of_this_service(house: House) -> None:
    await house.choose("RES_1", email=MAIL, phone="+12125550100")
    await house.send("1", kind=NoticeKind.EMERGENCY)
    await house.send("2", urgency="Emergency")
    await house.settle()
    silent, sweeper = house.replica(public_url=None)
    await silent.send(message(), idempotency_key="3", now=house.clock())
    await sweeper.sweep()
    assert len(house.mail.taken) == 3
    assert {each.unsubscribe_url for each in (*house.mail.taken, *house.sms.taken)} == {None}


async def test_a_token_of_somebody_elses_making_is_refused(house: House) -> None:
    sent = await house.send(kind=NoticeKind.VISIT)
    good = make_token(KEY, ADA, NoticeKind.VISIT, sent)
    payload, signature = good.split(".")
    other = make_token(KEY, of_resident("RES_2"), NoticeKind.VISIT, sent)
    wrong = [
        "", ".", "x", "ä.ö", good + "x", good[:-2], f"{payload}.", f".{signature}", f"{good}.{signature}",
        f"{other.split('.')[0]}.{signature}", make_token(b"another key", ADA, NoticeKind.VISIT, sent),
        make_token(KEY, ADA, NoticeKind.EMERGENCY, sent), other, make_token(KEY, ADA, NoticeKind.VISIT, "NTF-x"),
    ]  # fmt: skip
    for token in wrong:
        with pytest.raises(NotFound):
            await house.notices.unsubscribe(token)
    assert (await house.notices.preferences(ADA)).version == 0


async def test_a_resident_a_person_and_a_role_of_one_name_have_nothing_in_common(house: House) -> None:
    chosen = NotificationPreferences(email="eve@example.com")
    await house.notices.choose_preferences(of_resident("ann"), chosen)
    for subject in (of_person("ann"), of_role("ann")):
        assert (await house.notices.preferences(subject)).version == 0
    with pytest.raises(Invalid):
        await house.notices.preferences("ann")
    with pytest.raises(Invalid):
        await house.notices.choose_preferences("ann", chosen)


async def test_an_alert_goes_to_the_person_and_not_to_a_resident_of_their_name(house: House) -> None:
    await house.notices.choose_preferences(of_resident("ann"), NotificationPreferences(email="eve@example.com"))
    await house.choose("ann", email="ann@example.com")
    await house.notices.send(alert(), idempotency_key="k", now=house.clock())
    await house.settle()
    assert [each.address for each in house.mail.taken] == ["ann@example.com"]


async def test_who_never_chose_anything_can_unsubscribe(house: House) -> None:
    sent = await house.send(kind=NoticeKind.VISIT)
    await house.notices.unsubscribe(make_token(KEY, ADA, NoticeKind.VISIT, sent))
    assert (await house.notices.preferences(ADA)).opted_out == {NoticeKind.VISIT}


async def test_a_link_in_an_old_mail_stores_nothing_after_an_erasure(house: House) -> None:
    await house.choose("RES_1", email=MAIL)
    sent = await house.send(kind=NoticeKind.VISIT)
    token = make_token(KEY, ADA, NoticeKind.VISIT, sent)
    await house.notices.erase(ErasureScope("RES_1", ResidentId("RES_ERASED_0123456789abcdef"), frozenset()))
    with pytest.raises(NotFound):
        await house.notices.unsubscribe(token)
    assert await house.notices.preferences(ADA) == NotificationPreferences()
    again = await house.send("new", kind=NoticeKind.VISIT)
    await house.notices.unsubscribe(make_token(KEY, ADA, NoticeKind.VISIT, again))
