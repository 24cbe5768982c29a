"""What the system has on record at each moment: the only thing that a feature may know of the past."""

from collections import Counter, deque

from core.messages import AssessItem, BuildingFacts
from core.request import Classification
from models.histories.tickets import Ticket, moment
from models.histories.world import Building, Home, Resident

WINDOW_DAYS = 180.0


class Register:
    """The recorded requests of one site; it is empty until the system is taken into use."""

    def __init__(self, opens: float) -> None:
        self.opens = opens
        self.tickets: list[Ticket] = []
        self._by_resident: dict[str, list[Ticket]] = {}
        self._recent: dict[str, deque[tuple[float, str]]] = {}
        self._kinds: dict[str, Counter[str]] = {}
        self._open: Counter[str] = Counter()

    def add(self, ticket: Ticket) -> None:
        """Record a request that has just been written."""
        building_id = ticket.home.building.building_id
        kind = _kind(ticket.classification)
        self.tickets.append(ticket)
        self._by_resident.setdefault(ticket.resident.resident_id, []).append(ticket)
        self._recent.setdefault(building_id, deque()).append((ticket.written, kind))
        self._kinds.setdefault(building_id, Counter())[kind] += 1
        self._open[building_id] += 1

    def close(self, ticket: Ticket) -> None:
        """Note that a recorded request has ended."""
        if ticket.written >= self.opens:
            self._open[ticket.home.building.building_id] -= 1

    def item(self, home: Home, resident: Resident, text: str, now: float) -> AssessItem:
        """What AIProcessing would be given for a message written now."""
        past = self._by_resident.get(resident.resident_id, [])
        history = tuple(ticket.remembered() for ticket in reversed(past) if now - ticket.written <= WINDOW_DAYS)
        return AssessItem(message_text=text, at=moment(now), history=history, building=self._facts(home.building, now))

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


def _kind(classification: Classification) -> str:
    return str(classification.trade or classification.category)
