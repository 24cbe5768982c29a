"""What people chose about being told, stored, and the tokens by which a link switches a kind of message off."""

import base64
import binascii
import hashlib
import hmac
import json

from core.errors import NotFound, StaleVersion, VersionConflict
from core.execution_labels import NoticeKind
from core.notices import ALWAYS, NotificationPreferences
from core.ports.documents import Document, DocumentStore
from deployments.execution.notices.record import short_name

KIND = "notification_preferences"
_PURPOSE = b"aam-unsubscribe-v1:"


class PreferenceBook:
    """Preferences by subject. Every method may raise `StoreUnavailable`."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents

    async def of(self, subject: str) -> NotificationPreferences:
        """What they chose; the defaults, at version 0, where they chose nothing."""
        document = await self._documents.get(KIND, short_name(subject))
        return NotificationPreferences.model_validate(document.body) if document else NotificationPreferences()

    async def choose(self, subject: str, preferences: NotificationPreferences) -> NotificationPreferences:
        """Store them; their `version` is the one that was read. Raises `StaleVersion`."""
        chosen = preferences.model_copy(update={"version": preferences.version + 1})
        name = short_name(subject)
        try:
            await self._documents.put(Document(KIND, name, name, "", chosen.version, chosen.model_dump(mode="json")))
        except VersionConflict:
            raise StaleVersion("The preferences were changed since they were read.") from None
        return chosen

    async def opt_out(self, subject: str, kind: NoticeKind) -> None:
        """Switch one kind off; nothing where it is."""
        while True:
            now = await self.of(subject)
            if kind in now.opted_out:
                return
            try:
                await self.choose(subject, now.model_copy(update={"opted_out": now.opted_out | {kind}}))
            except StaleVersion:
                continue
            return

    async def forget(self, subject: str) -> None:
        """Remove all that they chose, with their addresses."""
        await self._documents.delete(KIND, short_name(subject))


def make_token(key: bytes, subject: str, kind: NoticeKind) -> str:
    """`<payload>.<HMAC-SHA256>` in URL-safe base64: whoever holds it may switch this kind off for this person."""
    payload = json.dumps([kind, subject]).encode()
    return f"{_encode(payload)}.{_encode(_sign(key, payload))}"


def read_token(key: bytes, token: str) -> tuple[str, NoticeKind]:
    """Subject and kind. Raises `NotFound` for a token that was not made with this key, or that names danger."""
    unknown = NotFound("This link is not valid.")
    try:
        payload, signature = map(_decode, token.split("."))
        if not hmac.compare_digest(signature, _sign(key, payload)):
            raise unknown
        kind, subject = json.loads(payload)
        kind = NoticeKind(kind)
    except (ValueError, binascii.Error):
        raise unknown from None
    if kind in ALWAYS:
        raise unknown
    return subject, kind


def _sign(key: bytes, payload: bytes) -> bytes:
    return hmac.new(key, _PURPOSE + payload, hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
