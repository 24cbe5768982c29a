"""The documents as the knowledge-base artefact holds them: texts put together from its passages, rules by document."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, cast

from adapters.cursor import decode_cursor, encode_cursor
from adapters.knowledge_files import IndexedDocument, IndexedText, KnowledgeContents, documents_in_scope
from core.knowledge import KnowledgeDocument, KnowledgeEntry, KnowledgePage, KnowledgeQuery, KnowledgeSection
from core.rules import SINGLE_KEYS, RuleBook

_LIST = "knowledge"
_BELOW = " > "
_ROW = "|"
_RULE = re.compile(r"\|[\s:|-]+\|?$")
_ITEM = re.compile(r"\s*(?:[-*]|\d+\.)\s+")

Rules = dict[str, Any]


def _today() -> date:
    return datetime.now(UTC).date()


class ArtefactLibrary:
    """The documents of one opened artefact; it reads nothing but what it is given."""

    def __init__(self, contents: KnowledgeContents, rules: RuleBook, today: Callable[[], date] = _today) -> None:
        self._contents, self._book, self._today = contents, rules, today
        self._rules = rules_by_document(rules)
        self._passages: dict[str, list[IndexedText]] = {}
        for passage in contents.passages:
            self._passages.setdefault(passage.doc_id, []).append(passage)
        self._entries = {each.doc_id: self._entry(each) for each in contents.documents}
        self._said = {doc_id: self._words(entry) for doc_id, entry in self._entries.items()}

    def page(self, query: KnowledgeQuery, limit: int, cursor: str | None) -> KnowledgePage:
        """The documents in force that match, by their ids. Raises `InvalidCursor`."""
        filters = query.model_dump(mode="json")
        after = str(decode_cursor(cursor, _LIST, filters, (str,))[0]) if cursor is not None else ""
        found = sorted(self._matching(query))
        rest = [doc_id for doc_id in found if doc_id > after]
        shown = rest[:limit]
        return KnowledgePage(
            kb_version=self._book.kb_version,
            policy_version=self._book.policy_version,
            buildings=tuple(sorted(self._book.buildings)),
            total=len(found),
            items=tuple(self._entries[doc_id] for doc_id in shown),
            next_cursor=encode_cursor(_LIST, filters, (shown[-1],)) if len(rest) > len(shown) else None,
        )

    def document(self, doc_id: str) -> KnowledgeDocument | None:
        """One document, also one that is not in force yet; None where there is none."""
        entry = self._entries.get(doc_id)
        if entry is None:
            return None
        return KnowledgeDocument(
            **dict(entry),
            kb_version=self._book.kb_version,
            sections=tuple(sections(self._passages.get(doc_id, ()))),
            rules=self._rules.get(doc_id, {}),
        )

    def _matching(self, query: KnowledgeQuery) -> Iterable[str]:
        words = (query.words or "").casefold().split()
        for doc_id in documents_in_scope(self._contents.documents, query.building_id, self._today()):
            said = self._said[doc_id]
            if query.doc_type in (None, self._entries[doc_id].doc_type) and all(word in said for word in words):
                yield doc_id

    def _entry(self, document: IndexedDocument) -> KnowledgeEntry:
        rules = self._rules.get(document.doc_id, {})
        stated = tuple(str(each["code"]) for each in rules.get("jurisdictions", ()))
        own = self._book.jurisdiction_of(document.building)
        return KnowledgeEntry(
            doc_id=document.doc_id,
            title=document.title,
            doc_type=document.kind,
            building_id=document.building,
            jurisdictions=stated or ((own.code,) if own else ()),
            version=self._book.document_versions.get(document.doc_id),
            effective_from=document.effective_from,
            effective_to=document.effective_to,
            supersedes=document.supersedes,
            decides=tuple(rules),
        )

    def _words(self, entry: KnowledgeEntry) -> str:
        texts = (f"{each.section}\n{each.text}" for each in self._passages.get(entry.doc_id, ()))
        return "\n".join([entry.doc_id, entry.title, *texts]).casefold()


def sections(passages: Iterable[IndexedText]) -> list[KnowledgeSection]:
    """The sections that these passages of one document were cut from, in their order."""
    pieces: dict[str, list[str]] = {}
    for passage in passages:
        pieces.setdefault(passage.section, []).append(passage.text)
    found: list[KnowledgeSection] = []
    for place, texts in pieces.items():
        *parents, heading = place.split(_BELOW)
        found.append(KnowledgeSection(heading=heading, parents=tuple(parents), text=joined(texts)))
    return found


def joined(pieces: Sequence[str]) -> str:
    """A section's text from its passages: a table or a list that was cut goes on, all else begins a paragraph."""
    text = pieces[0]
    for piece in pieces[1:]:
        text += ("\n" if _goes_on(text, piece) else "\n\n") + piece
    return text


def _goes_on(before: str, after: str) -> bool:
    last, lines = before.rpartition("\n")[2], after.splitlines()
    if last.startswith(_ROW):
        begins_anew = len(lines) > 1 and _RULE.match(lines[1]) is not None
        return lines[0].startswith(_ROW) and not begins_anew
    return _ITEM.match(last) is not None and _ITEM.match(lines[0]) is not None


def rules_by_document(book: RuleBook) -> dict[str, Rules]:
    """What each document decides, as its front matter states it; figures that nothing is decided by are left out."""
    found: dict[str, Rules] = {}
    for key in SINGLE_KEYS:
        if key in book.sources:
            found.setdefault(book.sources[key], {})[key] = _plain(getattr(book, key))
    for place, doc_id in book.sources.items():
        key, _, name = place.partition(":")
        if name:
            found.setdefault(doc_id, {}).setdefault(key, []).append(_plain(_item(book, key, name)))
    for option in book.options:
        found.setdefault(option.doc_id, {}).setdefault("options", []).append(_plain(option.template))
    for override in book.overrides.values():
        for key in SINGLE_KEYS:
            if key in override.sources:
                found.setdefault(override.sources[key], {})[key] = _plain(getattr(override.rules, key))
        for option in override.options:
            found.setdefault(option.doc_id, {}).setdefault("options", []).append(_plain(option.template))
    return found


def _item(book: RuleBook, key: str, name: str) -> Any:
    if key == "escalation_paths":
        return next(path for path in book.escalation_paths if path.path_id == name)
    return getattr(book, key)[name]


def _plain(value: Any) -> Any:
    """JSON of a contract, without what a document leaves open."""
    if isinstance(value, Mapping):
        items = cast(Mapping[object, Any], value)
        return {str(key): _plain(each) for key, each in items.items()}
    return value.model_dump(mode="json", exclude_none=True)
