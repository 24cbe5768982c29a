"""Compiles the documents in force into one rule book."""

import json
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from adapters.artefacts import content_hash
from core.rules import SINGLE_KEYS, BuildingOverride, CataloguedOption, DocumentRules, RuleBook
from kb.reader import DOCUMENTS, Document, DocumentFault, read_documents
from kb.text import sentences

LISTS = {
    "crews": "crew",
    "vendors": "vendor_id",
    "parts": "part_id",
    "buildings": "building_id",
    "jurisdictions": "code",
    "forbidden_promises": "promise_id",
    "plan_phases": "phase_id",
    "shared_systems": "system_id",
}
"""The keys whose items add up, with the field that names an item."""


def in_force(documents: Iterable[Document], on: date) -> list[Document]:
    """Those whose dates include this day and that no other one of them replaces for all buildings."""
    dated = [
        document
        for document in documents
        if document.front.effective_from <= on
        and (document.front.effective_to is None or on <= document.front.effective_to)
    ]
    replaced = {old for document in dated if document.front.building == "all" for old in document.front.supersedes}
    return [document for document in dated if document.front.id not in replaced]


def compile_documents(folder: Path = DOCUMENTS, on: date | None = None) -> RuleBook:
    """The rule book of the folder's documents on this day (today by default). Raises `DocumentFault`."""
    documents, day = read_documents(folder), on or date.today()
    return compile_rules(in_force(documents, day), holds_until(documents, day))


def holds_until(documents: Iterable[Document], on: date) -> date | None:
    """The last day, from this one on, before a document begins or one that has begun ends; None where none does."""
    fronts = [document.front for document in documents]
    begins = [front.effective_from - timedelta(days=1) for front in fronts if front.effective_from > on]
    ends = [
        front.effective_to
        for front in fronts
        if front.effective_to is not None and front.effective_from <= on <= front.effective_to
    ]
    return min([*begins, *ends], default=None)


def compile_rules(documents: Sequence[Document], until: date | None = None) -> RuleBook:
    """The rule book that these documents in force state, and do so `until` a day.

    Raises `DocumentFault` for a missing or doubled key.
    """
    general = [document for document in documents if document.front.building == "all"]
    stated = {key: _only(key, general) for key in SINGLE_KEYS}
    listed = {key: _items(key, general) for key in LISTS}
    paths = [(document, path) for document in general for path in document.front.rules.escalation_paths]
    sources = {key: document.front.id for key, (document, _) in stated.items()}
    for key, items in listed.items():
        sources |= {f"{key}:{name}": document.front.id for name, (document, _) in items.items()}
        if items:
            sources[key] = next(document.front.id for document, _ in items.values())
    sources |= {f"escalation_paths:{path.path_id}": document.front.id for document, path in paths}
    return RuleBook.model_validate(
        {key: value for key, (_, value) in stated.items()}
        | {key: {name: item for name, (_, item) in items.items()} for key, items in listed.items()}
        | {
            "kb_version": knowledge_version(documents),
            "policy_version": policy_version(documents),
            "options": [option for document in general for option in _options(document)],
            "escalation_paths": [path for _, path in paths],
            "overrides": _overrides(documents),
            "document_versions": {document.front.id: document.front.version for document in _by_id(documents)},
            "sources": sources,
            "holds_until": until,
        }
    )


def _items(key: str, documents: Iterable[Document]) -> dict[str, tuple[Document, Any]]:
    items: dict[str, tuple[Document, Any]] = {}
    for document in documents:
        for item in getattr(document.front.rules, key):
            name = str(getattr(item, LISTS[key]))
            if name in items:
                raise DocumentFault(f"{key}: {name} is stated by {items[name][0].front.id} and {document.front.id}.")
            items[name] = (document, item)
    return items


def _overrides(documents: Sequence[Document]) -> dict[str, BuildingOverride]:
    buildings = sorted({document.front.building for document in documents} - {"all"})
    found = {name: _override([each for each in documents if each.front.building == name]) for name in buildings}
    return {name: override for name, override in found.items() if override.sources}


def _override(documents: Sequence[Document]) -> BuildingOverride:
    """What one building's documents state. Raises `DocumentFault` where two of them state the same key."""
    stated = {
        key: _only(key, documents)
        for key in SINGLE_KEYS
        if any(getattr(document.front.rules, key) is not None for document in documents)
    }
    options = [option for document in documents for option in _options(document)]
    sources = {key: document.front.id for key, (document, _) in stated.items()}
    if options:
        sources["options"] = options[0].doc_id
    rules = DocumentRules.model_validate({key: value for key, (_, value) in stated.items()})
    return BuildingOverride(rules=rules, options=tuple(options), sources=sources)


def knowledge_version(documents: Iterable[Document]) -> str:
    """The first 12 characters of the hash over every document, text and rules."""
    return content_hash(document.source.encode() for document in _by_id(documents))[:12]


def policy_version(documents: Iterable[Document]) -> str:
    """The first 12 characters of the hash over the rules alone; rewording the text does not change it."""
    return content_hash(
        json.dumps([document.front.id, _stated(document.front.rules)], sort_keys=True).encode()
        for document in _by_id(documents)
        if _stated(document.front.rules)
    )[:12]


def _stated(rules: DocumentRules) -> dict[str, Any]:
    return rules.model_dump(mode="json", exclude_defaults=True)


def _by_id(documents: Iterable[Document]) -> list[Document]:
    return sorted(documents, key=lambda document: document.front.id)


def _only(key: str, documents: Iterable[Document]) -> tuple[Document, Any]:
    stating = [document for document in documents if getattr(document.front.rules, key) is not None]
    if len(stating) != 1:
        names = ", ".join(document.front.id for document in stating) or "none"
        raise DocumentFault(f"{key} must be stated by exactly one document in force; stating it: {names}.")
    return stating[0], getattr(stating[0].front.rules, key)


def _options(document: Document) -> Iterable[CataloguedOption]:
    for template in document.front.rules.options:
        section = document.section(template.section)
        first = next(iter(sentences(section.text)), None) if section else None
        if first is None:
            raise DocumentFault(f"{document.front.id}: {template.option_id} names a section without text.")
        yield CataloguedOption(doc_id=document.front.id, template=template, quote=first)
