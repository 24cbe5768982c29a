"""The words of PromQL."""

import re
from collections.abc import Iterator
from dataclasses import dataclass


class PromqlError(ValueError):
    """An expression that can't be asked, and why."""


@dataclass(frozen=True)
class Token:
    """One word, and what it is."""

    kind: str
    """string, duration, number, name, operator or end."""
    text: str


_WORDS = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<duration>\$__rate_interval|(?:\d+(?:ms|[smhdwy]))+)
    | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    | (?P<operator>=~|!~|==|!=|>=|<=|[-+*/%^(){}\[\],=<>])
    )""",
    re.VERBOSE,
)


def tokens(expression: str) -> Iterator[Token]:
    """The words, and an end. Raises `PromqlError` at what is none."""
    position, text = 0, expression.rstrip()
    while position < len(text):
        found = _WORDS.match(text, position)
        if found is None or found.lastgroup is None:
            raise PromqlError(f"does not read on from {text[position : position + 20].strip()!r}")
        yield Token(found.lastgroup, found.group(found.lastgroup))
        position = found.end()
    yield Token("end", "the end")
