"""What residents do, from the first word to the rating, in a browser."""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from bench.website import Site
from tests.browser.conftest import Visit, serious_violations

GAS = "There is a strong smell of gas in my kitchen"
LEAK = "The kitchen tap has been dripping since Monday and the cabinet below is damp"


def report(page: Page, text: str) -> str:
    """Send a message from the first page; the id of the request."""
    page.goto("/home")
    page.get_by_label("What is wrong").fill(text)
    page.get_by_role("button", name="Send", exact=True).click()
    page.wait_for_url(re.compile(r"/requests/REQ_"))
    return page.url.rsplit("/", 1)[1].partition("?")[0]


def finish_jobs(site: Site, request_id: str) -> None:
    """As staff at the desk, complete every job of the request."""
    with site.api("sam") as staff:
        jobs = staff.get("/operations/work-orders", params={"limit": 200}).json()["items"]
        for job in (one for one in jobs if one["request_id"] == request_id):
            done = staff.post(f"/operations/work-orders/{job['work_order_id']}/complete", json={"notes": "Done."})
            assert done.status_code == 200


def test_a_report_is_chosen_for_and_carried_out_before_ones_eyes(visit: Visit, site: Site) -> None:
    page = visit("RES_A_501")
    request_id = report(page, LEAK)
    cards = page.locator(".option")
    assert cards.count() >= 3
    expect(cards.first).to_contain_text("Recommended")
    expect(cards.first).to_contain_text("9 in 10")
    cards.first.get_by_role("button", name=re.compile("Choose this")).click()
    expect(page.locator("#part-now")).to_contain_text(re.compile("In progress|Approved"))
    # Nobody touches the page from here on.
    expect(page.locator("#part-now")).to_contain_text("In progress")
    finish_jobs(site, request_id)
    expect(page.get_by_role("button", name="Yes, it is done")).to_be_visible()
    page.get_by_role("button", name="Yes, it is done").click()
    page.get_by_label("5 – very good").check()
    page.get_by_role("button", name="Send the rating").click()
    expect(page.get_by_text("You rated it 5 of 5. You may change that.")).to_be_visible()
    assert not site.console


def test_an_emergency_is_answered_while_it_is_typed_and_first_of_all_after(visit: Visit, site: Site) -> None:
    page = visit("RES_A_502", phone=True)
    page.goto("/home")
    page.get_by_label("What is wrong").press_sequentially("There is a strong smell of gas in my kitchen")
    danger = page.locator("[data-danger-box]")
    expect(danger).to_be_visible()
    expect(danger).to_contain_text("911")
    danger.get_by_role("button", name="Send it now").click()
    page.wait_for_url(re.compile(r"/requests/REQ_"))
    first = page.locator("main .emergency")
    expect(first).to_contain_text("Leave now")
    expect(first).to_contain_text("Help was alerted")
    assert first.bounding_box()["y"] < page.get_by_role("heading", level=1).bounding_box()["y"]
    assert serious_violations(page) == []


def test_a_question_is_answered_with_its_source_and_can_be_asked_of_a_person(visit: Visit) -> None:
    page = visit("RES_A_503")
    report(page, "What time does the gym close?")
    expect(page.locator("#part-answer")).to_contain_text("23:00")
    expect(page.locator("#part-answer")).to_contain_text("amenity-hours")
    page.get_by_text("This did not help").click()
    page.get_by_label("What is still missing?").fill("I meant on Thanksgiving")
    page.get_by_role("button", name="Send it to our staff").click()
    expect(page.locator("#part-timeline")).to_contain_text(re.compile("Thanksgiving|reopened|Reopened"))


