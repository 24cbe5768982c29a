"""The parameters of each action that Execution knows."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from core.contract import Contract, Dollars, UtcTime
from core.entry import EntryTerms
from core.errors import Invalid
from core.execution_labels import ActionKind, ChannelName, NoticeKind
from core.labels import Category, Crew, Role
from core.notices import require_fields

Name = Annotated[str, Field(min_length=1, max_length=200)]
Title = Annotated[str, Field(min_length=1, max_length=300)]
Text = Annotated[str, Field(min_length=1, max_length=8000)]
LONGEST_CODE = timedelta(days=7)
LONGEST_VISIT = timedelta(hours=12)
MOST_CREDITED_USD = 10_000.0


class Parameters(Contract):
    """What every action has."""

    building_id: str | None = None
    unit: str | None = None
    instructions: str | None = Field(default=None, max_length=8000)
    """What whoever does it must know, such as the resident's words and wishes for the visit."""

    @property
    def cost_usd(self) -> float:
        """What may be spent or given away by it; somebody has to have the authority for that."""
        return 0.0


class JobParameters(Parameters):
    """A job for one crew: a work order or a staff task."""

    title: Title
    crew: Crew
    steps: tuple[str, ...] = Field(default=(), max_length=50)
    cost_limit_usd: Dollars = 0.0
    """The most that was agreed to; the crew asks before it spends more."""
    vendor: str | None = None
    """The vendor that is called in place of the crew, which only lets it in and looks after it."""
    licence: str | None = None
    """The licence that whoever does it must hold."""
    not_before: UtcTime | None = None
    """No visit before: notice of entry has to run, or quiet hours to end."""
    entry: EntryTerms | None = None
    """Notice and quiet hours of the building; None where nothing has to be waited for."""
    waits_for: tuple[int, ...] = ()
    """Places, in the same command, of the jobs that must be done before this one begins."""

    @property
    def cost_usd(self) -> float:
        return self.cost_limit_usd


class VisitParameters(JobParameters):
    """A visit to a home, at a time that the rules allow: the one given, or the first that suits the resident."""

    window_start: UtcTime | None = None
    window_end: UtcTime | None = None
    duration_hours: float = Field(default=1.0, gt=0.0, le=12.0)
    """How long it takes, where no window is given."""
    preferred_time_slots: tuple[str, ...] = Field(default=(), max_length=20)
    preferred_days: tuple[str, ...] = Field(default=(), max_length=7)
    avoid_days: tuple[str, ...] = Field(default=(), max_length=7)

    @model_validator(mode="after")
    def _whole_window(self) -> Self:
        if (self.window_start is None) != (self.window_end is None):
            raise ValueError("give both window_start and window_end, or neither")
        _require_span(self.window_start, self.window_end, LONGEST_VISIT)
        return self


class PartParameters(Parameters):
    """A part to be ordered."""

    part: Name
    """An id of the catalogue, or its name."""
    quantity: int = Field(default=1, ge=1, le=1000)
    supplier: str | None = None
    cost_limit_usd: float = Field(gt=0.0, allow_inf_nan=False, strict=True)
    """For all of them; no more may be ordered for than this."""
    needed_by: UtcTime | None = None

    @property
    def cost_usd(self) -> float:
        return self.cost_limit_usd


class ParcelParameters(Parameters):
    """A parcel that somebody looks for."""

    resident_id: Name
    description: Text
    """What the resident said of it."""
    carrier: Name | None = None
    tracking_number: Name | None = None


class RerouteParameters(ParcelParameters):
    """A parcel that is to come to another place."""

    destination: Title


class CreditParameters(Parameters):
    """Money on a resident's account."""

    resident_id: Name
    amount_usd: float = Field(gt=0.0, le=MOST_CREDITED_USD, allow_inf_nan=False, strict=True)
    reason: Title
    charge_id: Name | None = None
    """The charge that it makes good."""

    @property
    def cost_usd(self) -> float:
        return self.amount_usd


