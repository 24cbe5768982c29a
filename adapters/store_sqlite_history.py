"""What the SQLite store knows of a home, a building and the work at hand, read from indexes alone."""

import sqlite3
from collections import defaultdict

from adapters.sqlite import from_millis
from core.labels import Category, Crew, Status, Trade, Urgency
from core.messages import Backlog, BuildingFacts, PastRequest, TopicWork, Workload
from core.request import RequestId

MAX_PAST_REQUESTS = 50
MAX_ENDINGS = 20
"""So many of the newest resolved requests of a topic tell how its work goes."""
DAY_MS = 86_400_000

_UNKNOWN_TOPIC = ""
_TOPICS = (*(trade.value for trade in Trade), *(category.value for category in Category), _UNKNOWN_TOPIC)
# One range of the index for each topic: grouping would sort, or read the building's whole past.
_COUNT_BY_TOPIC = " UNION ALL ".join(
    f"SELECT '{topic}', count(*) FROM requests INDEXED BY by_topic"
    f" WHERE building_id = :building AND topic = '{topic}' AND created_at >= :first AND created_at < :end"
    for topic in _TOPICS
)
_COUNT_OPEN = (
    "SELECT count(*) FROM requests INDEXED BY open_by_building WHERE is_open = 1 AND building_id = ? AND created_at < ?"
)
_PAST = (
    "SELECT request_id, created_at, category, trade, urgency, status, resolved_at, breached, escalated"
    " FROM requests INDEXED BY by_resident WHERE resident_id = ? AND created_at >= ? AND created_at < ?"
    " ORDER BY created_at DESC, request_id DESC LIMIT ?"
)
_WORKLOAD = (
    "SELECT open_crew, urgency, count(*) FROM requests INDEXED BY open_work WHERE open_crew > ''"
    " GROUP BY open_crew, urgency"
)
_OPEN_BY_TOPIC = (
    "SELECT topic, urgency, count(*), sum(breached) FROM requests INDEXED BY open_by_topic"
    " WHERE is_open = 1 AND topic > '' AND status NOT IN ('Submitted', 'Processing') GROUP BY topic, urgency"
)
_ENDINGS = (
    "SELECT created_at, resolved_at, breached FROM requests INDEXED BY ended_by_topic"
    " WHERE is_open = 0 AND resolved_at IS NOT NULL AND topic = ? ORDER BY resolved_at DESC LIMIT ?"
)

_SPENT = " UNION ALL ".join(
    f"SELECT '{category}', sum(actual_cost_usd)"
    " FROM requests INDEXED BY spent_by_building WHERE actual_cost_usd IS NOT NULL"
    f" AND building_id = :building AND category = '{category}' AND resolved_at >= :first AND resolved_at < :end"
    for category in Category
)


def past_requests(connection: sqlite3.Connection, resident_id: str, first: int, end: int) -> tuple[PastRequest, ...]:
    """The resident's requests made in `[first, end)`, newest first, at most 50."""
    rows = connection.execute(_PAST, (resident_id, first, end, MAX_PAST_REQUESTS))
    return tuple(
        PastRequest(
            request_id=RequestId(request_id),
            resident_id=resident_id,
            category=category and Category(category),
            trade=trade and Trade(trade),
            urgency=urgency and Urgency(urgency),
            status=Status(status),
            created_at=from_millis(created_at),
            resolved_at=None if resolved_at is None else from_millis(resolved_at),
            breached=bool(breached),
            escalated=bool(escalated),
        )
        for request_id, created_at, category, trade, urgency, status, resolved_at, breached, escalated in rows
    )


def building_facts(connection: sqlite3.Connection, building_id: str, first: int, end: int) -> BuildingFacts:
    """The building's counts over `[first, end)`, and what was made before `end` and is open now."""
    rows = connection.execute(_COUNT_BY_TOPIC, {"building": building_id, "first": first, "end": end})
    counts: dict[str, int] = {topic: count for topic, count in rows if count}
    return BuildingFacts(
        requests_180d=sum(counts.values()),
        same_trade_180d={topic: count for topic, count in counts.items() if topic != _UNKNOWN_TOPIC},
        open_requests=connection.execute(_COUNT_OPEN, (building_id, end)).fetchone()[0],
    )


def spent(connection: sqlite3.Connection, building_id: str, first: int, end: int) -> dict[Category, float]:
    """Actual costs of what was resolved in `[first, end)`, in US dollars by category."""
    rows = connection.execute(_SPENT, {"building": building_id, "first": first, "end": end})
    return {Category(category): float(usd) for category, usd in rows if usd is not None}


def workload(connection: sqlite3.Connection) -> Workload:
    """Open work by crew and urgency; what has no urgency yet counts as Medium."""
    by_crew: defaultdict[Crew, dict[Urgency, int]] = defaultdict(dict)
    for crew, urgency, count in connection.execute(_WORKLOAD):
        level = Urgency(urgency) if urgency else Urgency.MEDIUM
        by_crew[Crew(crew)][level] = by_crew[Crew(crew)].get(level, 0) + count
    return Workload(open_by_crew=dict(by_crew))


def backlog(connection: sqlite3.Connection) -> Backlog:
    """Open work by topic, and how the newest endings of each topic went; what has no urgency yet counts as Medium."""
    opened: defaultdict[str, dict[Urgency, int]] = defaultdict(dict)
    overdue: defaultdict[str, int] = defaultdict(int)
    for topic, urgency, count, late in connection.execute(_OPEN_BY_TOPIC):
        level = Urgency(urgency) if urgency else Urgency.MEDIUM
        opened[topic][level] = opened[topic].get(level, 0) + count
        overdue[topic] += late
    topics: dict[str, TopicWork] = {}
    for topic in _TOPICS:
        endings = connection.execute(_ENDINGS, (topic, MAX_ENDINGS)).fetchall()
        if topic != _UNKNOWN_TOPIC and (endings or topic in opened):
            topics[topic] = _topic_work(opened[topic], overdue[topic], endings)
    return Backlog(topics=topics)


def _topic_work(opened: dict[Urgency, int], overdue: int, endings: list[tuple[int, int, int]]) -> TopicWork:
    """From open work and from when the newest endings were made, when they ended and whether they were late."""
    days = [max(0, ended - made) / DAY_MS for made, ended, _ in endings]
    return TopicWork(
        open=opened,
        overdue=overdue,
        ended=len(endings),
        ended_since=from_millis(endings[-1][1]) if endings else None,
        last_ended_at=from_millis(endings[0][1]) if endings else None,
        mean_days=sum(days) / len(days) if days else 0.0,
        breached=sum(late for _, _, late in endings),
    )
