"""The knowledge base: its documents by kind, building and words, what each says, and what it decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Response
from markupsafe import Markup

from core.rules import DocumentKind
from web.api_client import path
from web.language import Words
from web.markdown import render_markdown
from web.rendering import render
from web.rule_tables import Block, lay_out, write_date
from web.rule_wording import DOCUMENT_KINDS, decision_words
from web.section_anchor import section_address, section_slug
from web.viewer import Staff, Viewer

router = APIRouter()

NEAREST = 8
"""Sections that a search shows."""
LONGEST_QUERY = 200
KINDS: tuple[str, ...] = get_args(DocumentKind)


@dataclass(frozen=True)
class ShownSection:
    """One heading of a document as the page has it."""

    slug: str
    heading: str
    """Empty for what stands under the document's own title."""
    level: int
    """Of the HTML heading, 2 to 4."""
    html: Markup


@dataclass(frozen=True)
class FoundSection:
    """A section that a search found."""

    address: str
    title: str
    section: str
    score: float
    html: Markup


@dataclass(frozen=True)
class Decided:
    """One key of a document's rules."""

    key: str
    title: str
    block: Block


@router.get("/staff/knowledge")
async def list_documents(
    viewer: Staff, q: str = "", kind: str = "", building: str = "", cursor: str | None = None
) -> Response:
    """The documents in force; with words, the sections nearest to them in meaning first."""
    query, kind = q.strip()[:LONGEST_QUERY], kind if kind in KINDS else ""
    wanted = {"query": query or None, "doc_type": kind or None, "limit": 50, "cursor": cursor}
    listed = (await viewer.api.get("/knowledge", **wanted, building_id=building or None)).body
    if building and building not in listed["buildings"]:
        building = ""
        listed = (await viewer.api.get("/knowledge", **wanted)).body
    found = await _search(viewer, query, kind, building) if query and cursor is None else ()
    return render(
        viewer,
        "staff/knowledge.html",
        listed=listed,
        found=found,
        query=query,
        kind=kind,
        building=building,
        kinds=[(each, viewer.words.gettext(DOCUMENT_KINDS[each])) for each in KINDS],
        kind_words=_kind_words(viewer.words),
        decided=_decisions(viewer.words, listed["items"]),
        more=_query_string(q=query, kind=kind, building=building),
    )


@router.get("/staff/knowledge/{doc_id}")
async def show_document(viewer: Staff, doc_id: str) -> Response:
    """What a document says, with an anchor for each section, and what it decides."""
    document: Mapping[str, Any] = (await viewer.api.get(path("knowledge", doc_id))).body
    label = viewer.words.gettext("Table of the document")
    decided = [
        Decided(key, viewer.words.gettext(decision_words(key)), lay_out(key, value, viewer.words))
        for key, value in document["rules"].items()
    ]
    return render(
        viewer,
        "staff/document.html",
        document=document,
        kind=_kind_words(viewer.words)[document["doc_type"]],
        since=write_date(document["effective_from"], viewer.words),
        until=write_date(document["effective_to"], viewer.words) if document["effective_to"] else None,
        sections=shown_sections(document["title"], document["sections"], label),
        decided=decided,
    )


def shown_sections(title: str, sections: Sequence[Mapping[str, Any]], table_label: str) -> tuple[ShownSection, ...]:
    """The sections in their order, headings without a text of their own included, each anchor once."""
    shown: list[ShownSection] = []
    above: tuple[str, ...] = ()
    taken = {"main", "decides"}
    for section in sections:
        place = (*section["parents"], section["heading"])
        for depth in range(len(place)):
            is_last = depth == len(place) - 1
            if not is_last and above[: depth + 1] == place[: depth + 1]:
                continue
            heading = "" if not above and place == (title,) else place[depth]
            html = render_markdown(section["text"], table_label) if is_last else Markup()
            slug = _free(section_slug(place[depth]), taken)
            shown.append(ShownSection(slug, heading, min(4, depth + 2), html))
        above = place
    return tuple(shown)


def _free(slug: str, taken: set[str]) -> str:
    name, count = slug, 1
    while name in taken:
        count += 1
        name = f"{slug}-{count}"
    taken.add(name)
    return name


async def _search(viewer: Viewer, query: str, kind: str, building: str) -> tuple[FoundSection, ...]:
    body = {"query": query, "top_k": NEAREST, "doc_type": kind or None, "building_id": building or None}
    answer = (await viewer.api.post("/rag/retrieve", body)).body
    label = viewer.words.gettext("Table of the document")
    return tuple(
        FoundSection(
            section_address(each["doc_id"], each["section"]),
            each["title"],
            each["section"],
            each["score"],
            render_markdown(each["text"], label),
        )
        for each in answer["documents"]
    )


def _kind_words(words: Words) -> dict[str, str]:
    return {kind: words.gettext(text) for kind, text in DOCUMENT_KINDS.items()}


def _decisions(words: Words, entries: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    return {each["doc_id"]: [words.gettext(decision_words(key)) for key in each["decides"]] for each in entries}


def _query_string(**fields: str) -> str:
    given = urlencode({name: value for name, value in fields.items() if value})
    return f"{given}&" if given else ""
