"""Compiles the documents in force into one rule book."""

import json
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from adapters.artefacts import content_hash
from core.rules import CataloguedOption, DocumentRules, RuleBook
from kb.reader import DOCUMENTS, Document, DocumentFault, read_documents
from kb.text import sentences

SINGLE_KEYS = ("response_targets", "approvals", "scoring", "escalation", "emergency", "entry")
"""The keys that exactly one document in force states."""


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
    return compile_rules(in_force(read_documents(folder), on or date.today()))


def compile_rules(documents: Sequence[Document]) -> RuleBook:
    """The rule book that these documents in force state. Raises `DocumentFault` for a missing or doubled key."""
    stated = {key: _only(key, documents) for key in SINGLE_KEYS}
    options = [option for document in documents for option in _options(document)]
    crews = {rules.crew: (document, rules) for document in documents for rules in document.front.rules.crews}
    sources = {key: document.front.id for key, (document, _) in stated.items()}
    if crews:
        sources["crews"] = next(document.front.id for document, _ in crews.values())
    return RuleBook.model_validate(
        {key: value for key, (_, value) in stated.items()}
        | {
            "kb_version": knowledge_version(documents),
            "policy_version": policy_version(documents),
            "options": options,
            "crews": {crew: rules for crew, (_, rules) in crews.items()},
            "sources": sources,
        }
    )


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
