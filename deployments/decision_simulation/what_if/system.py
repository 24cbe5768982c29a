"""One system, the present or the changed one, worked through one replication's requests in full."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from core.estate import Triangle
from core.labels import Crew, Urgency
from core.messages import ResolveItem
from core.rules import OptionTemplate, RuleBook
from core.what_if import Work
from deployments.decision_simulation.gates import needs_notice
from deployments.decision_simulation.sampling import COST_FOLLOWS_WORK, NO_TIME, ON_SITE
from deployments.decision_simulation.simulation import ReportedJob
from deployments.decision_simulation.sla import Matter, promise, statutory_duties, usual_hours
from deployments.decision_simulation.triangular import Floats, corners, triangular_quantiles
from deployments.decision_simulation.what_if import arrivals as draws
from deployments.decision_simulation.what_if.arrivals import Arrivals, Span, crews_and_vendors
from deployments.decision_simulation.what_if.kinds import Kind
from deployments.decision_simulation.what_if.scenario import technicians_of
from deployments.decision_simulation.what_if.service_run import Served, serve
from deployments.decision_simulation.workforce import ServerModel, server_key, server_models

OFFICE = Crew.OFFICE.value
COST_BASIS = 0.9
"""An approval limit is compared with the cost's 90th percentile."""


@dataclass(frozen=True)
class Handling:
    """How one kind of request is dealt with."""

    template: OptionTemplate
    server: str
    travel_hours: Triangle
    parts: tuple[tuple[float, Triangle], ...]
    """In stock with this probability, else after these hours."""
    approval: bool
    """Somebody in the office must agree first."""
    notice_hours: float
    patience_hours: float
    """The promised time until done, in which half of the patience is used up."""
    dearer_usd: float
    """What a call costs more than in the documents, whose prices hold their own vendor's call-out."""


@dataclass(frozen=True)
class Outcome:
    """What became of one replication's counted requests; every array is (counted requests,)."""

    breached: Floats
    """1 where it was done after its resolution was due."""
    answered_late: Floats
    """1 where nobody had begun when its response was due."""
    cost_usd: Floats
    impact: Floats
    """Change of the resident's satisfaction, -1 to 1."""
    hours: Floats
    """From report until done."""
    waiting_hours: Mapping[str, float]
    """Mean time until a technician took a counted job on, by crew or vendor."""
    utilisation: Mapping[str, float]
    """Hands-on and travel time of the jobs reported between begin and end over the duty hours there."""


Shared = dict[str, tuple[object, list[ReportedJob], Served]]
"""Runs of one replication that another system may take over where nothing of theirs is different."""


