"""Residents' files: what is kept is a picture or document and nothing else."""

import io
import shutil
import subprocess
import sys
import time
import zlib
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, TextStringObject

from adapters import file_inspection
from adapters.file_inspection import ContentInspector
from adapters.pdf_cleaning import MAX_PAGES, REFUSED, PdfRefused, clean_pdf
from core.attachments import FileRefused, UnsupportedFile

inspector = ContentInspector()
GPS_IFD, ORIENTATION, MAKE = 0x8825, 0x0112, 0x010F


def picture(wanted: str = "JPEG", size: tuple[int, int] = (40, 20), mode: str = "RGB", **save: object) -> bytes:
    drawn = Image.new(mode, size, 128)
    drawn.putpixel((0, 0), 255 if mode == "L" else (255,) * len(mode))
    written = io.BytesIO()
    drawn.save(written, wanted, **save)
    return written.getvalue()


def document(pages: int = 1, *, writer: PdfWriter | None = None) -> bytes:
    writer = writer or PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(200, 200)
    writer.add_metadata({"/Author": "Jo Resident", "/Title": "47.6062 N 122.3321 W"})
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


@pytest.mark.parametrize(("wanted", "kind"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_a_picture_is_kept(wanted: str, kind: str) -> None:
    kept = inspector.inspect(picture(wanted), kind)
    assert kept.content_type == kind
    with Image.open(io.BytesIO(kept.content)) as opened:
        assert (opened.format, opened.size) == (wanted, (40, 20))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colours_are_kept_readable(mode: str) -> None:
    with Image.open(io.BytesIO(inspector.inspect(picture(mode=mode), "image/jpeg").content)) as opened:
        assert opened.mode == "RGB"


def test_place_and_camera_are_taken_out_and_the_picture_stands_upright() -> None:
    exif = Image.Exif()
    exif[MAKE] = "SecretCamera 9000"
    exif[ORIENTATION] = 6
    exif.get_ifd(GPS_IFD)[1] = "N"
    exif.get_ifd(GPS_IFD)[2] = (47.0, 36.0, 22.0)
    sent = picture(exif=exif, comment=b"taken at home")
    assert b"SecretCamera" in sent
    kept = inspector.inspect(sent, "image/jpeg").content
    assert b"SecretCamera" not in kept
    assert b"taken at home" not in kept
    with Image.open(io.BytesIO(kept)) as opened:
        assert dict(opened.getexif()) == {}
        assert opened.size == (20, 40)


def test_text_beside_a_png_is_taken_out() -> None:
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    notes.add_text("Location", "47.6,-122.3")
    assert b"47.6" not in inspector.inspect(picture("PNG", pnginfo=notes), "image/png").content


def test_what_hangs_behind_a_picture_is_left_behind() -> None:
    kept = inspector.inspect(picture() + b"<script>alert(1)</script>PK\x03\x04", "image/jpeg")
    assert b"script" not in kept.content


@pytest.mark.parametrize(
    ("content", "claimed"),
    [
        (picture("PNG"), "image/jpeg"),
        (picture("JPEG"), "application/pdf"),
        (document(), "image/png"),
        (b"GIF89a" + bytes(100), "image/png"),
        (b"<html><script>", "image/jpeg"),
        (b"MZ" + bytes(500), "application/pdf"),
        (b"", "image/png"),
        (b"%PDF-1.7", "application/pdf"),
        (picture()[:300], "image/jpeg"),
        (b"\xff\xd8\xff\xe0" + bytes(200), "image/jpeg"),
    ],
)
def test_what_is_not_what_it_claims_is_refused(content: bytes, claimed: str) -> None:
    with pytest.raises(FileRefused):
        inspector.inspect(content, claimed)


@pytest.mark.parametrize(
    "claimed", ["", "image/gif", "image/svg+xml", "text/html", "application/zip", "video/mp4", "x"]
)
def test_other_kinds_are_not_taken(claimed: str) -> None:
    with pytest.raises(UnsupportedFile):
        inspector.inspect(picture(), claimed)


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    side = 60_000
    head = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    rows = zlib.compress(bytes(side * 3 * 50), 9)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    with pytest.raises(FileRefused, match="too large"):
        inspector.inspect(bomb, "image/png")


def test_moving_pictures_are_refused() -> None:
    frames = [Image.new("RGB", (10, 10), colour) for colour in ("red", "blue")]
    written = io.BytesIO()
    frames[0].save(written, "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(FileRefused, match="Moving"):
        inspector.inspect(written.getvalue(), "image/webp")


def test_a_document_is_kept_without_its_metadata() -> None:
    kept = inspector.inspect(document(3), "application/pdf")
    reader = PdfReader(io.BytesIO(kept.content))
    assert len(reader.pages) == 3
    assert b"Jo Resident" not in kept.content
    assert b"47.6062" not in kept.content


def test_too_many_pages_are_refused() -> None:
    with pytest.raises(FileRefused, match="pages"):
        inspector.inspect(document(MAX_PAGES + 1), "application/pdf")


def test_an_encrypted_document_is_refused() -> None:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret")
    written = io.BytesIO()
    writer.write(written)
    with pytest.raises(FileRefused, match="encrypted"):
        inspector.inspect(written.getvalue(), "application/pdf")


def _with_script() -> PdfWriter:
    writer = PdfWriter()
    script = {"/S": NameObject("/JavaScript"), "/JS": TextStringObject("app.alert('x');")}
    writer.root_object[NameObject("/OpenAction")] = DictionaryObject({NameObject(k): v for k, v in script.items()})
    return writer


def _with_file() -> PdfWriter:
    writer = PdfWriter()
    writer.add_attachment("virus.exe", b"MZ")
    return writer


def _with_launch() -> PdfWriter:
    """A link whose action stands inside of the page's own dictionary."""
    writer = PdfWriter()
    page = writer.add_blank_page(100, 100)
    action = DictionaryObject({NameObject("/S"): NameObject("/Launch"), NameObject("/F"): TextStringObject("cmd.exe")})
    link = DictionaryObject({NameObject("/Subtype"): NameObject("/Link"), NameObject("/A"): action})
    page[NameObject("/Annots")] = ArrayObject([link])
    return writer


@pytest.mark.parametrize("action", ["Launch", "SubmitForm", "GoToR", "GoToE", "ImportData"])
def test_an_action_whose_kind_stands_elsewhere_is_refused(action: str) -> None:
    with pytest.raises(FileRefused, match="scripts or other files"):
        inspector.inspect(_written([f"/{action}"]), "application/pdf")
    with pytest.raises(FileRefused):
        inspector.inspect(_written(["7 0 R", "8 0 R", f"/{action}"]), "application/pdf")


def test_a_kind_that_stands_elsewhere_and_reaches_nowhere_is_kept() -> None:
    assert inspector.inspect(_written(["/URI"]), "application/pdf").content_type == "application/pdf"


def test_a_kind_that_refers_to_itself_is_refused() -> None:
    with pytest.raises(FileRefused):
        inspector.inspect(_written(["6 0 R"]), "application/pdf")


def _written(kinds: list[str]) -> bytes:
    """A document with a link whose action has its kind as a reference to the sixth object; that and more are given."""
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Annots [4 0 R] >>",
        "<< /Type /Annot /Subtype /Link /Rect [0 0 100 100] /A 5 0 R >>",
        "<< /S 6 0 R /F (cmd.exe) /URI (https://example.com) >>",
        *kinds,
    ]
    written, places = b"%PDF-1.7\n", list[int]()
    for number, content in enumerate(objects, 1):
        places.append(len(written))
        written += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(places) + 1} /Root 1 0 R >>\n"
    return written + f"{end}startxref\n{len(written)}\n%%EOF\n".encode()


@pytest.mark.parametrize("make", [_with_script, _with_file, _with_launch])
def test_a_document_that_acts_is_refused(make: object) -> None:
    with pytest.raises(FileRefused, match="scripts or other files"):
        inspector.inspect(document(writer=make()), "application/pdf")  # type: ignore[operator]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    base=st.sampled_from([picture(), picture("PNG"), picture("WEBP")]),
    claimed=st.sampled_from(["image/jpeg", "image/png", "image/webp", "application/pdf"]),
    cut=st.integers(0, 2000),
    place=st.integers(0, 3000),
    junk=st.binary(max_size=40),
)
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_kept_or_refused_and_nothing_else(
    base: bytes, claimed: str, cut: int, place: int, junk: bytes
) -> None:
    damaged = base[:place] + junk + base[place + cut % 50 :]
    # Anything but these errors of ours fails the test.
    with suppress(FileRefused, UnsupportedFile):
        assert inspector.inspect(damaged, claimed).content_type == claimed


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cut=st.integers(0, 2000), place=st.integers(0, 3000), junk=st.binary(max_size=40))
@pytest.mark.filterwarnings("ignore")
def test_damaged_documents_are_cleaned_or_refused_and_nothing_else(cut: int, place: int, junk: bytes) -> None:
    whole = document(2)
    with suppress(PdfRefused):
        assert clean_pdf(whole[:place] + junk + whole[place + cut % 50 :]).startswith(b"%PDF")


