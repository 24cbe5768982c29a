"""Which outside system carries out which kind of action."""

from collections.abc import Callable, Mapping
from datetime import datetime

from core.actions import AlertParameters, NotifyParameters, parse_parameters
from core.errors import Invalid
from core.labels import ActionKind
from core.messages import ActionCall, Notification
from core.ports.execution import ActionContext, Notifier, OperationsDesk, OutsideSystem


class NotifierSystem:
    """The notifier as an outside system that alerts and notifications are carried out in."""

    name = "notifier"

    def __init__(self, notifier: Notifier, clock: Callable[[], datetime]) -> None:
        self._notifier = notifier
        self._clock = clock

    async def perform(self, call: ActionCall, context: ActionContext) -> str:
        """Send it and return the notification's id. Raises `Invalid` on parameters that do not fit."""
        notification = compose_notification(call, context)
        return await self._notifier.send(notification, idempotency_key=context.idempotency_key, now=self._clock())

    async def find(self, idempotency_key: str) -> str | None:
        """Always None: a notifier sends once by its key, so asking it again is sending again."""
        return None

    async def close(self) -> None:
        """Give back what the notifier holds."""
        await self._notifier.close()


def route_actions(
    desk: OperationsDesk, notifier: Notifier, clock: Callable[[], datetime]
) -> Mapping[ActionKind, OutsideSystem]:
    """The outside system of each kind of action."""
    messages = NotifierSystem(notifier, clock)
    return {
        ActionKind.DISPATCH_WORK_ORDER: desk,
        ActionKind.CREATE_STAFF_TASK: desk,
        ActionKind.ALERT_ON_CALL: messages,
        ActionKind.NOTIFY: messages,
    }


def compose_notification(call: ActionCall, context: ActionContext) -> Notification:
    """The message that an action means. Raises `Invalid` on parameters that do not fit, or on another action."""
    parameters = parse_parameters(call.action, call.parameters)
    match parameters:
        case AlertParameters():
            return Notification(
                recipient_kind="on_call",
                recipient=parameters.building_id or parameters.role,
                role=parameters.role,
                subject=parameters.subject,
                body=parameters.body,
                urgency=context.urgency,
                request_id=context.request_id,
            )
        case NotifyParameters():
            return Notification(
                recipient_kind=parameters.recipient_kind,
                recipient=parameters.recipient,
                subject=parameters.subject,
                body=parameters.body,
                channel=parameters.channel,
                urgency=context.urgency,
                request_id=context.request_id,
            )
        case _:
            raise Invalid(f"The action {call.action} is not a message to anybody.")
