"""Messages to a bridge to the house's chat, signed, against a server that checks them and misbehaves."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from adapters.channel_chat import ChatChannel
from adapters.outbound_http import OutboundHttp
from core.errors import ActionRejected, SystemBusy, SystemUnavailable
from core.ports.execution import Envelope
from core.systems import ChatSystem
from tests.outside.faults import Fault
from tests.outside.faulty_server import Call, FaultyServer, Reply

SECRET = "whsec_" + "QUFNIHRlc3Qgc2VjcmV0IG9mIHRoZSBjaGF0IGJyaWRnZQ=="
ENVELOPE = Envelope(
    address="staff-7",
    subject="Fuga en 4B",
    body="Agua en el techo",
    language="es",
    message_id="notice-1:chat",
    request_id="req-1",
)


class Bridge(FaultyServer):
    """Shows each message once, by its id."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: dict[str, dict[str, object]] = {}

    def reply(self, call: Call) -> Reply:
        try:
            Webhook(SECRET).verify(call.body, call.headers, json_parse=False)
        except WebhookVerificationError:
            return Reply(401)
        self.shown[call.headers["webhook-id"]] = call.json()
        return Reply(204)


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    with Bridge() as bridge:
        bridge.slow_s = 2.5
        yield bridge


def connect(bridge: Bridge, secret: str = SECRET) -> ChatChannel:
    url = f"{bridge.url}/hooks/house"
    config = ChatSystem(kind="chat", url=url, network="private", secret_variable="CHAT_SECRET")
    return ChatChannel(config, secret, OutboundHttp(url, network="private", allow_loopback=True, timeout_s=1.5))


async def test_a_message_is_a_signed_event(bridge: Bridge) -> None:
    assert await connect(bridge).deliver(ENVELOPE) == "notice-1:chat"

    assert bridge.calls[0].path == "/hooks/house"
    event = bridge.shown["notice-1:chat"]
    assert (event["specversion"], event["type"], event["id"]) == ("1.0", "aam.notification.v1", "notice-1:chat")
    assert event["data"] == {
        "recipient": "staff-7",
        "subject": "Fuga en 4B",
        "body": "Agua en el techo",
        "language": "es",
        "request_id": "req-1",
    }
    at = datetime.fromisoformat(str(event["time"]))
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60


async def test_another_secret_is_a_refusal(bridge: Bridge) -> None:
    with pytest.raises(ActionRejected):
        await connect(bridge, "whsec_" + "AAAA" * 8).deliver(ENVELOPE)
    assert bridge.shown == {}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.SLOW, SystemUnavailable),
        (Fault.HALF_OPEN, SystemUnavailable),
        (Fault.DROPPED, SystemUnavailable),
        (Fault.ERROR_AFTER, SystemUnavailable),
        (Fault.HUGE, SystemUnavailable),
        (Fault.RATE_LIMITED, SystemBusy),
        (Fault.REDIRECT_AWAY, ActionRejected),
        (Fault.REDIRECT_METADATA, ActionRejected),
    ],
)
async def test_each_fault_becomes_the_right_error_and_a_repetition_shows_once(
    bridge: Bridge, fault: Fault, error: type[Exception]
) -> None:
    channel = connect(bridge)
    bridge.faults.plan(fault)
    with pytest.raises(error) as caught:
        await channel.deliver(ENVELOPE)
    assert type(caught.value) is error
    await channel.deliver(ENVELOPE)
    assert list(bridge.shown) == ["notice-1:chat"]
    assert channel.state().status == "ok"


async def test_a_dead_bridge(bridge: Bridge) -> None:
    channel = connect(bridge)
    bridge.die()
    with pytest.raises(SystemUnavailable):
        await channel.deliver(ENVELOPE)
    assert channel.state().status == "failing"
