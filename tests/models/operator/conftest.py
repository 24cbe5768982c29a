"""Exports as an operator would hand them in: generated histories written as CSV, and small ones by hand."""

import csv
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployments.decision_simulation.sla import usual_hours
from models.histories.simulation import Simulation
from models.histories.tickets import Ticket, moment, targets
from models.histories.world import Conditions
from models.operator.history import Header, History, Report, content_of

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 420.0

GENERATED_MAPPING = """
name: generated
time_zone: UTC
columns:
  id: number
  created_at: written
  closed_at: done
  category: matter
  text: message
  urgency: urgency
  place: home
  resident: resident
  building: building
  escalated: complained
categories_not_listed: refuse
categories:
"""


@pytest.fixture(scope="session")
def city_file() -> Path:
    """The city's reports, where they are at hand."""
    beside = Path(__file__).resolve().parents[4] / "shared" / "data"
    file = Path(os.environ.get("AAM_SHARED_DATA", beside)) / "city_reports_2014" / "history.csv"
    if not file.is_file():
        pytest.skip("the city's reports are not here")
    return file


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The export of three generated sites, and its mapping."""
    folder = tmp_path_factory.mktemp("export")
    tickets: list[tuple[int, Ticket]] = []
    for site in range(3):
        simulation = Simulation("operator", site, Conditions())
        simulation.run(DAYS)
        tickets += [(site, ticket) for ticket in simulation.register.tickets if ticket.written < DAYS]
    export = folder / "export.csv"
    with export.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(
            "number written done matter message urgency home resident building complained".split()  # noqa: SIM905
        )
        writer.writerows(_row(site, ticket) for site, ticket in tickets)
    mapping = folder / "mapping.yaml"
    mapping.write_text(GENERATED_MAPPING + _matters(tickets) + _words())
    return export, mapping


def _row(site: int, ticket: Ticket) -> list[str]:
    home = ticket.home
    return [
        f"{site}-{ticket.number}",
        moment(ticket.written).isoformat(),
        moment(ticket.resolved).isoformat() if ticket.resolved is not None else "",
        _matter(ticket),
        ticket.text,
        str(ticket.classification.urgency),
        f"{site}-{home.building.building_id}-{home.number}",
        ticket.resident.resident_id,
        f"{site}-{home.building.building_id}",
        "yes" if ticket.complaints else "no",
    ]


def _matter(ticket: Ticket) -> str:
    category, trade = ticket.matter
    return f"{category} {trade}" if trade else str(category)


def _matters(tickets: Sequence[tuple[int, Ticket]]) -> str:
    listed = {_matter(ticket): ticket.matter for _, ticket in tickets}
    lines = [
        f"  {name}: {{category: {category}" + (f", trade: {trade}}}" if trade else "}")
        for name, (category, trade) in sorted(listed.items())
    ]
    return "\n".join(lines) + "\n"


def _words() -> str:
    urgencies = ", ".join(f"{each}: {each}" for each in targets())
    hours = ", ".join(f"{each}: {usual_hours(target)}" for each, target in targets().items())
    return f"urgencies: {{{urgencies}}}\ntarget_hours: {{{hours}}}\n"


@pytest.fixture(scope="session")
def history_of() -> Callable[..., History]:
    """A history of reports given as (created, closed, category, place), times in days since its beginning."""
    return small_history


def small_history(
    *rows: tuple[float, float | None, str, str | None], until: float = 400.0, closures: float | None = None
) -> History:
    """See `history_of`."""
    reports = [
        Report(
            source_id=str(number),
            created_at=START + timedelta(days=created),
            closed_at=None if closed is None else START + timedelta(days=closed),
            closed=closed is not None,
            own_category=category,
            text=f"{category} is broken",
            place=place,
        )
        for number, (created, closed, category, place) in enumerate(rows)
    ]
    header = Header(
        name="small",
        time_zone="UTC",
        reports_until=START + timedelta(days=until),
        closures_until=START + timedelta(days=until if closures is None else closures),
        rows=len(reports),
        content=content_of(reports),
    )
    return History(header, reports)
