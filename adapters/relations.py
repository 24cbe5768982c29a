"""Whether a reworded sentence keeps its source's figures in their order and says the same of them.

What a word-by-word comparison misses is which figure belongs to what: "above" for "below", an opening time for a
closing one, the price of a reserved space for that of an unreserved one. Everything here errs on the side of no.
"""

import re

_NUMBER_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_VALUES = {word: str(value) for value, word in enumerate(_NUMBER_WORDS)} | {
    **{"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90"},
    **{"hundred": "100", "thousand": "1000", "dozen": "12", "half": "0.5", "first": "1", "third": "3"},
}
_DIGITS = r"\d+(?:[:.,]\d+)*"
_NUMBER = re.compile(rf"{_DIGITS}|\b(?:{'|'.join(_VALUES)})\b", re.IGNORECASE)

_COMPARISONS = {
    "above": r"above|over|more than|exceed(?:s|ing)?|longer than|older than|later than|greater than",
    "below": r"below|under|less than|fewer than|shorter than|younger than|earlier than|beneath",
    "at most": r"at most|up to|no more than|not more than|no longer than|not exceed|maximum(?: of)?|within",
    "at least": r"at least|no less than|no fewer than|not less than|minimum(?: of)?",
    "before": r"before|prior to|no later than",
    "after": r"after|following|since|no earlier than",
}
_OR_MORE = {
    "at least": r"or (?:more|older|above|over|later)",
    "at most": r"or (?:less|fewer|younger|below|under|earlier)",
}
_STATES = {
    "must": r"must|have to|has to|required?|requires|mandatory|need to",
    "may": r"may|can|could|allowed|permitted",
    "only": r"only",
    "once": r"once",
    "twice": r"twice",
    "often": r"often|frequently|repeatedly|as often as|any number|unlimited",
    "always": r"always|at all times|any time|anytime",
    "sometimes": r"sometimes|occasionally|usually",
    "daily": r"daily|(?:a|per|each|every) day",
    "weekly": r"weekly|(?:a|per|each|every) week",
    "monthly": r"monthly|(?:a|per|each|every) month",
    "yearly": r"yearly|annual(?:ly)?|(?:a|per|each|every) year",
    "hourly": r"hourly|(?:an|per|each|every) hour",
    "reserved": r"reserved",
    "unreserved": r"unreserved",
    "weekday": r"weekdays?",
    "weekend": r"weekends?",
    "inside": r"inside|indoors?",
    "outside": r"outside|outdoors?",
    "included": r"includ(?:ed|es|ing)",
    "excluded": r"exclud(?:ed|es|ing)",
    "free": r"free",
    "refundable": r"refundable",
    "nonrefundable": r"non-?refundable",
}
_RELATIONS = {
    name: re.compile(rf"\b(?<!-)(?:{words})\b", re.IGNORECASE) for name, words in (_COMPARISONS | _STATES).items()
}
_NEAR = {name: re.compile(rf"\b(?:{words})\W+(?:\w+\W+)?$", re.IGNORECASE) for name, words in _COMPARISONS.items()}
_AFTERWARDS = {name: re.compile(rf"^\W*(?:\w+\W+){{0,2}}{words}\b", re.IGNORECASE) for name, words in _OR_MORE.items()}
_BEGINS = r"open(?:s|ed|ing)?|begin(?:s|ning)?|start(?:s|ing)?"
_ENDS = r"clos(?:e|es|ed|ing)|end(?:s|ing)?|stop(?:s|ping)?|finish(?:es|ing)?"
_EDGE = re.compile(rf"\b(?:(?P<begins>{_BEGINS})|(?P<ends>{_ENDS}))\b", re.IGNORECASE)
_RANGE = re.compile(rf"({_DIGITS})\s*(?:[ap]\.?m\.?)?\s*(?:to|until|till|and|[-–])\s*({_DIGITS})", re.IGNORECASE)
_PARTS = re.compile(r"[;:,](?!\d)|\b(?:and|but|while|whereas|or)\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+")


