"""What staff and services ask of Execution: carry out, tell, look up, take an alert."""

import secrets
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from core.actions import NotifyParameters
from core.entry import EntryTerms
from core.errors import Invalid, NotFound, Unavailable, WrongState
from core.execution import ActionCall, Execution, ExecutionCommand, Notification
from core.execution_labels import ActionKind, ExecutionStatus, NoticeKind
from core.identity import Principal
from core.labels import ApprovalTier, Urgency
from core.notices import EVENTS
from core.ports.execution import DeliveredNotification
from core.ports.page import Page
from core.ports.store import RequestStore
from core.record import RequestRecord
from core.request import ExecutionId, ExecutionSummary, Request, RequestId
from deployments.request_management import access, news
from deployments.request_management.change import Change
from deployments.request_management.commitments import Commitments, CommitmentsMoved
from deployments.request_management.dispatch import CONFLICT_RETRIES, Dispatcher, change_record
from deployments.request_management.intake import named_home
from deployments.request_management.lifecycle import ApprovalLimitExceeded
from deployments.request_management.orders import (
    LEAST_TIER,
    PERSONS_ONLY,
    check_order,
    committed_usd,
    enters_home,
    judged_urgency,
    place_order,
)
from deployments.request_management.peers import DecisionSimulation, ExecutionDesk
from deployments.request_management.residents import covers_resident
from deployments.request_management.schemas import ExecutionOrder, NotificationOrder


