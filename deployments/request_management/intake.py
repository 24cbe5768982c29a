"""Takes a submission: checks who sends it for whom, stores it durably, and starts its pipeline."""

import asyncio
import logging
import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from core.errors import AppError, Forbidden, Invalid
from core.identity import Principal
from core.labels import Status
from core.ports.store import RequestStore
from core.record import NextAction, RequestRecord
from core.request import BuildingId, Request, RequestId, ResidentId
from core.settings import Settings
from deployments.request_management import access, lifecycle
from deployments.request_management.attachments import Attachments
from deployments.request_management.pipeline import Pipeline, is_waiting
from deployments.request_management.schemas import Submission

log = logging.getLogger(__name__)


def new_request_id(now: datetime) -> RequestId:
    """`REQ_<timestamp in UTC>_<6 random characters>`; in the order of their making but for ties."""
    return RequestId(f"REQ_{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}_{secrets.token_hex(3)}")


class Intake:
    """Accepts submissions."""

    def __init__(
        self,
        settings: Settings,
        store: RequestStore,
        pipeline: Pipeline,
        attachments: Attachments,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._store = store
        self._pipeline = pipeline
        self._clock = clock
        self._attachments = attachments

    async def submit(
        self, principal: Principal, submission: Submission, request_id: RequestId, correlation_id: str, wait_s: float
    ) -> RequestRecord:
        """Store the submission, then wait up to `wait_s` seconds for its decision; the pipeline goes on either way.

        A request id that exists already is an earlier try of the same submission: its record is returned.
        """
        now = self._clock()
        opening = _opening(principal, submission, request_id, correlation_id, now)
        if submission.attachments:
            opening = await self._with_attachments(opening)
        change = lifecycle.open_record(opening, principal.sub, now)
        # The first lease: should this process die, the sweeper resumes the pipeline when it is over.
        lease_end = now + timedelta(seconds=self._settings.pipeline_lease_s)
        lease: dict[str, object] = {
            "timers": {NextAction.PROCESS: lease_end},
            "next_action": NextAction.PROCESS,
            "next_action_at": lease_end,
        }
        record = change.record.model_copy(update=lease)
        if not await self._store.create(record, change.events):
            record = await self._store.get(request_id) or record
        await self._confirm_attachments(record)
        if not is_waiting(record):
            return record
        run = self._pipeline.start(record)
        done, _ = await asyncio.wait({run}, timeout=wait_s)
        if not done or run.cancelled() or run.exception() is not None:
            return await self._store.get(request_id) or record
        return run.result()

    async def _with_attachments(self, opening: RequestRecord) -> RequestRecord:
        request = opening.request
        held = await self._attachments.claim(request.attachments, request.request_id, request.resident_id)
        return opening.model_copy(update={"request": request.model_copy(update={"attachments": held})})

    async def _confirm_attachments(self, record: RequestRecord) -> None:
        try:
            await self._attachments.confirm(record.request.attachments)
        except AppError as error:
            # The request is stored with them; pruning finds that out, too.
            log.warning("the attachments of %s stay noted as loose: %s", record.request.request_id, error.code)


def _opening(
    principal: Principal, submission: Submission, request_id: RequestId, correlation_id: str, now: datetime
) -> RequestRecord:
    resident_id, building_id, unit = home_of_caller(
        principal, submission.resident_id, submission.building_id, submission.unit
    )
    request = Request(
        request_id=request_id,
        resident_id=resident_id,
        building_id=building_id,
        unit=unit,
        message_text=submission.message_text,
        status=Status.SUBMITTED,
        version=1,
        created_at=now,
        updated_at=now,
        preferences=submission.preferences,
        attachments=submission.attachments,
    )
    return RequestRecord(
        request=request,
        correlation_id=correlation_id,
        chosen_category=submission.category,
        chosen_urgency=submission.urgency,
    )


def home_of_caller(
    principal: Principal, resident_id: str | None, building_id: str | None, unit: str | None
) -> tuple[ResidentId, BuildingId, str | None]:
    """Whom a submission is for and where they live. Raises `Invalid`, `Forbidden`."""
    whose = _resident(principal, resident_id)
    building, home = _home(principal, building_id, unit, whose)
    return ResidentId(whose), BuildingId(building), home


def _resident(principal: Principal, given: str | None) -> str:
    access.require_role(principal, access.SUBMITTERS)
    if not principal.is_resident:
        if given is None:
            raise Invalid("Staff give the resident_id that the request is for.")
        return given
    if given not in (None, principal.sub):
        raise Forbidden("A resident submits for themselves only.")
    return principal.sub


def _home(
    principal: Principal, given_building: str | None, given_unit: str | None, resident_id: str
) -> tuple[str, str | None]:
    """Building and unit, as given or as the resident id `RES_<building>_<unit>` says; a resident's are their own."""
    named = named_home(resident_id)
    building_id = given_building or (named[0] if named else None)
    unit = given_unit or (named[1] if named else None)
    if building_id is None:
        raise Invalid("The building can't be told from the resident_id; give the building_id.")
    if principal.is_resident:
        if named and (building_id, unit) != named:
            raise Forbidden("A resident submits for their own home only.")
        if not named and principal.buildings is None:
            raise Forbidden("The token does not say which building is the resident's.")
    if not principal.covers(building_id):
        raise Forbidden("This building is not among yours.")
    return building_id, unit


def named_home(resident_id: str) -> tuple[str, str] | None:
    """Building and unit of a resident id of the form `RES_<building>_<unit>`, else None."""
    found = re.fullmatch(r"RES_(.+)_([^_]+)", resident_id)
    return (found[1], found[2]) if found else None
