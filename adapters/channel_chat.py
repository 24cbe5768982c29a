"""Messages to a bridge to the house's chat: signed CloudEvents by HTTP (Standard Webhooks)."""

from collections.abc import Callable
from datetime import UTC, datetime

from cloudevents.core.bindings.http import to_structured_event
from cloudevents.core.v1.event import CloudEvent

from adapters.call_tally import CallTally
from adapters.outbound_http import OutboundHttp, require_success
from adapters.signatures import sign
from core.execution_labels import ChannelName
from core.ports.execution import Envelope, SystemState
from core.systems import ChatSystem

EVENT_TYPE = "aam.notification.v1"
SOURCE = "/execution/notifications"


class ChatChannel:
    """A `Channel`."""

    name = ChannelName.CHAT

    def __init__(
        self,
        config: ChatSystem,
        secret: str,
        http: OutboundHttp,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`secret` is a `whsec_…`, or two apart by a space while it is replaced; `http` calls the bridge's url."""
        self._secrets = secret.split()
        self._http, self._clock = http, clock
        self._tally = CallTally(config.name)

    async def deliver(self, envelope: Envelope) -> str:
        """See the port. The id is the message's own, by which the bridge knows a repetition."""
        at = self._clock()
        event = to_structured_event(_event(envelope, at))
        headers = {**event.headers, **sign(envelope.message_id, event.body, self._secrets, at)}
        with self._tally.call():
            require_success(await self._http.request("POST", "", headers=headers, content=event.body))
        return envelope.message_id

    def state(self) -> SystemState:
        return self._tally.state()

    async def close(self) -> None:
        """Nothing is held between messages."""


def _event(envelope: Envelope, at: datetime) -> CloudEvent:
    return CloudEvent(
        attributes={
            "id": envelope.message_id,
            "source": SOURCE,
            "type": EVENT_TYPE,
            "specversion": "1.0",
            "time": at,
            "subject": envelope.address,
            "datacontenttype": "application/json",
        },
        data={
            "recipient": envelope.address,
            "subject": envelope.subject,
            "body": envelope.body,
            "language": envelope.language,
            "request_id": envelope.request_id,
        },
    )
