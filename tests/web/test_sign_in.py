"""Signing in as a sample person, staying signed in, and signing out."""

from collections.abc import Callable

from tests.web.conftest import Person


async def test_a_resident_signs_in_and_out(sign_in: Callable[..., object]) -> None:
    visitor: Person = await sign_in()  # type: ignore[misc]
    html = await visitor.page("/sign-in")
    assert "anybody can sign in" in html
    answer = await visitor.submit(html, "/sign-in", {"sub": "sam"})
    assert "aam_session" in "".join(answer.history[0].headers.get_list("set-cookie"))
    assert (await visitor.get("/staff")).status_code == 200
    answer = await visitor.submit(await visitor.page("/staff"), "/sign-out")
    assert answer.url.path == "/sign-in"
    assert (await visitor.get("/staff")).url.path == "/sign-in"


async def test_who_came_for_a_page_is_led_back_to_it(sign_in: Callable[..., object]) -> None:
    visitor: Person = await sign_in()  # type: ignore[misc]
    shown = await visitor.get("/requests?status=Closed")
    assert (shown.url.path, shown.url.query) == ("/sign-in", b"next=%2Frequests%3Fstatus%3DClosed")
    answer = await visitor.submit(shown.text, "/sign-in", {"sub": "RES_A_101"})
    assert str(answer.url).endswith("/requests?status=Closed")


async def test_nobody_signs_in_as_who_is_no_sample(sign_in: Callable[..., object]) -> None:
    visitor: Person = await sign_in()  # type: ignore[misc]
    for sub in ("", "root", "RES_Z_999"):
        await visitor.post("/sign-in", data={"sub": sub})
        assert "aam_session" not in visitor.cookies
