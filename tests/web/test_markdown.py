"""What Markdown may become on a page: text, lists, tables and plain links, and nothing that runs or is fetched."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.markdown import is_plain_link, render_markdown

ALLOWED = {"p", "ul", "ol", "li", "strong", "em", "a", "code", "pre", "blockquote", "br", "hr", "div", "table"} | {
    "thead", "tbody", "tr", "th", "td",
}  # fmt: skip


@pytest.mark.parametrize(
    ("address", "is_plain"),
    [
        ("https://example.org/a", True),
        ("http://example.org", True),
        ("/staff/knowledge/pets#dogs", True),
        ("#dogs", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False),
        ("data:text/html,x", False),
        ("data:image/png;base64,x", False),
        ("mailto:a@example.org", False),
        ("//example.org", False),
        ("\\\\example.org", False),
        ("/\\example.org", False),
    ],
)
def test_links_go_to_the_web_or_stay_here(address: str, is_plain: bool) -> None:
    assert is_plain_link(address) is is_plain
    if address.isascii() and "\\" not in address:
        assert ("<a " in render_markdown(f"[x]({address})", "")) is is_plain


def test_a_table_scrolls_heads_its_columns_and_has_no_style() -> None:
    html = render_markdown("| A | B |\n| --- | ---: |\n| <b>1</b> | 2 |", 'T"')
    assert html.startswith('<div class="table-scroll" tabindex="0" role="region" aria-label="T&#34;"><table>')
    assert '<th scope="col">A</th>' in html
    assert '<td class="number">2</td>' in html
    assert "&lt;b&gt;1&lt;/b&gt;" in html
    assert "style" not in html


_TEXTS = (
    "<script> </p> [a]( javascript:x ) ![ ](//e) ` | --- <!-- --> <a_href='x'> &#106; &lt; \" ' < > text http://e = # -"
)
_PIECES = st.lists(st.sampled_from([*_TEXTS.replace("_", "\t").split(" "), "\n", "\n\n", " ", "<img src=x onerror=a>"]))


@given(_PIECES)
def test_nothing_but_our_own_tags_comes_out(pieces: list[str]) -> None:
    html = render_markdown("".join(pieces), "t")
    for name, attributes in re.findall(r"<([a-zA-Z!][\w-]*)([^>]*)>", html):
        assert name in ALLOWED
        assert not re.search(r"(?:^|\s)(?:on\w+|style|src)\s*=", re.sub(r'"[^"]*"', '""', attributes))
    assert not [link for link in re.findall(r'href="([^"]*)"', html) if not is_plain_link(link)]
