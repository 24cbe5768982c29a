"""A form whose session had ended when it was sent: kept until the same person has signed in again, then shown anew.

A form lies sealed by a random id that only the browser's cookie holds, in one of a few places that each person has.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from cryptography.fernet import InvalidToken
from fastapi import Request, Response
from pydantic import ValidationError

from core.contract import Contract, UtcTime, rfc3339
from core.errors import VersionConflict
from core.ports.documents import Document
from web import csrf
from web.forms import Form, read_form
from web.sealing import is_own_id, new_id, seal, sweep, unseal
from web.sessions import Session, give_named_cookie, named_cookie, take_named_cookie
from web.viewer import Visitor
from web.wording import N_

KIND = "web_kept_form"
COOKIE = "kept"
KEPT = timedelta(hours=24)
LONGEST_BYTES = 32_768
MOST = 3
"""Forms of one person; the oldest makes room."""
PLACE_FIELD = "kept_form"
"""In a form that is sent again: the place where it was kept."""
TECHNICAL = frozenset({csrf.FIELD, PLACE_FIELD, "idempotency_key", "version", "next", "shown_at", "photo", "drop"})
"""Fields that nobody has written into."""
FIELD_NAMES = {
    "message": N_("Message"),
    "text": N_("Text"),
    "body": N_("Text"),
    "comment": N_("Comment"),
    "reason": N_("Reason"),
    "note": N_("Note"),
    "answer": N_("Answer"),
    "category": N_("Category"),
    "urgency": N_("Urgency"),
    "message_text": N_("Message"),
    "instructions": N_("Instructions"),
    "contact": N_("Emergency contact"),
    "entry": N_("May we enter when you are out?"),
    "days": N_("Days that suit"),
    "slots": N_("Times that suit"),
    "avoided": N_("Days to avoid"),
    "call_first": N_("Call before you come"),
    "notes": N_("Notes"),
    "resolution_notes": N_("What was done"),
    "assigned_to": N_("Assigned to"),
    "title": N_("Title"),
    "add": N_("Requests to put in"),
    "actual_cost_usd": N_("Actual cost in US dollars"),
    "actual_hours": N_("Actual hours"),
    "scheduled_start": N_("Begin"),
    "scheduled_end": N_("End"),
    "subject": N_("Subject"),
    "rating": N_("Rating"),
}
"""Of fields that people write into; others are called as they are in the form."""
_PARTITION = "all"
WITHOUT_WORDS = ("/sign-out", "/sign-in", "/language", "/kept-form")
"""Where nobody sends anything that they have written."""


class KeptForm(Contract):
    """What was in it."""

    path: str
    """Where it was sent to, with its query."""
    fields: dict[str, tuple[str, ...]]
    files: dict[str, tuple[str, ...]]
    """The names of the files that came with it; the files themselves are not kept."""
    sub: str
    kept_until: UtcTime

    @property
    def written(self) -> dict[str, tuple[str, ...]]:
        """What a person has written or chosen."""
        return written_in(self.fields)


@dataclass(frozen=True)
class _Cookie:
    """What the browser holds: the id that opens the forms, and whose places they lie in."""

    identifier: str
    owner: str

    @property
    def places(self) -> list[str]:
        return [f"{self.owner}-{number}" for number in range(MOST)]

    def __str__(self) -> str:
        return f"{self.identifier}.{self.owner}"


async def keep_form(request: Request, visitor: Visitor) -> str | None:
    """Keep what was posted, where it is a form of ours of a session that has ended.

    Returns what `give_kept_cookie` lets the browser keep; None where nothing was kept. May raise `StoreUnavailable`.
    """
    session = visitor.ended or visitor.session
    if request.method != "POST" or session is None or request.url.path.startswith(WITHOUT_WORDS):
        return None
    form = await read_form(request)
    if not csrf.is_valid(session.stored.csrf_secret, form.fields.get(csrf.FIELD, "")):
        return None
    kept = _kept(request, form, session, visitor)
    if not kept.written or len(kept.model_dump_json().encode()) > LONGEST_BYTES:
        return None
    owner = _owner(session.sub)
    before = _cookie_of(visitor)
    cookie = before if before is not None and before.owner == owner else _Cookie(new_id(), owner)
    await sweep(visitor.backstage.documents, KIND, _PARTITION, before=visitor.clock())
    return str(cookie) if await _put(visitor, cookie, kept) else None


def written_in(fields: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """What a person has written or chosen, of a form's fields."""
    texts = {name: tuple(value for value in values if value.strip()) for name, values in fields.items()}
    return {name: values for name, values in texts.items() if values and name not in TECHNICAL}


