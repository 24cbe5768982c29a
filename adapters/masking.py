"""Takes personal data out of a text before it leaves, and puts it back into what comes home."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from phonenumbers import Leniency, PhoneNumberMatcher

from adapters.name_patterns import find_names
from adapters.unit_patterns import find_units

Kind = Literal["EMAIL", "PHONE", "UNIT", "NAME"]
REGION = "US"
"""Numbers without a country code are read as this country's."""

_ATOM = r"[\w.!#$%&'*+/=?^`{|}~-]"
_HOST = r"[\w-]+(?:\.[\w-]+)+"
_EMAILS = (
    re.compile(rf"{_ATOM}+@(?:{_ATOM}*@)*{_HOST}"),
    re.compile(r"\b[\w.+-]+\s?@\s?[\w-]+(?:\.[\w-]+|\s\.\s[\w-]+)*(?:\.|\s\.\s)[a-z]{2,}\b", re.IGNORECASE),
    re.compile(
        r"\b[\w.+-]+\s?(?:\(at\)|\[at\]|\sat\s)\s?[\w-]+(?:\s?(?:\(dot\)|\[dot\]|\sdot\s|\.)\s?[\w-]+)*?"
        r"\s?(?:\(dot\)|\[dot\]|\sdot\s)\s?[a-z]{2,}\b",
        re.IGNORECASE,
    ),
)
_GAP = r"[\s.\-\u2010-\u2015()/\u00b7_]{0,4}"
_DIGITS = re.compile(rf"(?:[+\uff0b]\s?)?\(?\d(?:{_GAP}\d)+(?:\s?(?:ext?\.?|x)\s?\d{{1,5}}\b)?", re.IGNORECASE)
_DATE = re.compile(r"(?<!\d)(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}([/.-])\d{1,2}\1(?:\d{4}|\d{2}))(?!\d)")
_LOCAL = re.compile(r"(?<![\d$.,/-])\d{3}[-.]\d{4}(?![\d/-])")
_LEAST_DIGITS = 9
_LEAST_DIGITS_WITH_CODE = 7
_MOST_MATCHES = 1000


@dataclass(frozen=True)
class Masked:
    """A text with a placeholder such as `[PHONE_1]` for each piece of personal data."""

    text: str
    replacements: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """What each placeholder stands for. It stays in this process and is never logged."""

    def unmask(self, text: str) -> str:
        """The text with the originals in place of the placeholders."""
        if not self.replacements:
            return text
        known = re.compile("|".join(re.escape(placeholder) for placeholder in self.replacements))
        return known.sub(lambda match: self.replacements[match.group()], text)


@dataclass(frozen=True)
class _Span:
    start: int
    end: int
    kind: Kind


def mask(text: str) -> Masked:
    """The text without e-mail addresses, telephone numbers, unit numbers, and names where a name is announced.

    Placeholders never collide with what the text itself says.
    """
    pieces: list[str] = []
    placeholders: dict[tuple[Kind, str], str] = {}
    end = 0
    for span in _joined(_find(text)):
        original = text[span.start : span.end]
        key = (span.kind, original)
        if key not in placeholders:
            placeholders[key] = _placeholder(span.kind, text, placeholders.values())
        pieces += [text[end : span.start], placeholders[key]]
        end = span.end
    masked = "".join([*pieces, text[end:]])
    return Masked(masked, {placeholder: original for (_, original), placeholder in placeholders.items()})


def _placeholder(kind: Kind, text: str, taken: Iterable[str]) -> str:
    number = 1
    used = set(taken)
    while (name := f"[{kind}_{number}]") in used or name in text:
        number += 1
    return name


def _find(text: str) -> Iterator[_Span]:
    for pattern in _EMAILS:
        yield from (_Span(*match.span(), "EMAIL") for match in pattern.finditer(text))
    yield from (_Span(start, end, "PHONE") for start, end in _phones(text))
    yield from (_Span(start, end, "UNIT") for start, end in find_units(text))
    yield from (_Span(start, end, "NAME") for start, end in find_names(text))


def _phones(text: str) -> Iterator[tuple[int, int]]:
    for found in PhoneNumberMatcher(text, REGION, leniency=Leniency.VALID, max_tries=_MOST_MATCHES):
        yield found.start, found.end
    yield from (match.span() for match in _LOCAL.finditer(text))
    for match in _DIGITS.finditer(text):
        run = match.group()
        with_code = run[0] in "+\uff0b"
        count = sum(character.isdigit() for character in (run if with_code else _DATE.sub("", run)))
        if count >= (_LEAST_DIGITS_WITH_CODE if with_code else _LEAST_DIGITS):
            yield match.span()


def _joined(spans: Iterable[_Span]) -> list[_Span]:
    """The spans in order, those that overlap made one, with the kind of the one that was found first."""
    joined: list[_Span] = []
    order: dict[Kind, int] = {"EMAIL": 0, "PHONE": 1, "UNIT": 2, "NAME": 3}
    for span in sorted(spans, key=lambda each: (each.start, order[each.kind])):
        if joined and span.start < joined[-1].end:
            last = joined.pop()
            kind = min(last.kind, span.kind, key=order.__getitem__)
            span = _Span(last.start, max(last.end, span.end), kind)
        joined.append(span)
    return joined
