"""Signatures of calls between systems, as Standard Webhooks says: of what goes out, and of what comes in."""

import binascii
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from core.errors import ArtefactRefused, Unauthenticated

TOLERANCE = timedelta(minutes=5)
"""How old or new a call may be, so that one that somebody has kept can't be sent again for ever."""
LONGEST_ID = 200
SHORTEST_SECRET_BYTES = 24
"""As the specification asks."""
_PREFIX = "whsec_"


def sign(message_id: str, body: bytes, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    """The headers for this body, which is UTF-8, with a signature by each secret."""
    # The library takes the time of day of any zone for UTC's.
    moment = at.astimezone(UTC)
    signatures = (Webhook(secret).sign(message_id, moment, body.decode()) for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> str:
    """The id of a call that one of these secrets signed within the last five minutes.

    The library's own check knows no clock but the machine's. Raises `Unauthenticated`.
    """
    named = {name.lower(): value for name, value in headers.items()}
    message_id, stamp = named.get("webhook-id", ""), named.get("webhook-timestamp", "")
    if not (0 < len(message_id) <= LONGEST_ID and message_id.isascii() and message_id.isprintable()):
        raise Unauthenticated("The callback has no usable webhook-id.")
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
        raise Unauthenticated("The callback has no usable webhook-timestamp.")
    signed_at = datetime.fromtimestamp(min(int(stamp), 253_402_300_799), UTC)
    if abs(signed_at - now) > TOLERANCE:
        raise Unauthenticated("The callback's time is too far from the present.")
    try:
        expected = sign(message_id, body, secrets, signed_at)["webhook-signature"].split(" ")
    except UnicodeDecodeError:
        raise Unauthenticated("The callback's signature is not valid.") from None
    given = [text.encode() for text in named.get("webhook-signature", "").split(" ")]
    if not any(hmac.compare_digest(mine.encode(), theirs) for mine in expected for theirs in given):
        raise Unauthenticated("The callback's signature is not valid.")
    return message_id


def parse_secrets(text: str, variable: str) -> tuple[str, ...]:
    """The secrets in an environment variable: one, or while it is replaced two, apart by a space.

    Raises `ArtefactRefused` naming the variable, and never its content.
    """
    secrets = tuple(text.split())
    if not secrets:
        raise ArtefactRefused(f"The environment variable {variable} must hold a signing secret, whsec_….")
    for secret in secrets:
        if not secret.startswith(_PREFIX) or _length(secret) < SHORTEST_SECRET_BYTES:
            raise ArtefactRefused(
                f"The environment variable {variable} holds no signing secret: one is {_PREFIX} and the base64 of at "
                f"least {SHORTEST_SECRET_BYTES} random bytes."
            )
    return secrets


def _length(secret: str) -> int:
    try:
        Webhook(secret)
        text = secret.removeprefix(_PREFIX)
        return len(binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True))
    except (ValueError, EmptyWebhookSecretError):
        return 0
