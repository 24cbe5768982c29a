"""Cuts documents into what is indexed: passages by section, and single sentences."""

from collections.abc import Iterable

from adapters.knowledge_files import IndexedText
from core.rules import DocumentKind
from kb.reader import Document, Section
from kb.text import paragraphs, sentences, without_tables

QUOTABLE: frozenset[DocumentKind] = frozenset({"information", "policy", "sla"})
"""The kinds of document whose sentences answer residents' questions."""

LONGEST_PASSAGE = 900
"""Characters; about 200 tokens, so that heading and text fit into the embedder's 256."""


def passages(document: Document) -> list[IndexedText]:
    """The document's sections, each in one piece, or cut between paragraphs, lines or sentences where too long."""
    return [
        IndexedText(doc_id=document.front.id, section=section_place(section), text=piece)
        for section in document.sections
        for piece in _pieces(section.text)
    ]


def single_sentences(document: Document) -> list[IndexedText]:
    """Every sentence of a document that speaks to residents, as it stands there; none of one that instructs staff."""
    if document.front.kind not in QUOTABLE:
        return []
    return [
        IndexedText(doc_id=document.front.id, section=section_place(section), text=sentence)
        for section in document.sections
        for sentence in sentences(section.text)
    ]


def passage_input(title: str, entry: IndexedText) -> str:
    """What is embedded for a passage: where it stands, then what it says; tables say little to a sentence embedder."""
    return f"{title}: {entry.section}. {without_tables(entry.text) or entry.text}"


def sentence_input(title: str, entry: IndexedText) -> str:
    """What is embedded for a sentence: title and heading give it the subject that a pronoun leaves out."""
    return f"{title}: {entry.section}: {entry.text}"


def passage_parts(entry: IndexedText) -> list[IndexedText]:
    """The sentences of a passage under its heading."""
    return [entry.model_copy(update={"text": sentence}) for sentence in sentences(entry.text)]


def section_place(section: Section) -> str:
    """The heading below its parent headings, without the title."""
    return " > ".join(section.path[1:]) or section.heading


def _pieces(text: str) -> Iterable[str]:
    piece = ""
    for gap, part in _parts(text):
        if piece and len(piece) + len(part) > LONGEST_PASSAGE:
            yield piece
            piece = ""
        piece = f"{piece}{gap}{part}" if piece else part
    if piece:
        yield piece


def _parts(text: str) -> Iterable[tuple[str, str]]:
    """The smallest parts that stay whole, each with what stands between it and the one before."""
    for block in paragraphs(text):
        if len(block) <= LONGEST_PASSAGE:
            yield "\n\n", block
            continue
        lines = block.splitlines()
        gap = "\n" if len(lines) > 1 else " "
        for place, part in enumerate(lines if len(lines) > 1 else sentences(block)):
            yield gap if place else "\n\n", part