class System:
    """The rules of one system, ready to be run on `work`."""

    def __init__(
        self,
        rules: RuleBook,
        documented: RuleBook,
        chosen: Sequence[tuple[Kind, OptionTemplate]],
        work: Work,
        span: Span,
        zone: ZoneInfo,
    ) -> None:
        """`chosen` names the option of each kind. By the `documented` rules, the present ones, go the prices' call-outs
        and the residents' patience: relaxing a target makes nobody more patient."""
        self._span, self._work = span, work
        self._servers = crews_and_vendors(rules)
        self._entry = rules.entry
        self._models: dict[str, ServerModel] = server_models(rules)
        self._books = {building: rules.of(building) for building in {kind.item.building_id for kind, _ in chosen}}
        self._calendars = {
            building: book.calendar.business_calendar(book.zone_of(building, zone.key), date.min)
            for building, book in self._books.items()
        }
        self._items = [kind.item for kind, _ in chosen]
        self._handlings = [
            _handling(self._books[kind.item.building_id], documented.of(kind.item.building_id), kind, template)
            for kind, template in chosen
        ]
        self.used = {handling.server for handling in self._handlings}
        self._due = None if work.source == "synthetic" else [self._due_hours(item, item.at) for item in self._items]
        self._shapes = {
            "lead": corners([each.template.lead_hours for each in self._handlings]),
            "travel": corners([each.travel_hours for each in self._handlings]),
            "work": corners([each.template.work_hours for each in self._handlings])
            * np.array([[kind.work_scale] for kind, _ in chosen]),
            "cost": corners([each.template.cost_usd for each in self._handlings]),
        }
        self._dearer = np.array([each.dearer_usd for each in self._handlings])
        self._promised = np.array([each.template.satisfaction_impact for each in self._handlings])
        self._patience = np.array([each.patience_hours for each in self._handlings])

    def run(self, arrivals: Arrivals, others: Mapping[str, list[ReportedJob]], shared: Shared) -> Outcome:
        """Work through one replication; `shared` is read and added to."""
        jobs = self._jobs(arrivals, others)
        begun, done, waiting = np.empty(len(jobs)), np.empty(len(jobs)), dict[str, float]()
        utilisation: dict[str, float] = {}
        for key in sorted(self.used | set(others)):
            places = [place for place, job in enumerate(jobs) if job.server == key]
            mine = [jobs[place] for place in places]
            served = self._serve(key, mine + others.get(key, []), shared)
            begun[places], done[places] = served.begun[: len(mine)], served.done[: len(mine)]
            counted = [place for place in places if arrivals.counted[place]]
            if counted:
                waiting[key] = float(np.mean(begun[counted] - np.array([jobs[place].at for place in counted])))
            utilisation[key] = self._utilisation(key, mine + others.get(key, []))
        return self._outcome(arrivals, begun, done, waiting, utilisation)

    def _jobs(self, arrivals: Arrivals, others: Mapping[str, list[ReportedJob]]) -> list[ReportedJob]:
        """The requests as jobs, from the moment on at which their work may begin."""
        lead, busy = self._lead_and_busy(arrivals)
        figures = zip(arrivals.kinds, arrivals.at.tolist(), busy.tolist(), lead.tolist(), strict=True)
        jobs = [
            ReportedJob(
                server=self._handlings[kind].server,
                at=max(at + self._handlings[kind].notice_hours, self._span.start),
                urgency=self._items[kind].classification.urgency,
                busy_hours=own,
                lead_hours=ahead,
            )
            for kind, at, own, ahead in figures
        ]
        agreed = self._agreed(arrivals, jobs, others)
        return [replace(job, at=after) for job, after in zip(jobs, agreed, strict=True)]

    def _lead_and_busy(self, arrivals: Arrivals) -> tuple[Floats, Floats]:
        shapes = {name: table[arrivals.kind] for name, table in self._shapes.items()}
        lead = _at(shapes["lead"], arrivals.uniforms, draws.LEAD)
        for place, kind in enumerate(arrivals.kinds):
            if parts := self._handlings[kind].parts:
                lead[place] += _part_hours(parts, *arrivals.uniforms[place, [draws.STOCK, draws.PART]].tolist())
        busy = _at(shapes["work"], arrivals.uniforms, draws.WORK) + _at(
            shapes["travel"], arrivals.uniforms, draws.TRAVEL
        )
        return lead, busy

    def _agreed(
        self, arrivals: Arrivals, jobs: Sequence[ReportedJob], others: Mapping[str, list[ReportedJob]]
    ) -> list[float]:
        """When each job may begin: an approval first waits for somebody in the office, whom it takes no time.

        The office's own jobs that need one are left out of the queue in which the approvals wait.
        """
        asking = [place for place, kind in enumerate(arrivals.kinds) if self._handlings[kind].approval]
        if not asking:
            return [job.at for job in jobs]
        waiting = frozenset(asking)
        own = [job for place, job in enumerate(jobs) if job.server == OFFICE and place not in waiting]
        approvals = [ReportedJob(OFFICE, jobs[place].at, jobs[place].urgency, 0.0) for place in asking]
        served = serve(self._models[OFFICE], self._span.start, approvals + own + others.get(OFFICE, []))
        after = [job.at for job in jobs]
        for place, hour in zip(asking, served.done.tolist(), strict=False):
            after[place] = hour
        return after

    def _serve(self, key: str, jobs: list[ReportedJob], shared: Shared) -> Served:
        """Run a server, or take its run over from the other system where neither it nor its jobs are different."""
        nature = (self._servers[key], self._entry)
        known = shared.get(key)
        if known is not None and known[0] == nature and known[1] == jobs:
            return known[2]
        served = serve(self._models[key], self._span.start, jobs)
        shared[key] = (nature, jobs, served)
        return served

    def _utilisation(self, key: str, jobs: Sequence[ReportedJob]) -> float:
        work = sum(job.busy_hours for job in jobs if self._span.begin <= job.at < self._span.end)
        duty = np.diff(self._models[key].clock.worked(np.array([self._span.begin, self._span.end])))[0]
        return work / (technicians_of(self._servers[key]) * max(float(duty), 1e-9))

    def _outcome(
        self, arrivals: Arrivals, begun: Floats, done: Floats, waiting: dict[str, float], utilisation: dict[str, float]
    ) -> Outcome:
        rows = np.flatnonzero(arrivals.counted)
        kinds = arrivals.kind[rows]
        due = np.array([self._due_of(int(kind), float(at)) for kind, at in zip(kinds, arrivals.at[rows], strict=True)])
        due = due.reshape(-1, 2)
        hours = done[rows] - arrivals.at[rows]
        uniforms = arrivals.uniforms[rows]
        own = uniforms[:, draws.COST] >= COST_FOLLOWS_WORK
        cost_uniforms = np.where(own, uniforms[:, draws.COST_OWN], uniforms[:, draws.WORK])
        cost = triangular_quantiles(self._shapes["cost"][kinds], cost_uniforms[:, None])[:, 0] + self._dearer[kinds]
        left = np.exp2(-hours / self._patience[kinds])
        return Outcome(
            breached=(done[rows] > due[:, 1]).astype(np.float64),
            answered_late=(begun[rows] > due[:, 0]).astype(np.float64),
            cost_usd=np.maximum(cost, 0.0),
            impact=(1.0 + self._promised[kinds]) * left - 1.0,
            hours=hours,
            waiting_hours=waiting,
            utilisation=utilisation,
        )

    def _due_of(self, kind: int, at: float) -> tuple[float, float]:
        if self._due is not None:
            return self._due[kind]
        return self._due_hours(self._items[kind], self._work.begin + timedelta(hours=at - self._span.begin))

    def _due_hours(self, item: ResolveItem, at: datetime) -> tuple[float, float]:
        """When somebody must have begun, and when it must be done."""
        labels, rules = item.classification, self._books[item.building_id]
        matter = Matter(labels.category, labels.trade, labels.urgency, item.message_text)
        calendar = self._calendars[item.building_id]
        duties = statutory_duties(rules, item.building_id, [matter], at, calendar)
        sla, _ = promise(rules, labels.urgency, at, calendar, duties)
        return self._hour(sla.response_due_at), self._hour(sla.resolution_due_at)

    def _hour(self, moment: datetime) -> float:
        return self._span.begin + (moment - self._work.begin).total_seconds() / 3600


