"""Reads the webhooks of Atlas CMMS: `WORK_ORDER_STATUS_CHANGE`, signed in its own way.

The signature is the hexadecimal HMAC-SHA256 of the body alone, by the secret's own letters. The headers
`X-Webhook-Timestamp` and `X-Webhook-Id` are not signed and so not looked at: the time is the body's `occurredAt`, and a
repetition is known by the body. Cost and hours are in none of its webhooks; `AtlasCmms.completions` has them.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from adapters.callbacks import LARGEST_BYTES, LONGEST_NOTES
from adapters.expressions import read_json
from adapters.signatures import TOLERANCE
from core.errors import ArtefactRefused, Invalid, Unauthenticated
from core.ports.execution import Completion

SHORTEST_SECRET = 16


class AtlasCallbackReader:
    """A `CallbackReader`."""

    def __init__(self, secrets: str) -> None:
        """The endpoint's secret as Atlas shows it, or two apart by a space while it is replaced.

        Raises `ArtefactRefused` for none, and for one that is too short to be one.
        """
        self._keys = [secret.encode() for secret in secrets.split()]
        if not self._keys or any(len(key) < SHORTEST_SECRET for key in self._keys):
            raise ArtefactRefused(f"The secret of Atlas CMMS's webhooks has at least {SHORTEST_SECRET} letters.")

    def read(self, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[str, Completion | None]:
        """See the port. The signature is checked before anything is read from the body."""
        if len(body) > LARGEST_BYTES:
            raise Invalid(f"A callback has at most {LARGEST_BYTES} bytes.")
        self._require_signed({name.lower(): value for name, value in headers.items()}, body)
        said = _object(read_json(body))
        if said is None:
            raise Invalid("The callback is no JSON object.")
        if abs(_time(said.get("occurredAt")) - now) > TOLERANCE:
            raise Unauthenticated("The callback's time is too far from the present.")
        return f"atlas-{hashlib.sha256(body).hexdigest()}", _completion(said)

    def _require_signed(self, headers: Mapping[str, str], body: bytes) -> None:
        given = headers.get("x-webhook-signature", "").encode()
        signatures = [hmac.new(key, body, hashlib.sha256).hexdigest().encode() for key in self._keys]
        if not any([hmac.compare_digest(signature, given) for signature in signatures]):
            raise Unauthenticated("The callback's signature is not valid.")


def _completion(said: Mapping[str, Any]) -> Completion | None:
    if said.get("newStatus") != "COMPLETE":
        return None
    number = said.get("workOrderId")
    if not isinstance(number, int) or isinstance(number, bool):
        raise Invalid("The callback does not say which work it is about.")
    order = _object(said.get("changedWorkOrder"))
    feedback = None if order is None else order.get("feedback")
    return Completion(str(number), notes=feedback[:LONGEST_NOTES] if isinstance(feedback, str) and feedback else None)


def _object(value: Any) -> dict[str, Any] | None:
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def _time(value: Any) -> datetime:
    """As text with its offset or as milliseconds since 1970, which depends on how its server is set up."""
    try:
        if isinstance(value, int):
            return datetime.fromtimestamp(value / 1000, UTC)
        return datetime.fromisoformat(value).astimezone(UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise Invalid("The callback does not say when it happened.") from None
