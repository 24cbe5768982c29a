"""Reads a resident's PDF in a process of its own: `python -m adapters.pdf_cleaning`, the document on standard input.

On standard output stands the cleaned document, or with the exit status `REFUSED` why it is refused. What of it is
slow, large or breaks the reader ends with the process, whose time and memory are limited. It imports no more than it
needs, so that it starts quickly.
"""

import io
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

from pypdf import PdfReader, PdfWriter
from pypdf.errors import PyPdfError
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject

MAX_PAGES = 200
MAX_PDF_OBJECTS = 100_000
MAX_NESTING = 50
MEMORY_BYTES = 1024**3
"""Of addresses; a reader of a usual document takes a tenth."""
CPU_S = 10
"""Where whoever started it can't end it any more."""
REFUSED = 3

_ACTIVE = frozenset({"/JavaScript", "/JS", "/Launch", "/EmbeddedFiles", "/EF", "/XFA", "/RichMedia"})
"""Keys of a PDF's dictionaries that hold scripts, programs or other files."""
_ACTIONS = frozenset({"/JavaScript", "/Launch", "/SubmitForm", "/ImportData", "/GoToR", "/GoToE", "/RichMediaExecute"})
"""Values of an action's `/S` that reach outside the document."""


class PdfRefused(Exception):
    """The document is not taken; the text says why."""


def main() -> int:
    """Clean one document; the exit status."""
    limit_itself()
    try:
        answer, status = clean_pdf(sys.stdin.buffer.read()), 0
    except PdfRefused as refused:
        answer, status = str(refused).encode(), REFUSED
    except MemoryError:
        answer, status = b"The document takes too much memory to read.", REFUSED
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
    return status


def limit_itself() -> None:
    """Take no more time and memory than this from now on."""
    for kind, most in (
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, MEMORY_BYTES),
    ):
        # macOS knows no limit of addresses.
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def clean_pdf(content: bytes) -> bytes:
    """The pages in a new document, without its information and metadata. Raises `PdfRefused`."""
    try:
        reader = PdfReader(io.BytesIO(content), strict=False)
        if reader.is_encrypted:
            raise PdfRefused("The document is encrypted.")
        pages = len(reader.pages)
        if not 1 <= pages <= MAX_PAGES:
            raise PdfRefused(f"The document has {pages} pages; 1 to {MAX_PAGES} are taken.")
        _require_passive(reader)
        writer = PdfWriter()
        for page in reader.pages:
            page.pop("/Metadata", None)
            page.pop("/PieceInfo", None)
            page.pop("/AA", None)
            writer.add_page(page)
        writer.metadata = None
        written = io.BytesIO()
        writer.write(written)
        return written.getvalue()
    except PdfRefused:
        raise
    except (PyPdfError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise PdfRefused("The document is damaged.") from None


def _require_passive(reader: PdfReader) -> None:
    """Refuse scripts, launched programs and files within the file, wherever in the document they are."""
    numbers = [(number, generation) for generation, objects in reader.xref.items() for number in objects]
    numbers += [(number, 0) for number in reader.xref_objStm]
    if len(numbers) > MAX_PDF_OBJECTS:
        raise PdfRefused("The document has too many parts.")
    for number, generation in numbers:
        if _is_active(reader.get_object(IndirectObject(number, generation, reader))):
            raise PdfRefused("The document holds scripts or other files.")


def _is_active(value: object, depth: int = 0) -> bool:
    """Whether an object, or one that stands in it, acts; what it refers to is an object of its own."""
    if depth > MAX_NESTING:
        raise PdfRefused("The document is nested too deeply.")
    if isinstance(value, DictionaryObject):
        entries = cast(dict[str, object], value)
        kind = _resolved(entries.get("/S"))
        if not _ACTIVE.isdisjoint(entries) or (isinstance(kind, str) and kind in _ACTIONS):
            return True
        # The dictionary's own subscript follows references.
        return any(_is_active(child, depth + 1) for child in entries.values())
    if isinstance(value, ArrayObject):
        # Iterating by subscript would follow references.
        children = cast(Iterator[object], list.__iter__(value))  # pyright: ignore[reportUnknownMemberType]
        return any(_is_active(child, depth + 1) for child in children)
    return False


def _resolved(value: object) -> object:
    """The object itself, where a reference stands in its place, or one that leads to another."""
    for _ in range(MAX_NESTING):
        if not isinstance(value, IndirectObject):
            return value
        value = value.get_object()
    raise PdfRefused("The document is nested too deeply.")


if __name__ == "__main__":
    sys.exit(main())
