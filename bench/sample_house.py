"""A house with something going on in every state, made through the public interface as people would make it."""

from dataclasses import dataclass, field
from typing import Any, cast

import httpx

from bench.website import Site

MESSAGES = {
    "choice": ("RES_A_101", "The kitchen tap has been dripping since Monday and now the cabinet below is damp."),
    "emergency": ("RES_A_102", "There is a strong smell of gas in my kitchen and I feel dizzy"),
    "question": ("RES_A_103", "What time does the gym close?"),
    "approval": ("RES_A_104", "The fridge stopped cooling, all the food is warm and it makes no sound any more."),
    "progress": ("RES_A_105", "My parcel shows delivered yesterday but it is not in the locker"),
    "done": ("RES_A_106", "The hallway light outside my door flickers all evening"),
    "several": ("RES_B_201", "The tap drips, there are ants behind the stove and you charged me the late fee twice"),
    "person": (
        "RES_B_202",
        "I want to talk to a manager. This is the third time I write about the noise and nobody cares",
    ),
    "odd": ("RES_B_203", "<script>alert('hello')</script> the <b>bold</b> intercom & \"buzzer\" is broken"),
    "incident_1": ("RES_A_301", "No hot water in the whole flat since this morning"),
    "incident_2": ("RES_A_302", "We have no hot water at all today, shower is ice cold"),
    "incident_3": ("RES_A_303", "Hot water is gone since 7 am, neighbours have none either"),
}
"""By name: who writes, and what."""


@dataclass
class House:
    """What was made."""

    requests: dict[str, str] = field(default_factory=dict[str, str])
    """Ids by the names of `MESSAGES`."""
    incident_id: str | None = None
    work_order_id: str | None = None
    run_id: str | None = None


def furnish(site: Site) -> House:
    """Let people write, choose, ask, and staff work. Raises `httpx.HTTPStatusError` where the interface refuses."""
    house = House()
    for name, (sub, text) in MESSAGES.items():
        with site.api(sub) as resident:
            house.requests[name] = _ok(resident.post("/requests", json={"message_text": text}))["request_id"]
    with site.api("mia") as manager:
        _move_on(house, site, manager)
        question = {"changes": {"figures": {"crews.plumbing.technicians": 3}}, "synthetic_days": 14, "replications": 20}
        run = manager.post("/what-if", json=question)
        house.run_id = run.json().get("run_id") if run.is_success else None
        found = _ok(manager.get("/incidents", params={"building_id": "A"}))["items"]
        house.incident_id = found[0]["incident_id"] if found else None
        orders = _ok(manager.get("/operations/work-orders"))["items"]
        house.work_order_id = orders[0]["work_order_id"] if orders else None
    return house


def _move_on(house: House, site: Site, manager: httpx.Client) -> None:
    for name in ("approval", "progress", "done"):
        request_id = house.requests[name]
        request = _ok(manager.get(f"/requests/{request_id}"))
        if request["status"] != "AwaitingSelection":
            continue
        options = cast(list[dict[str, Any]], request["options"])
        dear = (option for option in options if option["approval"] != "none")
        option = next(dear, options[0]) if name == "approval" else options[0]
        with site.api(MESSAGES[name][0]) as resident:
            _ok(resident.post(f"/requests/{request_id}/select-option", json={"option_id": option["option_id"]}))
    body = {"resolution_notes": "Replaced the ballast.", "actual_cost_usd": 84.5, "actual_hours": 1.5}
    _wait_for(manager, house.requests["done"], "InProgress")
    _ok(manager.post(f"/requests/{house.requests['done']}/resolve", json=body))


def _wait_for(client: httpx.Client, request_id: str, status: str) -> None:
    with client.stream("GET", f"/requests/{request_id}/events", headers={"Accept": "text/event-stream"}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:") and _ok(client.get(f"/requests/{request_id}"))["status"] == status:
                return


def _ok(answer: httpx.Response) -> Any:
    answer.raise_for_status()
    return answer.json()
