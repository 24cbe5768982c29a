"""A manager's question "what if …": the change, the work that is replayed, and what came of it."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictBool, StringConstraints, model_validator

from core.contract import Contract, Probability, UtcTime
from core.estate import Vendor
from core.messages import ResolveItem

MOST_JOBS = 5_000
"""Requests of one replay, with those that only lend it their load."""
LEAST_REPLICATIONS, MOST_REPLICATIONS = 10, 1_000

Path = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$", max_length=200)]
FigureValue = StrictBool | int | float | str


class Scenario(Contract):
    """What is changed; empty for nothing, which changes nothing."""

    figures: dict[Path, FigureValue] = Field(
        default_factory=dict[str, FigureValue], max_length=50, json_schema_extra={"additionalProperties": False}
    )
    """New values by their place in the rules: `crews.plumbing.technicians`, `weights.standard.cost` (short for
    `scoring.weights.standard.cost`), `response_targets.High.resolution_hours`, `options.<id>.vendor`."""
    add_vendors: tuple[Vendor, ...] = Field(default=(), max_length=10)
    remove_vendors: tuple[str, ...] = Field(default=(), max_length=10)
    """Their work falls to the options' crews where these hold the licence; else the options are withdrawn."""
    replace_vendors: dict[str, str] = Field(default_factory=dict[str, str], max_length=10)
    """By the id of the vendor that goes, the id of the one that takes over its work."""

    @property
    def empty(self) -> bool:
        """Whether it changes nothing."""
        return self == Scenario()


class ReplayedRequest(Contract):
    """A request as it is replayed: what it asked for, and the option that was chosen for it."""

    item: ResolveItem
    option_id: str | None = None
    """None where nobody chose: then the option that the engine recommends."""
    agreed: bool = False
    """Whoever must approve has agreed already."""
    counted: bool = True
    """False where it only lends its load: from before or after the period, or of a building not asked about."""


class Work(Contract):
    """What is replayed."""

    source: Literal["period", "backlog", "synthetic"]
    begin: UtcTime
    end: UtcTime
    """Requests are counted that were reported from `begin` until here; of a backlog, further jobs come until here."""
    requests: tuple[ReplayedRequest, ...] = Field(default=(), max_length=MOST_JOBS)
    """None for `synthetic`: its requests are drawn from the crews' usual arrivals."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end <= self.begin:
            raise ValueError("the end must come after the begin")
        return self


class WhatIfOrder(Contract):
    """A run to be made."""

    scenario: Scenario
    work: Work
    replications: int = Field(ge=LEAST_REPLICATIONS, le=MOST_REPLICATIONS)
    seed: int = Field(ge=0, lt=2**63)
    requested_by: str
    notes: tuple[str, ...] = ()
    """What whoever gathered the work has to say about it."""


class Interval(Contract):
    """A mean over the replications with its 95 % interval (Student's t)."""

    mean: float
    low: float
    high: float


class ComparedFigure(Contract):
    """One figure of the present system, of the changed one, and the difference of the two."""

    name: str
    """Such as `sla_breach_share`; for a crew or vendor `utilisation` and `waiting_hours`."""
    unit: str
    resource: str | None = None
    """The crew, or `vendor:<id>`; None for a figure of the whole."""
    present: Interval
    changed: Interval
    difference: Interval
    """Changed less present, from paired replications: both systems see the same random numbers."""


class Comparison(Contract):
    """What a change would do."""

    scenario: Scenario
    source: Literal["period", "backlog", "synthetic"]
    begin: UtcTime
    end: UtcTime
    counted: float
    """Requests that the figures are about; of a synthetic replay their mean number."""
    skipped: int
    """Requests for which there is nothing to be done, such as answered questions."""
    switched: int
    """Requests (for `synthetic`: kinds of requests) whose option the change alters."""
    replications: int
    """As many as were made; fewer than asked for where the run was cancelled."""
    complete: bool
    seed: int
    kb_version: str
    policy_version: str
    figures: tuple[ComparedFigure, ...]
    notes: tuple[str, ...] = ()
    """What a reader has to know: warnings and what the replay leaves out."""
    chart: dict[str, Any] = Field(default_factory=dict[str, Any])
    """A Vega-Lite 5 specification of the differences with their intervals."""


class RunStatus(StrEnum):
    """How far a run has come."""

    QUEUED = "Queued"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self not in (RunStatus.QUEUED, RunStatus.RUNNING)


class WhatIfRun(Contract):
    """A run and what came of it."""

    run_id: str
    status: RunStatus
    progress: Probability = 0.0
    """The share of the replications that are made."""
    requested_by: str
    created_at: UtcTime
    ended_at: UtcTime | None = None
    scenario: Scenario
    source: Literal["period", "backlog", "synthetic"]
    result: Comparison | None = None
    error: str | None = None
    """One sentence, where it failed."""
