"""What residents and staff do with requests that are there: read them, follow them, move them on."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from core.correlation import detached_context
from core.errors import NotFound, StaleVersion, Unavailable, WrongState
from core.identity import Principal
from core.labels import ApprovalTier, Status
from core.ports.page import Page
from core.ports.store import RequestFilter, RequestStore
from core.record import NextAction, RequestRecord
from core.request import Citation, Event, Request, RequestId, ResidentId
from deployments.request_management import access, corrections, lifecycle, objections
from deployments.request_management.change import Change, made_by
from deployments.request_management.commitments import Commitments, CommitmentsMoved
from deployments.request_management.dispatch import CONFLICT_RETRIES, Dispatcher, change_record
from deployments.request_management.idempotency import current_call, was_made
from deployments.request_management.open_jobs import Jobs, cancel_open_jobs
from deployments.request_management.orders import committed_usd, judged_urgency
from deployments.request_management.peers import DecisionSimulation
from deployments.request_management.revision import Revision
from deployments.request_management.schemas import (
    Amendment,
    FeedbackForm,
    FullDecision,
    ObjectionForm,
    ResolutionReport,
    ShortDecision,
)

REVISION_WAIT_S = 2.0

Step = Callable[[RequestRecord, datetime], Change]
SpendingStep = Callable[[RequestRecord, ApprovalTier, datetime], Change]


class NotDecided(WrongState):
    """The pipeline has not decided yet, or a person did in its place."""

    code = "not_decided"


class Requests:
    """Reads and changes requests for a principal; access is checked on the stored request before anything else."""

    def __init__(
        self,
        store: RequestStore,
        decision: DecisionSimulation,
        dispatcher: Dispatcher,
        revision: Revision,
        clock: Callable[[], datetime],
        zone: ZoneInfo,
        jobs: Jobs | None = None,
    ) -> None:
        """`zone` is the buildings', in which a month's budget begins; `jobs` were opened for requests."""
        self._store = store
        self._decision = decision
        self._dispatcher = dispatcher
        self._revision = revision
        self._commitments = Commitments(store, decision, zone)
        self._jobs = jobs
        self._revising: set[asyncio.Task[RequestRecord]] = set()
        self._clock = clock

    async def get(self, principal: Principal, request_id: str) -> Request:
        """One request."""
        return access.require_visible(principal, await self._find(request_id))

    async def list_requests(
        self, principal: Principal, where: RequestFilter, limit: int, cursor: str | None
    ) -> Page[Request]:
        """A staff list."""
        access.require_role(principal, access.STAFF)
        return await self._store.list_requests(where, limit=limit, cursor=cursor)

    async def list_by_resident(
        self, principal: Principal, resident_id: str, limit: int, cursor: str | None
    ) -> Page[Request]:
        """A resident's own history; staff see what lies in their buildings."""
        if principal.is_resident and principal.sub != resident_id:
            raise NotFound("There is no such resident.")
        access.require_role(principal, access.SUBMITTERS)
        page = await self._store.list_by_resident(ResidentId(resident_id), limit=limit, cursor=cursor)
        visible = tuple(request for request in page.items if principal.covers(request.building_id))
        return page if principal.is_resident else Page(visible, page.next_cursor)

    async def events(self, principal: Principal, request_id: str, after: int = 0) -> tuple[Event, ...]:
        """The timeline after a sequence number; a resident's without what is for staff only."""
        request = await self.get(principal, request_id)
        events = await self._store.events(request.request_id, after=after)
        return tuple(event for event in events if not (event.internal and principal.is_resident))

    async def newest_event(self, request_id: str, after: int) -> int:
        """The sequence number of the last event, or `after` where none follows it; one read of few rows.

        It shows nothing of the request, so that it asks for no access.
        """
        events = await self._store.events(RequestId(request_id), after=after)
        return events[-1].sequence if events else after

    async def decision(self, principal: Principal, request_id: str) -> ShortDecision | FullDecision:
        """Why it was decided so: in short for the resident, in full for staff. Raises `NotDecided`."""
        record = await self._store.get(RequestId(request_id))
        request = access.require_visible(principal, record.request if record else None)
        if record is None or request.decision is None or record.trace is None:
            raise NotDecided("No decision was reached for this request.")
        if principal.is_resident:
            return _short_decision(request)
        return FullDecision(
            request_id=request.request_id,
            decision=request.decision,
            risk=request.risk,
            options=request.options,
            retrieved=record.retrieved,
            trace=record.trace,
        )

    async def amend(self, principal: Principal, request_id: str, amendment: Amendment, if_match: int | None) -> Request:
        """A staff member's correction. Raises `StaleVersion` where the request is no longer at `if_match`."""
        access.require_staff_of(principal, await self._find(request_id))

        def step(record: RequestRecord, now: datetime) -> Change:
            return corrections.amend(
                record,
                principal.sub,
                now,
                status=amendment.status,
                comment=amendment.comment,
                category=amendment.category,
                urgency=amendment.urgency,
                waiting_for_access=amendment.waiting_for_access,
            )

        changed = await self._changed(request_id, step, if_match)
        if amendment.status is Status.RESOLVED:
            await cancel_open_jobs(self._jobs, changed, principal.sub)
        return await self._revised(changed)

    async def _revised(self, record: RequestRecord) -> Request:
        """After a correction policy is asked again at once; one that is slow to answer keeps nobody waiting."""
        if NextAction.REVISE not in record.pending:
            return record.request
        task = asyncio.get_running_loop().create_task(self._revision.attempt(record), context=detached_context())
        self._revising.add(task)
        task.add_done_callback(self._revising.discard)
        done, _ = await asyncio.wait({task}, timeout=REVISION_WAIT_S)
        return task.result().request if done else record.request

    async def select_option(
        self, principal: Principal, request_id: str, option_id: str, if_match: int | None = None
    ) -> Request:
        """Choose an option. As with every step, `StaleVersion` where the request is no longer at `if_match`."""
        access.require_visible(principal, await self._find(request_id))
        return await self._spend(
            request_id,
            option_id,
            lambda record, required, now: lifecycle.select_option(
                record, option_id, principal.sub, now, required=required
            ),
            if_match,
        )

    async def approve(
        self, principal: Principal, request_id: str, comment: str | None, if_match: int | None = None
    ) -> Request:
        """Agree to a cost, within one's limit. Raises `ApprovalLimitExceeded`."""
        request = access.require_staff_of(principal, await self._find(request_id))
        limit = access.authority(principal, await self._decision.authority(principal.role, request.building_id))
        return await self._spend(
            request_id,
            None,
            lambda record, required, now: lifecycle.approve(
                record, principal.sub, limit, comment, now, required=required
            ),
            if_match,
        )

    async def reject(
        self, principal: Principal, request_id: str, comment: str | None, if_match: int | None = None
    ) -> Request:
        """Refuse a cost."""
        access.require_staff_of(principal, await self._find(request_id))
        return await self._change(
            request_id, lambda record, now: lifecycle.reject(record, principal.sub, comment, now), if_match
        )

    async def resolve(
        self, principal: Principal, request_id: str, report: ResolutionReport, if_match: int | None = None
    ) -> Request:
        """Say that it is done; jobs for it that nobody has closed are cancelled. Raises `ServiceUnavailable`."""
        access.require_staff_of(principal, await self._find(request_id))

        def step(record: RequestRecord, now: datetime) -> Change:
            return lifecycle.resolve(
                record,
                principal.sub,
                report.resolution_notes,
                now,
                actual_cost_usd=report.actual_cost_usd,
                actual_hours=report.actual_hours,
            )

        # Where Execution does not answer, the same call, repeated, finds it resolved and ends the jobs.
        resolved = await self._changed(request_id, step, if_match)
        await cancel_open_jobs(self._jobs, resolved, principal.sub)
        return resolved.request

    async def confirm(
        self, principal: Principal, request_id: str, comment: str | None, if_match: int | None = None
    ) -> Request:
        """Agree that it is done."""
        return await self._by_either(principal, request_id, comment, lifecycle.confirm, if_match)

    async def reopen(
        self, principal: Principal, request_id: str, comment: str | None, if_match: int | None = None
    ) -> Request:
        """Say that it is not done."""
        access.require_visible(principal, await self._find(request_id))
        changed = await self._changed(
            request_id, lambda record, now: lifecycle.reopen(record, principal.sub, comment, now), if_match
        )
        return await self._revised(changed)

    async def cancel(
        self, principal: Principal, request_id: str, comment: str | None, if_match: int | None = None
    ) -> Request:
        """Withdraw it."""
        return await self._by_either(principal, request_id, comment, lifecycle.cancel, if_match)

    async def escalate(
        self, principal: Principal, request_id: str, comment: str | None, if_match: int | None = None
    ) -> Request:
        """Ask for a person."""
        return await self._by_either(principal, request_id, comment, lifecycle.escalate, if_match)

    async def give_feedback(self, principal: Principal, request_id: str, form: FeedbackForm) -> Request:
        """Rate how it went; the owner alone."""
        access.require_owner(principal, await self._find(request_id))
        return await self._change(
            request_id,
            lambda record, now: lifecycle.give_feedback(record, principal.sub, form.rating, form.comment, now),
        )

    async def object_to_labels(self, principal: Principal, request_id: str, form: ObjectionForm) -> Request:
        """Say that the message was understood wrongly; the owner alone."""
        access.require_owner(principal, await self._find(request_id))
        return await self._change(
            request_id,
            lambda record, now: objections.object_to_labels(record, principal.sub, form.category, form.comment, now),
        )

    async def _by_either(
        self,
        principal: Principal,
        request_id: str,
        comment: str | None,
        step: Callable[[RequestRecord, str, str | None, datetime], Change],
        if_match: int | None,
    ) -> Request:
        """A step that the owner and staff may both take."""
        access.require_visible(principal, await self._find(request_id))
        return await self._change(request_id, lambda record, now: step(record, principal.sub, comment, now), if_match)

    async def _spend(self, request_id: str, option_id: str | None, step: SpendingStep, if_match: int | None) -> Request:
        """A step by which this option, or the selected one, may spend money beside all that was ordered."""
        for _ in range(CONFLICT_RETRIES):
            record = await self._store.get(RequestId(request_id))
            if record is None:
                raise NotFound("There is no such request.")
            judged = _commitment(record)
            required = await self._required_tier(record, option_id)

            def judged_step(
                current: RequestRecord,
                now: datetime,
                judged: tuple[float, str | None] = judged,
                required: ApprovalTier = required,
            ) -> Change:
                if _commitment(current) != judged:
                    raise CommitmentsMoved
                return step(current, required, now)

            try:
                return await self._change(request_id, judged_step, if_match)
            except CommitmentsMoved:
                continue
        raise Unavailable("The request is being changed by many at once; please try again.")

    async def _required_tier(self, record: RequestRecord, option_id: str | None) -> ApprovalTier:
        """Of the option's cost together with all that was ordered; the option's own tier is asked for besides."""
        request = record.request
        option = request.option(option_id or request.selected_option_id or "")
        if option is None or record.ordered_usd <= 0:
            return ApprovalTier.NONE
        cost_usd = record.ordered_usd + option.estimated_cost_usd.p90
        return await self._commitments.required_tier(request, judged_urgency(record), cost_usd, self._clock())

    async def _find(self, request_id: str) -> Request | None:
        record = await self._store.get(RequestId(request_id))
        return record.request if record else None

    async def _change(self, request_id: str, step: Step, if_match: int | None = None) -> Request:
        return (await self._changed(request_id, step, if_match)).request

    async def _changed(self, request_id: str, step: Step, if_match: int | None = None) -> RequestRecord:
        now, call = self._clock(), current_call()

        def once(current: RequestRecord) -> Change | None:
            # The process that made the change may have died before the answer was kept for the key.
            if was_made(call, current):
                return None
            if if_match is not None and current.request.version != if_match:
                raise StaleVersion(f"The request is at version {current.request.version}, not {if_match}.")
            return made_by(call, step(current, now))

        record = await change_record(self._store, RequestId(request_id), once)
        if record.outbox:
            self._dispatcher.start(record)
        return record


def _commitment(record: RequestRecord) -> tuple[float, str | None]:
    return committed_usd(record), record.request.selected_option_id


def _short_decision(request: Request) -> ShortDecision:
    decision = request.decision
    if decision is None:
        raise NotDecided("No decision was reached for this request.")
    cited = [citation for option in request.options for citation in option.citations]
    if request.answer is not None:
        cited.extend(request.answer.citations)
    distinct: dict[tuple[str, str], Citation] = {(one.doc_id, one.section): one for one in cited}
    return ShortDecision(
        request_id=request.request_id,
        recommended_option_id=decision.recommended_option_id,
        selected_option_id=request.selected_option_id,
        explanation=decision.explanation,
        escalation=decision.escalation.reason if decision.escalation else None,
        policy_version=decision.policy_version,
        kb_version=decision.kb_version,
        citations=tuple(distinct.values()),
    )
