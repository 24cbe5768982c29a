"""The form in which Gemini drafts options, what it is given for it, and how a draft is read."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from adapters.gemini_answers import read_form
from adapters.masking import Masked
from core.contract import Contract
from core.execution_labels import ActionKind
from core.labels import Crew
from core.messages import Retrieved
from core.ports.intelligence import Figure, ProposedOption
from core.request import Citation, Classification
from core.rules import CataloguedOption

MOST_DRAFTS = 3
MOST_LINES = 20
"""Of steps and of citations; the check has narrower bounds of its own."""
PASSAGE_CHARACTERS = 1500
"""Of one passage, so many are shown."""

Figures = tuple[Figure, Figure, Figure]


class DraftCitation(Contract):
    """A quote from something given."""

    source: str
    """The id of a given option or passage."""
    quote: str
    """Copied word for word from its text."""


class DraftOption(Contract):
    """One way to deal with the message."""

    # What it says beyond the form is kept by name, so that the check can drop and count it.
    model_config = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": False})

    title: str
    action: Annotated[str, Field(json_schema_extra={"enum": list(ActionKind)})]
    crew: Annotated[str, Field(json_schema_extra={"enum": list(Crew)})]
    steps: tuple[str, ...] = Field(max_length=MOST_LINES)
    reasoning: str
    cost_usd: Figures
    work_hours: Figures
    lead_hours: Figures
    cites: tuple[DraftCitation, ...] = Field(max_length=MOST_LINES)


class Drafts(Contract):
    """Further options; none where the given ones suffice."""

    options: tuple[DraftOption, ...] = Field(max_length=MOST_DRAFTS)


OPTIONS_SCHEMA: dict[str, Any] = Drafts.model_json_schema()

Sources = Mapping[str, tuple[str, str]]
"""Document and section by the id that they are given under."""


def given_sources(passages: Sequence[Retrieved], catalogue: Sequence[CataloguedOption]) -> Sources:
    """`O1` for the first option, `P1` for the first passage."""
    options = {f"O{place}": (one.doc_id, one.template.section) for place, one in enumerate(catalogue, start=1)}
    return options | {f"P{place}": (one.doc_id, one.section) for place, one in enumerate(passages, start=1)}


def given_content(
    masked: Masked, labels: Classification, passages: Sequence[Retrieved], catalogue: Sequence[CataloguedOption]
) -> str:
    """The user turn."""
    content: dict[str, Any] = {
        "message": masked.text,
        "labels": {"category": labels.category, "urgency": labels.urgency, "trade": labels.trade},
        "options": [_given_option(f"O{place}", one) for place, one in enumerate(catalogue, start=1)],
        "passages": [
            {"id": f"P{place}", "about": f"{one.title}, {one.section}", "text": one.text[:PASSAGE_CHARACTERS]}
            for place, one in enumerate(passages, start=1)
        ],
    }
    return json.dumps(content, ensure_ascii=False)


def read_drafts(answer: str, masked: Masked, sources: Sources) -> tuple[ProposedOption, ...]:
    """The drafts, unchecked but for their form. Raises `LanguageModelUnavailable`, reason `invalid`."""
    return tuple(_drafted(draft, masked, sources) for draft in read_form(answer, Drafts).options)


def _given_option(name: str, entry: CataloguedOption) -> dict[str, Any]:
    template = entry.template
    figures = {
        key: [triangle.low, triangle.mode, triangle.high]
        for key, triangle in (
            ("cost_usd", template.cost_usd),
            ("work_hours", template.work_hours),
            ("lead_hours", template.lead_hours),
        )
    }
    return {
        "id": name,
        "title": template.title,
        "action": template.action,
        "crew": template.crew,
        "text": entry.quote,
        **figures,
    }


def _drafted(draft: DraftOption, masked: Masked, sources: Sources) -> ProposedOption:
    return ProposedOption(
        title=masked.unmask(draft.title),
        action=draft.action,
        crew=draft.crew,
        steps=tuple(masked.unmask(step) for step in draft.steps),
        reasoning=masked.unmask(draft.reasoning),
        cost_usd=draft.cost_usd,
        work_hours=draft.work_hours,
        lead_hours=draft.lead_hours,
        citations=tuple(_citation(cited, sources) for cited in draft.cites),
        unknown_fields=tuple(sorted(draft.model_extra or ())),
    )


def _citation(cited: DraftCitation, sources: Sources) -> Citation:
    """With the id itself as the document where nothing was given under it, which no check lets pass."""
    doc_id, section = sources.get(cited.source, (cited.source, ""))
    return Citation(doc_id=doc_id, section=section, quote=cited.quote)
