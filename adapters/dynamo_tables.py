"""The tables and indexes in DynamoDB as data, and their making.

Beside its documents, a request's item has small attributes that indexes are made of. An index holds an item only while
it has both of the index's key attributes, so what ends leaves the indexes of open work by itself.

A single partition takes about 1,000 writes a second. What all requests share (their age, a status, their due time) is
spread over `SHARDS` partitions by a hash of the request's id, and read from all of them at once. Residents, buildings
and topics are partitions of their own: none is written to as often as that.
"""

from dataclasses import dataclass, field
from typing import Any

SHARDS = 8
"""Fixed for the life of a table: an item's shard is stored with it."""

EVENTS = "{}_events"
KEYS = "{}_keys"
DOCUMENTS = "{}_documents"
EXECUTIONS = "{}_executions"
OUTSIDE_IDS = "{}_outside_ids"

_SHOWN = ("status", "category", "urgency")
"""What lists are filtered by, beside the building."""
_OUTCOME = (
    "resolved_at",
    "breached",
    "response_breached",
    "escalated",
    "reopened",
    "automated",
    "corrected",
    "cost_usd",
    "rating",
)


@dataclass(frozen=True)
class Index:
    """A global secondary index, sorted within each partition; `holds` are the attributes that it copies."""

    name: str
    partition: str
    sort: str
    holds: tuple[str, ...] = ()
    holds_all: bool = False
    sort_type: str = "S"

    def definition(self) -> dict[str, Any]:
        """As CreateTable takes it."""
        kind = "ALL" if self.holds_all else "INCLUDE" if self.holds else "KEYS_ONLY"
        projection: dict[str, Any] = {"ProjectionType": kind}
        if kind == "INCLUDE":
            projection["NonKeyAttributes"] = [*self.holds]
        return {"IndexName": self.name, "KeySchema": _schema(self.partition, self.sort), "Projection": projection}


@dataclass(frozen=True)
class Table:
    """A table; `{}` in its name stands for the name of the requests' table."""

    name: str
    partition: str
    sort: str | None = None
    sort_type: str = "S"
    indexes: tuple[Index, ...] = ()
    expires: str | None = None
    """The attribute with the second from which DynamoDB may remove an item."""
    tags: dict[str, str] = field(default_factory=lambda: {"application": "agentic-apartment-manager"})

    def definition(self, prefix: str) -> dict[str, Any]:
        """As CreateTable takes it."""
        types = {self.partition: "S"} | ({self.sort: self.sort_type} if self.sort else {})
        for index in self.indexes:
            types |= {index.partition: "S", index.sort: index.sort_type}
        found: dict[str, Any] = {
            "TableName": self.name.format(prefix),
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": _schema(self.partition, self.sort),
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()],
            "Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()],
        }
        if self.indexes:
            found["GlobalSecondaryIndexes"] = [index.definition() for index in self.indexes]
        return found


BY_AGE = Index("by_age", "shard", "made", ("building", *_SHOWN, *_OUTCOME))
BY_STATUS = Index("by_status", "status_shard", "made", ("building", *_SHOWN))
BY_BUILDING = Index("by_building", "building", "made", (*_SHOWN, *_OUTCOME, "topic"))
BY_RESIDENT = Index("by_resident", "resident", "made", (*_SHOWN, "trade", "resolved_at", "breached", "escalated"))
ATTENTION = Index("attention", "shard", "attention_place", ("building", *_SHOWN))
ATTENTION_BY_BUILDING = Index("attention_by_building", "building", "attention_place", _SHOWN)
DUE = Index("due", "shard", "due")
OPEN_WORK = Index("open_work", "shard", "open_made", ("status", "urgency", "topic", "breached", "open_crew"))
OPEN_BY_BUILDING = Index("open_by_building", "building", "open_made")
OPEN_LIKENESS = Index(
    "open_likeness",
    "building",
    "open_made",
    (*_SHOWN, "trade", "resident", "unit", "incident_id", "vector"),
)
ENDED_BY_TOPIC = Index("ended_by_topic", "ended_topic", "resolved_at", ("made", "breached"), sort_type="N")
SPENT_BY_BUILDING = Index("spent_by_building", "building", "spent_at", ("category", "cost_usd"), sort_type="N")

REQUEST_TABLE = Table(
    "{}",
    "request_id",
    indexes=(
        BY_AGE,
        BY_STATUS,
        BY_BUILDING,
        BY_RESIDENT,
        ATTENTION,
        ATTENTION_BY_BUILDING,
        DUE,
        OPEN_WORK,
        OPEN_BY_BUILDING,
        OPEN_LIKENESS,
        ENDED_BY_TOPIC,
        SPENT_BY_BUILDING,
    ),
)
EVENT_TABLE = Table(EVENTS, "request_id", "sequence", "N")
BY_RESOURCE = Index("by_resource", "resource_id", "answered_key")
KEY_TABLE = Table(KEYS, "key", indexes=(BY_RESOURCE,), expires="removable_at")
BY_LIST = Index("by_list", "list", "place", holds_all=True)
DOCUMENT_TABLE = Table(DOCUMENTS, "document", indexes=(BY_LIST,))
DEAD_LETTERED = Index("dead_lettered", "dead_list", "dead_place", holds_all=True)
EXECUTION_TABLE = Table(EXECUTIONS, "execution_id", indexes=(DEAD_LETTERED,))
OUTSIDE_ID_TABLE = Table(OUTSIDE_IDS, "outside_id", "place")

TABLES = (REQUEST_TABLE, EVENT_TABLE, KEY_TABLE, DOCUMENT_TABLE, EXECUTION_TABLE, OUTSIDE_ID_TABLE)


def create_tables(client: Any, prefix: str, *, recoverable: bool = True) -> list[str]:
    """Make those of the tables that are not there, and wait until they can be used; the names of the new ones.

    `prefix` is the name of the requests' table. With `recoverable` each is backed up continuously (point in time).
    """
    made = [table for table in TABLES if _create(client, table.definition(prefix))]
    for table in made:
        name = table.name.format(prefix)
        client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 300})
        if table.expires:
            client.update_time_to_live(
                TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": table.expires}
            )
        if recoverable:
            client.update_continuous_backups(
                TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
            )
    return [table.name.format(prefix) for table in made]


def _create(client: Any, definition: dict[str, Any]) -> bool:
    try:
        client.create_table(**definition)
    except client.exceptions.ResourceInUseException:
        return False
    return True


def _schema(partition: str, sort: str | None) -> list[dict[str, str]]:
    keys = [{"AttributeName": partition, "KeyType": "HASH"}]
    return keys + ([{"AttributeName": sort, "KeyType": "RANGE"}] if sort else [])
