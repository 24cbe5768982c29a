"""Notices over a real SQLite file, with channels that keep what they were given and fail on demand."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.documents_sqlite import SqliteDocumentStore
from adapters.message_templates import JinjaTemplates
from core.execution import Notification
from core.execution_labels import ChannelName, NoticeKind
from core.labels import Role, Urgency
from core.notices import NotificationPreferences, of_person, of_resident
from core.ports.execution import Envelope, SystemState
from core.request import RequestId
from deployments.execution.notices.ladder import Turn
from deployments.execution.notices.notifier import Notices
from deployments.execution.notices.pushing import NoticeSweeper
from tests.clock import ManualClock

NOON = datetime(2026, 3, 3, 17, tzinfo=UTC)
"""Noon in New York, a Tuesday."""
KEY = b"a key of 32 bytes for tests only"


@dataclass
class Postbox:
    """A channel that keeps what it took."""

    name: ChannelName
    taken: list[Envelope] = field(default_factory=list[Envelope])
    coming: list[BaseException] = field(default_factory=list[BaseException])
    """What the next calls raise."""
    always: BaseException | None = None
    before: Callable[[], Any] | None = None
    """Awaited within each call."""
    calls: int = 0

    async def deliver(self, envelope: Envelope) -> str:
        self.calls += 1
        if self.before is not None:
            await self.before()
        if self.coming:
            raise self.coming.pop(0)
        if self.always is not None:
            raise self.always
        self.taken.append(envelope)
        return f"{self.name}-{len(self.taken)}"

    def state(self) -> SystemState:
        return SystemState(self.name, "ok")

    async def close(self) -> None:
        return None


@dataclass(frozen=True)
class Post:
    """Somebody on call."""

    who: str
    person: str
    wait_minutes: float = 5


@dataclass
class House:
    """Notices, what they go by, and a clock that stands."""

    documents: SqliteDocumentStore
    clock: ManualClock
    mail: Postbox
    sms: Postbox
    chat: Postbox
    on_call: list[Turn]
    notices: Notices
    sweeper: NoticeSweeper

    def replica(self, **options: Any) -> tuple[Notices, NoticeSweeper]:
        """Another process on the same data."""
        notices = make_notices(self, **options)
        return notices, NoticeSweeper(notices, draw=lambda: 0.0)

    async def send(self, key: str = "k", **fields: Any) -> str:
        return await self.notices.send(message(**fields), idempotency_key=key, now=self.clock())

    async def choose(self, who: str, **fields: Any) -> None:
        subject = of_resident(who) if who.startswith("RES_") else of_person(who)
        wishes = NotificationPreferences.model_validate({"quiet_hours": None, **fields})
        await self.notices.choose_preferences(subject, wishes)

    async def statuses(self, notice_id: str) -> dict[str, str]:
        """How the pushes went, by channel."""
        found = await self.notices.find_sent(notice_id)
        assert found is not None
        return {str(each.channel): each.status for each in found.deliveries}

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.settle()

    async def settle(self) -> None:
        """Do all that is due now."""
        while await self.sweeper.sweep():
            pass


def make_notices(house: House, **options: Any) -> Notices:
    arguments: dict[str, Any] = {
        "zone": "America/New_York",
        "public_url": "https://home.example",
        "key": KEY,
        "clock": house.clock,
    }
    channels = {box.name: box for box in (house.mail, house.sms, house.chat)}
    documents = options.pop("documents", house.documents)
    return Notices(
        documents, options.pop("channels", channels), JinjaTemplates(), lambda _, __: house.on_call,
        **(arguments | options),
    )  # fmt: skip


def message(**fields: Any) -> Notification:
    """A message of somebody's own words to a resident, but for these fields."""
    plain = {"recipient_kind": "resident", "recipient": "RES_1", "subject": "Word", "body": "hello"}
    return Notification.model_validate({**plain, **fields})


def alert(**fields: Any) -> Notification:
    """An alert for a building."""
    plain: dict[str, Any] = {
        "recipient_kind": "on_call",
        "recipient": "BLD_A",
        "role": Role.STAFF,
        "subject": "Gas",
        "body": "Smell of gas in 101",
        "urgency": Urgency.EMERGENCY,
        "kind": NoticeKind.EMERGENCY,
        "request_id": RequestId("REQ_1"),
    }
    return Notification.model_validate({**plain, **fields})


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    documents = SqliteDocumentStore(tmp_path / "documents.sqlite3")
    boxes = [Postbox(name) for name in (ChannelName.EMAIL, ChannelName.SMS, ChannelName.CHAT)]
    posts: list[Turn] = [Post("concierge", "ann"), Post("supervisor", "bob"), Post("manager", "cyd")]
    unmade: Any = None
    made = House(documents, ManualClock(NOON), *boxes, posts, unmade, unmade)
    made.notices, made.sweeper = made.replica()
    yield made
    await documents.close()
