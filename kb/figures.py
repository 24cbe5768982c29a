"""Compares the numbers of a document's rules with those of its text, so that the two can't come apart."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from core.rules import OptionTemplate, Triangle
from kb.compile import SINGLE_KEYS
from kb.reader import Document

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_TIME = re.compile(r"\d\d:\d\d:\d\d")
_SAID_AS_WORDS = frozenset({0.0, 1.0, 2.0})
"""Small numbers that prose spells out: "one similar request"."""


def unsaid_numbers(document: Document) -> Iterator[tuple[str, list[float]]]:
    """The name of each rule or option that holds numbers which the document's text does not, with these numbers."""
    for option in document.front.rules.options:
        section = document.section(option.section)
        said = _said(section.text if section else "")
        if missing := sorted(set(_option_figures(option)) - said):
            yield option.option_id, missing
    said = _said("\n".join(section.text for section in document.sections)) | _SAID_AS_WORDS
    stated = document.front.rules.model_dump(mode="json")
    for key in SINGLE_KEYS:
        if missing := sorted(set(_figures(stated[key])) - said):
            yield key, missing


def _option_figures(option: OptionTemplate) -> Iterator[float]:
    for figures in (option.cost_usd, option.work_hours, option.lead_hours):
        if figures != Triangle(low=0, mode=0, high=0):
            yield from (figures.low, figures.mode, figures.high)


def _figures(stated: Any) -> Iterator[float]:
    """Every number of a JSON value; of a time of day, its hour."""
    if isinstance(stated, dict):
        yield from _all(cast(dict[str, Any], stated).values())
    elif isinstance(stated, list):
        yield from _all(cast(list[Any], stated))
    elif isinstance(stated, str) and _TIME.fullmatch(stated):
        yield float(stated[:2])
    elif isinstance(stated, int | float) and not isinstance(stated, bool):
        yield float(stated)


def _all(parts: Iterable[Any]) -> Iterator[float]:
    for part in parts:
        yield from _figures(part)


def _said(text: str) -> set[float]:
    return {float(number.replace(",", "")) for number in _NUMBER.findall(text)}
