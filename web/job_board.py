"""The operations desk's jobs in columns, by where they stand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.labels import Urgency
from web.wording import N_

Job = Mapping[str, Any]
"""A work order as the interface gives it."""

NOBODY = "-"
"""The choice of jobs that nobody has taken on."""
TITLES: Mapping[str, str] = {
    "overdue": N_("Overdue"),
    "under-way": N_("Under way"),
    "to-plan": N_("To plan"),
    "planned": N_("Planned"),
    "done": N_("Done lately"),
}
"""The columns in their order: what is late first."""
KINDS: Mapping[str, str] = {
    "work_order": N_("Work in a home or house"),
    "staff_task": N_("Task for the staff"),
    "visit": N_("Visit to a home"),
    "part_order": N_("Order of a part"),
    "parcel": N_("Parcel"),
    "billing": N_("Bill"),
    "booking": N_("Booking of a shared place"),
    "closure": N_("Closing of a shared place"),
    "access_code": N_("Access code"),
}
"""The kinds of job in words; some of their names mean other things elsewhere."""


@dataclass(frozen=True)
class Column:
    """Jobs that stand alike."""

    name: str
    title: str
    jobs: tuple[Job, ...]
    """In the order in which they need somebody."""


@dataclass(frozen=True)
class Choice:
    """Which jobs are asked for; an empty text is any."""

    crew: str = ""
    assigned: str = ""
    building: str = ""

    def includes(self, job: Job) -> bool:
        """Whether the job is among them."""
        assigned = job["assigned_to"] or NOBODY
        return (
            self.crew in ("", job["crew"])
            and self.assigned in ("", assigned)
            and self.building in ("", job["building_id"] or "")
        )


@dataclass(frozen=True)
class Choices:
    """What there is to choose among."""

    crews: tuple[str, ...]
    people: tuple[str, ...]
    buildings: tuple[str, ...]


def choices_among(jobs: Iterable[Job], chosen: Choice) -> Choices:
    """What these jobs have, and what is chosen, so that a choice without jobs can still be seen and changed."""
    found = list(jobs)
    return Choices(
        _values((job["crew"] for job in found), chosen.crew),
        _values((job["assigned_to"] for job in found), "" if chosen.assigned == NOBODY else chosen.assigned),
        _values((job["building_id"] for job in found), chosen.building),
    )


def standing(job: Job, now: datetime) -> str:
    """The name of a job's column."""
    if job["status"] != "Open":
        return "done"
    if job["scheduled_start"] is None:
        return "to-plan"
    if _moment(job["scheduled_start"]) > now:
        return "planned"
    return "under-way" if _moment(job["scheduled_end"]) > now else "overdue"


def arrange(jobs: Iterable[Job], now: datetime) -> tuple[Column, ...]:
    """The columns, the empty ones too."""
    stacks: dict[str, list[Job]] = {name: [] for name in TITLES}
    for job in jobs:
        stacks[standing(job, now)].append(job)
    return tuple(Column(name, title, _in_order(name, stacks[name])) for name, title in TITLES.items())


def _in_order(name: str, jobs: Sequence[Job]) -> tuple[Job, ...]:
    if name == "to-plan":
        return tuple(sorted(jobs, key=lambda job: (-Urgency(job["urgency"]).rank, job["created_at"])))
    if name == "done":
        return tuple(sorted(jobs, key=lambda job: job["closed_at"] or "", reverse=True))
    by = "scheduled_start" if name == "planned" else "scheduled_end"
    return tuple(sorted(jobs, key=lambda job: job[by]))


def _values(found: Iterable[str | None], chosen: str) -> tuple[str, ...]:
    return tuple(sorted({one for one in found if one} | ({chosen} if chosen else set())))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
