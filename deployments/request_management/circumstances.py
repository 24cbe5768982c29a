"""What the store knows around a request: the home's and the building's past, the work at hand, the money spent."""

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core.labels import Category, Urgency
from core.messages import AssessItem, Backlog, PastRequest, ResolveItem, Workload
from core.ports.store import RequestStore
from core.record import RequestRecord
from core.request import BuildingId, Classification, Risk
from core.settings import Settings
from deployments.request_management.cohort import cohort_of

HISTORY_DAYS = 180
WORKLOAD_SECONDS = 5.0

History = tuple[PastRequest, ...]


class Circumstances:
    """Makes what the thinking services are asked. Raises `StoreUnavailable`."""

    def __init__(self, settings: Settings, store: RequestStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._zone = ZoneInfo(settings.time_zone)
        self._workload: tuple[datetime, Workload] | None = None
        self._backlog: tuple[datetime, Backlog] | None = None

    async def to_assess(
        self, record: RequestRecord, category: Category | None, urgency: Urgency | None
    ) -> tuple[AssessItem, History]:
        """The message with these labels as given by a person, and the resident's past, which a decision needs too."""
        request = record.request
        history, building = await self._store.history(
            request.resident_id,
            request.building_id,
            since=request.created_at - timedelta(days=HISTORY_DAYS),
            before=request.created_at,
        )
        item = AssessItem(
            message_text=request.message_text,
            at=request.created_at,
            category=category,
            urgency=urgency,
            history=history,
            building=building,
            backlog=await self._current_backlog(),
            cohort=cohort_of(request.resident_id),
        )
        return item, history

    async def to_resolve(
        self, record: RequestRecord, classification: Classification, risk: Risk, history: History
    ) -> ResolveItem:
        """The assessed message with the work and the money of this moment."""
        request = record.request
        return ResolveItem(
            request_id=request.request_id,
            message_text=request.message_text,
            at=request.created_at,
            building_id=request.building_id,
            classification=classification,
            risk=risk,
            history=history,
            workload=await self._current_workload(),
            entry_consent=request.preferences.allow_entry_when_absent if request.preferences else None,
            spent_usd=await self._spent(record),
        )

    async def _spent(self, record: RequestRecord) -> dict[Category, float]:
        return await spent_this_month(self._store, record.request.building_id, self._zone, self._clock())

    async def _current_workload(self) -> Workload:
        now = self._clock()
        if self._workload is None or (now - self._workload[0]).total_seconds() > WORKLOAD_SECONDS:
            self._workload = (now, await self._store.workload())
        return self._workload[1]

    async def _current_backlog(self) -> Backlog:
        now = self._clock()
        if self._backlog is None or (now - self._backlog[0]).total_seconds() > WORKLOAD_SECONDS:
            self._backlog = (now, await self._store.backlog())
        return self._backlog[1]


async def spent_this_month(
    store: RequestStore, building_id: BuildingId, zone: ZoneInfo, now: datetime
) -> dict[Category, float]:
    """US dollars that the building has spent since the month began in this time zone, by every category."""
    month = now.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    spent = await store.spent(building_id, since=month, before=now)
    # The store leaves out what cost nothing; to a decision, a category that is left out is an unknown one.
    return {category: spent.get(category, 0.0) for category in Category}
