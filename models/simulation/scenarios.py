"""Compares completion times of the fast path with those of full runs, over kinds of servers, hours and options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import process_time

import numpy as np

from core.errors import ArtefactRefused
from core.estate import Part
from core.labels import Crew, Urgency
from core.rules import OptionTemplate, RuleBook
from deployments.decision_simulation.parts import lead_with_parts
from deployments.decision_simulation.resolver import REPLICATIONS
from deployments.decision_simulation.sampling import (
    NO_TIME,
    ON_SITE,
    Job,
    approval_hours,
    sample_completion,
    uniform_block,
)
from deployments.decision_simulation.simulation import simulate_option
from deployments.decision_simulation.triangular import Floats, corners, triangular_quantiles
from deployments.decision_simulation.waiting import ServerWaits, TableSettings, server_waits
from deployments.decision_simulation.workforce import (
    Durations,
    ServerModel,
    server_key,
    server_models,
    server_rules,
    triangular_durations,
)

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = (24.0 * day for day in range(7))
LEVEL_FACTOR = 1.358
"""Of Kolmogorov and Smirnov's distance at 5 %."""
OFFICE = Crew.OFFICE.value
BASIS = 0.9


@dataclass(frozen=True)
class Scenario:
    """A request that could be reported at some moment of the week, and the option that is carried out."""

    option_id: str
    urgency: Urgency
    begin: float
    """When the tables are made, in hours since Monday 00:00."""
    backlog: Mapping[Urgency, int] = field(default_factory=dict[Urgency, int])
    """Of whoever serves the option; none can be stated of a vendor."""
    office: Mapping[Urgency, int] = field(default_factory=dict[Urgency, int])
    later: float = 0.0
    """How long after that the request is reported."""


@dataclass(frozen=True)
class Comparison:
    """How far apart the two distributions of one scenario are."""

    scenario: Scenario
    server: str
    traits: str
    """What the option waits for."""
    distance: float
    """Kolmogorov and Smirnov's."""
    noise: float
    """What independent samples of one distribution, of the sizes of the tables, the fast path and the full runs, stay
    below in 95 of 100 cases; the fast path's are spread more evenly, so that this is an upper bound."""
    fast_p50: float
    full_p50: float
    fast_p90: float
    full_p90: float
    fast_s: float
    """Of processor time, without the tables."""
    full_s: float


def scenarios() -> tuple[Scenario, ...]:
    """Crews and vendors, by urgency, time of the week, backlog, lead time, parts and approval."""
    low, medium, high, emergency = Urgency
    usual, heavy = {medium: 4, low: 3}, {high: 3, medium: 8, low: 4}
    return (
        Scenario("plumbing-same-day-repair", high, TUESDAY + 10, usual),
        Scenario("plumbing-same-day-repair", medium, TUESDAY + 10, heavy),
        Scenario("plumbing-same-day-repair", low, TUESDAY + 10, heavy),
        Scenario("plumbing-same-day-repair", medium, FRIDAY + 19, usual),
        Scenario("plumbing-same-day-repair", high, SATURDAY + 3, heavy),
        Scenario("plumbing-same-day-repair", medium, WEDNESDAY + 8, heavy, later=5),
        Scenario("plumbing-scheduled-repair", low, MONDAY + 9, usual),
        Scenario("plumbing-water-heater", medium, THURSDAY + 15, usual),
        Scenario("plumbing-water-heater", high, SUNDAY + 11, heavy),
        Scenario("emergency-smoke-alarm", emergency, SATURDAY + 23, {high: 2}),
        Scenario("emergency-smoke-alarm", emergency, TUESDAY + 12, {emergency: 2, medium: 4}),
        Scenario("electrical-same-day-repair", medium, MONDAY + 7.5, usual),
        Scenario("electrical-lighting", low, FRIDAY + 14, heavy),
        Scenario("hvac-same-day-repair", high, SUNDAY + 20, heavy),
        Scenario("appliance-repair-visit", high, FRIDAY + 13, usual),
        Scenario("appliance-replacement", medium, TUESDAY + 10, usual, {medium: 6}),
        Scenario("general-same-day-repair", low, WEDNESDAY + 16, heavy),
        Scenario("security-credential-reset", medium, SATURDAY + 2, heavy),
        Scenario("plumbing-contractor", high, TUESDAY + 10),
        Scenario("plumbing-contractor", medium, FRIDAY + 16, office={medium: 8}),
        Scenario("electrical-contractor", high, SUNDAY + 9),
        Scenario("hvac-contractor", high, WEDNESDAY + 20),
        Scenario("elevator-part-replacement", medium, MONDAY + 11),
        Scenario("pest-contractor", low, THURSDAY + 13),
        Scenario("security-locksmith", high, SATURDAY + 15),
        Scenario("structural-glazier", medium, TUESDAY + 14),
    )