def _handling(rules: RuleBook, documented: RuleBook, kind: Kind, template: OptionTemplate) -> Handling:
    item = kind.item
    server = crews_and_vendors(rules)[server_key(template)]
    urgency = item.classification.urgency
    p90 = float(triangular_quantiles(corners([template.cost_usd]), np.array([[COST_BASIS]]))[0, 0])
    dearer = _call_out(rules, template) - _documented_call_out(documented, template)
    open_question = urgency is not Urgency.EMERGENCY and not kind.agreed
    tier = rules.approvals.limits[urgency].tier(max(p90 + dearer, 0.0))
    notice = needs_notice(template, urgency, item.entry_consent)
    return Handling(
        template=template,
        server=server_key(template),
        travel_hours=server.travel_hours if template.action in ON_SITE else NO_TIME,
        parts=tuple((part.in_stock, part.lead_hours) for name in template.parts if (part := rules.parts.get(name))),
        approval=open_question and tier.rank > 0,
        notice_hours=rules.entry.notice_hours if notice else 0.0,
        patience_hours=usual_hours(documented.response_targets[urgency]),
        dearer_usd=dearer,
    )


def _call_out(rules: RuleBook, template: OptionTemplate) -> float:
    return rules.vendors[template.vendor].call_out_usd if template.vendor else 0.0


def _documented_call_out(rules: RuleBook, template: OptionTemplate) -> float:
    stated = [entry.template for entry in rules.options if entry.template.option_id == template.option_id]
    return _call_out(rules, stated[0]) if stated else 0.0


def _part_hours(parts: Sequence[tuple[float, Triangle]], stock: float, uniform: float) -> float:
    """Until the slowest part is there; the parts of one job are late together."""
    late = [triangle for in_stock, triangle in parts if stock >= in_stock]
    return float(triangular_quantiles(corners(late), np.full((len(late), 1), uniform)).max()) if late else 0.0


def _at(shapes: Floats, uniforms: Floats, column: int) -> Floats:
    return triangular_quantiles(shapes, uniforms[:, column : column + 1])[:, 0]
