"""Checks residents' files by their content: pictures with Pillow, PDF with pypdf, and their kind by the first bytes."""

import io
import warnings
from collections.abc import Iterator
from typing import cast, get_args

import filetype  # pyright: ignore[reportMissingTypeStubs] - it has none
from PIL import Image, ImageOps, UnidentifiedImageError
from pypdf import PdfReader, PdfWriter
from pypdf.errors import PyPdfError
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject

from core.attachments import CheckedFile, ContentType, FileRefused, UnsupportedFile

MAX_PIXELS = 60_000_000
"""More than any telephone takes; a picture that unpacks to more is refused before it is unpacked."""
MAX_PAGES = 200
MAX_PDF_OBJECTS = 100_000
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
_ACTIVE = frozenset({"/JavaScript", "/JS", "/Launch", "/EmbeddedFiles", "/EF", "/XFA", "/RichMedia"})
"""Keys of a PDF's dictionaries that hold scripts, programs or other files."""
_ACTIONS = frozenset({"/JavaScript", "/Launch", "/SubmitForm", "/ImportData", "/GoToR", "/GoToE", "/RichMediaExecute"})
"""Values of an action's `/S` that reach outside the document."""
MAX_NESTING = 50
_ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "application/x-pdf": "application/pdf"}


class ContentInspector:
    """A `core.ports.blobs.FileInspector`."""

    def inspect(self, content: bytes, claimed_type: str) -> CheckedFile:
        """See the port."""
        claimed = claimed_type.split(";")[0].strip().lower()
        claimed = _ALIASES.get(claimed, claimed)
        if claimed not in get_args(ContentType):
            raise UnsupportedFile("Only JPEG, PNG and WebP pictures and PDF documents are taken.")
        found = _kind(content)
        if found != claimed:
            raise FileRefused(f"The file says that it is {claimed}, but its content is {found or 'of no known kind'}.")
        kind = cast(ContentType, claimed)
        cleaned = _clean_pdf(content) if kind == "application/pdf" else _clean_picture(content, _FORMATS[kind])
        return CheckedFile(cleaned, kind)


def _kind(content: bytes) -> str | None:
    guess = filetype.guess(content)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return None if guess is None else str(guess.mime)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


def _clean_picture(content: bytes, wanted: str) -> bytes:
    """The pixels, upright, in a new file: whatever else the old one held is left behind."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=[wanted]) as opened:
                _require_drawable(opened)
                upright = ImageOps.exif_transpose(opened)
                return _encode(upright, wanted)
    except FileRefused:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise FileRefused("The picture is too large when it is unpacked.") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, MemoryError):
        raise FileRefused("The picture is damaged.") from None


def _require_drawable(picture: Image.Image) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise FileRefused(f"The picture has {picture.width} × {picture.height} points; up to 60 million are taken.")  # noqa: RUF001
    if getattr(picture, "n_frames", 1) > 1:
        raise FileRefused("Moving pictures are not taken.")


def _encode(picture: Image.Image, wanted: str) -> bytes:
    plain = picture.convert("RGB") if wanted == "JPEG" and picture.mode != "RGB" else picture.copy()
    plain.info.clear()
    written = io.BytesIO()
    if wanted == "PNG":
        plain.save(written, wanted, compress_level=4)
    else:
        plain.save(written, wanted, quality=88)
    return written.getvalue()


def _clean_pdf(content: bytes) -> bytes:
    """The pages in a new document, without its information and metadata."""
    try:
        reader = PdfReader(io.BytesIO(content), strict=False)
        if reader.is_encrypted:
            raise FileRefused("The document is encrypted.")
        pages = len(reader.pages)
        if not 1 <= pages <= MAX_PAGES:
            raise FileRefused(f"The document has {pages} pages; 1 to {MAX_PAGES} are taken.")
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
    except FileRefused:
        raise
    except (PyPdfError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise FileRefused("The document is damaged.") from None


def _require_passive(reader: PdfReader) -> None:
    """Refuse scripts, launched programs and files within the file, wherever in the document they are."""
    numbers = [(number, generation) for generation, objects in reader.xref.items() for number in objects]
    numbers += [(number, 0) for number in reader.xref_objStm]
    if len(numbers) > MAX_PDF_OBJECTS:
        raise FileRefused("The document has too many parts.")
    for number, generation in numbers:
        if _is_active(reader.get_object(IndirectObject(number, generation, reader))):
            raise FileRefused("The document holds scripts or other files.")


def _is_active(value: object, depth: int = 0) -> bool:
    """Whether an object, or one that stands in it, acts; what it refers to is an object of its own."""
    if depth > MAX_NESTING:
        raise FileRefused("The document is nested too deeply.")
    if isinstance(value, DictionaryObject):
        entries = cast(dict[str, object], value)
        if not _ACTIVE.isdisjoint(entries) or entries.get("/S") in _ACTIONS:
            return True
        # The dictionary's own subscript follows references.
        return any(_is_active(child, depth + 1) for child in entries.values())
    if isinstance(value, ArrayObject):
        # Iterating by subscript would follow references.
        children = cast(Iterator[object], list.__iter__(value))  # pyright: ignore[reportUnknownMemberType]
        return any(_is_active(child, depth + 1) for child in children)
    return False
