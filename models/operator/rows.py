"""One row of an export as a report, or what is wrong with it; no message repeats what a field holds."""

import hashlib
import math
from collections.abc import Mapping as Row
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from core.labels import Category, Trade, Urgency
from core.request import MAX_MESSAGE_CHARACTERS
from models.operator.history import Report
from models.operator.mapping import ISO, Mapping, Statuses

Word = TypeVar("Word")

MAX_ID_CHARACTERS = 200
NO_STATUSES = Statuses(closed=frozenset(), open=frozenset())


class BadField(Exception):
    """A field that can't be read."""

    def __init__(self, column: str, why: str) -> None:
        super().__init__(column, why)
        self.column, self.why = column, why


@dataclass(frozen=True)
class RowReader:
    """Reads rows by one mapping."""

    mapping: Mapping

    def read(self, row: Row[str, str]) -> Report:
        """The report of a row, by the export's own column names. Raises `BadField`."""
        created = self._required_time(row, "created_at")
        closed_at = self._time(row, "closed_at")
        if closed_at is not None and closed_at < created:
            raise BadField(self._column("closed_at"), "is before its creation")
        category, trade = self._matter(row)
        urgency = self._word(row, "urgency", self.mapping.urgencies)
        status, statuses = self._status(row), self.mapping.statuses or NO_STATUSES
        return Report(
            source_id=self._id(row),
            created_at=created,
            closed_at=closed_at,
            closed=closed_at is not None or status in statuses.closed,
            undecided=True if closed_at is None and status in statuses.undecided else None,
            own_category=self._required(row, "category"),
            text=self._required(row, "text")[:MAX_MESSAGE_CHARACTERS],
            category=category,
            trade=trade,
            urgency=urgency,
            intent=self._word(row, "intent", self.mapping.intents),
            place=self._digest(row, "place"),
            resident=self._digest(row, "resident"),
            building=self._digest(row, "building"),
            escalated=self._escalated(row),
            escalated_at=self._time(row, "escalated_at"),
            target_hours=self._target_hours(row, urgency),
            cost_usd=self._amount(row, "cost_usd"),
            work_hours=self._amount(row, "work_hours"),
        )

    def _column(self, name: str) -> str:
        return self.mapping.columns.used().get(name, name)

    def _field(self, row: Row[str, str], name: str) -> str:
        column: str | None = getattr(self.mapping.columns, name)
        return "" if column is None else row[column].strip()

    def _required(self, row: Row[str, str], name: str) -> str:
        value = self._field(row, name)
        if not value:
            raise BadField(self._column(name), "is empty")
        return value

    def _id(self, row: Row[str, str]) -> str:
        value = self._required(row, "id")
        if len(value) > MAX_ID_CHARACTERS:
            raise BadField(self._column("id"), f"is longer than {MAX_ID_CHARACTERS} characters")
        return value

    def _required_time(self, row: Row[str, str], name: str) -> datetime:
        found = self._time(row, name)
        if found is None:
            raise BadField(self._column(name), "is empty")
        return found

    def _time(self, row: Row[str, str], name: str) -> datetime | None:
        value = self._field(row, name)
        if not value:
            return None
        form = self.mapping.time_format
        try:
            parsed = datetime.fromisoformat(value) if form == ISO else datetime.strptime(value, form)
            if parsed.tzinfo is None:
                parsed = parsed.replace(tzinfo=ZoneInfo(self.mapping.time_zone))
            return parsed.astimezone(UTC)
        except (ValueError, OverflowError):
            raise BadField(self._column(name), f"is not a time of the format {form}") from None

    def _status(self, row: Row[str, str]) -> str | None:
        statuses = self.mapping.statuses
        if self.mapping.columns.status is None or statuses is None:
            return None
        status = self._field(row, "status")
        if status not in statuses.listed:
            raise BadField(self._column("status"), "is a status that the mapping does not list")
        return status

    def _matter(self, row: Row[str, str]) -> tuple[Category | None, Trade | None]:
        listed = self.mapping.categories.get(self._required(row, "category"))
        if listed is None and self.mapping.categories_not_listed == "refuse":
            raise BadField(self._column("category"), "is a category that the mapping does not list")
        if listed is None or listed == "keep":
            return None, None
        trade = self._word(row, "trade", self.mapping.trades) or listed.trade
        return listed.category, trade if listed.category is Category.MAINTENANCE else None

    def _word(self, row: Row[str, str], name: str, words: Row[str, Word]) -> Word | None:
        value = self._field(row, name)
        if not value:
            return None
        if value not in words:
            raise BadField(self._column(name), "is a value that the mapping does not list")
        return words[value]

    def _escalated(self, row: Row[str, str]) -> bool | None:
        if self.mapping.columns.escalated is None:
            return None if self.mapping.columns.escalated_at is None else bool(self._field(row, "escalated_at"))
        value = self._field(row, "escalated")
        if value in self.mapping.escalated.yes:
            return True
        if value not in self.mapping.escalated.no:
            raise BadField(self._column("escalated"), "is neither yes nor no by the mapping")
        return False

    def _target_hours(self, row: Row[str, str], urgency: Urgency | None) -> float | None:
        stated = self._amount(row, "target_hours")
        if stated is not None or urgency is None:
            return stated
        return self.mapping.target_hours.get(urgency)

    def _amount(self, row: Row[str, str], name: str) -> float | None:
        value = self._field(row, name)
        if not value:
            return None
        try:
            amount = float(value)
        except ValueError:
            raise BadField(self._column(name), "is not a number") from None
        if not math.isfinite(amount) or amount < 0.0:
            raise BadField(self._column(name), "is not a number from 0 on")
        return amount

    def _digest(self, row: Row[str, str], name: str) -> str | None:
        value = self._field(row, name)
        if not value:
            return None
        return hashlib.sha256(f"{self.mapping.name}:{name}:{value}".encode()).hexdigest()[:16]
