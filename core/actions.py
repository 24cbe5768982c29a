"""The parameters of each action that Execution knows, and the notification texts that may be sent by name."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from core.contract import Contract, Dollars, UtcTime
from core.errors import Invalid
from core.labels import ActionKind, Crew, Role


class JobParameters(Contract):
    """A job for one crew on the operations desk: a work order or a staff task."""

    title: str = Field(min_length=1, max_length=300)
    crew: Crew
    steps: tuple[str, ...] = Field(default=(), max_length=50)
    building_id: str | None = None
    unit: str | None = None
    instructions: str | None = Field(default=None, max_length=8000)
    """What the crew must know: the resident's words and wishes for the visit."""
    cost_limit_usd: Dollars = 0.0
    """The most that was agreed to; the crew asks before it spends more."""
    vendor: str | None = None
    """The vendor that is called in place of the crew, which only lets it in and looks after it."""
    licence: str | None = None
    """The licence that whoever does it must hold."""
    not_before: UtcTime | None = None
    """No visit before: notice of entry has to run, or quiet hours to end."""


class AlertParameters(Contract):
    """A message to whoever is on call."""

    role: Role
    building_id: str | None = None
    subject: str = Field(min_length=1, max_length=300)
    body: str = Field(min_length=1, max_length=8000)


class NotifyParameters(Contract):
    """A message to one resident or to a staff role."""

    recipient_kind: Literal["resident", "staff_role"]
    recipient: str = Field(min_length=1, max_length=200)
    subject: str = Field(min_length=1, max_length=300)
    body: str = Field(min_length=1, max_length=8000)
    channel: str | None = None


ActionParameters = JobParameters | AlertParameters | NotifyParameters

PARAMETERS: Mapping[ActionKind, type[ActionParameters]] = {
    ActionKind.DISPATCH_WORK_ORDER: JobParameters,
    ActionKind.CREATE_STAFF_TASK: JobParameters,
    ActionKind.ALERT_ON_CALL: AlertParameters,
    ActionKind.NOTIFY: NotifyParameters,
}


def parse_parameters(action: ActionKind, parameters: Mapping[str, Any]) -> ActionParameters:
    """The parameters, typed. Raises `Invalid` naming what does not fit."""
    try:
        return PARAMETERS[action].model_validate(parameters)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Invalid(f"The parameters do not fit the action {action}: {where}: {first['msg']}.") from None


TEMPLATES: Mapping[str, tuple[str, str]] = {
    "request_received": ("We have your message", "Thank you. We have your message and are working on it."),
    "visit_planned": ("A visit is planned", "A member of our staff will come to your home. You will hear the time."),
    "access_needed": ("We need access", "We need access to your home to carry on. Please tell us when it suits you."),
    "work_completed": ("The work is done", "The work is done. Please tell us if anything is still not right."),
}
"""Subject and body of a notification by the name that `POST /notify` takes."""
