"""Takes a resident out of the jobs of the operations desk, for good."""

import json
import sqlite3
from datetime import datetime

from adapters.sqlite import to_millis
from core.erasure import ERASED, ErasureScope

_ERASE = (
    "UPDATE work_orders SET title = :erased, steps = '[]', unit = NULL, instructions = NULL, details = :details,"
    " assigned_to = CASE assigned_to WHEN :resident THEN :pseudonym ELSE assigned_to END,"
    " planned_by = CASE planned_by WHEN :resident THEN :pseudonym ELSE planned_by END,"
    " closed_by = CASE closed_by WHEN :resident THEN :pseudonym ELSE closed_by END,"
    " notes = CASE WHEN notes IS NULL AND status <> 'Open' THEN NULL ELSE :erased END, version = version + 1,"
    # Its request goes as well.
    " announced = 1"
    " WHERE number = :number"
)
_CLOSE = (
    "UPDATE work_orders SET status = 'Done', closed_at = :now, closed_by = 'system'"
    " WHERE number = :number AND status = 'Open'"
)


def jobs_of(connection: sqlite3.Connection, scope: ErasureScope) -> list[int]:
    """Numbers of the jobs for the scope's requests, and of those for no request that name the resident."""
    rows = connection.execute("SELECT number, request_id, details FROM work_orders ORDER BY number")
    return [number for number, request_id, details in rows if _concerns(scope, request_id, details)]


def erase_jobs(connection: sqlite3.Connection, numbers: list[int], scope: ErasureScope, now: datetime) -> None:
    """Take words, home, wishes and names out, and close what is open."""
    who = {"erased": ERASED, "resident": scope.resident_id, "pseudonym": scope.pseudonym, "now": to_millis(now)}
    # The pseudonym stays, so that a job for no request is named again by a second erasure.
    details = json.dumps({"resident_id": scope.pseudonym})
    changes = [who | {"number": number, "details": details} for number in numbers]
    connection.executemany(_ERASE, changes)
    connection.executemany(_CLOSE, changes)


def _concerns(scope: ErasureScope, request_id: str | None, details: str) -> bool:
    if request_id is not None:
        return request_id in scope.request_ids
    return json.loads(details).get("resident_id") in (scope.resident_id, scope.pseudonym)