def test_what_is_not_done_is_reopened(visit: Visit, site: Site) -> None:
    page = visit("RES_A_504")
    request_id = report(page, LEAK)
    with site.api("sam") as staff:
        assert staff.post(f"/requests/{request_id}/escalate", json={}).status_code == 200
        assert staff.post(f"/requests/{request_id}/resolve", json={"resolution_notes": "New washer"}).status_code == 200
    page.reload()
    page.get_by_text("No, it is not done").click()
    page.get_by_label("What is still missing?").fill("It drips again since an hour ago")
    page.get_by_role("button", name="Send it to our staff").click()
    expect(page.locator("#part-now")).to_contain_text(re.compile("Reopened|In progress|With our staff"))
    with site.api("sam") as staff:
        assert staff.get(f"/requests/{request_id}").json()["reopened"] == 1


def test_the_whole_way_in_spanish(visit: Visit) -> None:
    page = visit("RES_A_505", language="es-US")
    page.goto("/home")
    assert page.locator("html").get_attribute("lang") == "es"
    page.locator("textarea[name=message_text]").fill("El grifo de la cocina gotea desde el lunes")
    page.get_by_role("button", name="Enviar", exact=True).click()
    page.wait_for_url(re.compile(r"/requests/REQ_"))
    body = page.locator("main").inner_text()
    assert "9 de cada 10" in body or "nueve de cada diez" in body.lower()
    for english in ("What happens now", "Choose this", "Your request", "What happened so far"):
        assert english not in body
    page.locator(".option").first.get_by_role("button").click()
    page.wait_for_load_state("networkidle")
    assert "Choose" not in page.locator("main").inner_text()


def test_without_script_all_of_it_works(visit: Visit, site: Site) -> None:
    page = visit("RES_A_506", script=False, phone=True)
    request_id = report(page, LEAK)
    page.locator(".option").first.get_by_role("button", name=re.compile("Choose this")).click()
    expect(page.locator("#part-now")).to_contain_text(re.compile("In progress|Approved"))
    with site.api("RES_A_506") as resident:
        assert resident.get(f"/requests/{request_id}").json()["selected_option_id"]
    page.goto("/preferences")
    page.locator("select[name=language]").select_option("es")
    page.locator("main form button").first.click()
    assert page.locator("html").get_attribute("lang") == "es"


def test_by_keyboard_alone(visit: Visit) -> None:
    page = visit("RES_A_507")
    page.goto("/home")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    tab_to(page, "message_text")
    page.keyboard.type(LEAK)
    tab_to(page, text="Send")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/requests/REQ_"))
    tab_to(page, text="Choose this")
    page.keyboard.press("Enter")
    expect(page.locator("#part-now")).to_contain_text(re.compile("In progress|Approved"))


def tab_to(page: Page, name: str = "", *, text: str = "") -> None:
    for _ in range(80):
        page.keyboard.press("Tab")
        focused = page.evaluate("[document.activeElement.name || '', document.activeElement.innerText || '']")
        if (name and focused[0] == name) or (text and focused[1].strip() == text):
            return
    raise AssertionError(f"{name or text} can't be reached by the keyboard")


def test_a_lost_connection_sends_once_when_it_is_back(visit: Visit, site: Site) -> None:
    page = visit("RES_A_508")
    page.goto("/home")
    page.get_by_label("What is wrong").fill(LEAK)
    page.context.set_offline(True)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text(re.compile("sent by itself"))).not_to_have_count(0)
    page.context.set_offline(False)
    with site.api("RES_A_508") as resident:
        for _ in range(60):
            items = resident.get("/residents/RES_A_508/requests").json()["items"]
            if items:
                break
            page.wait_for_timeout(500)
        page.wait_for_timeout(1500)
        assert len(resident.get("/residents/RES_A_508/requests").json()["items"]) == 1


def own(site: Site, sub: str) -> list[dict[str, Any]]:
    with site.api(sub) as resident:
        return resident.get(f"/residents/{sub}/requests").json()["items"]


SENDING = re.compile(r"/(photos|report|report/advice)$")


def disconnect(page: Page) -> None:
    """Take the connection away. A page whose calls are routed would reach the server though it is offline."""
    page.route(SENDING, lambda route: route.abort("internetdisconnected"))
    page.context.set_offline(True)