def compare(
    rules: RuleBook, scenario: Scenario, runs: int, settings: TableSettings | None = None, seed: int = 1
) -> Comparison:
    """The distance between the fast path, as it is served, and so many full runs. Raises `ArtefactRefused`."""
    template = _template(rules, scenario.option_id)
    settings, models = settings or TableSettings(), server_models(rules)
    waits = {
        key: server_waits(models[key], backlog, scenario.begin, settings, seed)
        for key, backlog in ((OFFICE, scenario.office), (server_key(template), scenario.backlog))
    }
    started = process_time()
    job = fast_job(rules, scenario, models, waits)
    fast = sample_completion([job], [uniform_block(seed, REPLICATIONS)])[0].hours
    between = process_time()
    full = full_hours(rules, scenario, models, runs, seed)
    return Comparison(
        scenario=scenario,
        server=server_key(template),
        traits=_traits(rules, template, scenario.urgency),
        distance=kolmogorov_smirnov(fast, full),
        noise=LEVEL_FACTOR * (1.0 / settings.replications + 1.0 / REPLICATIONS + 1.0 / runs) ** 0.5,
        fast_p50=float(np.quantile(fast, 0.5)),
        full_p50=float(np.quantile(full, 0.5)),
        fast_p90=float(np.quantile(fast, 0.9)),
        full_p90=float(np.quantile(full, 0.9)),
        fast_s=between - started,
        full_s=process_time() - between,
    )


def kolmogorov_smirnov(first: Floats, second: Floats) -> float:
    """The largest difference between the distribution functions of two samples."""
    first, second = np.sort(first), np.sort(second)
    points = np.concatenate([first, second])
    left = np.searchsorted(first, points, side="right") / first.size
    right = np.searchsorted(second, points, side="right") / second.size
    return float(np.abs(left - right).max())


def _template(rules: RuleBook, option_id: str) -> OptionTemplate:
    found = next((entry.template for entry in rules.options if entry.template.option_id == option_id), None)
    if found is None:
        raise ArtefactRefused(f"No document describes the option {option_id}, which a scenario is about.")
    return found


def fast_job(
    rules: RuleBook, scenario: Scenario, models: Mapping[str, ServerModel], waits: Mapping[str, ServerWaits]
) -> Job:
    """The scenario as the fast path takes it."""
    template, urgency = _template(rules, scenario.option_id), scenario.urgency
    key, now = server_key(template), scenario.begin + scenario.later
    office_clock, office_waits = models[OFFICE].clock_for(urgency), waits[OFFICE].quantiles(urgency, now)
    later = approval_hours(office_clock, office_waits, now)
    return Job(
        request=0,
        template=template,
        travel_hours=server_rules(rules, template).travel_hours,
        clock=models[key].clock_for(urgency),
        waits=waits[key].quantiles(urgency, now),
        begin=now,
        urgency=urgency,
        limits=rules.approvals.limits[urgency],
        office_clock=office_clock,
        office_waits=office_waits,
        parts=_parts(rules, template),
        later_waits=tuple((hour, waits[key].quantiles(urgency, hour)) for hour in later),
    )


def full_hours(rules: RuleBook, scenario: Scenario, models: Mapping[str, ServerModel], runs: int, seed: int) -> Floats:
    """Hours until done by so many full runs, of the office too where the option needs an approval."""
    template, urgency = _template(rules, scenario.option_id), scenario.urgency
    begin, later = scenario.begin, scenario.later
    approval: Floats | None = None
    if _needs_approval(rules, template, urgency):
        approval = simulate_option(
            models[OFFICE], urgency, _nothing, _nothing, begin, scenario.office, runs, seed, later
        )
    travel_hours = server_rules(rules, template).travel_hours if template.action in ON_SITE else NO_TIME
    travel, work = triangular_durations(travel_hours), triangular_durations(template.work_hours)
    lead = lead_with_parts(triangular_durations(template.lead_hours), _parts(rules, template))
    model, busy = models[server_key(template)], _sum(travel, work)
    return simulate_option(
        model, urgency, lead, busy, begin, scenario.backlog, runs, seed + 1, later, approval
    )  # fmt: skip


def _needs_approval(rules: RuleBook, template: OptionTemplate, urgency: Urgency) -> bool:
    cost = float(triangular_quantiles(corners([template.cost_usd]), np.array([[BASIS]]))[0, 0])
    return urgency is not Urgency.EMERGENCY and rules.approvals.limits[urgency].tier(cost).rank > 0


def _parts(rules: RuleBook, template: OptionTemplate) -> tuple[Part, ...]:
    return tuple(rules.parts[part_id] for part_id in template.parts)


def _nothing(_: np.random.Generator, number: int) -> Floats:
    return np.zeros(number)


def _sum(first: Durations, second: Durations) -> Durations:
    return lambda rng, number: first(rng, number) + second(rng, number)


def _traits(rules: RuleBook, template: OptionTemplate, urgency: Urgency) -> str:
    waits: Sequence[tuple[str, bool]] = (
        ("lead time", template.lead_hours.high > 0),
        ("parts", bool(template.parts)),
        ("approval", _needs_approval(rules, template, urgency)),
    )
    return ", ".join(name for name, needed in waits if needed) or "–"
