"""Where people are sent on to never leaves this host, as a browser reads addresses."""

from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from web.safe_return import safe_return

HERE = "https://aam.test/sign-in"
PIECES = [
    "/",
    "\\",
    "//",
    "evil.example",
    "@",
    ":",
    "http:",
    "javascript:",
    "\t",
    "\n",
    "\r",
    "\0",
    " ",
    ".",
    "..",
    "%2f",
]
PIECES += ["%5c", "?", "#", "a", "[", "]", "\u2028", "\u3002", "\uff0f", "\x7f", "\x01", "\u202e"]


def as_a_browser_reads(address: str) -> str:
    """What the URL standard makes of it: no control characters, and a backslash is a slash."""
    kept = address.strip("".join(map(chr, range(33))))
    kept = "".join(each for each in kept if each not in "\t\n\r")
    head, mark, tail = kept.partition("?")
    return head.replace("\\", "/") + mark + tail


PIECED = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


@given(st.one_of(st.text(max_size=60), PIECED, PIECED.map("/{}".format)))
@example("/a\x7fb")
@example("/a\u2028b")
@example("//evil.example")
@example("/\\evil.example")
@example("/\t/evil.example")
@example("/%09/evil.example")
@example("/\x00/evil.example")
@example("/.//evil.example")
@example("/..//evil.example")
@example("/a/..//evil.example")
@example("/%2e%2e//evil.example")
@example("https://evil.example")
@example("/[//evil.example")
def test_nobody_leaves_this_host(address: str) -> None:
    safe = safe_return(address)
    read = as_a_browser_reads(safe)
    assert read.startswith("/")
    assert not read.startswith("//")
    try:
        landed = urlsplit(urljoin(HERE, read))
    except ValueError:
        pytest.fail(f"{safe!r} is no address")
    assert (landed.scheme, landed.netloc) == ("https", "aam.test")
    # What stands in a header's line stays there.
    assert all(each.isprintable() for each in safe)


@given(st.text(alphabet="abcXYZ019-_~%/?=&.", max_size=40).filter(lambda text: not text.startswith("/")))
def test_pages_of_ours_are_kept(path: str) -> None:
    assert safe_return("/" + path) == "/" + path


def test_a_client_follows_it_to_this_host() -> None:
    for address in ("/requests/REQ-1?done=sent#top", "/a//b", "/x?next=//evil.example"):
        assert httpx.URL(HERE).join(safe_return(address)).host == "aam.test"
        assert safe_return(address) == address


def test_too_long_an_address_is_none() -> None:
    assert safe_return("/" + "a" * 3000) == "/"
    assert safe_return("//evil.example", "/home") == "/home"
