"""Posted forms: read once, and refused where they are not from a page of ours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.types import Scope

from web import csrf
from web.viewer import AnyVisitor, ForgedForm, SignInNeeded

MOST_FIELDS = 400
MOST_FILES = 10
_NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d{1,9})?|-?\.\d{1,9}", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,17}", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9._~-]{1,200}")
SESSIONLESS = frozenset({"/sign-in", "/language"})
"""Forms that somebody sends who has not signed in."""


@dataclass(frozen=True)
class Form:
    """A posted form."""

    fields: Mapping[str, str]
    """The last value of each name."""
    lists: Mapping[str, tuple[str, ...]]
    """All values of each name, as of checkboxes."""
    files: Mapping[str, tuple[UploadFile, ...]] = field(default_factory=dict[str, tuple[UploadFile, ...]])

    def text(self, name: str) -> str:
        """What was written, without blanks around it; empty where there is none."""
        return self.fields.get(name, "").strip()

    def optional(self, name: str) -> str | None:
        """As `text`; None where nothing was written."""
        return self.text(name) or None

    def number(self, name: str) -> float | None:
        """A number; None where there is none or it is none, as `120,50` is, which may not be read as 12,050."""
        text = self.text(name)
        return float(text.replace(",", "")) if _NUMBER.fullmatch(text) else None

    def whole(self, name: str) -> int | None:
        """A whole number; None where there is none."""
        text = self.text(name)
        return int(text) if _WHOLE.fullmatch(text) else None

    @property
    def key(self) -> str | None:
        """The form's idempotency key; None where it is none of ours."""
        key = self.text("idempotency_key")
        return key if _KEY.fullmatch(key) else None


async def read_form(request: Request) -> Form:
    """The form of a call, read once. Raises `HTTPException` 400 for one that can't be read."""
    known = getattr(request.state, "form", None)
    if isinstance(known, Form):
        return known
    try:
        data = await request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS)
    except (MultiPartException, KeyError, UnicodeDecodeError):
        raise HTTPException(400, "The form can't be read.") from None
    request.state.form_data = data
    form = _form(data)
    request.state.form = form
    return form


async def close_form(scope: Scope) -> None:
    """Give back the files of the call's form, if it had any."""
    data = scope.get("state", {}).get("form_data")
    if isinstance(data, FormData):
        await data.close()


async def require_own_form(request: Request, visitor: AnyVisitor) -> None:
    """A dependency of every page: what changes something must come from a form of ours.

    Raises `ForgedForm`, or `SignInNeeded` where the form is ours and its session has ended.
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    if csrf.is_from_elsewhere(request):
        raise ForgedForm
    if request.url.path in SESSIONLESS:
        return
    session = visitor.session or visitor.ended
    if session is None:
        raise SignInNeeded
    token = request.headers.get(csrf.HEADER) or (await read_form(request)).fields.get(csrf.FIELD, "")
    if not csrf.is_valid(session.stored.csrf_secret, token):
        raise ForgedForm
    if visitor.session is None:
        raise SignInNeeded


def _form(data: FormData) -> Form:
    lists: dict[str, tuple[str, ...]] = {}
    files: dict[str, tuple[UploadFile, ...]] = {}
    for name, value in data.multi_items():
        if isinstance(value, str):
            # Browsers send line ends as CR LF whatever was typed.
            lists[name] = (*lists.get(name, ()), value.replace("\r\n", "\n").replace("\0", ""))
        elif value.filename:
            files[name] = (*files.get(name, ()), value)
    return Form({name: values[-1] for name, values in lists.items()}, lists, files)
