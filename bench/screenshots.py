"""Pictures of every page: light and dark, phone and desktop, English and (of the resident's pages) Spanish.

`python -m bench.screenshots --out FOLDER [--only PART]`; needs a Chromium, see `tests/chromium.py`.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import ViewportSize, sync_playwright

from bench.sample_house import House, furnish
from bench.website import website
from core.settings import load_settings

SIZES: dict[str, ViewportSize] = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 900}}


def pages_of(house: House) -> Iterator[tuple[str, str | None, str]]:
    """A name, who looks, and the address of every page."""
    requests = house.requests
    yield "sign-in", None, "/sign-in"
    yield "not-found", None, "/nowhere"
    yield "home", "RES_A_101", "/home"
    yield "my-requests", "RES_A_101", "/requests"
    for name, sub in (
        ("choice", "RES_A_101"),
        ("emergency", "RES_A_102"),
        ("question", "RES_A_103"),
        ("done", "RES_A_106"),
        ("several", "RES_B_201"),
    ):
        yield f"story-{name}", sub, f"/requests/{requests[name]}"
    yield "messages", "RES_A_102", "/messages"
    yield "preferences", "RES_A_101", "/preferences"
    yield "queue", "sam", "/staff"
    yield "queue-all", "sam", "/staff?view=all"
    for name in ("choice", "emergency", "approval", "several", "person", "odd"):
        yield f"staff-{name}", "mia", f"/staff/requests/{requests[name]}"
    yield "staff-new", "sam", "/staff/new"
    yield "resident", "sam", "/staff/residents/RES_A_101"
    yield "templates", "mia", "/staff/templates"
    yield "incidents", "sam", "/staff/incidents"
    if house.incident_id:
        yield "incident", "sam", f"/staff/incidents/{house.incident_id}"
    yield "desk", "sam", "/staff/desk"
    yield "calendar", "sam", "/staff/desk/calendar"
    if house.work_order_id:
        yield "job", "sam", f"/staff/desk/{house.work_order_id}"
    yield "given-up", "sam", "/staff/executions"
    yield "staff-messages", "sam", "/staff/messages"
    yield "what-if", "mia", "/staff/what-if"
    if house.run_id:
        yield "what-if-run", "mia", f"/staff/what-if/{house.run_id}"
    yield "statistics", "mia", "/staff/statistics"
    yield "knowledge", "sam", "/staff/knowledge"
    yield "document", "sam", "/staff/knowledge/approval-limits"
    yield "audit", "mia", "/staff/audit"
    yield "operations", "mia", "/operations"


def take(out: Path, only: str) -> int:
    """Write the pictures; how many."""
    from tests.chromium import find_chromium

    taken, path = 0, find_chromium()
    with tempfile.TemporaryDirectory() as state, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        with website(load_settings(state_dir=Path(state))) as site:
            house = furnish(site)
            for size, viewport in SIZES.items():
                for scheme in ("light", "dark"):
                    for name, sub, address in pages_of(house):
                        if only not in name:
                            continue
                        context = chromium.new_context(base_url=site.url, viewport=viewport, color_scheme=scheme)
                        if sub:
                            site.sign_in(context, sub)
                        page = context.new_page()
                        page.goto(address)
                        page.wait_for_timeout(300)
                        page.screenshot(path=out / f"{name}-{size}-{scheme}.png", full_page=True)
                        context.close()
                        taken += 1
        chromium.close()
    return taken


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="pages whose name holds this")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(f"{take(options.out, options.only)} pictures in {options.out}\n")


if __name__ == "__main__":
    main()
