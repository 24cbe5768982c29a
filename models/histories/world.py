"""What a site is made of before anything happens: buildings, homes, residents, things and crews."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from core.labels import Crew
from models.histories.causes import HOME_KINDS, SHARED_KINDS, TRAITS, CauseKind
from models.histories.crews import Team

if TYPE_CHECKING:
    from models.histories.tickets import Fault


@dataclass(frozen=True)
class Conditions:
    """What may be turned to see what causes what; 1.0 is usual."""

    ageing: float = 1.0
    """Multiplies every age at the start."""
    crew_load: float = 1.0
    """Multiplies the share of their time that crews are needed."""
    patience: float = 1.0
    """Multiplies how many days residents wait before they complain."""
    poor_fixes: float = 1.0
    """Multiplies the chance that a repair only covers up the cause."""


@dataclass
class Resident:
    """A household's writer. Trust is the only trait that changes."""

    resident_id: str
    patience_days: float
    assertive: float
    """Chance to complain once patience has run out."""
    writes: float
    """Chance to write about something small at once, rather than to live with it."""
    detail: float
    """Mean number of sentences beside the matter itself."""
    mentions: float
    """Chance to say that it is not the first time."""
    vulnerable: bool
    at_home: float
    """Chance that a visit finds the door open."""
    leaves: float
    """Day of moving out."""
    trust: float = 0.9


@dataclass
class Cause:
    """One thing that can go wrong, in one home or for a whole building."""

    kind: CauseKind
    building: Building
    home: Home | None
    multiplier: float
    """Latent factor of the hazard: quality of the thing, trait of the home, the building or the resident."""
    stubborn: float
    """Latent factor of the chance of a poor fix: what lies behind it may be out of the usual crew's sight."""
    age: float
    """Virtual age in days when it was last as good as it got."""
    since: float = 0.0
    """The day of that."""
    relapses: int = 0
    """Occurrences in a row that go back to a poor fix."""
    turn: int = 0
    """Grows whenever the planned next occurrence is void."""
    seen: int = 0
    """How often the present resident wrote about it."""

    @property
    def scale(self) -> float:
        """Characteristic life in days, with the multiplier: hazard * m means scale * m ** (-1 / shape)."""
        return self.kind.scale_days * self.multiplier ** (-1.0 / self.kind.shape)

    def exposure(self, now: float, days: float) -> float:
        """Cumulative hazard of the next `days`, without the season."""
        age = self.age + max(0.0, now - self.since)
        return ((age + days) / self.scale) ** self.kind.shape - (age / self.scale) ** self.kind.shape


@dataclass
class Home:
    """One dwelling."""

    number: int
    building: Building
    resident: Resident
    held: list[Fault] = field(default_factory=list["Fault"])
    """Small matters that the resident lives with until there is something else to write about."""
    causes: list[Cause] = field(default_factory=list[Cause])


@dataclass
class Building:
    """Homes that share a roof, and what belongs to all of them."""

    building_id: str
    traits: dict[str, float]
    renewal: float
    """Share of a thing's age that a good repair takes off: thrift or generosity of the owner."""
    homes: list[Home] = field(default_factory=list[Home])
    causes: list[Cause] = field(default_factory=list[Cause])


@dataclass
class Site:
    """A few buildings that are served by the same crews."""

    number: int
    buildings: list[Building]
    teams: dict[Crew, Team]

    @property
    def homes(self) -> list[Home]:
        """All homes of the site."""
        return [home for building in self.buildings for home in building.homes]

    @property
    def causes(self) -> list[Cause]:
        """Everything that can go wrong at the site."""
        shared = [cause for building in self.buildings for cause in building.causes]
        return shared + [cause for home in self.homes for cause in home.causes]


