"""Endpoints of others to which events go: who registered them, for which buildings, and the secrets that sign."""

import secrets as randomness
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StringConstraints

from core.contract import Contract, UtcTime, rfc3339
from core.errors import Conflict, Forbidden, NotFound, Unavailable, VersionConflict
from core.identity import Principal
from core.ports.documents import Document, DocumentStore
from core.ports.webhooks import WebhookSender
from core.record import MadeCall
from core.request import Event
from deployments.request_management.idempotency import TTL_S, current_call
from deployments.request_management.schemas import Identifier

KIND = "webhook-endpoint"
SECRET_KIND = "webhook-secret"
PARTITION = "all"
MOST_ENDPOINTS = 100
CACHE_S = 5.0
"""So long a process may not know of an endpoint."""
SETTLE = timedelta(seconds=10)
"""After this, every process knows of an endpoint."""
OVERLAP = timedelta(hours=24)
"""So long events are signed with the secrets before, too."""
MOST_SECRETS = 5
"""That sign at once."""
CONFLICT_RETRIES = 5

EventKind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
State = Literal["active", "paused", "disabled"]


class EndpointOrder(Contract):
    """`POST /webhooks`."""

    url: Annotated[str, StringConstraints(strip_whitespace=True, min_length=8, max_length=2000)]
    kinds: tuple[EventKind, ...] | None = Field(default=None, min_length=1, max_length=100)
    """Which kinds of events; all, where left out."""
    building_ids: tuple[Identifier, ...] | None = Field(default=None, min_length=1, max_length=200)
    """Whose events; those of all the caller's buildings, where left out."""
    include_internal: StrictBool = False
    """Whether events that are for staff only come, too."""
    include_text: StrictBool = False
    """Whether sentences, which may quote people, come with the events."""


class Endpoint(Contract):
    """Where events go."""

    endpoint_id: str
    url: str
    kinds: tuple[EventKind, ...] | None
    building_ids: tuple[str, ...] | None
    """None for all buildings."""
    include_internal: bool
    include_text: bool
    state: State
    """`paused` keeps events until it goes on; `disabled` gets none."""
    reason: str | None = None
    """Why it is disabled."""
    created_at: UtcTime
    created_by: str
    active_from: UtcTime
    """Events from this moment on are sent: by then every process knows of the endpoint."""
    failing_since: UtcTime | None = None
    """When the first try failed after which none succeeded."""

    def covers(self, building_id: str) -> bool:
        """Whether events of this building go here."""
        return self.state != "disabled" and (self.building_ids is None or building_id in self.building_ids)

    def wants(self, event: Event) -> bool:
        """Whether this event goes here, as far as its building allows."""
        if event.internal and not self.include_internal:
            return False
        return event.at >= self.active_from and (self.kinds is None or event.kind in self.kinds)


class NewEndpoint(Contract):
    """An endpoint with its secret, which is shown this once."""

    endpoint: Endpoint
    secret: str
    """`whsec_` and base64, for Standard Webhooks."""


class EndpointList(Contract):
    """The endpoints of the caller's buildings, oldest first."""

    items: tuple[Endpoint, ...]
    next_cursor: None = None


class SigningSecret(Contract):
    """One secret; None for as long as the endpoint lives."""

    secret: str
    until: UtcTime | None = None
    call: MadeCall | None = None
    """The call with an idempotency key that made it: tried again, it makes no other."""


def new_endpoint_id() -> str:
    """A fresh id."""
    return f"WHK_{randomness.token_hex(12)}"


