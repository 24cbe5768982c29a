"""What people chose about being told, stored, and the tokens by which a link switches a kind of message off."""

import base64
import binascii
import hashlib
import hmac
import json

from core.errors import NotFound, StaleVersion, VersionConflict
from core.execution_labels import NoticeKind
from core.notices import ALWAYS, NotificationPreferences, require_subject
from core.ports.documents import Document, DocumentStore
from deployments.execution.notices.record import short_name

KIND = "notification_preferences"
_PURPOSE = b"aam-unsubscribe-v1:"


class PreferenceBook:
    """Preferences by subject, as `core.notices` makes it. Every method may raise `StoreUnavailable` or `Invalid`."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents

    async def of(self, subject: str) -> NotificationPreferences:
        """What they chose; the defaults, at version 0, where they chose nothing."""
        document = await self._documents.get(KIND, _name(subject))
        return NotificationPreferences.model_validate(document.body) if document else NotificationPreferences()

    async def choose(self, subject: str, preferences: NotificationPreferences) -> NotificationPreferences:
        """Store them; their `version` is the one that was read. Raises `StaleVersion`."""
        chosen = preferences.model_copy(update={"version": preferences.version + 1})
        name = _name(subject)
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
        await self._documents.delete(KIND, _name(subject))


def _name(subject: str) -> str:
    return short_name(require_subject(subject))


def make_token(key: bytes, subject: str, kind: NoticeKind, notice_id: str) -> str:
    """`<payload>.<HMAC-SHA256>` in URL-safe base64: whoever holds it may switch this kind off for this person.

    It names the message that it was sent with, and is good for as long as that is theirs.
    """
    payload = json.dumps([kind, subject, notice_id]).encode()
    return f"{_encode(payload)}.{_encode(_sign(key, payload))}"


def read_token(key: bytes, token: str) -> tuple[str, NoticeKind, str]:
    """Subject, kind and the message's id. Raises `NotFound` for a token that is not of this key, or names danger."""
    unknown = NotFound("This link is not valid.")
    try:
        payload, signature = map(_decode, token.split("."))
        if not hmac.compare_digest(signature, _sign(key, payload)):
            raise unknown
        kind, subject, notice_id = json.loads(payload)
        kind = NoticeKind(kind)
    except (ValueError, binascii.Error):
        raise unknown from None
    if kind in ALWAYS:
        raise unknown
    return subject, kind, notice_id


def _sign(key: bytes, payload: bytes) -> bytes:
    return hmac.new(key, _PURPOSE + payload, hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
