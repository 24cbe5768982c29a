"""What staff do in a browser: approve within one's limit, be refused beyond it, and be told what somebody else did."""

import re

from playwright.sync_api import Page, expect

from bench.website import Site
from tests.browser.conftest import Visit

FRIDGE = "The fridge stopped cooling, all the food is warm and it makes no sound any more."
SEVERAL = "The tap drips, there are ants behind the stove and you charged me the late fee twice"
TIERS = ("none", "supervisor", "manager", "regional", "executive")


def waiting(site: Site, sub: str, text: str, tier: str) -> str:
    """A request that waits for the agreement of this tier."""
    with site.api(sub) as resident:
        request = resident.post("/requests", json={"message_text": text}).json()
        option = next(one for one in request["options"] if one["approval"] == tier)
        chosen = resident.post(
            f"/requests/{request['request_id']}/select-option", json={"option_id": option["option_id"]}
        )
        assert chosen.json()["status"] == "AwaitingApproval"
    return request["request_id"]


def test_staff_find_what_waits_and_approve_within_their_limit(visit: Visit, site: Site) -> None:
    request_id = waiting(site, "RES_A_601", FRIDGE, "supervisor")
    page = visit("sam")
    page.goto("/staff?status=AwaitingApproval")
    page.locator(f"tr[data-request='{request_id}'] .queue-link").click()
    page.get_by_label("Comment on the approval").fill("Go ahead")
    page.get_by_role("button", name="Approve the cost").click()
    expect(page.locator("main")).to_contain_text(re.compile("Approved|In progress"))
    with site.api("sam") as staff:
        assert staff.get(f"/requests/{request_id}").json()["approval"]["granted_by"] == "sam"


def test_staff_are_refused_beyond_their_limit_and_keep_what_they_wrote(visit: Visit, site: Site) -> None:
    request_id = waiting(site, "RES_B_602", SEVERAL, "manager")
    page = visit("sam")
    page.goto(f"/staff/requests/{request_id}")
    approve = page.get_by_role("button", name="Approve the cost")
    expect(approve).to_be_disabled()
    expect(page.locator("#approve-why")).to_contain_text(re.compile("[Mm]anager"))
    # A page that was opened before the limit changed has a comment and lets one press; the server decides.
    approve.evaluate(
        """button => {
            const field = document.createElement("textarea");
            field.name = "comment";
            field.value = "It has to be done this week";
            button.before(field);
            button.disabled = false;
        }"""
    )
    approve.click()
    expect(page.get_by_role("alert").first).to_contain_text(re.compile("[Mm]anager"))
    expect(page.get_by_label("Comment on the approval")).to_have_value("It has to be done this week")
    with site.api("mia") as manager:
        assert manager.get(f"/requests/{request_id}").json()["status"] == "AwaitingApproval"
    other = visit("mia")
    other.goto(f"/staff/requests/{request_id}")
    other.get_by_role("button", name="Approve the cost").click()
    expect(other.locator("main")).to_contain_text(re.compile("Approved|In progress"))


def test_the_second_of_two_is_told_what_the_first_did(visit: Visit, site: Site) -> None:
    request_id = waiting(site, "RES_A_603", FRIDGE, "supervisor")
    first, second = visit("sam"), visit("mia")
    for page in (first, second):
        page.goto(f"/staff/requests/{request_id}")
    first.get_by_role("button", name="Approve the cost").click()
    expect(first.locator("main")).to_contain_text(re.compile("Approved|In progress"))
    second.get_by_text("Refuse the cost").click()
    second.locator("#reject-comment").fill("Too expensive, take the loaner")
    second.get_by_role("button", name="Refuse", exact=True).click()
    expect(second.locator("main")).to_contain_text("While you were looking")
    expect(second.locator("main")).to_contain_text("sam")
    expect(second.locator("main")).to_contain_text("Too expensive, take the loaner")
    with site.api("mia") as manager:
        assert manager.get(f"/requests/{request_id}").json()["status"] in ("Approved", "InProgress")


def test_a_label_is_overruled_with_a_reason(visit: Visit, site: Site) -> None:
    with site.api("RES_A_604") as resident:
        request_id = resident.post("/requests", json={"message_text": FRIDGE}).json()["request_id"]
    page = visit("sam")
    page.goto(f"/staff/requests/{request_id}")
    page.get_by_text("Overrule category or urgency").click()
    page.locator("select[name=urgency]").select_option("Medium")
    page.locator("#overrule-comment, #labels-comment, #correct-comment").first.fill("They have a second fridge")
    page.locator(
        "form[action$='/labels'] button, form[action$='/overrule'] button, form[action$='/correct'] button"
    ).first.click()
    expect(page.locator("main")).to_contain_text("They have a second fridge")
    with site.api("sam") as staff:
        found = staff.get(f"/requests/{request_id}").json()["classification"]
    assert (found["urgency"], found["source"]) == ("Medium", "user")


def test_a_job_is_planned_and_completed_on_the_desk(visit: Visit, site: Site) -> None:
    with site.api("RES_A_605") as resident:
        request = resident.post("/requests", json={"message_text": FRIDGE}).json()
        option = next(one for one in request["options"] if one["approval"] == "none")
        resident.post(f"/requests/{request['request_id']}/select-option", json={"option_id": option["option_id"]})
    page = visit("sam")
    job = find_job(page, site, request["request_id"])
    page.goto(f"/staff/desk/{job}")
    page.locator("[name=assigned_to]").fill("Rosa")
    page.get_by_role("button", name="Keep the plan").click()
    expect(page.locator("main")).to_contain_text("Rosa")
    page.locator("[name=notes]").fill("New compressor relay")
    page.locator("[name=actual_cost_usd]").fill("120")
    page.locator("form[action$='/complete'] button").click()
    page.goto(f"/staff/requests/{request['request_id']}")
    expect(page.locator("main")).to_contain_text("Done")
    with site.api("sam") as staff:
        for _ in range(40):
            if staff.get(f"/requests/{request['request_id']}").json()["status"] == "Resolved":
                return
            page.wait_for_timeout(250)
    raise AssertionError("the request was not resolved when its job was done")


def find_job(page: Page, site: Site, request_id: str) -> str:
    with site.api("sam") as staff:
        for _ in range(60):
            jobs = staff.get("/operations/work-orders", params={"limit": 200}).json()["items"]
            found = [one["work_order_id"] for one in jobs if one["request_id"] == request_id]
            if found:
                return found[0]
            page.wait_for_timeout(250)
    raise AssertionError("there is no job")
