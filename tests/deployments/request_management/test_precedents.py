"""Similar requests of the past: of one's own buildings alone, the most alike first, with how they went."""

import base64
import math
import struct
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.labels import Role, Status
from core.request import ResolutionNote
from deployments.request_management.precedents import LEAST_LIKENESS, WINDOW, shortlist
from tests.builders import NOON, build_full_record
from tests.deployments.request_management.light import Light


def vector(cosine: float) -> str:
    """A unit vector that has this cosine with (1, 0)."""
    return base64.b64encode(struct.pack("<2f", cosine, math.sqrt(1 - cosine**2))).decode()


async def seed(light: Light, cosine: float, *, embedder: str = "e/1", embedding: str = "", **request: Any) -> str:
    fields: dict[str, Any] = {"created_at": NOON, "updated_at": NOON}
    record = build_full_record(**fields | request)
    assert record.trace is not None
    trace = record.trace.model_copy(
        update={"inputs": {"embedding": embedding or vector(cosine)}, "model_versions": {"embedder": embedder}}
    )
    return await light.seed(record.model_copy(update={"trace": trace}))


async def similar(client: httpx.AsyncClient, request_id: str, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"/requests/{request_id}/similar", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_the_most_alike_come_first_with_what_was_done(light: Light, light_staff: httpx.AsyncClient) -> None:
    asked = await seed(light, 1.0)
    note = ResolutionNote(
        resolution_notes="New washer", actual_cost_usd=40.5, actual_hours=1.5, resolved_by="kim", resolved_at=NOON
    )
    done = await seed(
        light, 0.7, status=Status.CLOSED, resolution=note, selected_option_id="option-1", building_id="B",
        message_text="The tap " + "drips " * 100,
    )  # fmt: skip
    open_one = await seed(light, 0.9)
    await seed(light, LEAST_LIKENESS - 0.01)
    found = await similar(light_staff, asked)
    assert [one["request_id"] for one in found] == [open_one, done]
    told = found[1]
    assert told["likeness"] == pytest.approx(0.7)
    assert (told["resolution_notes"], told["actual_cost_usd"], told["actual_hours"]) == ("New washer", 40.5, 1.5)
    assert (told["selected_option"], told["status"]) == ("A plumber comes", "Closed")
    assert told["first_words"].startswith("The tap drips")
    assert len(told["first_words"]) <= 160
    assert found[0]["resolved_at"] is None
    assert [one["request_id"] for one in await similar(light_staff, asked, limit=1)] == [open_one]


async def test_other_buildings_are_told_of_to_their_staff_only(light: Light, light_staff: httpx.AsyncClient) -> None:
    asked, elsewhere = await seed(light, 1.0), await seed(light, 0.8, building_id="B")
    assert [one["request_id"] for one in await similar(light_staff, asked)] == [elsewhere]
    for buildings, expected in ((["A"], []), (["A", "C"], []), (["A", "B"], [elsewhere])):
        async with light.client(Role.STAFF, "bea", buildings=buildings) as some:
            assert [one["request_id"] for one in await similar(some, asked)] == expected
    async with light.client(Role.STAFF, "bea", buildings=["B"]) as other:
        assert (await other.get(f"/requests/{asked}/similar")).status_code == 404
    async with light.client(Role.RESIDENT, "RES_A_101") as resident:
        assert (await resident.get(f"/requests/{asked}/similar")).status_code == 403


async def test_what_can_not_be_compared_is_left_out(light: Light, light_staff: httpx.AsyncClient) -> None:
    asked = await seed(light, 1.0)
    await seed(light, 1.0, embedder="e/2")
    await seed(light, 1.0, embedding=base64.b64encode(b"123").decode())
    long_ago = NOON - WINDOW - timedelta(days=1)
    await seed(light, 1.0, created_at=long_ago, updated_at=long_ago)
    assert await similar(light_staff, asked) == []


async def test_the_number_is_checked(light: Light, light_staff: httpx.AsyncClient) -> None:
    asked = await seed(light, 1.0)
    for wrong in (0, 21, "many"):
        assert (await light_staff.get(f"/requests/{asked}/similar", params={"limit": wrong})).status_code == 422


WORDS = ("tap", "drips", "lift", "noise", "parcel", "cold")


@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1), max_size=12), st.integers(0, 6))
def test_what_says_the_same_words_is_always_read(texts: list[list[str]], others: int) -> None:
    asked = build_full_record(message_text="the tap drips").request
    same = build_full_record(message_text="it drips, the TAP").request
    rest = [build_full_record(message_text=" ".join(text)).request for text in texts]
    chosen = shortlist(asked, [*rest, same], most=max(1, others))
    assert len(chosen) == min(max(1, others), len(rest) + 1)
    better = [one for one in chosen if not {"tap", "drips"} <= set(one.message_text.lower().replace(",", "").split())]
    assert same in chosen or not better