def draw_resident(rng: Random, resident_id: str, now: float, conditions: Conditions) -> Resident:
    """A new household's writer."""
    return Resident(
        resident_id=resident_id,
        patience_days=rng.lognormvariate(math.log(7.0), 0.8) * conditions.patience,
        assertive=rng.betavariate(1.4, 2.6),
        writes=rng.betavariate(2.5, 1.5),
        detail=rng.gammavariate(2.0, 0.7),
        mentions=rng.betavariate(2.0, 1.2),
        vulnerable=rng.random() < 0.14,
        at_home=rng.betavariate(6.0, 1.5),
        leaves=now + rng.expovariate(1.0 / 1100.0),
    )


def draw_stubborn(rng: Random) -> float:
    """Most causes are plain; a few come back whatever the crew does. The mean is 0.7."""
    return rng.gammavariate(0.35, 0.7 / 0.35)


def draw_site(rng: Random, number: int, conditions: Conditions) -> Site:
    """A site as it stands on the first day."""
    buildings = [_draw_building(rng, f"S{number}B{index}", conditions) for index in range(rng.randint(3, 5))]
    site = Site(number, buildings, {})
    offered = _offered_hours(site)
    site.teams.update({crew: _draw_team(rng, crew, offered.get(crew, 0.0), conditions) for crew in Crew})
    return site


def _draw_building(rng: Random, building_id: str, conditions: Conditions) -> Building:
    building = Building(
        building_id=building_id,
        traits={trait: rng.gammavariate(3.0, 1.0 / 3.0) for trait in TRAITS},
        renewal=rng.uniform(0.35, 0.95),
    )
    years = rng.uniform(2.0, 40.0)
    for index in range(rng.choice((14, 24, 36, 48, 72))):
        resident = draw_resident(rng, f"{building_id}R{index}-0", 0.0, conditions)
        home = Home(index, building, resident)
        own = {trait: rng.gammavariate(1.5, 1.0 / 1.5) for trait in TRAITS}
        home.causes.extend(_draw_cause(rng, kind, building, home, own, years, conditions) for kind in HOME_KINDS)
        building.homes.append(home)
    building.causes.extend(_draw_cause(rng, kind, building, None, {}, years, conditions) for kind in SHARED_KINDS)
    return building


def _draw_cause(
    rng: Random,
    kind: CauseKind,
    building: Building,
    home: Home | None,
    own: dict[str, float],
    years: float,
    conditions: Conditions,
) -> Cause:
    quality = rng.gammavariate(2.5, 1.0 / 2.5)
    trait = building.traits[kind.trait] * own.get(kind.trait, 1.0) if kind.trait else 1.0
    # Things get replaced now and then, so few are as old as the building.
    age = rng.random() * min(years * 365.0, 1.6 * kind.scale_days) * conditions.ageing
    return Cause(kind, building, home, min(4.0, max(0.05, 0.85 * quality * trait)), draw_stubborn(rng), age)


def _offered_hours(site: Site) -> dict[Crew, float]:
    """Hours of work per week that each crew is asked for, about: the mean hazard times the time per job."""
    hours: dict[Crew, float] = {}
    for cause in site.causes:
        kind = cause.kind
        per_week = cause.exposure(0.0, 365.0) / 52.0 / (1.0 - 0.5 * kind.poor_fix)
        hours[kind.crew] = hours.get(kind.crew, 0.0) + per_week * (kind.work_hours * (1.2 + kind.parts) + 0.4)
    # The office answers questions on everything, and those who ask after their requests.
    hours[Crew.OFFICE] += 0.012 * 7.0 * len(site.homes) * 0.5
    return hours


def _draw_team(rng: Random, crew: Crew, offered: float, conditions: Conditions) -> Team:
    load = rng.uniform(0.4, 0.9) * conditions.crew_load
    hours = max(4.0 / conditions.crew_load, offered / load)
    technicians = math.ceil(hours / 40.0)
    days = min(5, max(2, math.ceil(hours / technicians / 7.0)))
    first = rng.randrange(5)
    return Team(
        crew=crew,
        technicians=technicians,
        weekdays=frozenset((first + index * 5 // days) % 5 for index in range(days)),
        opens_hour=8.0 + rng.random() * 2.0,
        hours=hours / technicians / days,
        skill=rng.uniform(0.7, 1.6),
        load=load,
    )
