"""Sessions of signed-in people, in the document store, so that every replica knows them and signing out ends them.

The browser holds a random id in a cookie that no script can read. The store holds the session under the id's hash, and
the person's token encrypted with a key made of the id: whoever reads the store can neither take a session over nor
use a token.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.fernet import InvalidToken
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from core.contract import Contract, UtcTime, rfc3339
from core.errors import VersionConflict
from core.labels import Role
from core.ports.documents import Document, DocumentStore
from core.settings import Settings
from web.sealing import is_own_id, key_of, new_id, seal, sweep, unseal

KIND = "web_session"
KEPT_AFTER_END = timedelta(hours=24)
"""For so long a form of a session that has ended can still be told to be that person's."""
LONGEST_RENEWED = timedelta(hours=12)
"""After so long a person signs in again, however often their token was renewed."""
PARTITION = "all"


class StoredSession(Contract):
    """A session as it is stored."""

    sub: str
    role: Role
    buildings: tuple[str, ...] | None = None
    sealed: str
    """The token, encrypted by a key made of the session's id."""
    refresh_sealed: str | None = None
    """What a new token can be had for, in the same way."""
    hint_sealed: str | None = None
    """By what the issuer knows whom to sign out there, in the same way."""
    csrf_secret: str
    expires_at: UtcTime
    renewable_until: UtcTime | None = None
    """No new token is asked for from then on."""
    renewing_until: UtcTime | None = None
    """Until then one call asks the issuer for a new token, and no other does."""


@dataclass(frozen=True)
class Session:
    """A person who has signed in."""

    session_id: str
    stored: StoredSession
    token: str
    refresh_token: str | None = None
    sign_out_hint: str | None = None
    """The issuer's id token."""
    version: int = 1
    """Of the stored document."""
    order: str = ""
    """Its place in the list of sessions."""

    @property
    def sub(self) -> str:
        """Whose it is."""
        return self.stored.sub

    @property
    def role(self) -> Role:
        """As whom they signed in."""
        return self.stored.role

    def is_over(self, now: datetime) -> bool:
        """Whether it has ended."""
        return now >= self.stored.expires_at

    def is_renewable(self, now: datetime) -> bool:
        """Whether a new token can be had for it."""
        until = self.stored.renewable_until
        return self.refresh_token is not None and until is not None and now < until


class Sessions:
    """Opens, finds, renews and ends sessions. Every method may raise `StoreUnavailable`."""

    def __init__(self, documents: DocumentStore, clock: Callable[[], datetime]) -> None:
        self._documents = documents
        self._clock = clock

    async def open(
        self,
        sub: str,
        role: Role,
        buildings: frozenset[str] | None,
        token: str,
        expires_at: datetime,
        refresh_token: str | None = None,
        *,
        sign_out_hint: str | None = None,
        before: Session | None = None,
    ) -> Session:
        """A new session. Its id is made here, at sign-in, so that nobody can have set it before.

        Forms that the same person has open since the session `before` stay good.
        """
        session_id, now = new_id(), self._clock()
        stored = StoredSession(
            sub=sub,
            role=role,
            buildings=_sorted(buildings),
            sealed=seal(session_id, token),
            refresh_sealed=seal(session_id, refresh_token) if refresh_token else None,
            hint_sealed=seal(session_id, sign_out_hint) if sign_out_hint else None,
            csrf_secret=before.stored.csrf_secret if before and before.sub == sub else secrets.token_hex(32),
            expires_at=expires_at,
            renewable_until=now + LONGEST_RENEWED if refresh_token else None,
        )
        # A session's place never changes: it is the latest moment at which it may end.
        order = rfc3339(max(expires_at, stored.renewable_until or expires_at))
        session = Session(session_id, stored, token, refresh_token, sign_out_hint, 1, order)
        await self._documents.put(_document(session))
        await sweep(self._documents, KIND, PARTITION, before=now - KEPT_AFTER_END)
        return session

    async def find(self, session_id: str | None) -> Session | None:
        """The session with this id, also for a day after it has ended; None where there is none."""
        if not is_own_id(session_id):
            return None
        found = await self._documents.get(KIND, key_of(session_id))
        if found is None:
            return None
        try:
            session = _read(session_id, found)
        except (ValidationError, InvalidToken):
            return None
        return None if session.is_over(self._clock() - KEPT_AFTER_END) else session

    async def claim_renewal(self, session: Session, until: datetime) -> Session | None:
        """The session, with its renewal reserved for this call; None where another call has it or had it."""
        reserved = session.stored.renewing_until
        if reserved is not None and self._clock() < reserved:
            return None
        return await self._change(session, session.stored.model_copy(update={"renewing_until": until}))

    async def renew(
        self,
        session: Session,
        role: Role,
        buildings: frozenset[str] | None,
        token: str,
        expires_at: datetime,
        refresh_token: str | None,
    ) -> Session | None:
        """The session with a new token of the same person; None where it was ended meanwhile.

        `refresh_token` is None where the one before stays good.
        """
        refresh_token = refresh_token or session.refresh_token
        until = session.stored.renewable_until
        changes = {
            "role": role,
            "buildings": _sorted(buildings),
            "sealed": seal(session.session_id, token),
            "refresh_sealed": seal(session.session_id, refresh_token) if refresh_token else None,
            "expires_at": min(expires_at, until) if until else expires_at,
            "renewing_until": None,
        }
        return await self._change(session, session.stored.model_copy(update=changes))

    async def give_up_renewal(self, session: Session) -> Session | None:
        """The session without what a new token could be had for: it ends when its token does."""
        changes = {"refresh_sealed": None, "renewing_until": None}
        return await self._change(session, session.stored.model_copy(update=changes))

    async def end(self, session_id: str | None) -> None:
        """Sign out: whoever holds the cookie is nobody from now on."""
        if is_own_id(session_id):
            await self._documents.delete(KIND, key_of(session_id))

    async def _change(self, session: Session, stored: StoredSession) -> Session | None:
        changed = _opened(session.session_id, stored, session.version + 1, session.order)
        try:
            await self._documents.put(_document(changed))
        except VersionConflict:
            return None
        return changed