def packed_document(padding: int = 0) -> bytes:
    """One page, and an object in a stream that is unpacked row by row, each of one byte."""
    plain = b"6 0 1" + b" " * padding
    rows = bytearray(2 * len(plain))
    rows[1::2] = plain
    packed = zlib.compress(rows)
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>",
        b"<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /DecodeParms << /Predictor 15 /Columns 1 >> /Length %d >>"
        b"\nstream\n%b\nendstream" % (len(packed), packed),
    ]
    written, places = b"%PDF-1.5\n", [0]
    for number, part in enumerate(parts, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%b\nendobj\n" % (number, part)
    places.append(len(written))
    table = b"".join(b"\1" + place.to_bytes(4) + bytes(2) for place in places) + b"\2" + (4).to_bytes(4) + bytes(2)
    head = b"5 0 obj\n<< /Type /XRef /W [1 4 2] /Size 7 /Root 1 0 R /Length %d >>\nstream\n" % len(table)
    return written + head + table + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % places[5]


def test_a_document_with_a_packed_object_is_kept() -> None:
    assert inspector.inspect(packed_document(), "application/pdf").content.startswith(b"%PDF")


def test_a_document_that_keeps_its_reader_busy_is_refused_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_inspection, "PDF_TIMEOUT_S", 1.5)
    busy = packed_document(30_000_000)
    assert len(busy) < 100_000
    began = time.monotonic()
    with pytest.raises(FileRefused, match="too long"):
        inspector.inspect(busy, "application/pdf")
    assert 1.4 < time.monotonic() - began < 4


def run_reader(code: str) -> "subprocess.CompletedProcess[bytes]":
    """What this code does where the reader has limited itself."""
    begin = "from adapters import pdf_cleaning as reader\nreader.limit_itself()\n"
    return subprocess.run([sys.executable, "-c", begin + code], capture_output=True, timeout=20, check=False)


def test_a_reader_that_wants_too_much_memory_refuses() -> None:
    hungry = "reader.clean_pdf = lambda _: bytes(reader.MEMORY_BYTES)\nraise SystemExit(reader.main())"
    done = run_reader(hungry)
    assert (done.returncode, done.stdout) == (REFUSED, b"The document takes too much memory to read.")


def test_a_reader_that_ends_by_itself_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(FileRefused, match="can't be read"):
        inspector.inspect(document(), "application/pdf")


def test_the_reader_is_given_no_settings_and_no_secrets() -> None:
    assert file_inspection.CHILD_ENVIRONMENT.keys() <= {"PATH", "LD_LIBRARY_PATH", "PYTHONPATH"}
