"""Splits a document's text into paragraphs, sentences and passages."""

import re

_END = re.compile(r"(?<=[.!?])[\"”’)]*\s+(?=[\"“(]?[A-Z0-9])")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|a\.m|p\.m|No|approx|Dr|Mr|Mrs|Ms|St|vs|RCW|CMR)\.$")
_BULLET = re.compile(r"^\s*(?:[-*]|\d+\.)\s+")


def paragraphs(text: str) -> list[str]:
    """Blocks between blank lines, each on one line; a table's rows and a list's items stay lines of their block."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", text) if block.strip()]
    return [block if _is_table(block) or _is_list(block) else " ".join(block.split()) for block in blocks]


def sentences(text: str) -> list[str]:
    """The sentences as the text has them, list items included and tables left out."""
    found: list[str] = []
    for block in paragraphs(text):
        if _is_table(block):
            continue
        lines = [_BULLET.sub("", line).strip() for line in block.splitlines()]
        for line in lines:
            found.extend(_split(line))
    return found


def _split(line: str) -> list[str]:
    whole: list[str] = []
    for part in _END.split(line):
        if whole and _ABBREVIATION.search(whole[-1]):
            whole[-1] = f"{whole[-1]} {part}"
        elif part:
            whole.append(part)
    return whole


def _is_table(block: str) -> bool:
    return block.startswith("|")


def _is_list(block: str) -> bool:
    return _BULLET.match(block) is not None


def without_tables(text: str) -> str:
    """The text's paragraphs and lists, without its tables."""
    return "\n\n".join(block for block in paragraphs(text) if not _is_table(block))
