"""When a form's call has ended: its files are closed, and a kept form that was sent again is forgotten."""

from collections.abc import AsyncGenerator

from fastapi import Request

from web.forms import Form
from web.kept_forms import PLACE_FIELD, forget_form
from web.viewer import AnyVisitor


async def settle_form(request: Request, visitor: AnyVisitor) -> AsyncGenerator[None]:
    """A dependency of every page, before all others."""
    try:
        yield
    finally:
        form = getattr(request.state, "form", None)
        for file in [file for files in form.files.values() for file in files] if isinstance(form, Form) else []:
            await file.close()
    # Where the route has raised, this is not reached, and the form stays.
    if isinstance(form, Form) and form.text(PLACE_FIELD):
        await forget_form(visitor, form.text(PLACE_FIELD))