def keeps_relations(text: str, source: str) -> bool:
    """Whether each sentence of the text takes its figures, and what it says of them, from one of the source."""
    candidates = sentences(source)
    return all(any(_is_taken(each, candidate) for candidate in candidates) for each in sentences(text))


def sentences(text: str) -> list[str]:
    """The sentences of a text."""
    return [sentence for sentence in re.split(r"(?<=[.!?])\s+", text) if sentence.strip()]


def _is_taken(text: str, source: str) -> bool:
    if not _in_order(_figures(text), _figures(source)):
        return False
    begins, ends = _edges(text)
    known_begins, known_ends = _edges(source)
    if not (begins <= known_begins and ends <= known_ends):
        return False
    return _relations(text) <= _relations(source) and _keeps_contrasts(text, source)


def _figures(text: str) -> list[tuple[str, str | None]]:
    """Each number with what is said of its size, such as `("45", "below")`."""
    return [(_value(match[0]), _comparison(text[: match.start()], text[match.end() :])) for match in _numbers(text)]


def _numbers(text: str) -> list[re.Match[str]]:
    return list(_NUMBER.finditer(text))


def _value(number: str) -> str:
    return _VALUES.get(number.lower(), number)


def _comparison(before: str, after: str) -> str | None:
    # "no more than" holds "more than": the longest that fits is meant.
    found = [(len(match[0]), name) for name, pattern in _NEAR.items() if (match := pattern.search(before))]
    if found:
        return max(found)[1]
    return next((name for name, pattern in _AFTERWARDS.items() if pattern.search(after)), None)


def _in_order(wanted: list[tuple[str, str | None]], held: list[tuple[str, str | None]]) -> bool:
    rest = iter(held)
    return all(any(each == known for known in rest) for each in wanted)


def _relations(text: str) -> set[str]:
    return {name for name, pattern in _RELATIONS.items() if pattern.search(text)}


def _edges(text: str) -> tuple[set[str], set[str]]:
    """The times at which something begins or opens, and those at which it ends or closes."""
    marks = list(_EDGE.finditer(text))
    begins, ends = set[str](), set[str]()
    for place, mark in enumerate(marks):
        start = 0 if place == 0 else mark.start()
        stop = marks[place + 1].start() if place + 1 < len(marks) else len(text)
        part = text[start:stop]
        first, last = (begins, ends) if mark["begins"] else (ends, begins)
        for found in _RANGE.finditer(part):
            first.add(found[1])
            last.add(found[2])
        first.update(re.findall(_DIGITS, _RANGE.sub(" ", part)))
    return begins, ends


def _keeps_contrasts(text: str, source: str) -> bool:
    """Whether a figure stays with its side where the source has two: `$150 reserved and $95 unreserved`."""
    parts = [(_words(part), {value for value, _ in _figures(part)}) for part in _PARTS.split(source)]
    words = _words(source)
    for part in _PARTS.split(text):
        figures = {value for value, _ in _figures(part)}
        sides = {word for word in _words(part) if _opposites(word) & words}
        if figures and sides and not any(sides <= known and figures <= held for known, held in parts):
            return False
    return True


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


_PAIRS = (
    *(("weekday", "weekend"), ("weekdays", "weekends"), ("before", "after"), ("small", "large"), ("first", "second")),
    *(("indoor", "outdoor"), ("inside", "outside"), ("summer", "winter"), ("adult", "child"), ("adults", "children")),
)
_OTHER_SIDE = {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])}


def _opposites(word: str) -> set[str]:
    """Words that stand for the other side: with `un` or `non` in front, or without it, or its pair."""
    plain = {word.removeprefix(prefix) for prefix in ("un", "non") if word.startswith(prefix) and len(word) > 5}
    other = {_OTHER_SIDE[word]} if word in _OTHER_SIDE else set[str]()
    return {f"un{word}", f"non{word}"} | plain | other
