"""The base of every contract: frozen, closed against unknown fields, and with times in UTC."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer


class Contract(BaseModel):
    """A value that crosses a boundary; it never changes after it was made."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


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
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Dollars = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Hours = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
