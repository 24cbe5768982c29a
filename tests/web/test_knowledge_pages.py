"""The knowledge base: found by words and meaning, shown with anchors and rules, and harmless whatever it holds."""

import json
import re
import shutil
from html import unescape
from pathlib import Path

import pytest

from adapters.knowledge_files import CONTENTS, KnowledgeContents, read_rules
from adapters.knowledge_library import ArtefactLibrary
from core.settings import Settings
from deployments.decision_simulation.deployment import DecisionSimulation
from tests.web.conftest import Person
from web.pages.knowledge import shown_sections
from web.section_anchor import section_address, section_slug

SCRIPT = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> [here](javascript:alert(1)) ![p](http://evil.example/p)"
)


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def links(html: str) -> list[str]:
    return [unescape(one) for one in re.findall(r'href="([^"]*)"', html)]


async def test_documents_are_listed_with_what_they_decide(staff: Person) -> None:
    html = await staff.page("/staff/knowledge")
    row = re.search(r"<a[^>]*knowledge/approval-limits\".*?</li>", html, re.DOTALL)
    assert row
    assert "Policy" in row.group()
    assert "Approval limits" in text_of(row.group())
    version = (await staff.get("/api/v1/rag/config", headers={"Authorization": f"Bearer {staff.token}"})).json()
    assert version["kb_version"] in html


async def test_paging_reaches_every_document_once(staff: Person) -> None:
    html, seen = await staff.page("/staff/knowledge"), list[str]()
    while True:
        seen += re.findall(r'class="document-link" href="/staff/knowledge/([^"]+)"', html)
        more = re.search(r'href="(\?[^"]*cursor=[^"]+)"', html)
        if more is None:
            break
        html = await staff.page("/staff/knowledge" + unescape(more.group(1)))
    total = int(re.findall(r"(\d+) documents", html)[0])
    assert len(seen) == len(set(seen)) == total > 50


async def test_filters_by_kind_and_building(staff: Person) -> None:
    html = await staff.page("/staff/knowledge?kind=policy&building=B")
    shown = re.findall(r'class="document-link" href="/staff/knowledge/([^"]+)"', html)
    assert "budgets-building-b" in shown
    assert "budgets-building-d" not in shown
    assert "procedure-plumbing" not in shown
    assert re.search(r"<option selected>B</option>", html)


async def test_a_search_finds_the_nearest_sections_and_links_to_them(staff: Person) -> None:
    html = await staff.page("/staff/knowledge?q=when+may+music+be+loud+at+night")
    found = html.partition("Nearest in meaning")[2].partition("Documents with these words")[0]
    address = next(one for one in links(found) if one.startswith("/staff/knowledge/"))
    assert re.search(r"\d+% likely to answer it", text_of(found))
    document, _, anchor = address.partition("#")
    assert f'id="{anchor}"' in await staff.page(document)


async def test_where_no_document_holds_the_words_none_are_counted(staff: Person) -> None:
    html = await staff.page("/staff/knowledge?q=when+may+music+be+loud+at+night+zebra")
    assert "likely to answer it" in html
    assert "0 documents" not in html
    assert "what comes nearest in meaning stands above" in html


async def test_a_document_shows_its_sections_and_rules_in_the_units_of_people(staff: Person) -> None:
    html = await staff.page("/staff/knowledge/approval-limits")
    told = text_of(html)
    decides = told.rpartition("What this document decides")[2]
    assert "$1,000" in decides
    assert "Supervisor" in decides
    assert 'class="table-scroll"' in html
    assert "style=" not in html
    assert re.search(r'<section id="limits">\s*<h2>Limits</h2>', html)
    told = text_of(await staff.page("/staff/knowledge/request-follow-up"))
    assert "72 hours (3 days)" in told
    assert "80%" in told


@pytest.mark.parametrize(
    "doc_id", ["no-such-document", "..", "..%2F..%2Fetc%2Fpasswd", "%2e%2e%2frules.json", "a" * 3000, "x%00y"]
)
async def test_what_is_no_document_is_no_page(staff: Person, doc_id: str) -> None:
    answer = await staff.get(f"/staff/knowledge/{doc_id}" if doc_id != ".." else "/staff/knowledge/%2E%2E")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text
    assert "root:" not in answer.text


async def test_a_resident_is_told_that_it_is_not_for_them(resident: Person) -> None:
    await resident.page("/staff/knowledge", status=403)
    await resident.page("/staff/knowledge/approval-limits", status=403)


async def test_words_of_a_search_are_shown_as_text(staff: Person) -> None:
    html = await staff.page("/staff/knowledge?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&building=%3Cb%3E&kind=novel")
    assert "<script>alert" not in html
    assert "<b>" not in html


async def test_what_a_document_holds_can_not_run(
    staff: Person,
    decision: DecisionSimulation,
    built_settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "kb"
    shutil.copytree(built_settings.artefacts_dir / "kb", folder, ignore=shutil.ignore_patterns("chroma", "lexical"))
    contents = json.loads((folder / CONTENTS).read_text())
    passage = next(each for each in contents["passages"] if each["doc_id"] == "pets")
    passage["text"] = SCRIPT
    library = ArtefactLibrary(
        KnowledgeContents.model_validate(contents), read_rules(built_settings.artefacts_dir / "kb")
    )
    monkeypatch.setattr(decision._now.knowledge, "_library", library)
    html = await staff.page("/staff/knowledge/pets")
    assert "<script>alert" not in html
    assert "<img" not in html.partition('class="document-text"')[2]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert not [one for one in links(html) if "javascript" in one]


def test_anchors_are_made_of_headings_and_are_there_once() -> None:
    assert section_slug("Quiet hours > At night, 10 PM") == "at-night-10-pm"
    assert section_slug("§ ?") == "section"
    assert section_address("a b", "Größe") == "/staff/knowledge/a%20b#gr%C3%B6sse"
    made = shown_sections(
        "Title",
        [
            {"heading": "Title", "parents": [], "text": "a"},
            {"heading": "Same", "parents": ["First"], "text": "b"},
            {"heading": "Same", "parents": ["Second"], "text": "c"},
        ],
        "",
    )
    assert [(each.slug, each.heading, each.level) for each in made] == [
        ("title", "", 2),
        ("first", "First", 2),
        ("same", "Same", 3),
        ("second", "Second", 2),
        ("same-2", "Same", 3),
    ]
