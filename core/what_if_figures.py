"""The figures of the rules in force that a what-if question usually changes, as they stand now."""

from typing import Literal

from pydantic import Field

from core.contract import Contract
from core.labels import Situation

FigureKind = Literal["technicians", "teams", "weight", "response_hours", "resolution_hours"]
FigureUnit = Literal["technicians", "teams", "share", "hours"]


class SensibleRange(Contract):
    """Within which a change is worth asking about; the rules allow more."""

    low: float
    high: float
    step: float = Field(gt=0)


class ChangeableFigure(Contract):
    """One figure, and what it may sensibly become."""

    path: str
    """Its place in `Scenario.figures`."""
    kind: FigureKind
    subject: str
    """Whose figure it is: the crew, the vendor's id, the factor of a decision, or the urgency."""
    situation: Situation | None = None
    """Of a weight; the five weights of a situation must sum to 1."""
    label: str
    """A few words in English."""
    unit: FigureUnit
    present: float
    range: SensibleRange


class ChangeableVendor(Contract):
    """A vendor that may be removed or replaced."""

    vendor_id: str
    name: str
    options: int
    """Options of the documents that it carries out."""
    licences: tuple[str, ...]


class ChangeableFigures(Contract):
    """`GET /what-if/figures`: what may be changed, read from the rules in force for all buildings."""

    policy_version: str
    figures: tuple[ChangeableFigure, ...]
    vendors: tuple[ChangeableVendor, ...]
