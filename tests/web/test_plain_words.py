"""Refusals from before the pages reach a person as a page, and a stranger's large form is not held."""

from collections.abc import Callable

import pytest

from tests.web.conftest import Person
from web.forms import Form

HTML = {"Accept": "text/html"}


async def test_too_large_a_form_is_refused_as_a_page(resident: Person) -> None:
    answer = await resident.post("/preferences", content=b"x" * 400_000, headers=HTML)
    assert answer.status_code == 413
    assert answer.headers["content-type"].startswith("text/html")
    assert "10 MB" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_a_script_gets_the_problem_itself(resident: Person) -> None:
    answer = await resident.post("/preferences", content=b"x" * 400_000, headers={"Accept": "application/json"})
    assert answer.headers["content-type"].startswith("application/problem+json")


async def test_the_interface_keeps_its_own_words(resident: Person) -> None:
    answer = await resident.post("/api/v1/requests", content=b"x" * 400_000, headers=HTML)
    assert answer.headers["content-type"].startswith("application/problem+json")


async def test_only_who_has_a_session_may_send_photos(resident: Person, sign_in: Callable[..., object]) -> None:
    stranger: Person = await sign_in()  # type: ignore[misc]
    large = b"message_text=" + b"x" * 1_000_000
    form = {"Content-Type": "application/x-www-form-urlencoded", **HTML}
    assert (await stranger.post("/report", content=large, headers=form)).status_code == 413
    assert (await resident.post("/report", content=large, headers=form)).status_code == 403


@pytest.mark.parametrize(
    ("text", "number"),
    [("120", 120.0), ("1,200.50", 1200.5), ("-3", -3.0), (".5", 0.5), ("120,50", None), ("1,5", None), ("x", None),
     ("1e400", None), ("", None), ("٣", None)],
)  # fmt: skip
def test_a_decimal_comma_is_not_taken_for_thousands(text: str, number: float | None) -> None:
    assert Form({"n": text}, {}).number("n") == number


@pytest.mark.parametrize(("text", "whole"), [("5", 5), ("-5", -5), ("--5", None), ("5.0", None), ("9" * 30, None)])
def test_a_whole_number_is_one(text: str, whole: int | None) -> None:
    assert Form({"n": text}, {}).whole("n") == whole


@pytest.mark.parametrize("key", ["ключ", "a b", "x" * 300, "a\nb"])
def test_a_key_that_is_none_of_ours_is_none(key: str) -> None:
    assert Form({"idempotency_key": key}, {}).key is None
