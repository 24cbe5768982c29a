"""Which outside system carries out which kind of action; messages go to the notifier."""

from collections.abc import Callable, Mapping
from datetime import datetime

from core.actions import AlertParameters, MessageParameters, NotifyParameters, parse_parameters
from core.errors import ActionRejected, Invalid
from core.execution import ActionCall, ExecutionCommand, Notification
from core.execution_labels import MESSAGES, ActionKind, StepStatus
from core.labels import Urgency
from core.notices import EVENTS
from core.ports.execution import ActionContext, Effect, Notifier, OutsideSystem, SystemState
from core.request import ExecutionStep
from core.systems import DESK

NOTIFIER = "notifier"


class NotifierSystem:
    """The notifier as the outside system that alerts and notifications are carried out in."""

    name = NOTIFIER

    def __init__(self, notifier: Notifier, clock: Callable[[], datetime]) -> None:
        self._notifier = notifier
        self._clock = clock

    async def perform(self, call: ActionCall, context: ActionContext) -> Effect:
        """Send it; the notification's id. Raises `Invalid` on parameters that do not fit."""
        notification = compose_notification(call, context)
        sent = await self._notifier.send(notification, idempotency_key=context.idempotency_key, now=self._clock())
        return Effect(sent, is_done=True)

    async def find(self, call: ActionCall, context: ActionContext) -> Effect | None:
        """Always None: a notifier sends once by its key, so asking it again is sending again."""
        return None

    async def undo(self, call: ActionCall, context: ActionContext, external_id: str) -> bool:
        """Always False: what was told can't be untold."""
        return False

    def state(self) -> SystemState:
        """Always `ok`: what it keeps messages in tells of itself."""
        return SystemState(self.name, "ok")

    async def close(self) -> None:
        """Give back what the notifier holds."""
        await self._notifier.close()


class Routing:
    """The outside system of each kind of action, and of each step that was begun."""

    def __init__(
        self, systems: Mapping[str, OutsideSystem], routes: Mapping[ActionKind, str], messages: OutsideSystem
    ) -> None:
        """Work that `routes` does not name goes to the operations desk. Raises `Invalid` for a route to nowhere."""
        self._systems = {**systems, messages.name: messages}
        self._routes = {action: routes.get(action, DESK) for action in ActionKind if action not in MESSAGES}
        self._routes |= dict.fromkeys(MESSAGES, messages.name)
        for action, name in self._routes.items():
            if name not in self._systems:
                raise Invalid(f"{action} is routed to {name}, and there is no such system.")

    def steps(self, command: ExecutionCommand) -> tuple[ExecutionStep, ...]:
        """The steps of a command, none of them tried."""
        return tuple(
            ExecutionStep(action=call.action, system=self._routes[call.action], status=StepStatus.QUEUED)
            for call in command.actions
        )

    def system(self, step: ExecutionStep) -> OutsideSystem:
        """Where the step was begun, whatever the routes say by now. Raises `ActionRejected` where that is gone."""
        system = self._systems.get(step.system)
        if system is None:
            raise ActionRejected(f"The outside system {step.system} is not configured any more.")
        return system


def context_of(command: ExecutionCommand, index: int, round_: int) -> ActionContext:
    """Whose action a step is; after each time that it was taken back, it carries a key of its own."""
    key = f"{command.execution_id}:{index}"
    return ActionContext(
        execution_id=command.execution_id,
        request_id=command.request_id,
        urgency=command.urgency,
        correlation_id=command.correlation_id,
        idempotency_key=f"{key}:r{round_}" if round_ else key,
    )


def compose_notification(call: ActionCall, context: ActionContext) -> Notification:
    """The message that an action means. Raises `Invalid` on parameters that do not fit, or on another action."""
    parameters = parse_parameters(call.action, call.parameters)
    match parameters:
        case AlertParameters():
            return _notification(parameters, context).model_copy(
                update={
                    "recipient_kind": "on_call",
                    "recipient": parameters.building_id or parameters.role,
                    "role": parameters.role,
                    # Below an emergency the short ladder holds, whatever it is about.
                    "category": parameters.category if context.urgency is Urgency.EMERGENCY else None,
                }
            )
        case NotifyParameters():
            return _notification(parameters, context).model_copy(
                update={
                    "recipient_kind": parameters.recipient_kind,
                    "recipient": parameters.recipient,
                    "kind": parameters.kind if parameters.event is None else EVENTS[parameters.event].kind,
                    "channel": parameters.channel,
                }
            )
        case _:
            raise Invalid(f"The action {call.action} is not a message to anybody.")


def _notification(parameters: MessageParameters, context: ActionContext) -> Notification:
    """Subject and body stay empty for a template, whose words depend on who is told."""
    return Notification(
        recipient_kind="on_call",
        recipient="",
        subject=parameters.subject or "",
        body=parameters.body or "",
        event=parameters.event,
        fields=parameters.fields,
        urgency=context.urgency,
        request_id=context.request_id,
    )
