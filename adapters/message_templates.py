"""The words of every event: Jinja2 templates in files, `<language>/<event>.txt`, whose first line is the subject."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta
from jinja2.sandbox import SandboxedEnvironment

from core.errors import ArtefactRefused, Invalid
from core.notices import EVENTS, LANGUAGES

FOLDER = Path(__file__).resolve().parent.parent / "deployments" / "execution" / "templates"
LONGEST_SUBJECT = 200


@dataclass(frozen=True)
class _Words:
    subject: Template
    body: Template


class JinjaTemplates:
    """`MessageTemplates`. Every event of `core.notices` has words in every language, with just its own fields."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Read all templates. Raises `ArtefactRefused` for one that is missing, broken, or has other fields."""
        # What fields hold is data: it is filled in and never read as a template. The text is plain, so nothing is
        # escaped.
        self._environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False, trim_blocks=True)
        self._words = {
            (event, language): self._read(folder / language / f"{event}.txt", event)
            for event in EVENTS
            for language in LANGUAGES
        }

    def events(self) -> frozenset[str]:
        """The names of the events that there are words for."""
        return frozenset(EVENTS)

    def render(self, event: str, language: str, fields: Mapping[str, str]) -> tuple[str, str]:
        """Subject, on one line of at most 200 characters, and body. Raises `Invalid`."""
        words = self._words.get((event, language))
        if words is None:
            raise Invalid(f"There are no words for {event} in {language}.")
        if EVENTS[event].fields != frozenset(fields):
            raise Invalid(f"{event} has the fields {', '.join(sorted(EVENTS[event].fields)) or 'none'}.")
        try:
            subject, body = words.subject.render(fields), words.body.render(fields)
        except TemplateError as error:
            raise Invalid(f"The words for {event} can't be made: {error}.") from None
        return _one_line(subject), body.strip()

    def _read(self, file: Path, event: str) -> _Words:
        try:
            text = file.read_text(encoding="utf-8")
            gaps = meta.find_undeclared_variables(self._environment.parse(text))
            subject, _, body = text.partition("\n")
            words = _Words(self._environment.from_string(subject), self._environment.from_string(body))
        except (OSError, UnicodeDecodeError) as error:
            raise ArtefactRefused(f"The message template {file} can't be read: {error}.") from None
        except TemplateSyntaxError as error:
            raise ArtefactRefused(f"The message template {file} is broken: {error}.") from None
        if frozenset(gaps) != EVENTS[event].fields or not subject.strip() or not body.strip():
            expected = ", ".join(sorted(EVENTS[event].fields)) or "none"
            raise ArtefactRefused(f"The message template {file} needs a subject, a body and these fields: {expected}.")
        return words


def _one_line(text: str) -> str:
    """Without line breaks, which end a mail's subject, or other control characters."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= LONGEST_SUBJECT else f"{line[: LONGEST_SUBJECT - 1].rstrip()}…"
