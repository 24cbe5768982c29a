"""Markdown of the knowledge base as HTML for a page: no HTML of its own, no pictures, no links but plain ones."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def render_markdown(text: str, table_label: str) -> Markup:
    """The text as HTML. `table_label` is what a screen reader says of a table that scrolls sideways."""
    reader = _reader()
    tokens = reader.parse(text)
    for token in tokens:
        _tame(token)
    return Markup(reader.renderer.render(tokens, reader.options, {"table_label": table_label}))


@lru_cache(maxsize=1)
def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    # Headings are the sections' own; a picture would be fetched from wherever a document says.
    reader.disable(["heading", "lheading", "image"])
    reader.validateLink = is_plain_link
    reader.add_render_rule("table_open", _open_table)
    reader.add_render_rule("table_close", _close_table)
    return reader


def is_plain_link(url: str) -> bool:
    """Whether a document may link there: http, https, or a place on this host."""
    scheme = _SCHEME.match(url)
    if scheme is not None:
        return scheme.group().lower() in ("http:", "https:")
    return not url.replace("\\", "/").startswith("//")


def _tame(token: Token) -> None:
    """Tables align by a class, since the page's policy allows no inline style, and their headers say what they head."""
    if token.type in ("th_open", "td_open") and "right" in str(token.attrs.pop("style", "")):
        token.attrs["class"] = "number"
    if token.type == "th_open":
        token.attrs["scope"] = "col"


def _open_table(renderer: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: dict[str, str]) -> str:
    return f'<div class="table-scroll" tabindex="0" role="region" aria-label="{escape(env["table_label"])}"><table>\n'


def _close_table(renderer: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: dict[str, str]) -> str:
    return "</table></div>\n"
