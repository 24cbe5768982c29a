"""Nothing that a resident wrote, and nothing that says where they live, is logged above debug level."""

import logging
from typing import Any

import pytest

from core.correlation import DiscreetFormatter
from core.errors import StoreUnavailable
from core.labels import Role, Status
from tests.builders import build_event, build_full_record
from tests.deployments.request_management.light import Light

WORDS = "the boiler hisses in my bedroom"
UNIT, PHONE, MAIL = "77XQ", "+1 212 555 0147", "ana.petrova@mail.example"
SECRETS = (WORDS, "hisses", UNIT, PHONE, "555 0147", MAIL, "petrova")
MESSAGE = f"{WORDS}; I live in {UNIT}, call {PHONE} or {MAIL}"


def logged(caplog: pytest.LogCaptureFixture) -> str:
    formatter = DiscreetFormatter("%(name)s %(message)s")
    # The handler that captures has formatted the errors in full already; what is served formats them itself.
    for record in caplog.records:
        record.exc_text = None
    return "\n".join(formatter.format(record) for record in caplog.records if record.name != "httpx")


async def test_no_words_and_no_homes_are_logged(
    light: Light, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = build_full_record(
        status=Status.AWAITING_SELECTION, message_text=MESSAGE, unit=UNIT, resident_id="RES_A_77XQ"
    ).model_copy(update={"last_event": 1})
    assert await light.ports.store.create(record, [build_event(1, message=MESSAGE)])
    path = f"/requests/{record.request.request_id}"
    remark = {"comment": MESSAGE}
    with caplog.at_level(logging.INFO):
        async with light.client(Role.RESIDENT, "RES_A_77XQ") as owner, light.client(Role.STAFF, "sam") as staff:
            submission: dict[str, Any] = {"message_text": MESSAGE, "unit": UNIT}
            # The other services do not answer here, and neither do they in an outage.
            submitted = await owner.post("/requests", json=submission, headers={"Prefer": "wait=0"})
            assert submitted.status_code == 202
            await light.service.sweeper.sweep()
            await owner.post("/requests", json={**submission, "surprise": MESSAGE})
            await owner.post("/requests", json={"message_text": MESSAGE, "resident_id": MAIL})
            await owner.post("/requests", content=f'{{"message_text": "{MESSAGE}'.encode())
            await owner.get(f"/requests/{MAIL}")
            await staff.put(path, json=remark)
            await staff.put(f"/requests/{UNIT}", json=remark)
            await staff.post("/classify", json={"message_text": MESSAGE})
            await staff.post("/notify", json={"resident_id": "RES_A_77XQ", "message": MESSAGE})
            await owner.post(f"{path}/escalate", json=remark)
            await staff.post(f"{path}/resolve", json={"resolution_notes": MESSAGE})
            await owner.post(f"{path}/feedback", json={"rating": 1, **remark})
            await owner.post(f"{path}/confirm", json=remark, headers={"Idempotency-Key": MAIL})

            async def down(*_: object, **__: object) -> None:
                raise StoreUnavailable("The store does not answer.")

            monkeypatch.setattr(light.ports.store, "get", down)
            assert (await owner.get(path)).status_code == 503
    text = logged(caplog)
    assert "audit chain=A" in text
    assert "store_unavailable" in text
    assert not [secret for secret in SECRETS if secret in text], text


async def test_an_unexpected_error_is_logged_without_what_it_was_about(
    light: Light, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ValueError(f"can't make sense of {MESSAGE}")

    monkeypatch.setattr(light.service.requests, "get", broken)
    with caplog.at_level(logging.INFO):
        async with light.client(Role.RESIDENT, "RES_A_77XQ") as owner:
            answer = await owner.get("/requests/REQ_1")
    assert answer.status_code == 500
    text = logged(caplog)
    assert "ValueError" in text
    assert "test_log_hygiene.py" in text
    assert not [secret for secret in SECRETS if secret in text], text
