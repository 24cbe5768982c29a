"""`POST /safety-check`: for residents and staff, and nothing is kept."""

from pathlib import Path

from core.labels import Role
from core.safety_check import SafetyCheck
from tests.deployments.request_management.light import Peers, open_light

FOUND = SafetyCheck(emergency=True, safety_rule="gas", advice="Leave now.")


async def test_it_tells_what_the_rules_found_and_keeps_nothing(tmp_path: Path) -> None:
    async with open_light(tmp_path, Peers(check_safety=FOUND)) as light:
        for role, sub in ((Role.RESIDENT, "RES_A_101"), (Role.STAFF, "sam")):
            async with light.client(role, sub) as client:
                answer = await client.post("/safety-check", json={"message_text": "I smell gas"})
                assert (answer.status_code, answer.json()) == (200, FOUND.model_dump())
        async with light.client(Role.STAFF, "sam") as client:
            assert (await client.get("/requests")).json()["items"] == []


async def test_a_message_must_be_one(tmp_path: Path) -> None:
    async with open_light(tmp_path, Peers(check_safety=FOUND)) as light, light.client(Role.STAFF, "sam") as client:
        for text in ("", "  ", "x" * 4001, None):
            assert (await client.post("/safety-check", json={"message_text": text})).status_code == 422


async def test_typing_does_not_use_up_what_one_may_change(tmp_path: Path) -> None:
    async with (
        open_light(tmp_path, Peers(check_safety=FOUND), rate_limit_resident="2/minute") as light,
        light.client(Role.RESIDENT, "RES_A_101", address="203.0.113.9") as client,
    ):
        for _ in range(5):
            assert (await client.post("/safety-check", json={"message_text": "gas"})).status_code == 200


async def test_where_the_service_does_not_answer_that_is_said(tmp_path: Path) -> None:
    async with open_light(tmp_path) as light, light.client(Role.RESIDENT, "RES_A_101") as client:
        answer = await client.post("/safety-check", json={"message_text": "gas"})
        assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
