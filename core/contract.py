"""The base of every contract: frozen, closed against unknown fields, and with times in UTC."""

import re
from datetime import UTC, datetime, time
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError


class Contract(BaseModel):
    """A value that crosses a boundary; it never changes after it was made."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def told(error: ValidationError) -> str:
    """Where and why something does not fit, without what it holds: the places of the first faults."""
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in error.errors()[:5])


def rfc3339(moment: datetime) -> str:
    """The moment as RFC 3339 text in UTC with milliseconds and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is outside the calendar") from None


UtcTime = Annotated[
    AwareDatetime,
    AfterValidator(_in_utc),
    PlainSerializer(rfc3339, when_used="json"),
]
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}")


def _written_out(value: Any) -> Any:
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE_TIME.match(value)):
        return value
    raise PydanticCustomError("datetime_type", "Input should be a date and time with its offset, as text")


def _whole(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return value


SentTime = Annotated[UtcTime, BeforeValidator(_written_out)]
"""As a client writes it: no number of seconds since some day."""
WHOLE = BeforeValidator(_whole)
"""Of an integer as a client writes it: 4 and 4.0, but neither `true` nor text."""
ClockTime = Annotated[time, WithJsonSchema({"type": "string", "pattern": r"^\d{2}:\d{2}:\d{2}$"})]
"""A time of the day where the home is; JSON Schema's `time` would have an offset."""
# Strict, so that neither `true` nor text passes for a number.
Probability = Annotated[float, Field(ge=0.0, le=1.0, strict=True)]
Dollars = Annotated[float, Field(ge=0.0, allow_inf_nan=False, strict=True)]
Hours = Annotated[float, Field(ge=0.0, allow_inf_nan=False, strict=True)]
