"""What the house itself says in English to residents, in their language: advice in danger, options, incidents.

The interface passes these texts on as the knowledge base and the services state them: a finite set. Each stands under
its English words in the catalogue `knowledge`; a text that nobody translated stays English and is marked as such.
"""

import gettext
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import Markup, escape

from web.language import Words, catalogue
from web.wording import label

DOMAIN = "knowledge"
_STEP = re.compile(r"(?P<title>.+): (?:(?P<quoted>“.*”)|(?P<matter>[a-z]+))", re.DOTALL)
"""A step of a plan: an option's title, and which part of the message it is for (deployments/decision_simulation)."""

_FAULT = re.compile(r"(?P<fault>.+: reported from several homes) of building (?P<building>.+)")
"""The name that an incident is proposed under (deployments/request_management)."""
OF_BUILDING = "{fault} of building {building}"


@dataclass(frozen=True)
class Stated:
    """A text of the house as the page shows it."""

    text: str
    language: str | None = None
    """Where it is not the page's own."""


def stated(text: str, words: Words) -> Stated:
    """The text in the reader's language, or as it is where it is no text of the knowledge base."""
    if words.language == "en":
        return Stated(text)
    found = _whole(text, words) or _step(text, words) or _fault(text, words)
    return Stated(text, "en") if found is None else Stated(found)


def plainly(text: str, words: Words) -> str:
    """As `stated`, for places that can't mark a language."""
    return stated(text, words).text


def marked(text: str, words: Words) -> Markup:
    """As `stated`, in HTML that marks what stayed English."""
    told = stated(text, words)
    if told.language is None:
        return escape(told.text)
    return Markup('<span lang="{}">{}</span>').format(told.language, told.text)


def in_message(body: str, fields: Mapping[str, str], words: Words) -> str:
    """A message's words; `fields` are the texts that its template was filled with."""
    for value in sorted({value for value in fields.values() if value}, key=len, reverse=True):
        told = stated(value, words)
        if told.language is None:
            body = body.replace(value, told.text)
    return body


def _whole(text: str, words: Words) -> str | None:
    # Folded as YAML folds it, so that a text that was stored with a line end is found all the same.
    key = " ".join(text.split())
    found = _catalogue(words.language).gettext(key)
    return None if not key or found == key else found


def _step(text: str, words: Words) -> str | None:
    found = _STEP.fullmatch(text)
    title = _whole(found["title"], words) if found else None
    if found is None or title is None:
        return None
    return f"{title}: {found['quoted'] or _matter(found['matter'], words)}"


def _matter(name: str, words: Words) -> str:
    """A trade, or a category in small letters."""
    known = label(name)
    return words.gettext(known if known != name else label(name.capitalize())).lower()


def _fault(text: str, words: Words) -> str | None:
    found = _FAULT.fullmatch(text)
    fault = _whole(found["fault"], words) if found else None
    frame = _whole(OF_BUILDING, words)
    return frame.format(fault=fault, building=found["building"]) if found and fault and frame else None


@lru_cache(maxsize=4)
def _catalogue(language: str) -> gettext.NullTranslations:
    return catalogue(language, DOMAIN)
