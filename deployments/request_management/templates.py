"""Saved texts with places for a request's facts, which staff send as comments."""

import secrets
import string
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from core.contract import Contract, UtcTime, rfc3339
from core.errors import Forbidden, Invalid, NotFound, StaleVersion, VersionConflict
from core.identity import Principal
from core.ports.documents import Document, DocumentStore
from core.request import Request
from deployments.request_management.schemas import Comment, Identifier

KIND = "template"
PARTITION = "all"
LONGEST_COMMENT = 2000

PLACEHOLDERS: Mapping[str, Callable[[Request], str | None]] = {
    "request_id": lambda request: request.request_id,
    "resident_id": lambda request: request.resident_id,
    "building_id": lambda request: request.building_id,
    "unit": lambda request: request.unit,
    "status": lambda request: str(request.status),
    "category": lambda request: str(request.classification.category) if request.classification else None,
    "urgency": lambda request: str(request.classification.urgency) if request.classification else None,
    "trade": lambda request: request.classification and request.classification.trade,
    "selected_option": lambda request: _selected_title(request),
    "resolution_due_at": lambda request: rfc3339(request.sla.resolution_due_at) if request.sla else None,
}
"""What may stand in braces, and the fact that takes its place."""


class TemplateForm(Contract):
    """`POST /templates`, `PUT /templates/{template_id}`."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    text: Comment
    """With placeholders such as {unit}; {{ and }} for braces themselves."""
    building_id: Identifier | None = None
    """Whose staff may use it. Left out, it is for the caller's one building, or for all where they act for all.

    It never changes.
    """

    @field_validator("text")
    @classmethod
    def _known_placeholders(cls, text: str) -> str:
        unknown = sorted(set(placeholders_of(text)) - set(PLACEHOLDERS))
        if unknown:
            known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            raise ValueError(f"{{{unknown[0]}}} is no placeholder; there are {known}")
        return text


class Template(Contract):
    """A saved text."""

    template_id: str
    version: int = Field(ge=1)
    """Grows by one with every change; the ETag."""
    name: str
    text: str
    building_id: str | None
    """None for all buildings."""
    updated_at: UtcTime
    updated_by: str


class TemplateList(Contract):
    """A page of templates, oldest first; those of others are left out, so that a page may be short."""

    items: tuple[Template, ...]
    next_cursor: str | None


def new_template_id() -> str:
    """A fresh id."""
    return f"TPL_{secrets.token_hex(12)}"


def placeholders_of(text: str) -> tuple[str, ...]:
    """The names in braces. Raises `ValueError` for braces that hold anything else than a name."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        raise ValueError("the braces do not match; write {{ and }} for braces themselves") from None
    if any(specification or conversion for _, _, specification, conversion in parts):
        raise ValueError("braces hold a name only")
    return tuple(name for _, name, _, _ in parts if name is not None)


def render(template: Template, request: Request) -> str:
    """The text with the request's facts. Raises `Invalid` where a fact is missing or the text gets too long."""
    facts = {name: PLACEHOLDERS[name](request) for name in placeholders_of(template.text)}
    missing = sorted(name for name, fact in facts.items() if fact is None)
    if missing:
        raise Invalid(f"The request has nothing to put for {{{missing[0]}}}.")
    parts = string.Formatter().parse(template.text)
    text = "".join(literal + (facts[name] or "" if name is not None else "") for literal, name, _, _ in parts)
    if len(text) > LONGEST_COMMENT:
        raise Invalid(f"With the request's facts the text has more than {LONGEST_COMMENT} characters.")
    return text


class Templates:
    """Managers keep them, staff use them; each belongs to one building or to all."""

    def __init__(self, documents: DocumentStore, clock: Callable[[], datetime]) -> None:
        self._documents = documents
        self._clock = clock

    async def create(self, principal: Principal, form: TemplateForm, template_id: str) -> Template:
        """Save a new one; the same id again gives the same one. Raises `Forbidden`."""
        building_id = form.building_id
        if building_id is None and principal.buildings is not None and len(principal.buildings) == 1:
            (building_id,) = principal.buildings
        if not _may_change(principal, building_id):
            raise Forbidden("You may keep templates for your own buildings only; name one of them.")
        made = self._made(principal, form, template_id, 1, building_id)
        try:
            await self._documents.put(_document(made, made.updated_at))
        except VersionConflict:
            return await self.get(principal, template_id)
        return made

    async def get(self, principal: Principal, template_id: str) -> Template:
        """One that the caller may use. Raises `NotFound`."""
        return (await self._find(principal, template_id))[0]

    async def list(self, principal: Principal, limit: int, cursor: str | None) -> TemplateList:
        """A page of those that the caller may use. Raises `InvalidCursor`."""
        page = await self._documents.list(KIND, PARTITION, limit=limit, cursor=cursor, newest_first=False)
        found = (_template(document) for document in page.items)
        return TemplateList(items=tuple(one for one in found if _may_use(principal, one)), next_cursor=page.next_cursor)

    async def replace(
        self, principal: Principal, template_id: str, form: TemplateForm, if_match: int | None
    ) -> Template:
        """Change name and text. Raises `StaleVersion` where it is no longer at `if_match`, `Invalid`."""
        present, document = await self._changeable(principal, template_id, if_match)
        if form.building_id not in (None, present.building_id):
            raise Invalid("A template's building never changes; save a new one.")
        made = self._made(principal, form, template_id, present.version + 1, present.building_id)
        changed = Document(KIND, template_id, PARTITION, document.order, made.version, made.model_dump(mode="json"))
        try:
            await self._documents.put(changed)
        except VersionConflict:
            raise StaleVersion("Somebody else has just changed the template.") from None
        return made

    async def delete(self, principal: Principal, template_id: str, if_match: int | None) -> None:
        """Remove it. Raises `StaleVersion` where it is no longer at `if_match`."""
        await self._changeable(principal, template_id, if_match)
        await self._documents.delete(KIND, template_id)

    async def _changeable(
        self, principal: Principal, template_id: str, if_match: int | None
    ) -> tuple[Template, Document]:
        present, document = await self._find(principal, template_id)
        if not _may_change(principal, present.building_id):
            raise Forbidden("Only who acts for all buildings may change what is for all.")
        if if_match is not None and if_match != present.version:
            raise StaleVersion(f"The template is at version {present.version}, not {if_match}.")
        return present, document

    async def _find(self, principal: Principal, template_id: str) -> tuple[Template, Document]:
        document = await self._documents.get(KIND, template_id)
        found = _template(document) if document else None
        if document is None or found is None or not _may_use(principal, found):
            raise NotFound("There is no such template.")
        return found, document

    def _made(
        self, principal: Principal, form: TemplateForm, template_id: str, version: int, building_id: str | None
    ) -> Template:
        return Template(
            template_id=template_id,
            version=version,
            name=form.name,
            text=form.text,
            building_id=building_id,
            updated_at=self._clock(),
            updated_by=principal.sub,
        )


def _may_use(principal: Principal, template: Template) -> bool:
    return template.building_id is None or principal.covers(template.building_id)


def _may_change(principal: Principal, building_id: str | None) -> bool:
    return principal.buildings is None if building_id is None else principal.covers(building_id)


def _template(document: Document) -> Template:
    return Template.model_validate(document.body)


def _document(template: Template, made_at: datetime) -> Document:
    body = template.model_dump(mode="json")
    return Document(KIND, template.template_id, PARTITION, rfc3339(made_at), template.version, body)


def _selected_title(request: Request) -> str | None:
    chosen = request.option(request.selected_option_id) if request.selected_option_id else None
    return chosen.title if chosen else None
