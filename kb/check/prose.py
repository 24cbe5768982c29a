"""Compares the numbers of a document's text with those of its rules, so that the two can't come apart."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.labels import Urgency
from kb.check.finding import Finding, error
from kb.check.library import Library
from kb.check.lines import key_line, text_line
from kb.figures import Figure, listed_figures, option_figures, rule_figures, topic_words
from kb.quantities import Dimension, Quantity, numbers, quantities
from kb.reader import Document, Section

_SAID_AS_WORDS = frozenset({0.0, 1.0, 2.0})
"""Small numbers that prose spells out: "one similar request"."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"“(]?[A-Z])|\n")
_NAMED = re.compile(r"(.+)_(?:usd|minutes?|hours?|(?:business_)?days?|weeks?|percent|share|f)")
_SHOWN = 6


@dataclass(frozen=True)
class Passage:
    """A table row, or the text of a section around its tables, line by line."""

    section: Section
    topic: str
    """What it is about, in lower case: a row's first cell, else the section's heading."""
    text: str
    start: int
    """Where it begins in the section's text."""
    row: bool


def find(library: Library) -> Iterator[Finding]:
    """Numbers of rules that the text does not state, and numbers of the text that contradict the rules beside it."""
    for document in library.documents:
        yield from _document(document)


def _document(document: Document) -> Iterator[Finding]:
    rules, options, listed = rule_figures(document), option_figures(document), listed_figures(document)
    contradicted: set[tuple[str, Dimension]] = set()
    absent = _absent_targets(document)
    for section in document.sections:
        figures = options.get(section.heading)
        for passage in _passages(section):
            if (figures is not None and not passage.row) or any(_holds(passage.topic, each) for each in absent):
                continue
            for quantity, expected in _wrong(passage, figures or rules, listed):
                contradicted.add((section.heading if figures else "", quantity.dimension))
                yield _contradiction(document, passage, quantity, expected)
    for heading, figures in options.items():
        section = document.section(heading)
        missing = _unsaid(figures, section.text) if section else []
        yield from _unsaid_findings(document, missing, {d for where, d in contradicted if where == heading})
    whole = "\n".join(section.text for section in document.sections)
    settled = {dimension for where, dimension in contradicted if not where}
    yield from _unsaid_findings(document, _unsaid([*rules, *listed], whole), settled)
    yield from _unsaid_words(document, whole)


def _absent_targets(document: Document) -> list[str]:
    """The urgencies without a target where others have one, which is a fault of its own."""
    targets = document.front.rules.response_targets
    return [] if targets is None else [urgency.casefold() for urgency in Urgency if urgency not in targets]


def _contradiction(document: Document, passage: Passage, found: Quantity, expected: Sequence[Figure]) -> Finding:
    listed = ", ".join(dict.fromkeys(f"{figure.name} {figure.stated:g}" for figure in expected[:_SHOWN]))
    more = ", …" if len(expected) > _SHOWN else ""
    message = f"{passage.section.heading!r} says {found.text!r}; its rules and figures say {listed}{more}."
    line = text_line(document, passage.section, passage.start + found.start)
    return error("contradicting_number", document.front.id, message, line)


def _wrong(
    passage: Passage, rules: Sequence[Figure], listed: Sequence[Figure]
) -> Iterator[tuple[Quantity, Sequence[Figure]]]:
    """The quantities that are neither the rules' nor in the `figures`, where the passage speaks of the rules' figures.

    It does where it is about a topic of the rules, such as one urgency (then only that topic's figures count), where
    it states another figure of the rules in that unit, or where the sentence holds the words of a figure's name.
    """
    stated = quantities(passage.text)
    topic = _topics(topic_words(passage.topic), rules)
    for start, sentence in _sentences(passage):
        for quantity in (each for each in stated if start <= each.start < start + len(sentence)):
            unit = _of(rules, quantity)
            narrowed = [figure for figure in unit if figure.topics & topic]
            named = [figure for figure in (*unit, *_of(listed, quantity)) if _speaks_of(sentence, figure)]
            said = {each.value for each in stated if each.dimension is quantity.dimension}
            near = [figure for figure in unit if figure.value in said]
            expected = narrowed or named or (unit if near else [])
            known = {figure.value for figure in (*(narrowed or unit), *_of(listed, quantity))}
            if expected and quantity.value not in known:
                yield quantity, expected


