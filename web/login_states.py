"""What is known of a sign-in between its beginning here and the issuer's answer: kept for minutes, good for once."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.fernet import InvalidToken
from pydantic import ValidationError

from core.contract import Contract, rfc3339
from core.errors import VersionConflict
from core.ports.documents import Document, DocumentStore
from web.sealing import is_own_id, key_of, new_id, seal, sweep, unseal

KIND = "web_login"
COOKIE = "login"
LASTS = timedelta(minutes=10)
_PARTITION = "all"


class LoginState(Contract):
    """What the issuer's answer has to fit to, and where the person came from."""

    state: str
    nonce: str
    verifier: str
    back: str

    def fits(self, state: str) -> bool:
        """Whether the answer is to this sign-in."""
        return hmac.compare_digest(self.state.encode(), state.encode())


@dataclass(frozen=True)
class LoginStates:
    """Keeps them in the document store, sealed by the id in the browser's cookie. May raise `StoreUnavailable`."""

    documents: DocumentStore
    clock: Callable[[], datetime]

    async def keep(self, login: LoginState) -> str:
        """The id under which it is found again."""
        login_id, now = new_id(), self.clock()
        body = {"sealed": seal(login_id, login.model_dump_json())}
        await self.documents.put(Document(KIND, key_of(login_id), _PARTITION, rfc3339(now + LASTS), 1, body))
        await sweep(self.documents, KIND, _PARTITION, before=now)
        return login_id

    async def find(self, login_id: str | None) -> LoginState | None:
        """The login, if its time has not passed and it was not used."""
        found = await self._get(login_id)
        if found is None or login_id is None or found.version != 1 or found.order <= rfc3339(self.clock()):
            return None
        try:
            return LoginState.model_validate_json(unseal(login_id, str(found.body.get("sealed"))))
        except (ValidationError, InvalidToken):
            return None

    async def use(self, login_id: str) -> bool:
        """Whether it was this call that used it up."""
        found = await self._get(login_id)
        if found is None:
            return False
        used = Document(KIND, found.key, found.partition, found.order, 2, {})
        try:
            # Whoever writes first has it, on whichever replica.
            await self.documents.put(used)
        except VersionConflict:
            return False
        await self.documents.delete(KIND, found.key)
        return True

    async def _get(self, login_id: str | None) -> Document | None:
        return await self.documents.get(KIND, key_of(login_id)) if is_own_id(login_id) else None
