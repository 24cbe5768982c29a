"""Finds the numbers of homes in a text: "apt 12", "unit #305", "4B", "the neighbor in 310"."""

import re
from collections.abc import Iterator

_MEASURES = (
    r"(?:%|degrees?|deg|\u00b0|dollars?|usd|bucks|hours?|hrs?|h|days?|weeks?|months?|years?|minutes?|mins?|sec(?:ond)?s?|"
    r"times?|people|kids|rooms?|beds?|bedrooms?|burners?|psi|volts?|watts?|amps?|am|pm|a\.m|p\.m|feet|ft|inch(?:es)?|"
    r"x|o'?clock|horas?|d[i\u00ed]as?|grados|veces)(?!\w)"
)
_NO_MEASURE = rf"(?!\w|[:,]\d|\.\d|\s?{_MEASURES})"
_LETTER = r"(?:-?[A-Za-z]|\s[B-HJ-Z])(?![\w'\u2019])"

_NAMED = re.compile(
    r"\b(?:apartment|apartamento|departamento|apto|apt|depto|dpto|unit|flat|suite|ste|duplex|townhouse|condo)\b\.?\s*"
    r"(?:#|number\b|num\b\.?|no\b\.?|nr\b\.?|n[\u00ba\u00b0]\.?)?\s*"
    rf"(?P<unit>\d{{1,4}}{_LETTER}|\d{{1,4}}{_NO_MEASURE}|[A-Za-z]-?\d{{1,4}}\b)",
    re.IGNORECASE,
)
_LETTERED = re.compile(
    r"\b(?:[Aa]partment|[Aa]pt|[Uu]nit|[Ff]lat|APT|UNIT)\b\.?\s*#?\s*(?P<unit>[B-HJ-Z])(?![\w'\u2019])"
)
_FLOOR = re.compile(
    rf"\b[Pp](?:iso|ISO)\s+(?P<unit>\d{{1,3}}[\u00ba\u00b0]?\s?-?(?:[A-Z]|(?<=\d)[a-d]))(?!\w)"
    rf"|\b[Rr](?:oo|OO)?[Mm]\b\.?\s*#?\s*(?P<room>\d{{2,4}}[A-Za-z]?){_NO_MEASURE}"
)
_HASH = re.compile(
    r"(?<!ticket )(?<!order )(?<!request )(?<!invoice )(?<!case )(?<!check )"
    r"#\s?(?P<unit>\d{2,4}[A-Za-z]?|\d[A-Za-z])(?!\w)",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"(?<![\w$#.,:/\u20ac\u00a3-])(?P<unit>(?P<number>\d{1,2})(?P<letter>[A-UYZ]|[b-g]))(?![\w/:]|\.\d|'?s\b(?i:\s?(?:tv|movie)))"
)
_PLACED = re.compile(
    r"\b(?:in|inside|outside|above|below|beneath|en|en el|en la|del|de la|we're|were|i'?m)\s+"
    rf"(?P<unit>(?!19\d\d|20\d\d)[1-9]\d{{2,3}}){_NO_MEASURE}"
    rf"|\bat\s+(?P<at>[1-9]\d{{2}}|[1-9]\d[6-9]\d|2[5-9]\d\d|[3-9]\d{{3}}){_NO_MEASURE}"
    rf"|\bfrom\s+(?P<source>(?!19\d\d|20\d\d)[1-9]\d{{2,3}})(?!\s+to\s+\$?\d){_NO_MEASURE}",
    re.IGNORECASE,
)
_ELECTRIC = re.compile(
    r"\s?-?(?:amp|breaker|circuit|fuse|outlet|plug|print|tv|glasses|wi-?fi|internet|network|phone)", re.I
)
_READING = re.compile(r"(?:\bit'?s|\bits|\bis|\bwas|reads?|says|hits?|thermostat|temperature|temp)\W*$", re.IGNORECASE)
_MAYBE_READING = re.compile(r"(?:about|around|only|below|above|over|under|to)\W*$", re.IGNORECASE)
_WEATHER = re.compile(
    r"\W*(?:outside|out\b|outdoors|inside|indoors|in here|tonight|today|weather|now\b|heat\b|cold\b"
    r"|and (?:falling|dropping))",
    re.IGNORECASE,
)
_WARMEST_DOUBT = 40
"""Of a number from here on, F and C are degrees."""
_COLDEST_DOUBT = 10
"""From here on, a word such as "above" may go with degrees."""


def find_units(text: str) -> Iterator[tuple[int, int]]:
    """The places (start, end) of what names a home, without words such as "apt"; they may overlap."""
    for pattern in (_NAMED, _LETTERED, _FLOOR, _HASH, _PLACED):
        for match in pattern.finditer(text):
            yield next(match.span(name) for name, value in match.groupdict().items() if value is not None)
    for match in _BARE.finditer(text):
        if not _is_measure(match, text):
            yield match.span("unit")


def _is_measure(match: re.Match[str], text: str) -> bool:
    number, letter = int(match["number"]), match["letter"].upper()
    if letter in "FC":
        before = text[: match.start()]
        return (
            number >= _WARMEST_DOUBT
            or bool(_READING.search(before) or _WEATHER.match(text, match.end()))
            or (number >= _COLDEST_DOUBT and bool(_MAYBE_READING.search(before)))
        )
    return letter in "ADG" and bool(_ELECTRIC.match(text, match.end()))
