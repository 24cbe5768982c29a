"""How an operator's export is to be read: columns, times, and what its words mean in this project's."""

from collections.abc import Mapping as Values
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from core.contract import Contract
from core.errors import Invalid
from core.labels import Category, Intent, Trade, Urgency

ISO = "iso"
Keep = Literal["keep"]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("is not an IANA time zone such as America/New_York") from None
    return name


class Columns(Contract):
    """The export's header for each thing; what is left out is not in the export."""

    id: str
    created_at: str
    closed_at: str
    category: str
    text: str
    status: str | None = None
    trade: str | None = None
    urgency: str | None = None
    intent: str | None = None
    place: str | None = None
    """Address, unit or asset: where the same thing can come back."""
    resident: str | None = None
    building: str | None = None
    escalated: str | None = None
    escalated_at: str | None = None
    target_hours: str | None = None
    cost_usd: str | None = None
    work_hours: str | None = None

    def used(self) -> dict[str, str]:
        """Our name to theirs."""
        return {name: column for name, column in self.model_dump().items() if column is not None}


class Statuses(Contract):
    """The export's statuses. One that is in no list makes a bad row."""

    closed: frozenset[str]
    open: frozenset[str]
    undecided: frozenset[str] = frozenset()
    """Of reports that, without a closing time, may have been dealt with or not: nothing is learned of their closing."""

    @model_validator(mode="after")
    def _each_is_in_one_list(self) -> "Statuses":
        twice = (self.closed & self.open) | (self.undecided & (self.closed | self.open))
        if twice:
            raise ValueError("a status is in two lists: " + ", ".join(sorted(twice)))
        return self

    @property
    def listed(self) -> frozenset[str]:
        """All of them."""
        return self.closed | self.open | self.undecided


class Truth(Contract):
    """What the export writes for yes and no in its column `escalated`."""

    yes: frozenset[str] = frozenset({"1", "true", "yes", "True", "TRUE", "Yes", "YES"})
    no: frozenset[str] = frozenset({"0", "false", "no", "False", "FALSE", "No", "NO", ""})


class Matter(Contract):
    """What one of the export's categories is in this project's words."""

    category: Category
    trade: Trade | None = None

    @model_validator(mode="after")
    def _trade_is_for_maintenance(self) -> "Matter":
        if self.trade is not None and self.category is not Category.MAINTENANCE:
            raise ValueError("a trade goes with Maintenance only")
        return self


class Mapping(Contract):
    """A mapping file. Unknown keys are refused, so that a typo can't go unseen."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    """The history's name; importing again under the same name adds to it."""
    time_zone: Annotated[str, AfterValidator(_zone)]
    """Of times without an offset, and of the hours and weekdays that the models see."""
    time_format: str = ISO
    """`iso`, or a format of `strptime`."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8-sig"
    columns: Columns
    statuses: Statuses | None = None
    categories: dict[str, Keep | Matter] = Field(default_factory=dict[str, Keep | Matter])
    """`keep`: used as it is, without a category of this project."""
    categories_not_listed: Literal["keep", "refuse"] = "refuse"
    trades: dict[str, Trade] = Field(default_factory=dict[str, Trade])
    """Where the export has a column of its own for them; an empty field is no trade."""
    urgencies: dict[str, Urgency] = Field(default_factory=dict[str, Urgency])
    intents: dict[str, Intent] = Field(default_factory=dict[str, Intent])
    escalated: Truth = Truth()
    target_hours: dict[Urgency, Annotated[float, Field(gt=0.0)]] = Field(default_factory=dict[Urgency, float])
    """Promised hours to close by urgency, where the export has no column for them."""
    reports_until: date | None = None
    """The last day whose new reports are all in the export; the last report's creation where it is left out."""
    closures_until: date | None = None
    """The last day whose closures are all in the export; the last time in the export where it is left out."""

    @model_validator(mode="after")
    def _words_are_explained(self) -> "Mapping":
        for column, values in self._word_columns().items():
            if getattr(self.columns, column) is not None and not values:
                raise ValueError(f"columns.{column} is given, but nothing says what its values mean")
        if self.categories_not_listed == "refuse" and not self.categories:
            raise ValueError("categories is empty; list them, or say categories_not_listed: keep")
        return self

    def _word_columns(self) -> dict[str, Values[str, object] | Statuses | None]:
        return {
            "status": self.statuses,
            "trade": self.trades,
            "urgency": self.urgencies,
            "intent": self.intents,
        }

    def end_of(self, day: date) -> datetime:
        """The moment after the last of a day, in the export's time zone."""
        return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(self.time_zone))


def read_mapping(file: Path) -> Mapping:
    """The mapping in a YAML file. Raises `Invalid` with every key that is wrong."""
    try:
        raw = cast(object, yaml.safe_load(file.read_text()))
    except OSError as error:
        raise Invalid(f"The mapping {file} can't be opened: {error.strerror}.") from None
    except yaml.YAMLError as error:
        raise Invalid(f"The mapping {file} is not YAML: {error}") from None
    try:
        return Mapping.model_validate(raw)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc'])) or 'mapping'}: {each['msg']}" for each in error.errors()]
        raise Invalid(f"The mapping {file} is not valid. " + "; ".join(problems)) from None
