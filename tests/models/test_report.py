"""The report: blocks as Markdown and HTML, verdicts on targets, pictures that are drawn."""

import base64
import re
from pathlib import Path

import pytest

from models.report.__main__ import COLUMNS, summary, write
from models.report.document import Bullets, Folded, Heading, Paragraph, Picture, Table
from models.report.pictures import draw_comparison, draw_risk
from models.report.rendering import render_html, render_markdown
from models.report.targets import Target
from models.text.baselines import BASELINE, SERVED, Result
from models.text.figures import Interval

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
BLOCKS = [
    Heading(1, "Title"),
    Paragraph("Less < more, `code` and **bold**."),
    Table(["a", "b"], [["1|2", "reached"], ["<x>", "missed, within the interval"]]),
    Bullets(["one"]),
    Picture("dot.png", "a dot"),
    Folded("More", [Paragraph("inside")]),
]


def test_markdown_keeps_cells_apart() -> None:
    text = render_markdown(BLOCKS)
    assert "# Title" in text
    assert "| 1\\|2 | reached |" in text
    assert "![a dot](dot.png)" in text
    assert "<details><summary>More</summary>\n\ninside" in text


def test_html_holds_its_pictures_and_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(PNG)
    page = render_html("Title", BLOCKS, tmp_path)
    assert "Less &lt; more, <code>code</code> and <strong>bold</strong>." in page
    assert "<td>&lt;x&gt;</td>" in page
    assert '<td class="missed">' in page
    assert base64.b64encode(PNG).decode() in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert not re.findall(r"https?://", page)


def test_a_picture_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        render_html("Title", [Picture("none.png", "nothing")], tmp_path)


def test_both_files_are_written(tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(PNG)
    markdown, page = write(BLOCKS, tmp_path)
    assert markdown.read_text().startswith("# Title")
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("side", "found", "verdict"),
    [
        ("at least", Interval(0.9, 0.85, 0.95), "reached"),
        ("at least", Interval(0.9, 0.75, 0.95), "reached, not by the whole interval"),
        ("at least", Interval(0.7, 0.65, 0.85), "missed, within the interval"),
        ("at least", Interval(0.7, 0.65, 0.75), "missed"),
        ("at most", Interval(0.7, 0.65, 0.75), "reached"),
        ("at most", Interval(0.7, 0.65, 0.85), "reached, not by the whole interval"),
        ("at most", Interval(0.9, 0.75, 0.95), "missed, within the interval"),
        ("at most", Interval(0.9, 0.85, 0.95), "missed"),
        ("at most", None, "not measured"),
    ],
)
def test_a_verdict_says_whether_chance_leaves_it_open(side: str, found: Interval | None, verdict: str) -> None:
    target = Target("name", side, 0.8, found)  # type: ignore[arg-type]
    assert target.verdict == verdict
    assert verdict in summary([target]).splitlines()[1]
    assert len(target.cells()) == len(COLUMNS)


def test_pictures_are_drawn(tmp_path: Path) -> None:
    zero = Interval(0.0, 0.0, 0.0)
    results = [
        Result(name, part, head, Interval(0.5, 0.4, 0.6), zero)
        for name in (BASELINE, SERVED)
        for part in ("validation", "test")
        for head in ("category", "urgency", "intent", "trade")
    ]
    draw_comparison(results, tmp_path / "comparison.png")
    bins = [{"requests": 10, "stated": 0.2, "observed": 0.3}, {"requests": 10, "stated": 0.7, "observed": 0.6}]
    draw_risk({"breach": {"reliability": bins, "ece": 0.1}}, tmp_path / "risk.png")
    for name in ("comparison.png", "risk.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
