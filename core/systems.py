"""How outside systems are configured: where each is, what it may cost to call it, and which action goes to which."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from core.contract import Contract
from core.execution_labels import ActionKind

SystemName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,40}$")]
Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=2000)]
Variable = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{2,80}$")]
"""The name of an environment variable that holds a secret."""

DESK = "operations_desk"
LONGEST_PAUSE_S = 2.0
"""Between two tries that are made at once."""


class CallPolicy(Contract):
    """How carefully a system is called."""

    timeout_s: float = Field(default=10.0, gt=0.0, le=60.0)
    """For one call."""
    attempts: int = Field(default=2, ge=1, le=5)
    """Of a call that may be repeated, at once and with jitter; the queue's own tries come on top."""
    concurrency: int = Field(default=8, ge=1, le=256)
    """Calls under way at once from one replica (bulkhead); what comes beyond is put off, not waited for."""
    rate: str | None = Field(default=None, pattern=r"^\d+/(second|minute|hour)$")
    """Calls by all replicas, as `60/minute`; None for no limit."""
    breaker_failures: int = Field(default=5, ge=1)
    """After so many failures in a row, the system is left alone."""
    breaker_reset_s: float = Field(default=30.0, gt=0.0)
    """So long; then a single call tries it."""
    response_limit_bytes: int = Field(default=1_000_000, ge=1024)

    @property
    def longest_s(self) -> float:
        """The most that an action can take with all its tries: before each but the first, the system is asked."""
        return self.timeout_s + (self.attempts - 1) * (LONGEST_PAUSE_S + 2 * self.timeout_s)


class AtlasSystem(Contract):
    """Work orders in Atlas CMMS."""

    kind: Literal["atlas_cmms"]
    name: SystemName
    url: Url
    """The root of its REST API."""
    network: Literal["public", "private"] = "public"
    """`private` where it is in the house's own network; addresses of a cloud's metadata are refused in any case."""
    email: str
    password_variable: Variable
    callback_secret_variable: Variable | None = None
    """The secret of its webhooks; None where it sends none."""
    send_traceparent: bool = False
    """Whether calls tell it, as `traceparent` (W3C), of the trace that they belong to; where it traces, too."""
    locations: dict[str, int] = Field(default_factory=dict[str, int])
    """Its location's id by building id."""
    policy: CallPolicy = CallPolicy()


class ActionMapping(Contract):
    """How one action becomes an HTTP call. Expressions are JMESPath over `{action, parameters, context}`."""

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    path: str = Field(pattern=r"^/[^\s?#]*$", max_length=500)
    """Below the system's url; `{expression}` is filled in, percent-encoded."""
    body: dict[str, str] = Field(default_factory=dict[str, str])
    """Fields of the JSON body: a dotted name, and the expression for its value."""
    external_id: str
    """Expression over the answer that gives the outside id."""
    is_done: bool = False
    """The work itself is done when the call succeeded; otherwise a callback tells."""
    find: str | None = Field(default=None, pattern=r"^/[^\s#]*$", max_length=500)
    """A path that is asked (GET) for what was done with an idempotency key, as `/orders?key={context.idempotency_key}`;
    None where the system holds the `Idempotency-Key` header itself."""
    found_id: str | None = None
    """Expression over that answer; null where nothing was done. The member that it begins with must be in the answer
    all the same, if only empty; 404 says nothing was done, too."""
    undo_method: Literal["POST", "DELETE"] = "DELETE"
    undo: str | None = Field(default=None, pattern=r"^/[^\s?#]*$", max_length=500)
    """A path that takes it back, as `/orders/{external_id}`; None where that can't be done."""

    @model_validator(mode="after")
    def _find_says_what(self) -> Self:
        if (self.find is None) != (self.found_id is None):
            raise ValueError("find and found_id belong together")
        return self


