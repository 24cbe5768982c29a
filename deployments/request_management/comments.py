"""Comments on a request, shown to the resident or kept among staff."""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import StringConstraints, model_validator

from core.contract import Contract
from core.errors import BrokenInvariant, Invalid
from core.identity import Principal
from core.ports.store import RequestStore
from core.record import RequestRecord
from core.request import Event, RequestId
from deployments.request_management import access
from deployments.request_management.change import SYSTEM, Change, Draft
from deployments.request_management.commands import comment_notice
from deployments.request_management.dispatch import Dispatcher, change_record
from deployments.request_management.schemas import Comment
from deployments.request_management.templates import Templates, render

TemplateId = Annotated[str, StringConstraints(pattern=r"^TPL_[0-9a-f]{24}$")]


class CommentOrder(Contract):
    """`POST /requests/{request_id}/comments`."""

    text: Comment | None = None
    template_id: TemplateId | None = None
    """A saved template in the place of the text; for staff."""
    visibility: Literal["internal", "resident"] = "resident"
    """`internal` for staff only."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.text is None) == (self.template_id is None):
            raise ValueError("give either text or template_id")
        return self


def new_comment_id() -> str:
    """A fresh id."""
    return f"CMT_{secrets.token_hex(12)}"


def add_comment(
    record: RequestRecord, actor: str, text: str, comment_id: str, now: datetime, *, by_staff: bool, internal: bool
) -> Change:
    """A comment in the timeline; whom it is meant for is told, and nobody of an internal one."""
    # An internal comment is no answer to the resident, so it must not count as the response that was promised.
    draft = Draft(record, now, SYSTEM if internal else actor)
    draft.tell("comment", text, internal=internal, comment_id=comment_id)
    if internal:
        draft.events[-1] = draft.events[-1].model_copy(update={"actor": actor})
    else:
        draft.send((comment_notice(record, text, by_staff=by_staff),))
    return draft.done()


class Comments:
    """Adds comments for staff and for the owner."""

    def __init__(
        self, store: RequestStore, templates: Templates, dispatcher: Dispatcher, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._templates = templates
        self._dispatcher = dispatcher
        self._clock = clock

    async def add(self, principal: Principal, request_id: str, order: CommentOrder, comment_id: str) -> Event:
        """Add a comment; the same id again gives the same one. Raises `NotFound`, `Invalid`."""
        record = await self._store.get(RequestId(request_id))
        request = access.require_visible(principal, record.request if record else None)
        if principal.is_resident and (order.visibility == "internal" or order.template_id is not None):
            raise Invalid("A resident's comment is a text that the resident sees.")
        present = await self._find(request.request_id, comment_id)
        if present is not None:
            return present
        text = order.text
        if text is None:
            text = render(await self._templates.get(principal, order.template_id or ""), request)
        await self._write(principal, request.request_id, text, order.visibility == "internal", comment_id)
        made = await self._find(request.request_id, comment_id)
        if made is None:
            raise BrokenInvariant("A comment that was just stored is not in the timeline.")
        return made

    async def _write(
        self, principal: Principal, request_id: RequestId, text: str, internal: bool, comment_id: str
    ) -> None:
        now = self._clock()
        changed = await change_record(
            self._store,
            request_id,
            lambda record: add_comment(
                record,
                principal.sub,
                text,
                comment_id,
                now,
                by_staff=not principal.is_resident,
                internal=internal,
            ),
        )
        if changed.outbox:
            self._dispatcher.start(changed)

    async def _find(self, request_id: RequestId, comment_id: str) -> Event | None:
        events = await self._store.events(request_id)
        return next((event for event in events if event.details.get("comment_id") == comment_id), None)
