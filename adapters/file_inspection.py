"""Checks residents' files by their content, PDF in a process of its own, and their kind by the first bytes."""

import io
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import cast, get_args

import filetype  # pyright: ignore[reportMissingTypeStubs] - it has none
from PIL import Image, ImageOps, UnidentifiedImageError

from adapters import pdf_cleaning
from core.attachments import CheckedFile, ContentType, FileRefused, UnsupportedFile

MAX_PIXELS = 60_000_000
"""More than any telephone takes; a picture that unpacks to more is refused before it is unpacked."""
PDF_TIMEOUT_S = 6.0
"""With the start of the process, which takes a fraction of a second."""
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
_ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "application/x-pdf": "application/pdf"}

CHILD_ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ} | {
    "PYTHONPATH": str(Path(__file__).parents[1])
}
"""No setting and no secret of this process is given to one that reads strangers' files."""

log = logging.getLogger(__name__)


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
    """What `adapters.pdf_cleaning` makes of it, in a process that is killed when it takes too long."""
    try:
        done = subprocess.run(
            [sys.executable, "-sP", "-m", pdf_cleaning.__name__],
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PDF_TIMEOUT_S,
            env=CHILD_ENVIRONMENT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FileRefused("The document takes too long to read.") from None
    if done.returncode == pdf_cleaning.REFUSED:
        raise FileRefused(done.stdout.decode())
    if done.returncode != 0:
        log.warning("a PDF ended its reader with status %d", done.returncode)
        raise FileRefused("The document can't be read.")
    return done.stdout
