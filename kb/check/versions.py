"""Looks at ids and dates: what ended without a successor, and versions that hold at the same time or go backwards."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import combinations

from core.rules import SINGLE_KEYS
from kb.check.finding import Finding, error, warning
from kb.check.library import Library
from kb.check.lines import key_line
from kb.reader import Document


def find(library: Library) -> Iterator[Finding]:
    """Faults of ids, versions and effective dates."""
    documents = library.documents
    for document in documents:
        front = document.front
        if front.effective_to is not None and front.effective_to < front.effective_from:
            message = f"It ends on {front.effective_to}, before it begins."
            yield error("dates", front.id, message, key_line(document.source, "effective_to"))
    yield from _expired(library)
    for first, second in combinations(documents, 2):
        if first.front.id == second.front.id:
            yield from _same_id(*_in_order(first, second), library.day)
        else:
            yield from _two_successors(first, second)
    for document in documents:
        yield from _successions(document, documents)


def lapsed(library: Library) -> list[Document]:
    """Those that have ended and that nothing in force replaces."""
    replaced = {document.front.id for document in library.held}
    waiting = list(library.held)
    while waiting:
        successor = waiting.pop()
        if successor.front.building != "all":
            continue
        for old in set(successor.front.supersedes) - replaced:
            replaced.add(old)
            waiting += [document for document in library.documents if document.front.id == old]
    return [
        document
        for document in library.documents
        if _begins(document) <= _ends(document) < library.day
        and document.front.id not in replaced
        and not _followed_in_its_building(document, library)
    ]


def _followed_in_its_building(document: Document, library: Library) -> bool:
    own = library.own(document.front.building)
    return any(document.front.id in successor.front.supersedes for successor in own)


def _expired(library: Library) -> Iterator[Finding]:
    held_keys = {key for document in library.general for key in _stated(document)}
    held_kinds = {document.front.kind for document in library.held}
    for document in lapsed(library):
        front = document.front
        message = f"It ended on {front.effective_to}, and no document in force replaces it"
        line = key_line(document.source, "effective_to")
        if front.building != "all":
            yield warning("expired", front.id, f"{message} for {front.building}; the general rules hold.", line)
        elif missing := [key for key in _stated(document) if key not in held_keys]:
            yield error("expired", front.id, f"{message}; nothing states {', '.join(missing)}.", line)
        elif front.kind not in held_kinds:
            yield error("expired", front.id, f"{message}; there is no other document of the kind {front.kind}.", line)
        else:
            yield warning("expired", front.id, f"{message}.", line)


def _stated(document: Document) -> list[str]:
    return [key for key in SINGLE_KEYS if getattr(document.front.rules, key) is not None]


def _same_id(older: Document, newer: Document, day: date) -> Iterator[Finding]:
    doc_id = older.front.id
    files = f"{older.path.name} and {newer.path.name}"
    line = key_line(newer.source, "version")
    if older.front.version == newer.front.version:
        message = f"{files} are both version {newer.front.version} of {doc_id}."
        yield error("duplicate_document", doc_id, message, key_line(newer.source, "id"))
    elif newer.front.version < older.front.version:
        yield _backwards(older, newer, line)
    elif _overlap(older, newer):
        message = (
            f"{files} hold at the same time from {_begins(newer)}: end the older one, or let one replace the other."
        )
        yield error("overlapping_versions", doc_id, message, key_line(newer.source, "effective_from"))
    elif _ends(older) >= day:
        # The index names a document by its id, so only one that has not ended may bear it.
        message = f"{files} have not ended: give the newer one an id of its own and let it supersede {doc_id}."
        yield error("duplicate_document", doc_id, message, key_line(newer.source, "id"))


def _two_successors(first: Document, second: Document) -> Iterator[Finding]:
    both = set(first.front.supersedes) & set(second.front.supersedes)
    linked = first.front.id in second.front.supersedes or second.front.id in first.front.supersedes
    if both and not linked and first.front.building == second.front.building and _overlap(first, second):
        older, newer = _in_order(first, second)
        message = f"It and {older.front.id} both replace {min(both)} at the same time."
        yield error("overlapping_versions", newer.front.id, message, key_line(newer.source, "supersedes"))


def _successions(new: Document, documents: Sequence[Document]) -> Iterator[Finding]:
    for old in documents:
        if old is new or old.front.id not in new.front.supersedes or old.front.id == new.front.id:
            continue
        line = key_line(new.source, "supersedes")
        mutual = new.front.id in old.front.supersedes
        if mutual and _overlap(old, new):
            if new.front.id > old.front.id:
                message = f"It and {old.front.id} replace each other, so that neither holds."
                yield error("overlapping_versions", new.front.id, message, line)
        elif new.front.building == "all" == old.front.building:
            if _begins(new) < _begins(old) or (_begins(new) > _begins(old) and new.front.version < old.front.version):
                yield _backwards(old, new, line)
        elif new.front.building == old.front.building and _overlap(old, new):
            message = (
                f"It and {old.front.id} hold for {new.front.building} at the same time; end {old.front.id} before."
            )
            yield error("overlapping_versions", new.front.id, message, line)
        elif old.front.building not in ("all", new.front.building) and new.front.building != "all":
            message = f"It holds for {new.front.building} and can't replace {old.front.id}, of {old.front.building}."
            yield error("dangling_reference", new.front.id, message, line)


def _backwards(older: Document, newer: Document, line: int | None) -> Finding:
    message = (
        f"Version {newer.front.version} from {_begins(newer)} follows version {older.front.version} of "
        f"{older.front.id} from {_begins(older)}; dates and versions must both rise."
    )
    return error("version_backwards", newer.front.id, message, line)


def _in_order(first: Document, second: Document) -> tuple[Document, Document]:
    older, newer = sorted((first, second), key=lambda document: (_begins(document), document.front.version))
    return older, newer


def _overlap(first: Document, second: Document) -> bool:
    return max(_begins(first), _begins(second)) <= min(_ends(first), _ends(second))


def _begins(document: Document) -> date:
    return document.front.effective_from


def _ends(document: Document) -> date:
    return document.front.effective_to or date.max
