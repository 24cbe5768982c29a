"""What each action asks of the people at the operations desk: the job, before it has a number."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.actions import (
    AccessCodeParameters,
    ActionParameters,
    AmenityParameters,
    BookingParameters,
    ClosureParameters,
    CorrectionParameters,
    CreditParameters,
    JobParameters,
    ParcelParameters,
    PartParameters,
    RerouteParameters,
    VisitParameters,
    parse_parameters,
)
from core.contract import rfc3339
from core.entry import EntryTerms
from core.errors import ActionRejected, Invalid
from core.execution import ActionCall, WorkOrder
from core.execution_labels import MESSAGES, ActionKind
from core.labels import Crew, Urgency
from core.visits import Window, first_window, require_allowed

LONGEST_TITLE = 300


@dataclass(frozen=True)
class Job:
    """A row of the desk to be."""

    kind: str
    crew: Crew
    title: str
    building_id: str | None
    unit: str | None
    instructions: str | None
    cost_limit_usd: float
    steps: tuple[str, ...] = ()
    vendor: str | None = None
    licence: str | None = None
    not_before: datetime | None = None
    waits_for: tuple[int, ...] = ()
    """Places in the same command."""
    details: dict[str, Any] | None = None
    amenity: str | None = None
    """The place that a booking or closure takes, as names are compared."""
    window: Window | None = None


def describe_job(call: ActionCall, *, urgency: Urgency, now: datetime, time_zone: str) -> Job:
    """The job that the action means. Raises `ActionRejected` for what is no work, does not fit or is not allowed."""
    if call.action in MESSAGES:
        raise ActionRejected(f"The operations desk does not do {call.action}.")
    try:
        parameters = parse_parameters(call.action, call.parameters)
        return _job(call.action, parameters, urgency, now, time_zone)
    except Invalid as error:
        raise ActionRejected(error.detail) from None


def require_entry_allowed(order: WorkOrder, window: Window, now: datetime) -> None:
    """Raises `Invalid` where nobody may come to the home then.

    For a visit, whose time was arranged with the resident, notice runs anew for a time that is new; any other job was
    announced when it was ordered, without a time.
    """
    terms = order.details.get("entry")
    if terms is None and order.kind != "visit":
        return
    entry = None if terms is None else EntryTerms.model_validate(terms)
    told = None if order.kind == "visit" else order.not_before
    require_allowed(window, entry, now, order.urgency is Urgency.EMERGENCY, not_before=told)


def _job(action: ActionKind, parameters: ActionParameters, urgency: Urgency, now: datetime, time_zone: str) -> Job:
    if isinstance(parameters, VisitParameters):
        window = _visit_window(parameters, urgency, now, time_zone)
        return _crew_job("visit", parameters, details=_details(parameters), window=window)
    if isinstance(parameters, JobParameters):
        kind = "work_order" if action is ActionKind.DISPATCH_WORK_ORDER else "staff_task"
        entry = parameters.model_dump(mode="json", include={"entry"}, exclude_none=True)
        return _crew_job(kind, parameters, details=entry)
    kind, crew, title = _office_job(parameters)
    is_amenity = isinstance(parameters, AmenityParameters)
    return Job(
        kind=kind,
        crew=crew,
        title=title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1]}…",
        building_id=parameters.building_id,
        unit=parameters.unit,
        instructions=parameters.instructions,
        cost_limit_usd=parameters.cost_usd,
        steps=_code_steps(parameters) if isinstance(parameters, AccessCodeParameters) else (),
        vendor=parameters.supplier if isinstance(parameters, PartParameters) else None,
        details=_details(parameters),
        amenity=" ".join(parameters.amenity.casefold().split()) if is_amenity else None,
        window=(parameters.starts_at, parameters.ends_at) if is_amenity else None,
    )


def _crew_job(
    kind: str, job: JobParameters, details: dict[str, Any] | None = None, window: Window | None = None
) -> Job:
    return Job(
        kind=kind,
        crew=job.crew,
        title=job.title,
        building_id=job.building_id,
        unit=job.unit,
        instructions=job.instructions,
        cost_limit_usd=job.cost_limit_usd,
        steps=job.steps,
        vendor=job.vendor,
        licence=job.licence,
        not_before=job.not_before,
        waits_for=job.waits_for,
        details=details,
        window=window,
    )


def _visit_window(visit: VisitParameters, urgency: Urgency, now: datetime, time_zone: str) -> Window:
    is_emergency = urgency is Urgency.EMERGENCY
    if visit.window_start is not None and visit.window_end is not None:
        window = (visit.window_start, visit.window_end)
        require_allowed(window, visit.entry, now, is_emergency, not_before=visit.not_before)
        return window
    return first_window(
        visit.entry,
        now=now,
        duration=timedelta(hours=visit.duration_hours),
        preferred_days=visit.preferred_days,
        preferred_time_slots=visit.preferred_time_slots,
        avoid_days=visit.avoid_days,
        emergency=is_emergency,
        not_before=visit.not_before,
        time_zone=time_zone,
    )


def _office_job(parameters: ActionParameters) -> tuple[str, Crew, str]:
    match parameters:
        case PartParameters(part=part, quantity=quantity):
            return "part_order", Crew.OFFICE, f"Order {quantity} of {part}"
        case RerouteParameters(destination=destination):
            return "parcel", Crew.CONCIERGE, f"Have a parcel brought to {destination}"
        case ParcelParameters(carrier=carrier, tracking_number=number):
            known = " ".join(filter(None, (carrier, number)))
            return "parcel", Crew.CONCIERGE, f"Trace a parcel ({known})" if known else "Trace a parcel"
        case CreditParameters(amount_usd=amount, reason=reason):
            return "billing", Crew.OFFICE, f"Credit ${amount:,.2f}: {reason}"
        case CorrectionParameters(charge_id=charge, charged_usd=charged, correct_usd=correct):
            return "billing", Crew.OFFICE, f"Correct charge {charge} from ${charged:,.2f} to ${correct:,.2f}"
        case BookingParameters(amenity=amenity):
            return "booking", Crew.CONCIERGE, f"Book {amenity}"
        case ClosureParameters(amenity=amenity, reason=reason):
            return "closure", Crew.CONCIERGE, f"Close {amenity}: {reason}"
        case AccessCodeParameters(door=door):
            return "access_code", Crew.SECURITY, f"Issue an access code for {door}"
        case _:
            raise Invalid("The operations desk does not do this action.")


def _code_steps(code: AccessCodeParameters) -> tuple[str, ...]:
    valid = f"from {rfc3339(code.valid_from)} until {rfc3339(code.valid_until)}"
    return (f"Make a code for {code.door} that is valid {valid}.", f"Hand it to {code.holder} and to nobody else.")


def _details(parameters: ActionParameters) -> dict[str, Any]:
    return parameters.model_dump(mode="json", exclude_none=True)