def reconnect(page: Page, *, photos: int | None = None) -> None:
    """Give it back, with every photo answered by this status where one is given."""
    page.unroute(SENDING)
    if photos is not None:
        page.route("**/photos", lambda route: route.fulfill(status=photos, json={"problem": "Not now."}))
    page.context.set_offline(False)


def send_offline(page: Page, text: str, files: Sequence[Path]) -> None:
    """Write it without a connection and send it, so that it waits in the outbox; the connection stays away."""
    page.goto("/home")
    disconnect(page)
    page.get_by_label("What is wrong").fill(text)
    page.locator("input[type=file]").set_input_files([str(file) for file in files])
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("[data-outbox-list]")).to_contain_text(text)


def expect_sent(page: Page) -> str:
    """That the outbox tells of a message that it sent; where it leads to."""
    expect(page.locator("[data-outbox-sent]")).to_be_visible(timeout=30_000)
    expect(page.locator("[data-outbox] [data-text]")).to_have_count(0)
    return page.locator("[data-outbox-sent] a").get_attribute("href") or ""


def pictures(folder: Path, *names: str) -> list[Path]:
    for number, name in enumerate(names):
        Image.new("RGB", (40, 40), (60 * number, 90, 120)).save(folder / name, "JPEG")
    return [folder / name for name in names]


def test_an_emergency_whose_answer_is_lost_is_one_emergency(visit: Visit, site: Site, tmp_path: Path) -> None:
    page = visit("RES_A_512")
    sent: list[str] = []

    def lose_the_first_answer(route: Route) -> None:
        sent.append(route.request.post_data or "")
        if len(sent) > 1:
            route.continue_()
            return
        assert route.fetch().status == 201
        # The photos could be taken from here on; the message must stay as it was.
        page.unroute("**/photos")
        route.abort()

    page.goto("/home")
    page.route("**/photos", lambda route: None)
    page.route("**/report", lose_the_first_answer)
    page.get_by_label("What is wrong").press_sequentially(GAS)
    expect(page.locator("[data-danger-box]")).to_be_visible()
    page.locator("input[type=file]").set_input_files([str(one) for one in pictures(tmp_path, "stove.jpg")])
    page.get_by_role("button", name="Send it now").click()
    assert expect_sent(page).endswith("?done=sent-without-photo")
    assert len(sent) == 2
    (request,) = own(site, "RES_A_512")
    assert request["classification"]["emergency"]
    assert request["attachments"] == []
    expect(page.locator("[data-outbox-sent]")).to_contain_text("stove.jpg")


def test_an_emergency_goes_without_the_photos_it_skipped_and_says_so(visit: Visit, site: Site, tmp_path: Path) -> None:
    page = visit("RES_A_513")
    page.goto("/home")
    page.get_by_label("What is wrong").press_sequentially(GAS)
    expect(page.locator("[data-danger-box]")).to_be_visible()
    disconnect(page)
    page.locator("input[type=file]").set_input_files([str(one) for one in pictures(tmp_path, "stove.jpg")])
    page.get_by_role("button", name="Send it now").click()
    expect(page.locator("[data-outbox-list]")).to_contain_text(GAS)
    reconnect(page, photos=503)
    assert expect_sent(page).endswith("?done=sent-without-photo")
    assert len(own(site, "RES_A_513")) == 1


