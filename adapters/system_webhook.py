"""An outside system that is known by its mapping alone: whatever speaks HTTP, called with signatures."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from adapters.expressions import BodyTemplate, Expression, PathTemplate, read_json
from adapters.outbound_http import Answer, OutboundHttp, require_success
from adapters.signatures import sign
from core.actions import parse_parameters
from core.errors import ActionRejected, Invalid, SystemUnavailable
from core.execution import ActionCall
from core.execution_labels import ActionKind
from core.ports.execution import ActionContext, Effect, SystemState
from core.systems import ActionMapping, WebhookSystem

log = logging.getLogger(__name__)

_NOT_THERE = frozenset({404, 410})
_NOT_TO_BE_UNDONE = frozenset({405, 409, 422})


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class _Action:
    """One action's mapping, read."""

    method: str
    path: PathTemplate
    body: BodyTemplate
    external_id: Expression
    is_done: bool
    find: PathTemplate | None
    found_id: Expression | None
    undo_method: str
    undo: PathTemplate | None


class SignedWebhookSystem:
    """An `OutsideSystem` of a `core.systems.WebhookSystem`."""

    def __init__(
        self,
        config: WebhookSystem,
        http: OutboundHttp,
        *,
        secrets: tuple[str, ...],
        headers: Mapping[str, str] | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """`headers` are the configured ones with their variables filled in.

        Raises `ArtefactRefused` for an expression that can't be read.
        """
        self.name = config.name
        self._http, self._secrets, self._headers, self._clock = http, secrets, dict(headers or {}), clock
        self._actions = {
            kind: _read_mapping(mapping, f"{config.name}.{kind}") for kind, mapping in config.actions.items()
        }

    async def perform(self, call: ActionCall, context: ActionContext) -> Effect:
        """See the port. An answer without an id is looked up by `find`; where that is not configured, the idempotency
        key takes the id's place."""
        action, data = self._action(call.action), _data(call, context)
        try:
            path, body = action.path.fill(data), action.body.fill(data)
        except Invalid as problem:
            raise ActionRejected(problem.detail) from None
        key = context.idempotency_key
        answer = require_success(
            await self._send(action.method, path, context, key, _json(body), {"Idempotency-Key": key})
        )
        external_id = action.external_id.identifier(_document(answer))
        if external_id is not None:
            return Effect(external_id, action.is_done)
        return await self._look_up(action, call, context, answer)

    async def find(self, call: ActionCall, context: ActionContext) -> Effect | None:
        """See the port. None where no `find` is configured: the system knows the key itself."""
        action = self._action(call.action)
        if action.find is None or action.found_id is None:
            return None
        path = _filled(action.find, _data(call, context))
        answer = await self._send("GET", path, context, f"{context.idempotency_key}:find", b"")
        if answer.status in _NOT_THERE:
            return None
        try:
            said = read_json(require_success(answer).body)
        except Invalid:
            said = None
        if not action.found_id.has_ground(said):
            # To take it for "nothing was done" could do it twice.
            raise SystemUnavailable(f"{self.name} gave an answer that can't be read.")
        external_id = action.found_id.identifier(said)
        return None if external_id is None else Effect(external_id, action.is_done)

    async def undo(self, call: ActionCall, context: ActionContext, external_id: str) -> bool:
        """See the port. What is not there any more counts as taken back."""
        action = self._action(call.action)
        if action.undo is None:
            return False
        path = _filled(action.undo, {**_data(call, context), "external_id": external_id})
        key = f"{context.idempotency_key}:undo"
        body = b"" if action.undo_method == "DELETE" else b"{}"
        answer = await self._send(action.undo_method, path, context, key, body, {"Idempotency-Key": key})
        if answer.status in _NOT_TO_BE_UNDONE:
            return False
        if answer.status not in _NOT_THERE:
            require_success(answer)
        return True

    def state(self) -> SystemState:
        """See the port; the guard around it counts the calls."""
        return SystemState(self.name, "ok")

    async def close(self) -> None:
        """See the port; nothing is held open."""

    def _action(self, kind: ActionKind) -> _Action:
        if kind not in self._actions:
            raise ActionRejected(f"{self.name} does not carry out {kind}.")
        return self._actions[kind]

    async def _look_up(self, action: _Action, call: ActionCall, context: ActionContext, answer: Answer) -> Effect:
        """After a success whose answer has no id. Nothing here may say that nothing was done."""
        if action.find is not None:
            try:
                found = await self.find(call, context)
            except (ActionRejected, SystemUnavailable) as problem:
                raise SystemUnavailable(problem.detail) from None
            if found is None:
                raise SystemUnavailable(f"{self.name} took the action and knows nothing of it.")
            return found
        if answer.body and _document(answer) is None:
            raise SystemUnavailable(f"{self.name} gave an answer that can't be read.")
        log.warning("%s gave no id for %s; its idempotency key takes the id's place", self.name, call.action)
        return Effect(context.idempotency_key, action.is_done)

    async def _send(
        self,
        method: str,
        path: str,
        context: ActionContext,
        message_id: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        own = {"Accept": "application/json", "X-Request-ID": context.correlation_id, **(headers or {})}
        if body:
            own["Content-Type"] = "application/json"
        signed = sign(message_id, body, self._secrets, self._clock())
        return await self._http.request(method, path, headers={**self._headers, **own, **signed}, content=body or None)


def _read_mapping(mapping: ActionMapping, where: str) -> _Action:
    return _Action(
        method=mapping.method,
        path=PathTemplate(mapping.path, f"{where}.path"),
        body=BodyTemplate(mapping.body, f"{where}.body"),
        external_id=Expression(mapping.external_id, f"{where}.external_id"),
        is_done=mapping.is_done,
        find=None if mapping.find is None else PathTemplate(mapping.find, f"{where}.find"),
        found_id=None if mapping.found_id is None else Expression(mapping.found_id, f"{where}.found_id"),
        undo_method=mapping.undo_method,
        undo=None if mapping.undo is None else PathTemplate(mapping.undo, f"{where}.undo"),
    )


def _data(call: ActionCall, context: ActionContext) -> dict[str, Any]:
    """What expressions see: every parameter of the action, null where it was not given."""
    try:
        parameters = parse_parameters(call.action, call.parameters)
    except Invalid as problem:
        raise ActionRejected(problem.detail) from None
    return {
        "action": str(call.action),
        "parameters": parameters.model_dump(mode="json"),
        "context": asdict(context) | {"urgency": str(context.urgency)},
    }


def _filled(path: PathTemplate, data: dict[str, Any]) -> str:
    try:
        return path.fill(data)
    except Invalid as problem:
        raise ActionRejected(problem.detail) from None


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _document(answer: Answer) -> Any:
    """None for what is no JSON."""
    try:
        return read_json(answer.body)
    except Invalid:
        return None
