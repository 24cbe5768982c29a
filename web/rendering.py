"""Templates to answers: one Jinja environment for each language, and the content security policy of every page."""

import hashlib
import secrets
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, cast

from fastapi import Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import escape

from core.notices import LANGUAGES
from core.request import Event
from web.charts import draw
from web.knowledge_words import marked, plainly
from web.language import Words
from web.staff_timeline import ToldEvent, tell
from web.viewer import Viewer, Visitor
from web.wording import label

ROOT = Path(__file__).parent
STATIC = ROOT / "static"
LANGUAGE_NAMES = {"en": "English", "es": "Español"}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Scripts and styles are files of ours alone: what somebody wrote into a message can be neither."""


def render(
    who: Visitor | Viewer, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any
) -> Response:
    """The page. `context` is what the template names; see `templates/base.html` for what every template knows."""
    visitor = who.visitor if isinstance(who, Viewer) else who
    environment = _environment(visitor.words.language, visitor.words.zone.key)
    now = visitor.clock()
    words = visitor.words
    page = environment.get_template(template).render(
        visitor=visitor,
        words=words,
        now=now,
        path=visitor.request.url.path,
        csrf=visitor.csrf_token,
        new_key=new_key,
        ago=partial(words.ago, now=now),
        is_staff=visitor.role is not None and visitor.role != "resident",
        local_mode=visitor.settings.auth_mode == "local",
        languages=[(code, LANGUAGE_NAMES[code]) for code in LANGUAGES],
        **context,
    )
    return HTMLResponse(
        page, status, {"Content-Security-Policy": POLICY, "Vary": "Cookie, Accept-Language", **(headers or {})}
    )


def render_plain(words: Words, template: str, **context: Any) -> str:
    """A page of its own, for who may not even have a session: it does not extend `base.html`."""
    return _environment(words.language, words.zone.key).get_template(template).render(words=words, **context)


def new_key() -> str:
    """An idempotency key for one form: sent twice, it acts once."""
    return secrets.token_urlsafe(18)


@lru_cache(maxsize=64)
def _fingerprint(name: str, changed_at: float) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def asset(name: str) -> str:
    """The address of a static file, which is another one as soon as its content is: browsers may keep it for ever."""
    return f"/static/{name}?v={_fingerprint(name, (STATIC / name).stat().st_mtime)}"


@lru_cache(maxsize=16)
def _environment(language: str, zone: str) -> Environment:
    from web.language import words_in

    words = words_in(language, zone)
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do", "jinja2.ext.loopcontrols"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Jinja takes what these say for safe HTML, also where a template hands them a text that somebody wrote.
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        partial(_translated, words),
        partial(_counted, words),
        newstyle=True,
    )
    environment.filters.update(_filters(words))
    known = cast(dict[str, Any], environment.globals)
    known |= {"asset": asset, "draw": draw}
    return environment


def _filters(words: Words) -> dict[str, Any]:
    return {
        "money": words.money,
        "percent": words.percent,
        "number": words.number,
        "hours": words.hours,
        "when": words.when,
        "day": words.day,
        "weekday": words.weekday,
        "date": words.date,
        "clock_time": words.clock_time,
        "label": partial(_label, words, for_staff=False),
        "staff_label": partial(_label, words, for_staff=True),
        "told": partial(_told, words),
        "stated": partial(marked, words=words),
        "stated_plainly": partial(plainly, words=words),
    }


def _translated(words: Words, text: str) -> str:
    return escape(words.gettext(text))


def _counted(words: Words, one: str, many: str, count: int) -> str:
    return escape(words.ngettext(one, many, count))


def _told(words: Words, event: Event | Mapping[str, Any], there: Words | None = None) -> ToldEvent:
    return tell(there or words, event)


def _label(words: Words, value: object, *, for_staff: bool) -> str:
    return words.gettext(label(value, for_staff=for_staff))
