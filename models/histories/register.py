"""What the system has on record at each moment: the only thing that a feature may know of the past."""

from collections import Counter, deque

from core.labels import Intent, Urgency
from core.messages import AssessItem, Backlog, BuildingFacts, TopicWork
from core.request import Classification
from models.histories.tickets import Ticket, moment
from models.histories.world import Building, Home, Resident

WINDOW_DAYS = 180.0
ENDINGS = 20
"""As many of the newest endings of a topic as a store looks at."""


class Register:
    """The recorded requests of one site; it is empty until the system is taken into use."""

    def __init__(self, opens: float) -> None:
        self.opens = opens
        self.tickets: list[Ticket] = []
        self._by_resident: dict[str, list[Ticket]] = {}
        self._recent: dict[str, deque[tuple[float, str]]] = {}
        self._kinds: dict[str, Counter[str]] = {}
        self._open: Counter[str] = Counter()
        self._work: dict[str, _Work] = {}

    def add(self, ticket: Ticket) -> None:
        """Record a request that has just been written."""
        building_id = ticket.home.building.building_id
        kind = _kind(ticket.classification)
        self.tickets.append(ticket)
        self._by_resident.setdefault(ticket.resident.resident_id, []).append(ticket)
        self._recent.setdefault(building_id, deque()).append((ticket.written, kind))
        self._kinds.setdefault(building_id, Counter())[kind] += 1
        self._open[building_id] += 1
        self._work.setdefault(kind, _Work()).start(ticket)

    def close(self, ticket: Ticket) -> None:
        """Note that a recorded request has ended."""
        if ticket.written >= self.opens:
            self._open[ticket.home.building.building_id] -= 1
            self._work[_kind(ticket.classification)].end(ticket)

    def item(self, home: Home, resident: Resident, text: str, now: float) -> AssessItem:
        """What AIProcessing would be given for a message written now."""
        past = self._by_resident.get(resident.resident_id, [])
        history = tuple(ticket.remembered() for ticket in reversed(past) if now - ticket.written <= WINDOW_DAYS)
        return AssessItem(
            message_text=text,
            at=moment(now),
            history=history,
            building=self._facts(home.building, now),
            backlog=Backlog(topics={topic: work.facts() for topic, work in self._work.items() if work.is_known}),
        )

    def _facts(self, building: Building, now: float) -> BuildingFacts:
        recent = self._recent.setdefault(building.building_id, deque())
        kinds = self._kinds.setdefault(building.building_id, Counter())
        while recent and now - recent[0][0] > WINDOW_DAYS:
            kinds[recent.popleft()[1]] -= 1
        return BuildingFacts(
            requests_180d=len(recent),
            same_trade_180d={kind: count for kind, count in kinds.items() if count},
            open_requests=self._open[building.building_id],
        )


class _Work:
    """The open requests and the newest endings of one topic."""

    def __init__(self) -> None:
        self.opened: list[Ticket] = []
        self._ended: deque[Ticket] = deque(maxlen=ENDINGS)
        self._changes = 0
        self._told: tuple[tuple[int, int], TopicWork] | None = None

    @property
    def is_known(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.opened or self._ended)

    def start(self, ticket: Ticket) -> None:
        """A request has come."""
        self.opened.append(ticket)
        self._changes += 1

    def end(self, ticket: Ticket) -> None:
        """A request is resolved; an answered question leaves no resolution in the store."""
        self.opened.remove(ticket)
        self._changes += 1
        if ticket.classification.intent is not Intent.ANSWER_QUESTION:
            self._ended.append(ticket)

    def facts(self) -> TopicWork:
        """As the store would tell it now; the same object as long as nothing changes."""
        overdue = sum(ticket.breached for ticket in self.opened)
        state = (self._changes, overdue)
        if self._told is None or self._told[0] != state:
            self._told = state, self._facts(overdue)
        return self._told[1]

    def _facts(self, overdue: int) -> TopicWork:
        ends = [ticket.resolved for ticket in self._ended if ticket.resolved is not None]
        days = [end - ticket.written for end, ticket in zip(ends, self._ended, strict=True)]
        return TopicWork.model_construct(
            open=dict(Counter[Urgency](ticket.classification.urgency for ticket in self.opened)),
            overdue=overdue,
            ended=len(ends),
            ended_since=moment(ends[0]) if ends else None,
            last_ended_at=moment(ends[-1]) if ends else None,
            mean_days=sum(days) / len(days) if days else 0.0,
            breached=sum(ticket.breached for ticket in self._ended),
        )


def _kind(classification: Classification) -> str:
    return str(classification.trade or classification.category)
