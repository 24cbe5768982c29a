"""Finds names where a text announces them: "my name is", a title, or the line that signs it."""

import re
from collections.abc import Iterator

_WORD = r"[^\W\d_][\w'\u2019-]*"
_CAPITAL = r"(?-i:[A-Z\u00c0-\u00dd])[\w'\u2019-]*"
_ANNOUNCED = re.compile(
    rf"\b(?:my name is|my name's|name's|me llamo|mi nombre es)\s+(?P<name>{_WORD}(?:[ ]{_CAPITAL}\.?){{0,2}})",
    re.IGNORECASE,
)
_CALLER = re.compile(
    rf"\b(?:this is)\s+(?P<name>{_WORD}(?:[ ]{_CAPITAL}\.?)?)(?=\s+(?:in|from|at)\s+(?:apt|apartment|unit|flat|#|\d))"
    rf"|\bsoy\s+(?P<soy>{_CAPITAL}(?:[ ]{_CAPITAL})?)(?=\s*[,.:;])",
    re.IGNORECASE,
)
_TITLED = re.compile(
    r"\b(?:Mr|Mrs|Ms|Mx|Dr|Sr|Sra|Srta|MR|MRS|MS|DR)\b\.?\s+"
    r"(?P<name>[A-Z\u00c0-\u00dd][\w'\u2019-]+(?:[ ][A-Z][a-z'\u2019-]+)?)"
    r"|\b(?:Miss|Se\u00f1ora?|Do\u00f1a|Don)\s+(?P<miss>[A-Z\u00c0-\u00dd][a-z'\u2019-]+)"
)
_SIGNED = re.compile(
    r"(?:\b(?:thanks|thank you|thx|regards|best|sincerely|respectfully|yours|cheers|love|gracias|saludos|atentamente)\b"
    r"[,.!]*\s*[-\u2013\u2014~]?\s*|\n\s*[-\u2013\u2014~]?\s*|(?:^|\s)[-\u2013\u2014~]\s?)"
    rf"(?P<name>{_CAPITAL}(?:\.|\b)(?:[ ]{_CAPITAL}\.?){{0,2}})"
    r"(?=[\s,.]*(?:(?:apt|apto|apartment|unit|flat)\b\.?\s?)?#?\d{0,4}[A-Za-z]?\W*$)",
    re.IGNORECASE,
)
_OTHER_WORDS = """
a an the not on in at is of to no it still wrong missing spelled misspelled listed and or but my your our this that day
apt apto apartment unit flat urgent please help thanks thank you again now today tomorrow asap management manager team
maintenance all staff office everyone sir madam manage super me him her we they i pls
"""
_NO_NAMES = frozenset(_OTHER_WORDS.split())


def find_names(text: str) -> Iterator[tuple[int, int]]:
    """The places (start, end) of announced names; they may overlap."""
    for pattern in (_ANNOUNCED, _CALLER, _TITLED, _SIGNED):
        for match in pattern.finditer(text):
            span = next((match.span(name) for name, value in match.groupdict().items() if value is not None), None)
            if span and not any(word.strip(".").lower() in _NO_NAMES for word in text[span[0] : span[1]].split()):
                yield span
