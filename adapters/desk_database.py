"""The SQLite file that the built-in operations desk and the inbox share."""

from pathlib import Path

from adapters.sqlite import Database
from core.errors import SystemUnavailable

NEWEST = 2**62 - 1
"""Above every number that a row can have."""

# One script for each version of the file.
SCHEMA = (
    """
    CREATE TABLE work_orders (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        idempotency_key TEXT NOT NULL UNIQUE,
        request_id TEXT,
        execution_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        crew TEXT NOT NULL,
        title TEXT NOT NULL,
        steps TEXT NOT NULL,
        building_id TEXT,
        unit TEXT,
        instructions TEXT,
        cost_limit_usd REAL NOT NULL,
        urgency TEXT NOT NULL,
        status TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        closed_at INTEGER,
        closed_by TEXT,
        notes TEXT,
        actual_cost_usd REAL,
        actual_hours REAL
    );
    CREATE INDEX work_orders_of_building ON work_orders (building_id, number);
    CREATE INDEX open_work_orders ON work_orders (number) WHERE status = 'Open';
    CREATE INDEX open_work_orders_of_building ON work_orders (building_id, number) WHERE status = 'Open';
    CREATE TABLE notifications (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        idempotency_key TEXT NOT NULL UNIQUE,
        recipient TEXT NOT NULL,
        notification TEXT NOT NULL,
        sent_at INTEGER NOT NULL,
        acknowledged_by TEXT,
        acknowledged_at INTEGER
    );
    CREATE INDEX notifications_of_recipient ON notifications (recipient, number)
    """,
    """
    ALTER TABLE work_orders ADD COLUMN vendor TEXT;
    ALTER TABLE work_orders ADD COLUMN licence TEXT;
    ALTER TABLE work_orders ADD COLUMN not_before INTEGER
    """,
    """
    ALTER TABLE work_orders ADD COLUMN details TEXT NOT NULL DEFAULT '{}';
    ALTER TABLE work_orders ADD COLUMN waits_for TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE work_orders ADD COLUMN amenity TEXT;
    ALTER TABLE work_orders ADD COLUMN assigned_to TEXT;
    ALTER TABLE work_orders ADD COLUMN planned_by TEXT;
    ALTER TABLE work_orders ADD COLUMN scheduled_start INTEGER;
    ALTER TABLE work_orders ADD COLUMN scheduled_end INTEGER;
    ALTER TABLE work_orders ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
    CREATE INDEX scheduled_work_orders ON work_orders (scheduled_start, number)
        WHERE status = 'Open' AND scheduled_start IS NOT NULL;
    CREATE INDEX scheduled_work_orders_of_building ON work_orders (building_id, scheduled_start, number)
        WHERE status = 'Open' AND scheduled_start IS NOT NULL;
    CREATE INDEX taken_amenities ON work_orders (amenity, building_id, scheduled_end) WHERE amenity IS NOT NULL
    """,
    # Requests were told of what is done already; what is closed from now on is announced.
    """
    ALTER TABLE work_orders ADD COLUMN rescheduled INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE work_orders ADD COLUMN scheduled_before INTEGER;
    ALTER TABLE work_orders ADD COLUMN announced INTEGER NOT NULL DEFAULT 1;
    CREATE INDEX unannounced_work_orders ON work_orders (closed_at, number) WHERE announced = 0
    """,
    """
    CREATE INDEX open_work_orders_of_request ON work_orders (request_id, number) WHERE status = 'Open'
    """,
)


def open_desk_database(path: Path) -> Database:
    """The file, made where it is missing; one for each process, for the desk and the inbox together.

    Raises `SystemUnavailable`.
    """
    return Database(path, SCHEMA, unavailable=SystemUnavailable)


def parse_number(identifier: str, prefix: str) -> int:
    """The row's number in an id such as `WO-17`; 0, which no row has, for any other text."""
    digits = identifier.removeprefix(prefix)
    readable = identifier.startswith(prefix) and digits.isascii() and digits.isdigit() and len(digits) <= 18
    return int(digits) if readable else 0