class CallbackMapping(Contract):
    """What a callback says. Expressions are JMESPath over its JSON body."""

    external_id: str
    is_done: str
    """Gives true where the work is completed; other callbacks are acknowledged and change nothing."""
    notes: str | None = None
    actual_cost_usd: str | None = None
    actual_hours: str | None = None


class WebhookSystem(Contract):
    """Whatever speaks HTTP: billing, parcel lockers, access control, chat. Calls are signed (Standard Webhooks)."""

    kind: Literal["webhook"]
    name: SystemName
    url: Url
    network: Literal["public", "private"] = "public"
    secret_variable: Variable
    """The signing secret (`whsec_…`) of calls to it."""
    headers: dict[str, str] = Field(default_factory=dict[str, str])
    """Fixed ones; a value `${NAME}` is taken from the environment."""
    send_traceparent: bool = False
    """Whether calls tell it, as `traceparent` (W3C), of the trace that they belong to; where it traces, too."""
    actions: dict[ActionKind, ActionMapping] = Field(min_length=1)
    callback_secret_variable: Variable | None = None
    callback: CallbackMapping | None = None
    policy: CallPolicy = CallPolicy()

    @model_validator(mode="after")
    def _callback_is_whole(self) -> Self:
        if (self.callback is None) != (self.callback_secret_variable is None):
            raise ValueError("callback and callback_secret_variable belong together")
        return self


class MailSystem(Contract):
    """Mail by SMTP."""

    kind: Literal["smtp"]
    name: SystemName = "mail"
    host: str
    port: int = Field(ge=1, le=65535)
    security: Literal["tls", "starttls", "none"] = "starttls"
    """`none` is refused in production."""
    sender: str
    username: str | None = None
    password_variable: Variable | None = None
    policy: CallPolicy = CallPolicy()


class SmsSystem(Contract):
    """SMS by Amazon SNS."""

    kind: Literal["sns"]
    name: SystemName = "sms"
    region: str
    endpoint_url: Url | None = None
    sender_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]{1,11}$")
    policy: CallPolicy = CallPolicy()


class ChatSystem(Contract):
    """A bridge to the house's chat: messages to staff as signed CloudEvents."""

    kind: Literal["chat"]
    send_traceparent: bool = False
    """Whether calls tell it, as `traceparent` (W3C), of the trace that they belong to; where it traces, too."""
    name: SystemName = "chat"
    url: Url
    network: Literal["public", "private"] = "public"
    secret_variable: Variable
    policy: CallPolicy = CallPolicy()


SystemConfig = Annotated[AtlasSystem | WebhookSystem | MailSystem | SmsSystem | ChatSystem, Field(discriminator="kind")]


class SystemsConfig(Contract):
    """All outside systems, and which action goes where; without any, everything stays on the operations desk."""

    systems: tuple[SystemConfig, ...] = ()
    routes: dict[ActionKind, SystemName] = Field(default_factory=dict[ActionKind, SystemName])
    """Actions that are not named stay on the operations desk."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [system.name for system in self.systems]
        if len({*names, DESK}) != len(names) + 1:
            raise ValueError("every system needs a name of its own")
        channels = [system.kind for system in self.systems if system.kind in ("smtp", "sns", "chat")]
        if len(set(channels)) != len(channels):
            raise ValueError("at most one system of each kind that tells people: smtp, sns, chat")
        by_name: dict[str, Any] = {system.name: system for system in self.systems}
        for action, name in self.routes.items():
            if name != DESK and not _carries_out(by_name.get(name), action):
                raise ValueError(f"{action} is routed to {name}, which does not carry it out")
        return self


ATLAS_ACTIONS = frozenset({ActionKind.DISPATCH_WORK_ORDER, ActionKind.CREATE_STAFF_TASK})


def _carries_out(system: Any, action: ActionKind) -> bool:
    if isinstance(system, AtlasSystem):
        return action in ATLAS_ACTIONS
    return isinstance(system, WebhookSystem) and action in system.actions
