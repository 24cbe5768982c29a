"""What a browser's cookie alone opens: documents under the hash of a random id, encrypted with a key made of the id."""

import base64
import hashlib
import re
import secrets
from datetime import datetime
from typing import TypeGuard

from cryptography.fernet import Fernet

from core.contract import rfc3339
from core.ports.documents import DocumentStore

_OWN_ID = re.compile(r"[A-Za-z0-9_-]{43}")
_SWEPT = 20
"""Documents that one call removes at most, of those whose time has passed."""


def new_id() -> str:
    """256 random bits as text."""
    return secrets.token_urlsafe(32)


def is_own_id(text: str | None) -> TypeGuard[str]:
    """Whether it looks like an id that was made here; a cookie may hold anything."""
    return text is not None and _OWN_ID.fullmatch(text) is not None


def key_of(identifier: str) -> str:
    """Under what the document is stored, which does not tell the id."""
    return hashlib.sha256(b"key:" + identifier.encode()).hexdigest()


def seal(identifier: str, text: str) -> str:
    """The text, encrypted."""
    return _fernet(identifier).encrypt(text.encode()).decode()


def unseal(identifier: str, sealed: str) -> str:
    """The text again. Raises `InvalidToken` where it was sealed with another id."""
    return _fernet(identifier).decrypt(sealed.encode()).decode()


async def sweep(documents: DocumentStore, kind: str, partition: str, *, before: datetime) -> None:
    """Remove some documents whose place in their list, a time, has passed. Raises `StoreUnavailable`."""
    page = await documents.list(kind, partition, limit=_SWEPT, newest_first=False)
    for document in page.items:
        if document.order < rfc3339(before):
            await documents.delete(kind, document.key)


def _fernet(identifier: str) -> Fernet:
    # The id is 256 random bits, so that a plain hash of it is a key.
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"seal:" + identifier.encode()).digest()))
