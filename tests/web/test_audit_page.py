"""The audit page: for managers, by building, and it tells where an entry is not as it was written."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from html import unescape
from typing import Any

from fastapi import FastAPI

from core.labels import Role
from core.settings import Settings
from deployments.request_management.api.guard import Entrance
from deployments.request_management.audit import Act, AuditLog
from deployments.request_management.audit import hash_of as written_hash
from deployments.request_management.service import RequestManagementService
from tests.web.conftest import Person
from web.audit_chain import first_fault, hash_of
from web.audit_words import ACTIONS

ACT = Act("sam", Role.STAFF, "resolve_request", "request_id=REQ_1", "corr-1")


async def written(log: AuditLog, chain: str, count: int) -> None:
    for number in range(count):
        await log.append(chain, replace(ACT, correlation_id=f"corr-{number}"), "begun")


async def test_a_manager_reads_a_chain_page_by_page(manager: Person, service: RequestManagementService) -> None:
    await written(service.audit, "A", 60)
    await service.audit.append("A", replace(ACT, actor="<i>eve</i>"), "refused")
    html = await manager.page("/staff/audit?chain=A")
    assert "The 50 entries shown here follow from each other" in html
    assert "Refused" in html
    assert "&lt;i&gt;eve&lt;/i&gt;" in html
    assert "corr-59" in html
    assert "corr-9<" not in html
    assert '<option value="B">' in html
    cursor = (
        html.partition('href="?chain=A&amp;cursor=')[2].partition('"')[0]
        or html.partition("?chain=A&cursor=")[2].partition('"')[0]
    )
    assert "corr-9<" in await manager.page(f"/staff/audit?chain=A&cursor={cursor}")


async def test_an_entry_that_was_changed_is_told(manager: Person, service: RequestManagementService) -> None:
    await written(service.audit, "A", 4)
    page = await service.documents.list("audit", "A", limit=10)
    third = next(each for each in page.items if each.body["seq"] == 3)
    changed = replace(third, body={**third.body, "actor": "somebody else"}, version=third.version + 1)
    await service.documents.put(changed)
    html = await manager.page("/staff/audit?chain=A")
    assert "The log was tampered with: entry 3" in html
    assert "follow from each other" not in html


async def test_a_manager_of_one_building_sees_that_one(
    sign_in: Callable[..., Any], service: RequestManagementService
) -> None:
    await written(service.audit, "B", 1)
    await written(service.audit, "A", 1)
    person: Person = await sign_in(Role.MANAGER, "ben", buildings=["B"])
    assert "corr-0" in await person.page("/staff/audit")
    await person.page("/staff/audit?chain=A", status=404)


async def test_others_are_told_that_it_is_not_for_them(staff: Person, resident: Person) -> None:
    await staff.page("/staff/audit", status=403)
    await resident.page("/staff/audit", status=403)


async def test_an_empty_chain_says_so_and_a_name_is_shown_as_text(manager: Person) -> None:
    html = await manager.page("/staff/audit?chain=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in html
    assert "Nothing is written down here yet." in html


async def test_the_page_computes_what_the_log_wrote(service: RequestManagementService) -> None:
    await written(service.audit, "A", 5)
    page = await service.documents.list("audit", "A", limit=10)
    entries = [dict(document.body) for document in page.items]
    assert all(hash_of(each) == written_hash(each) for each in entries)
    assert first_fault(entries) is None
    assert first_fault([]) is None
    assert first_fault([entries[0], *entries[2:]]) == 5, "an entry in the middle is gone"
    assert first_fault([entries[1], entries[0], *entries[2:]]) == 5, "two are in another order"
    assert first_fault([{**entries[0], "outcome": "failed"}, *entries[1:]]) == 5
    assert first_fault([*entries[:-1], {**entries[-1], "prev_hash": "1" * 64}]) == 1


async def test_what_was_done_is_told_in_words_with_the_zone(manager: Person, service: RequestManagementService) -> None:
    await service.audit.append("A", replace(ACT, action="approve", target="request_id=REQ_7"), "begun")
    await service.audit.append("A", replace(ACT, action="later_than_this_page", target=""), "begun")
    html = await manager.page("/staff/audit?chain=A")
    assert "<td>Approved a cost</td>" in html
    assert "<td>Request <code>REQ_7</code></td>" in html
    assert "<td>Later than this page</td>" in html
    assert "Times are in the zone America/New_York." in html
    assert re.search(r"</time> E[SD]T</td>", html)
    assert "<td>Began a building's log</td>" in unescape(await manager.page("/staff/audit"))


def test_every_action_that_the_interface_writes_down_has_words(application: FastAPI, settings: Settings) -> None:
    entrances: Mapping[Any, Entrance] = application.state.entrances
    audited = {
        each.name
        for each in entrances.values()
        if each.rule and each.rule.roles and (each.rule.is_change(each.method) or each.rule.bulk)
    }
    assert len(audited) > 30
    assert audited - set(ACTIONS) == set()
