"""The anchor of a section of a document, by which other pages link to it: `/staff/knowledge/{doc_id}#{slug}`."""

import re
from urllib.parse import quote

_OTHER = re.compile(r"[^\w]+")
_BELOW = " > "


def section_slug(section: str) -> str:
    """The anchor of a section as a citation or a passage names it: its heading, with or without those above it."""
    heading = section.rpartition(_BELOW)[2]
    return _OTHER.sub("-", heading.casefold()).strip("-_") or "section"


def section_address(doc_id: str, section: str) -> str:
    """Where a section can be read."""
    return f"/staff/knowledge/{quote(doc_id, safe='')}#{quote(section_slug(section))}"