def _topics(words: str, figures: Sequence[Figure]) -> set[str]:
    """Those of the figures' topics that these words name, without those that are only part of a longer one."""
    held = {topic for figure in figures for topic in figure.topics if _holds(words, topic)}
    return {topic for topic in held if not any(topic != other and topic in other for other in held)}


def _sentences(passage: Passage) -> Iterator[tuple[int, str]]:
    """Each with its place in the passage; a row is one."""
    if passage.row:
        yield 0, passage.text
        return
    begin = 0
    for end in [*(match.end() for match in _SENTENCE_END.finditer(passage.text)), len(passage.text)]:
        yield begin, passage.text[begin:end]
        begin = end


def _of(figures: Sequence[Figure], quantity: Quantity) -> list[Figure]:
    return [figure for figure in figures if figure.dimension is quantity.dimension]


def _holds(text: str, words: str) -> bool:
    """Whether the text has these words as whole words."""
    return words in text and re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None


def _speaks_of(sentence: str, figure: Figure) -> bool:
    """Whether the sentence holds every word of the figure's name, by its stem and without the unit."""
    name = _NAMED.fullmatch(figure.place[-1].casefold())
    words = [word for word in name[1].split("_") if len(word) > 2] if name else []
    text = sentence.casefold()
    return words not in ([], ["within"]) and all(re.search(rf"\b{re.escape(word[:5])}", text) for word in words)


def _passages(section: Section) -> Iterator[Passage]:
    heading = section.heading.casefold()
    prose_start, place = 0, 0
    for line in section.text.splitlines(keepends=True):
        if line.startswith("|"):
            yield from _prose(section, heading, prose_start, place)
            first = line.strip().strip("|").split("|")[0].strip().casefold()
            yield Passage(section, first, line, place, row=True)
            prose_start = place + len(line)
        place += len(line)
    yield from _prose(section, heading, prose_start, place)


def _prose(section: Section, heading: str, start: int, end: int) -> Iterator[Passage]:
    if section.text[start:end].strip():
        yield Passage(section, heading, section.text[start:end], start, row=False)


def _unsaid(figures: Sequence[Figure], text: str) -> list[Figure]:
    said = {(quantity.dimension, quantity.value) for quantity in quantities(text)}
    plain = numbers(text) | _SAID_AS_WORDS
    return [
        figure
        for figure in figures
        if (figure.dimension is None and figure.stated not in plain)
        or (figure.dimension is not None and (figure.dimension, figure.value) not in said)
    ]


def _unsaid_findings(document: Document, missing: Sequence[Figure], settled: set[Dimension]) -> Iterator[Finding]:
    """One for each key or option. Another number of the unit in the text was reported in their place."""
    groups: dict[tuple[str, ...], list[Figure]] = {}
    for figure in missing:
        if figure.dimension not in settled:
            listed = ".".join(figure.place) in document.front.rules.figures
            depth = 1 if figure.place[0] not in ("options", "parts", "vendors", "crews") else 2
            groups.setdefault(figure.place if listed else figure.place[:depth], []).append(figure)
    for place, figures in groups.items():
        stated = ", ".join(f"{value:g}" for value in sorted({figure.stated for figure in figures}))
        message = f"{'.'.join(place)} states {stated}, which the text does not."
        yield error("unsaid_number", document.front.id, message, _line(document, place))


def _line(document: Document, place: Sequence[str]) -> int | None:
    if (name := ".".join(place)) in document.front.rules.figures:
        return key_line(document.source, "rules", "figures", name)
    if place[0] == "options":
        ids = [option.option_id for option in document.front.rules.options]
        return key_line(document.source, "rules", "options", ids.index(place[1]))
    return key_line(document.source, "rules", place[0])


def _unsaid_words(document: Document, text: str) -> Iterator[Finding]:
    told = " ".join(text.casefold().split())
    known = {figure.name for figure in listed_figures(document)}
    for name, value in document.front.rules.figures.items():
        if name not in known and not _holds(told, " ".join(str(value).casefold().split())):
            line = key_line(document.source, "rules", "figures", name)
            yield error("unsaid_number", document.front.id, f"{name} states {value!r}, which the text does not.", line)