def give_kept_cookie(response: Response, cookie: str, visitor: Visitor) -> None:
    """Let the browser keep what opens the form."""
    give_named_cookie(response, COOKIE, cookie, visitor.settings, kept=KEPT)


async def kept_forms_of(visitor: Visitor, sub: str) -> dict[str, KeptForm]:
    """This person's kept forms by the place where they lie; those of somebody else in this browser are removed."""
    cookie, found = _cookie_of(visitor), dict[str, KeptForm]()
    if cookie is None:
        return found
    for place in cookie.places:
        kept = _opened(cookie, await visitor.backstage.documents.get(KIND, place))
        if kept is None:
            continue
        if kept.sub == sub and kept.kept_until > visitor.clock():
            found[place] = kept
        else:
            await visitor.backstage.documents.delete(KIND, place)
    return found


async def forget_form(visitor: Visitor, place: str) -> None:
    """Remove a kept form that this browser's cookie opens."""
    cookie = _cookie_of(visitor)
    if cookie is None or place not in cookie.places:
        return
    if _opened(cookie, await visitor.backstage.documents.get(KIND, place)) is not None:
        await visitor.backstage.documents.delete(KIND, place)


async def has_kept_form(visitor: Visitor) -> bool:
    """Whether this browser has a kept form, whosoever it is."""
    cookie = _cookie_of(visitor)
    if cookie is None:
        return False
    documents = visitor.backstage.documents
    kept = [_opened(cookie, await documents.get(KIND, place)) for place in cookie.places]
    return any(form is not None and form.kept_until > visitor.clock() for form in kept)


def take_kept_cookie(response: Response, visitor: Visitor) -> None:
    """Let the browser forget it."""
    take_named_cookie(response, COOKIE, visitor.settings)


def has_kept_cookie(visitor: Visitor) -> bool:
    """Whether this browser may have a kept form."""
    return _cookie_of(visitor) is not None


def _kept(request: Request, form: Form, session: Session, visitor: Visitor) -> KeptForm:
    lists, files = _content(form)
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return KeptForm(path=path, fields=lists, files=files, sub=session.sub, kept_until=visitor.clock() + KEPT)


def _content(form: Form) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    lists = {name: values for name, values in form.lists.items() if name not in (csrf.FIELD, PLACE_FIELD)}
    return lists, {name: tuple(file.filename or "" for file in files) for name, files in form.files.items()}


async def _put(visitor: Visitor, cookie: _Cookie, kept: KeptForm) -> bool:
    documents, order = visitor.backstage.documents, rfc3339(kept.kept_until)
    stored = {place: await documents.get(KIND, place) for place in cookie.places}
    # A free place, else the oldest one.
    place = min(stored, key=lambda each: document.order if (document := stored[each]) else "")
    if stored[place] is not None:
        await documents.delete(KIND, place)
    body = {"sealed": seal(cookie.identifier, kept.model_dump_json())}
    try:
        await documents.put(Document(KIND, place, _PARTITION, order, 1, body))
    except VersionConflict:
        return False
    return True


def _opened(cookie: _Cookie, document: Document | None) -> KeptForm | None:
    if document is None:
        return None
    try:
        return KeptForm.model_validate_json(unseal(cookie.identifier, str(document.body.get("sealed"))))
    except (InvalidToken, ValidationError):
        return None


def _cookie_of(visitor: Visitor) -> _Cookie | None:
    text = visitor.request.cookies.get(named_cookie(COOKIE, visitor.settings), "")
    identifier, _, owner = text.partition(".")
    return _Cookie(identifier, owner) if is_own_id(identifier) and _is_owner(owner) else None


def _owner(sub: str) -> str:
    return hashlib.sha256(b"owner:" + sub.encode()).hexdigest()


def _is_owner(text: str) -> bool:
    return len(text) == 64 and all(each in "0123456789abcdef" for each in text)