class CorrectionParameters(Parameters):
    """Another amount in the place of one that was charged."""

    resident_id: Name
    charge_id: Name
    charged_usd: Dollars
    correct_usd: Dollars
    reason: Title

    @property
    def cost_usd(self) -> float:
        return max(0.0, self.charged_usd - self.correct_usd)


class AmenityParameters(Parameters):
    """A shared place of a building, for a time."""

    amenity: Name
    starts_at: UtcTime
    ends_at: UtcTime

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _require_span(self.starts_at, self.ends_at)
        return self


class BookingParameters(AmenityParameters):
    """It is one resident's for that time."""

    resident_id: Name


class ClosureParameters(AmenityParameters):
    """It is nobody's for that time."""

    reason: Title


class AccessCodeParameters(Parameters):
    """A code that opens one door for a time."""

    door: Name
    holder: Name
    """Who it is for."""
    valid_from: UtcTime
    valid_until: UtcTime
    reason: Title

    @model_validator(mode="after")
    def _short(self) -> Self:
        _require_span(self.valid_from, self.valid_until, LONGEST_CODE)
        return self


class MessageParameters(Parameters):
    """A message: a template's words in the recipient's language, or words of somebody's own."""

    event: str | None = Field(default=None, pattern=r"^[a-z0-9_]{1,60}$")
    """The template; one of `core.notices.EVENTS`."""
    fields: dict[str, Annotated[str, Field(max_length=8000)]] = Field(default_factory=dict[str, str], max_length=20)
    """What its gaps are filled with."""
    subject: Title | None = None
    body: Text | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        own_words = self.subject is not None and self.body is not None
        if own_words == (self.event is not None):
            raise ValueError("give either event, or subject and body")
        if self.event is not None:
            require_fields(self.event, self.fields)
        return self


class AlertParameters(MessageParameters):
    """A message to whoever is on call, and to the next one, until somebody takes it."""

    role: Role
    category: Category | None = None
    """What it is about; it decides whose turn it is."""


class NotifyParameters(MessageParameters):
    """A message to one resident or to a staff role."""

    recipient_kind: Literal["resident", "staff_role"]
    recipient: Name
    kind: NoticeKind = NoticeKind.REQUEST
    """Of words of somebody's own; a template has a kind of its own."""
    channel: ChannelName | None = None
    """Only by this one, besides the inbox."""

    @model_validator(mode="after")
    def _known_role(self) -> Self:
        if self.recipient_kind == "staff_role" and self.recipient not in (Role.STAFF, Role.MANAGER):
            raise ValueError("a staff_role is staff or manager")
        return self


ActionParameters = (
    VisitParameters
    | JobParameters
    | PartParameters
    | RerouteParameters
    | ParcelParameters
    | CreditParameters
    | CorrectionParameters
    | BookingParameters
    | ClosureParameters
    | AccessCodeParameters
    | AlertParameters
    | NotifyParameters
)

PARAMETERS: Mapping[ActionKind, type[ActionParameters]] = {
    ActionKind.DISPATCH_WORK_ORDER: JobParameters,
    ActionKind.CREATE_STAFF_TASK: JobParameters,
    ActionKind.SCHEDULE_VISIT: VisitParameters,
    ActionKind.ORDER_PART: PartParameters,
    ActionKind.TRACE_PARCEL: ParcelParameters,
    ActionKind.REROUTE_PARCEL: RerouteParameters,
    ActionKind.CREDIT_BILL: CreditParameters,
    ActionKind.CORRECT_BILL: CorrectionParameters,
    ActionKind.BOOK_AMENITY: BookingParameters,
    ActionKind.CLOSE_AMENITY: ClosureParameters,
    ActionKind.ISSUE_ACCESS_CODE: AccessCodeParameters,
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


def _require_span(start: Any, end: Any, longest: timedelta | None = None) -> None:
    if start is None or end is None:
        return
    if end <= start:
        raise ValueError("the end must be after the start")
    if longest is not None and end - start > longest:
        raise ValueError(f"at most {longest.total_seconds() / 3600:g} hours")
