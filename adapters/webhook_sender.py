"""Posts CloudEvents 1.0, signed as Standard Webhooks says, and never to an address inside the house."""

import asyncio
import base64
import secrets as randomness
from collections.abc import Sequence
from datetime import datetime

import httpx
from cloudevents.core.bindings.http import to_structured_event
from cloudevents.core.v1.event import CloudEvent

from adapters.outbound_addresses import AddressRules
from adapters.outbound_http import PinnedExchange
from adapters.signatures import sign
from core.errors import Invalid
from core.ports.webhooks import OutgoingEvent, PostResult

TIMEOUT_S = 10.0
SECRET_BYTES = 32


class HttpWebhookSender:
    """A `WebhookSender`."""

    def __init__(self, *, allow_loopback: bool, timeout_s: float = TIMEOUT_S) -> None:
        """`allow_loopback` also allows plain http to this machine, for development; everything else needs https."""
        self._rules = AddressRules("public", allow_loopback)
        self._exchange = PinnedExchange()
        self._timeout_s = timeout_s

    def new_secret(self) -> str:
        return "whsec_" + base64.b64encode(randomness.token_bytes(SECRET_BYTES)).decode()

    async def require_allowed(self, url: str) -> None:
        """See the port."""
        await self._rules.check(url)

    async def post(self, url: str, event: OutgoingEvent, secrets: Sequence[str], at: datetime) -> PostResult:
        """See the port. The answer's body is not read, redirects are not followed, no proxy of the machine is used."""
        message = to_structured_event(_cloud_event(event))
        headers = {**message.headers, **sign(event.message_id, message.body, secrets, at)}
        try:
            async with asyncio.timeout(self._timeout_s):
                parsed, address = await self._rules.check(url)
                answer = await self._exchange.send(
                    "POST", parsed, address, headers=headers, content=message.body, limit_bytes=0
                )
                return PostResult(answer.status)
        except Invalid as error:
            return PostResult(None, error.detail)
        except (TimeoutError, httpx.TimeoutException):
            return PostResult(None, f"No answer within {self._timeout_s:g} seconds.")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return PostResult(None, f"The connection failed: {type(error).__name__}.")


def _cloud_event(event: OutgoingEvent) -> CloudEvent:
    return CloudEvent(
        attributes={
            "id": event.event_id,
            "source": event.source,
            "type": event.type,
            "specversion": "1.0",
            "time": event.time,
            "subject": event.subject,
            "datacontenttype": "application/json",
        },
        data=dict(event.data),
    )