class Operations:
    """Commands to Execution that do not come from a resident's selection, and the desk's jobs."""

    def __init__(
        self,
        store: RequestStore,
        decision: DecisionSimulation,
        execution: ExecutionDesk,
        dispatcher: Dispatcher,
        clock: Callable[[], datetime],
        zone: ZoneInfo,
    ) -> None:
        """`zone` is the buildings', in which a month's budget begins."""
        self._store = store
        self._decision = decision
        self._execution = execution
        self._dispatcher = dispatcher
        self._clock = clock
        self._commitments = Commitments(store, decision, zone)

    async def execute(
        self, principal: Principal, order: ExecutionOrder, execution_id: str, correlation_id: str
    ) -> Execution:
        """Queue one action for a request, within what may be spent without anybody else's agreement.

        A selected option is carried out as it is recorded, and again only after it could not be, or after a reopening,
        when its cost counts once more. Other jobs of one request count together with it against the caller's limit,
        from the moment at which they are ordered: the money and the command are one write.
        """
        access.require_role(principal, access.STAFF if order.action in PERSONS_ONLY else access.ANALYSTS)
        entry: EntryTerms | None = None
        for _ in range(CONFLICT_RETRIES):
            record, request = self._covered(principal, await self._store.get(RequestId(order.request_id)))
            committed = committed_usd(record)
            if execution_id not in record.orders:
                entry = await self._entry(order, record)
                checked = check_order(record, order, entry)
                least = LEAST_TIER.get(order.action, ApprovalTier.NONE)
                if checked.needs_agreement or least is not ApprovalTier.NONE:
                    cost_usd = committed + checked.cost_usd
                    await self._require_authority(principal, request, checked.urgency, cost_usd, least)
            try:
                return await self._place(principal, order, execution_id, correlation_id, committed, entry)
            except CommitmentsMoved:
                continue
        raise Unavailable("The request is being changed by many at once; please try again.")

    async def _place(
        self,
        principal: Principal,
        order: ExecutionOrder,
        execution_id: str,
        correlation_id: str,
        committed: float,
        entry: EntryTerms | None,
    ) -> Execution:
        now = self._clock()

        def step(current: RequestRecord) -> Change | None:
            if execution_id not in current.orders and committed_usd(current) != committed:
                raise CommitmentsMoved
            return place_order(current, order, execution_id, principal.sub, correlation_id, now, entry)

        record = await change_record(self._store, RequestId(order.request_id), step)
        if record.outbox:
            self._dispatcher.start(record)
        return _waiting(execution_id, record, now)

    async def _entry(self, order: ExecutionOrder, record: RequestRecord) -> EntryTerms | None:
        """What a visit to a home that is ordered now waits for, as policy says; None for what enters none."""
        if not enters_home(order, record.request):
            return None
        request, wishes = record.request, record.request.preferences
        consent = wishes.allow_entry_when_absent if wishes is not None else None
        return await self._decision.entry_terms(request.building_id, judged_urgency(record), consent)

    async def notify(
        self, principal: Principal, order: NotificationOrder, execution_id: str, correlation_id: str
    ) -> Execution:
        """Queue a message to a resident or a staff role. Raises `NotFound` for a resident of other buildings."""
        access.require_role(principal, access.ANALYSTS)
        if order.resident_id is not None and not await covers_resident(self._store, principal, order.resident_id):
            raise NotFound("There is no such resident.")
        words = _words(order)
        kind, recipient = (
            ("resident", order.resident_id) if order.resident_id is not None else ("staff_role", order.staff_role)
        )
        parameters = NotifyParameters.model_validate(
            {"recipient_kind": kind, "recipient": recipient, "channel": order.channel, **words}
        )
        command = ExecutionCommand(
            execution_id=ExecutionId(execution_id),
            request_id=None,
            urgency=order.urgency,
            actions=(ActionCall(action=ActionKind.NOTIFY, parameters=parameters.model_dump(mode="json")),),
            correlation_id=correlation_id,
            requested_by=principal.sub,
        )
        return await self._execution.enqueue(command)

    async def describe(self, principal: Principal, execution_id: str) -> Execution:
        """The log of an execution; one that is still in an outbox or the queue is `Queued`. Raises `NotFound`."""
        access.require_role(principal, access.ANALYSTS)
        execution = await self._execution.describe(ExecutionId(execution_id))
        if execution is None:
            execution = await self._queued(execution_id)
        if execution is None:
            raise NotFound("There is no such execution.")
        if execution.request_id is not None:
            self._covered(principal, await self._store.get(execution.request_id))
        return execution

    async def _queued(self, execution_id: str) -> Execution | None:
        """An execution that Execution has not seen, as its request tells of it."""
        # EXE_<timestamp>_<tail>_<purpose><version>, or _ord<random>, belongs to REQ_<timestamp>_<tail>.
        request_id = "REQ_" + execution_id.removeprefix("EXE_").rpartition("_")[0]
        record = await self._store.get(RequestId(request_id))
        if record is None:
            return None
        for event in await self._store.events(record.request.request_id):
            if event.kind == "execution_queued" and event.details.get("execution_id") == execution_id:
                return _waiting(execution_id, record, event.at)
        if any(command.execution_id == execution_id for command in record.outbox):
            return _waiting(execution_id, record, record.request.updated_at)
        return None

    async def notifications(
        self, principal: Principal, recipient: str | None, limit: int, cursor: str | None
    ) -> Page[DeliveredNotification]:
        """What was sent: to themselves for a resident, to their buildings' people for staff."""
        access.require_role(principal, access.SUBMITTERS)
        whose = principal.sub if principal.is_resident else recipient
        page = await self._execution.notifications(recipient=whose, limit=limit, cursor=cursor)
        shown = [sent for sent in page.items if await self._may_see(principal, sent.notification)]
        return Page(tuple(shown), page.next_cursor)

    async def acknowledge(self, principal: Principal, notification_id: str) -> DeliveredNotification:
        """Take an alert of one's buildings. Raises `WrongState` for a message that is no alert."""
        access.require_role(principal, access.STAFF)
        sent = await self._execution.notification(notification_id)
        if sent is None or not await self._may_see(principal, sent.notification):
            raise NotFound("There is no such notification.")
        if sent.notification.recipient_kind != "on_call":
            raise WrongState("Only an alert to the person on call can be taken.")
        taken = await self._execution.acknowledge(notification_id, principal.sub)
        if taken.notification.request_id is not None:
            await self._note_acknowledged(taken.notification.request_id, notification_id, principal.sub)
        return taken

    async def _note_acknowledged(self, request_id: RequestId, notification_id: str, by: str) -> None:
        """Whoever takes the alert has answered the request, once for each alert."""
        now = self._clock()
        try:
            await change_record(
                self._store, request_id, lambda current: news.acknowledged(current, notification_id, by, now)
            )
        except NotFound:
            # An alert outlives a request that was erased.
            return

    async def _may_see(self, principal: Principal, sent: Notification) -> bool:
        """Residents see what was sent to them; staff what concerns their buildings, or is to a role and no request."""
        if principal.is_resident:
            return sent.recipient_kind == "resident" and sent.recipient == principal.sub
        if principal.buildings is None:
            return True
        if sent.recipient_kind == "on_call":
            return principal.covers(sent.recipient)
        if sent.recipient_kind == "resident" and (home := named_home(sent.recipient)) is not None:
            return principal.covers(home[0])
        if sent.request_id is not None:
            record = await self._store.get(sent.request_id)
            return record is not None and principal.covers(record.request.building_id)
        return sent.recipient_kind == "staff_role" or await covers_resident(self._store, principal, sent.recipient)

    def _covered(self, principal: Principal, record: RequestRecord | None) -> tuple[RequestRecord, Request]:
        if record is None or not principal.covers(record.request.building_id):
            raise NotFound("There is no such request.")
        return record, record.request

    async def _require_authority(
        self, principal: Principal, request: Request, urgency: Urgency, cost_usd: float, least: ApprovalTier
    ) -> None:
        of_cost = await self._commitments.required_tier(request, urgency, cost_usd, self._clock())
        required = max(of_cost, least, key=_rank)
        of_role = await self._decision.authority(principal.role, request.building_id)
        limit = access.authority(principal, of_role)
        if required.rank > limit.rank:
            raise ApprovalLimitExceeded(required, limit)


def _rank(tier: ApprovalTier) -> int:
    return tier.rank


def new_execution_id(now: datetime) -> str:
    """An id for a command that no decision caused."""
    return f"EXE_{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}_{secrets.token_hex(4)}"


BY_HAND = tuple(sorted(name for name, words in EVENTS.items() if words.by_hand))
"""The templates that `POST /notify` takes."""


def _words(order: NotificationOrder) -> dict[str, str]:
    if order.message is not None:
        kind = NoticeKind.ANNOUNCEMENT if order.resident_id is not None else NoticeKind.WORK
        return {"kind": kind, "subject": "A message from your building", "body": order.message}
    if order.template not in BY_HAND:
        raise Invalid(f"There is no template {order.template!r}; there are {', '.join(BY_HAND)}.")
    return {"event": order.template}


def _waiting(execution_id: str, record: RequestRecord, at: datetime) -> Execution:
    summary: ExecutionSummary | None = record.request.execution
    steps = summary.steps if summary is not None and summary.execution_id == execution_id else ()
    return Execution(
        execution_id=ExecutionId(execution_id),
        request_id=record.request.request_id,
        status=ExecutionStatus.QUEUED,
        attempts=0,
        steps=steps,
        created_at=at,
        updated_at=at,
    )