def cookie_name(settings: Settings) -> str:
    """With `__Host-` a browser takes it over TLS alone, for this host alone."""
    return named_cookie("session", settings)


def named_cookie(name: str, settings: Settings) -> str:
    """The name of a cookie of ours, with `__Host-` over TLS."""
    return f"__Host-aam_{name}" if is_over_tls(settings) else f"aam_{name}"


def is_over_tls(settings: Settings) -> bool:
    """Whether people reach this installation over TLS."""
    return settings.environment == "production" or (settings.public_url or "").startswith("https://")


def session_id_of(request: Request, settings: Settings) -> str | None:
    """The id in the browser's cookie."""
    return request.cookies.get(cookie_name(settings))


def give_cookie(response: Response, session: Session, settings: Settings) -> None:
    """Let the browser keep the session, until it is closed or the session ends."""
    give_named_cookie(response, "session", session.session_id, settings)


def take_cookie(response: Response, settings: Settings) -> None:
    """Let the browser forget the session."""
    take_named_cookie(response, "session", settings)


def give_named_cookie(
    response: Response, name: str, value: str, settings: Settings, *, kept: timedelta | None = None
) -> None:
    """A cookie that no script reads; kept until the browser is closed where `kept` is None."""
    # Lax, since links in mails and the issuer's answer come from elsewhere; changes need the form's token besides.
    response.set_cookie(
        named_cookie(name, settings),
        value,
        max_age=int(kept.total_seconds()) if kept else None,
        path="/",
        httponly=True,
        samesite="lax",
        secure=is_over_tls(settings),
    )


def take_named_cookie(response: Response, name: str, settings: Settings) -> None:
    """Let the browser forget it."""
    response.delete_cookie(
        named_cookie(name, settings), path="/", httponly=True, samesite="lax", secure=is_over_tls(settings)
    )


def _sorted(buildings: frozenset[str] | None) -> tuple[str, ...] | None:
    return tuple(sorted(buildings)) if buildings is not None else None


def _document(session: Session) -> Document:
    body = session.stored.model_dump(mode="json")
    return Document(KIND, key_of(session.session_id), PARTITION, session.order, session.version, body)


def _read(session_id: str, found: Document) -> Session:
    return _opened(session_id, StoredSession.model_validate(found.body), found.version, found.order)


def _opened(session_id: str, stored: StoredSession, version: int, order: str) -> Session:
    refresh = unseal(session_id, stored.refresh_sealed) if stored.refresh_sealed else None
    hint = unseal(session_id, stored.hint_sealed) if stored.hint_sealed else None
    return Session(session_id, stored, unseal(session_id, stored.sealed), refresh, hint, version, order)