def test_an_emergency_written_offline_waits_neither_for_photos_nor_behind_others(
    visit: Visit, site: Site, tmp_path: Path
) -> None:
    page = visit("RES_A_514")
    files = pictures(tmp_path, "stove.jpg")
    send_offline(page, LEAK, files)
    # Without a connection nobody can say while it is typed that it is an emergency.
    page.get_by_label("What is wrong").fill(GAS)
    page.locator("input[type=file]").set_input_files([str(file) for file in files])
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("[data-outbox-list]")).to_contain_text(GAS)
    reconnect(page, photos=503)
    expect(page.locator("[data-outbox-sent]")).to_be_visible(timeout=30_000)
    assert [one["message_text"] for one in own(site, "RES_A_514")] == [GAS]
    # The other one waits until its photo can be taken.
    expect(page.locator("[data-outbox-list]")).to_contain_text(LEAK)
    page.unroute("**/photos")
    page.get_by_role("button", name="Try now").click()
    expect(page.locator("[data-outbox] [data-text]")).to_have_count(0, timeout=30_000)
    leak = next(one for one in own(site, "RES_A_514") if one["message_text"] == LEAK)
    assert [one["name"] for one in leak["attachments"]] == ["stove.jpg"]


def test_a_page_too_old_loses_no_photo(visit: Visit, site: Site, tmp_path: Path) -> None:
    page = visit("RES_A_515")
    send_offline(page, LEAK, pictures(tmp_path, "tap.jpg"))
    reconnect(page, photos=403)
    expect(page.locator("[data-outbox-list]")).to_contain_text("This page is too old", timeout=20_000)
    assert own(site, "RES_A_515") == []
    page.unroute("**/photos")
    page.reload()
    assert "done=" not in expect_sent(page)
    (request,) = own(site, "RES_A_515")
    assert [one["name"] for one in request["attachments"]] == ["tap.jpg"]


def test_a_refused_photo_is_named_and_the_others_are_sent(visit: Visit, site: Site, tmp_path: Path) -> None:
    page = visit("RES_A_516")
    false = tmp_path / "false.jpg"
    false.write_bytes(b"no picture at all")
    send_offline(page, LEAK, [false, *pictures(tmp_path, "tap.jpg", "cabinet.jpg")])
    reconnect(page)
    address = expect_sent(page)
    expect(page.locator("[data-outbox-sent]")).to_contain_text("could not be taken: false.jpg")
    (request,) = own(site, "RES_A_516")
    assert sorted(one["name"] for one in request["attachments"]) == ["cabinet.jpg", "tap.jpg"]
    page.goto(address)
    expect(page.locator("main")).to_contain_text("a photo could not be taken")


KEPT = """async (item) => {
    const opened = await new Promise((resolve) => {
        const opening = indexedDB.open("aam", 1);
        opening.onsuccess = () => resolve(opening.result);
    });
    const store = opened.transaction("outbox", "readwrite").objectStore("outbox");
    if (item) store.put(item);
    const asked = store.getAll();
    await new Promise((resolve) => { store.transaction.oncomplete = resolve; });
    opened.close();
    return asked.result.map((one) => one.person);
}"""
"""Puts an item into the browser's outbox, where one is given; whose are there."""


def test_signing_out_asks_before_unsent_messages_are_discarded(visit: Visit, site: Site) -> None:
    page = visit("RES_A_517")
    send_offline(page, LEAK, [])
    page.context.set_offline(False)
    theirs = {"key": "theirs", "person": "RES_A_518", "fields": [["message_text", "x"]], "files": [], "at": 1}
    assert sorted(page.evaluate(KEPT, theirs)) == ["RES_A_517", "RES_A_518"]
    page.get_by_label("What is wrong").fill("A second message, not sent at all")
    page.get_by_role("button", name="Sign out").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("If you sign out, it is discarded")
    assert serious_violations(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Stay signed in").click()
    expect(dialog).to_have_count(0)
    # Who stays goes on as before: drafts are kept, too.
    page.reload()
    expect(page.get_by_label("What is wrong")).to_have_value("A second message, not sent at all")
    expect(page.locator("[data-outbox-list]")).to_contain_text(LEAK)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign out and discard it").click()
    page.wait_for_url(re.compile("/sign-in"))
    assert page.evaluate(KEPT, None) == ["RES_A_518"]
    assert page.evaluate("Object.keys(localStorage)") == []
    site.sign_in(page.context, "RES_A_517")
    page.goto("/home")
    expect(page.get_by_label("What is wrong")).to_have_value("")
    # Nothing waits any more, so nothing is asked.
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile("/sign-in"))
    assert own(site, "RES_A_517") == []