class Endpoints:
    """The registered endpoints; all of them are kept in memory for a few seconds, as each change asks for them."""

    def __init__(
        self,
        documents: DocumentStore,
        sender: WebhookSender,
        clock: Callable[[], datetime],
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """`elapsed` gives seconds that never go back."""
        self._documents = documents
        self._sender = sender
        self._clock = clock
        self._elapsed = elapsed
        self._known: tuple[Endpoint, ...] = ()
        self._known_until: float | None = None

    async def known(self) -> tuple[Endpoint, ...]:
        """All endpoints as of at most `CACHE_S` seconds ago. Raises `StoreUnavailable`."""
        if self._known_until is None or self._elapsed() >= self._known_until:
            page = await self._documents.list(KIND, PARTITION, limit=MOST_ENDPOINTS, newest_first=False)
            self._known = tuple(Endpoint.model_validate(document.body) for document in page.items)
            self._known_until = self._elapsed() + CACHE_S
        return self._known

    async def register(self, principal: Principal, order: EndpointOrder, endpoint_id: str) -> NewEndpoint:
        """Make an endpoint; the same id again gives the same one with its secret. Raises `Invalid`, `Forbidden`."""
        building_ids = _scope(principal, order)
        await self._sender.require_allowed(order.url)
        # The secret first: an endpoint without one could sign nothing.
        secret = await self._first_secret(endpoint_id)
        present = await self._documents.get(KIND, endpoint_id)
        if present is not None:
            return NewEndpoint(endpoint=Endpoint.model_validate(present.body), secret=secret)
        self._forget()
        if len(await self.known()) >= MOST_ENDPOINTS:
            raise Conflict(f"There are {MOST_ENDPOINTS} endpoints already; delete one first.")
        now = self._clock()
        made = Endpoint(
            endpoint_id=endpoint_id,
            url=order.url,
            kinds=order.kinds,
            building_ids=building_ids,
            include_internal=order.include_internal,
            include_text=order.include_text,
            state="active",
            created_at=now,
            created_by=principal.sub,
            active_from=now + SETTLE,
        )
        await self._documents.put(Document(KIND, endpoint_id, PARTITION, rfc3339(now), 1, made.model_dump(mode="json")))
        self._forget()
        return NewEndpoint(endpoint=made, secret=secret)

    async def list(self, principal: Principal) -> EndpointList:
        """Those that the caller may see."""
        self._forget()
        return EndpointList(items=tuple(one for one in await self.known() if _is_visible(principal, one)))

    async def get(self, principal: Principal, endpoint_id: str) -> Endpoint:
        """One of those that the caller may see. Raises `NotFound`."""
        found = await self.find(endpoint_id)
        if found is None or not _is_visible(principal, found):
            raise NotFound("There is no such endpoint.")
        return found

    async def find(self, endpoint_id: str) -> Endpoint | None:
        """The endpoint as it is stored now."""
        document = await self._documents.get(KIND, endpoint_id)
        return Endpoint.model_validate(document.body) if document else None

    async def delete(self, principal: Principal, endpoint_id: str) -> None:
        """Forget it with its secret; what waits for it is never sent."""
        await self.get(principal, endpoint_id)
        await self._documents.delete(KIND, endpoint_id)
        await self._documents.delete(SECRET_KIND, endpoint_id)
        self._forget()

    async def pause(self, principal: Principal, endpoint_id: str) -> Endpoint:
        """Keep its events until it goes on."""
        found = await self.get(principal, endpoint_id)
        if found.state == "disabled":
            raise Conflict("The endpoint is disabled; resume it first.")
        return await self._change(endpoint_id, lambda one: one.model_copy(update={"state": "paused"}))

    async def resume(self, principal: Principal, endpoint_id: str) -> Endpoint:
        """Go on with a paused endpoint; begin anew, from now on, with a disabled one."""
        await self.get(principal, endpoint_id)
        now = self._clock()

        def go_on(one: Endpoint) -> Endpoint:
            again = {"active_from": now + SETTLE} if one.state == "disabled" else {}
            return one.model_copy(update={"state": "active", "reason": None, "failing_since": None, **again})

        return await self._change(endpoint_id, go_on)

    async def rotate(self, principal: Principal, endpoint_id: str) -> NewEndpoint:
        """A new secret; for a day, events are signed with the one before, too, whatever follows in that day.

        A call with an idempotency key that is tried again gives the same secret. Raises `NotFound`, and `Conflict`
        where `MOST_SECRETS` sign already: the receiver may use any of them.
        """
        found = await self.get(principal, endpoint_id)
        now, call, secret = self._clock(), current_call(), self._sender.new_secret()
        for _ in range(CONFLICT_RETRIES):
            document = await self._documents.get(SECRET_KIND, endpoint_id)
            if document is None:
                raise NotFound("There is no such endpoint.")
            present = _signing(_secrets(document), now)
            made = _made_by(call, present)
            if made is not None:
                return NewEndpoint(endpoint=found, secret=made.secret)
            if len(present) >= MOST_SECRETS:
                raise Conflict(f"{MOST_SECRETS} secrets sign already; rotate again when the oldest has ended.")
            newest, *before = present
            latest = SigningSecret(secret=secret, call=call)
            kept = (latest, newest.model_copy(update={"until": now + OVERLAP}), *before)
            try:
                await self._documents.put(_secret_document(endpoint_id, document.version + 1, kept))
            except VersionConflict:
                continue
            return NewEndpoint(endpoint=found, secret=secret)
        raise Unavailable("The secret is being changed by many at once; please try again.")

    async def signing_secrets(self, endpoint_id: str) -> tuple[str, ...]:
        """The secrets that sign now, the newest first; none for an endpoint that was deleted."""
        document = await self._documents.get(SECRET_KIND, endpoint_id)
        kept = _secrets(document) if document else ()
        return tuple(one.secret for one in _signing(kept, self._clock()))

    async def note_result(self, endpoint: Endpoint, *, succeeded: bool, disable: str | None = None) -> None:
        """Remember since when it fails; disable it where there is a reason to. Writes only what is news."""
        if disable is not None:
            await self._change(
                endpoint.endpoint_id, lambda one: one.model_copy(update={"state": "disabled", "reason": disable})
            )
        elif succeeded and endpoint.failing_since is not None:
            await self._change(endpoint.endpoint_id, lambda one: one.model_copy(update={"failing_since": None}))
        elif not succeeded and endpoint.failing_since is None:
            now = self._clock()
            await self._change(
                endpoint.endpoint_id,
                lambda one: one.model_copy(update={"failing_since": one.failing_since or now}),
            )

    async def _first_secret(self, endpoint_id: str) -> str:
        kept = (SigningSecret(secret=self._sender.new_secret()),)
        try:
            await self._documents.put(_secret_document(endpoint_id, 1, kept))
        except VersionConflict:
            document = await self._documents.get(SECRET_KIND, endpoint_id)
            if document is None:
                raise
            kept = _secrets(document)
        return kept[0].secret

    async def _change(self, endpoint_id: str, step: Callable[[Endpoint], Endpoint]) -> Endpoint:
        for _ in range(CONFLICT_RETRIES):
            document = await self._documents.get(KIND, endpoint_id)
            if document is None:
                raise NotFound("There is no such endpoint.")
            before = Endpoint.model_validate(document.body)
            after = step(before)
            if after == before:
                return after
            changed = Document(
                KIND,
                endpoint_id,
                document.partition,
                document.order,
                document.version + 1,
                after.model_dump(mode="json"),
            )
            try:
                await self._documents.put(changed)
            except VersionConflict:
                continue
            self._forget()
            return after
        raise Unavailable("The endpoint is being changed by many at once; please try again.")

    def _forget(self) -> None:
        self._known_until = None


def _scope(principal: Principal, order: EndpointOrder) -> tuple[str, ...] | None:
    if order.building_ids is None:
        return None if principal.buildings is None else tuple(sorted(principal.buildings))
    if not all(map(principal.covers, order.building_ids)):
        raise Forbidden("You may register endpoints for your own buildings only.")
    return tuple(dict.fromkeys(order.building_ids))


def _is_visible(principal: Principal, endpoint: Endpoint) -> bool:
    if endpoint.building_ids is None:
        return principal.buildings is None
    return all(map(principal.covers, endpoint.building_ids))


def _secrets(document: Document) -> tuple[SigningSecret, ...]:
    return tuple(SigningSecret.model_validate(one) for one in document.body["secrets"])


def _signing(secrets: Iterable[SigningSecret], now: datetime) -> tuple[SigningSecret, ...]:
    return tuple(one for one in secrets if one.until is None or one.until > now)


def _made_by(call: MadeCall | None, secrets: Iterable[SigningSecret]) -> SigningSecret | None:
    if call is None:
        return None
    own = (one for one in secrets if one.call is not None and one.call.token == call.token)
    # A key may be used anew when its life is over.
    return next((one for one in own if one.call and (call.at - one.call.at).total_seconds() < TTL_S), None)


def _secret_document(endpoint_id: str, version: int, kept: tuple[SigningSecret, ...]) -> Document:
    body = {"secrets": [one.model_dump(mode="json") for one in kept]}
    return Document(SECRET_KIND, endpoint_id, PARTITION, endpoint_id, version, body)
