"""Renders a document as Markdown, and as one HTML file that holds its pictures and needs no network."""

import base64
import html
import re
from collections.abc import Sequence
from pathlib import Path

from models.report.document import Block, Bullets, Folded, Heading, Paragraph, Picture, Table

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430 }
h1, h2, h3 { line-height: 1.2; margin-top: 2.2rem } h2 { border-bottom: 1px solid #d5dae1; padding-bottom: .3rem }
table { border-collapse: collapse; margin: 1rem 0; font-size: .88rem; display: block; overflow-x: auto }
th, td { border: 1px solid #d5dae1; padding: .25rem .6rem; text-align: left; vertical-align: top }
th { background: #f1f4f8 } td { font-variant-numeric: tabular-nums } code { background: #f1f4f8 }
img { max-width: 100% } figure { margin: 1.5rem 0 } figcaption { color: #566; font-size: .88rem }
summary { cursor: pointer; font-weight: 600 }
.reached { color: #14652b; font-weight: 600 } .missed { color: #a31621; font-weight: 600 }
"""


def render_markdown(blocks: Sequence[Block]) -> str:
    """The document with links to the pictures beside it."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def render_html(title: str, blocks: Sequence[Block], folder: Path) -> str:
    """The document with the pictures of this folder inside. Raises `FileNotFoundError` for one that is not there."""
    body = "\n".join(_html(block, folder) for block in blocks)
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _markdown(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {text}"
        case Paragraph(text):
            return text
        case Bullets(items):
            return "\n".join(f"- {item}" for item in items)
        case Table(columns, rows):
            lines = [columns, ["---"] * len(columns), *rows]
            return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)
        case Picture(file, shows):
            return f"![{shows}]({file})"
        case Folded(summary, inner):
            return f"<details><summary>{html.escape(summary)}</summary>\n\n{render_markdown(inner)}\n</details>"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _html(block: Block, folder: Path) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level}>{_inline(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{_inline(text)}</p>"
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>"
        case Table(columns, rows):
            head = "".join(f"<th>{_inline(cell)}</th>" for cell in columns)
            body = "".join("<tr>" + "".join(_data(cell) for cell in row) + "</tr>" for row in rows)
            return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        case Picture(file, shows):
            data = base64.b64encode((folder / file).read_bytes()).decode()
            image = f'<img alt="{html.escape(shows)}" src="data:image/png;base64,{data}">'
            return f"<figure>{image}<figcaption>{_inline(shows)}</figcaption></figure>"
        case Folded(summary, inner):
            inside = "\n".join(_html(each, folder) for each in inner)
            return f"<details><summary>{_inline(summary)}</summary>\n{inside}\n</details>"


def _data(cell: str) -> str:
    mark = next((f' class="{word}"' for word in ("reached", "missed") if cell.startswith(word)), "")
    return f"<td{mark}>{_inline(cell)}</td>"


def _inline(text: str) -> str:
    bold = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html.escape(text, quote=False))
    return re.sub(r"`(.+?)`", r"<code>\1</code>", bold)