def test_a_draft_outlives_a_crash(visit: Visit) -> None:
    page = visit("RES_A_509")
    page.goto("/home")
    page.get_by_label("What is wrong").press_sequentially("The radiator in the bedroom knocks")
    page.wait_for_timeout(1500)
    again = page.context.new_page()
    page.close()
    again.goto("/home")
    expect(again.get_by_label("What is wrong")).to_have_value("The radiator in the bedroom knocks")


def test_a_large_photo_is_taken_and_a_false_one_refused(visit: Visit, site: Site, tmp_path: Path) -> None:
    page = visit("RES_A_510")
    page.goto("/home")
    photo, false = tmp_path / "leak.jpg", tmp_path / "false.jpg"
    photo.write_bytes(noise(9_500_000))
    false.write_bytes(b"no picture at all")
    page.get_by_label("What is wrong").fill(LEAK)
    page.locator("input[type=file]").set_input_files([str(photo)])
    expect(page.locator("[data-photos] li")).to_have_count(1, timeout=60_000)
    page.locator("input[type=file]").set_input_files([str(false)])
    expect(page.locator("[data-photo-problems]")).to_contain_text("false.jpg")
    page.get_by_role("button", name="Send", exact=True).click()
    page.wait_for_url(re.compile(r"/requests/REQ_"))
    expect(page.get_by_alt_text("leak.jpg")).to_be_visible()
    with site.api("RES_A_510") as resident:
        (request,) = resident.get("/residents/RES_A_510/requests").json()["items"]
    assert len(request["attachments"]) == 1


def test_a_photo_of_ten_megabytes_is_taken_without_script(visit: Visit, tmp_path: Path) -> None:
    page = visit("RES_A_511", script=False)
    page.goto("/home")
    photo = tmp_path / "wall.jpg"
    photo.write_bytes(noise(9_900_000))
    page.get_by_label("What is wrong").fill("The wall of the bathroom is cracked")
    page.locator("input[type=file]").set_input_files(str(photo))
    page.get_by_role("button", name="Send", exact=True).click()
    page.wait_for_url(re.compile(r"/requests/REQ_"), timeout=60_000)
    expect(page.get_by_alt_text("wall.jpg")).to_be_visible()


def noise(size: int) -> bytes:
    """A real JPEG of about so many bytes, which can't be made much smaller."""
    side = int((size / 2.05) ** 0.5)
    picture = Image.effect_noise((side, side), 120).convert("RGB")
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=98, subsampling=0)
    while written.tell() > size:
        side = int(side * 0.95)
        written = io.BytesIO()
        picture.resize((side, side)).save(written, "JPEG", quality=98, subsampling=0)
    return written.getvalue()


def test_a_session_that_ends_while_one_writes_loses_nothing(visit: Visit, site: Site) -> None:
    page = visit("RES_A_101", script=False)
    page.goto("/home")
    page.get_by_label("What is wrong").fill("The intercom buzzes all night, and I can't sleep")
    site.expire_sessions("RES_A_101")
    page.get_by_role("button", name="Send", exact=True).click()
    page.wait_for_url(re.compile("/sign-in"))
    page.locator("button[value=RES_A_101]").click()
    page.wait_for_load_state()
    expect(page.locator("main")).to_contain_text("The intercom buzzes all night")
    page.get_by_role("button", name=re.compile("Send")).first.click()
    page.wait_for_url(re.compile(r"/requests/REQ_"))


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_a_script_in_the_message_is_only_text(visit: Visit, script: bool) -> None:
    page = visit("RES_B_520" if script else "RES_B_521", script=script)
    page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    report(page, '<img src=x onerror=alert(1)> the buzzer & "bell" <script>alert(2)</script> is broken')
    assert "<img src=x onerror=alert(1)>" in page.locator("main").inner_text()
