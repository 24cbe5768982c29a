"""A site through the years, event by event: things fail, residents write, crews come or don't, and trust wears off."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Protocol, cast

from core.labels import Intent, Urgency
from core.messages import AssessItem
from core.request import Classification, Issue
from models.histories import latents, messages
from models.histories.clock import Clock
from models.histories.hazards import YEAR, next_failure, season
from models.histories.register import Register
from models.histories.service import News, Service, renew
from models.histories.tickets import Fault, Ticket
from models.histories.world import Cause, Conditions, Home, Resident, Site, draw_resident, draw_site

URGENCIES = tuple(Urgency)
PATIENCE = {Urgency.LOW: 3.0, Urgency.MEDIUM: 1.5, Urgency.HIGH: 0.6, Urgency.EMERGENCY: 0.2}
"""Factor on a resident's days of patience."""
CHASES = 4
"""After so many times, a resident gives up writing about the same matter."""


@dataclass(frozen=True)
class Moment:
    """A request at the moment of its writing: what the system knows, and what only the simulation knows."""

    ticket: Ticket
    item: AssessItem
    classification: Classification
    latents: tuple[float, ...]


class Watch(Protocol):
    """Looks on."""

    def __call__(self, simulation: Simulation, ticket: Ticket, /) -> None: ...


class Simulation:
    """One site. `run` may be called with ever later days; what happened before does not change by it."""

    def __init__(
        self,
        seed: str,
        number: int,
        conditions: Conditions,
        moments: tuple[float, float] = (0.0, math.inf),
        watch: Watch | None = None,
    ) -> None:
        """`moments` are kept of requests written in this half-open span of days.

        `watch` is called at the writing of each request that is on record, before anything of what follows is drawn.
        """
        self._span, self._watch = moments, watch
        self._rng = Random(f"{seed}:{number}")
        self._conditions = conditions
        self.site: Site = draw_site(self._rng, number, conditions)
        self._clock = Clock()
        self.register = Register(opens=self._rng.uniform(60.0, 200.0))
        self.moments: list[Moment] = []
        news = News(fixed=self._fixed, answered=self._resolve)
        self._service = Service(self._clock, self._rng, self.site, conditions.poor_fixes, news)
        self._tickets = 0
        for cause in self.site.causes:
            self._plan_failure(cause)
        for home in self.site.homes:
            self._clock.at(home.resident.leaves, partial(self._move, home))
        self._clock.at(self._rng.expovariate(1 / 25.0), self._weather)

    def plan(self, day: float, action: Callable[[], None]) -> None:
        """Let something be done on a day, by whoever watches."""
        self._clock.at(day, action)

    def run(self, until: float) -> None:
        """Let everything happen before this day."""
        self._clock.run(until)

    # What fails

    def branch(self, seed: str) -> None:
        """Go on from here with other random numbers, and without recording moments.

        What is planned but has not shown yet is drawn anew, given that it has not happened: failures, weather,
        absences, and when a resident brings up what they live with. What has been set going is the present state:
        visits under way, parts on order, what somebody is about to write, the patience that is left for older requests.
        """
        self._rng.seed(seed)
        self._watch, self._span = None, (math.inf, math.inf)
        self._clock.replan(self._anew)

    def _anew(self, action: Callable[[], None]) -> float | None:
        now = self._clock.now
        if action == self._weather:
            return now + self._rng.expovariate(1 / 25.0)
        if not isinstance(action, partial):
            return None
        known = cast("partial[None]", action)
        if known.func == self._fail and known.args[1] == known.args[0].turn:
            return self._day_of_failure(known.args[0])
        if known.func == self._write and known.args[1] in known.args[0].held:
            return now + self._rng.expovariate(1 / 60.0)
        return self._service.anew(known)

    def _plan_failure(self, cause: Cause) -> None:
        self._clock.at(self._day_of_failure(cause), partial(self._fail, cause, cause.turn))

    def _day_of_failure(self, cause: Cause) -> float:
        """When it fails next, given that it works now."""
        kind, now = cause.kind, self._clock.now
        day = next_failure(
            self._rng,
            now % YEAR,
            cause.age + max(0.0, now - cause.since),
            scale=cause.scale,
            shape=kind.shape,
            peak_day=kind.peak_day,
            swing=kind.swing,
        )
        day += now - now % YEAR
        if cause.relapses:
            day = min(day, now + self._rng.expovariate(1.0 / kind.relapse_days))
        return day

    def _weather(self) -> None:
        """A cold snap, heat wave or storm does to what is exposed, within two days, what a month would do."""
        now = self._clock.now
        for cause in self.site.causes:
            in_season = cause.kind.weather and season(now % YEAR, cause.kind.peak_day, cause.kind.swing) > 1.2
            if in_season and self._rng.random() < 1.0 - math.exp(-cause.exposure(now, 30.0)):
                self._clock.at(now + 2.0 * self._rng.random(), partial(self._strike, cause, cause.turn))
        self._clock.at(now + self._rng.expovariate(1 / 25.0), self._weather)

    def _strike(self, cause: Cause, turn: int) -> None:
        """The weather has done it already; it shows within two days."""
        self._fail(cause, turn)

    def _fail(self, cause: Cause, turn: int) -> None:
        if turn != cause.turn:
            return
        cause.turn += 1
        rng, kind = self._rng, cause.kind
        asks = rng.random() < kind.question
        urgency = Urgency.LOW if asks and rng.random() < 0.8 else rng.choices(URGENCIES, kind.urgency)[0]
        fault = Fault(cause, self._clock.now, urgency, rng.choice(kind.says), cause.relapses > 0, asks)
        writers = [cause.home] if cause.home else self._witnesses(cause)
        if not writers:
            # Staff come upon it themselves; nobody writes, so there is no request.
            self._clock.at(self._clock.now + rng.expovariate(1 / 4.0), partial(self._fixed, fault, False))
        for home in writers:
            self._notice(home, fault)

    def _witnesses(self, cause: Cause) -> list[Home]:
        homes = cause.building.homes
        return [home for home in homes if self._rng.random() < 2.2 / len(homes) * home.resident.writes]

    # What residents write

    def _notice(self, home: Home, fault: Fault) -> None:
        rng, now = self._rng, self._clock.now
        small = fault.urgency.rank <= 1 and not fault.question
        if fault.cause.home and small and rng.random() > home.resident.writes:
            home.held.append(fault)
            self._clock.at(now + rng.expovariate(1 / 60.0), partial(self._write, home, fault))
            return
        days = rng.expovariate(1.0) * (0.1, 0.3, 0.8, 2.0)[3 - fault.urgency.rank]
        self._clock.at(self._waking(now + days), partial(self._write, home, fault))

    def _waking(self, day: float) -> float:
        """Few write between 23:00 and 07:00; most wait for the morning."""
        hour = day % 1.0 * 24.0
        if 7.0 <= hour < 23.0 or self._rng.random() < 0.15:
            return day
        return math.floor(day) + (1.0 if hour >= 23.0 else 0.0) + (7.0 + 3.0 * self._rng.random()) / 24.0

    def _write(self, home: Home, fault: Fault) -> None:
        if fault.ended is not None or any(ticket.home is home for ticket in fault.tickets):
            return
        if fault in home.held:
            home.held.remove(fault)
        with_it = [held for held in home.held if self._rng.random() < 0.6]
        home.held = [held for held in home.held if held not in with_it]
        faults = sorted([fault, *with_it], key=lambda each: -each.urgency.rank)
        ticket = self._ticket(home, faults)
        self._accept(ticket)
        for each in faults:
            each.cause.seen += 1
            each.tickets.append(ticket)
            if each.job is None:
                each.job = self._service.ask(ticket, each)

    def _ticket(self, home: Home, faults: list[Fault]) -> Ticket:
        rng, resident = self._rng, home.resident
        relapse = any(fault.relapse for fault in faults)
        angry = resident.assertive * (1.1 - resident.trust) * (0.8 if relapse else 0.35)
        complains = rng.random() < angry
        question = all(fault.question for fault in faults)
        again = relapse or any(fault.cause.seen for fault in faults) or rng.random() < 0.04
        says = [fault.says for fault in faults]
        text = messages.compose(rng, resident, says, again=again, complains=complains, question=question)
        intent = Intent.ANSWER_QUESTION if question else Intent.SOLVE_PROBLEM
        first = faults[0]
        classification = messages.read(
            rng,
            first.cause.kind.category,
            first.cause.kind.trade,
            self._felt(first.urgency, resident),
            Intent.HUMAN_ESCALATION if complains else intent,
            _issues(faults),
        )
        return self._new_ticket(home, text, classification, faults)

    def _felt(self, urgency: Urgency, resident: Resident) -> Urgency:
        """A vulnerable person makes it one level more urgent."""
        raised = resident.vulnerable and urgency.rank in (1, 2) and self._rng.random() < 0.5
        return URGENCIES[urgency.rank + 1] if raised else urgency

    def _new_ticket(self, home: Home, text: str, classification: Classification, faults: list[Fault]) -> Ticket:
        self._tickets += 1
        return Ticket(self._tickets, home, home.resident, self._clock.now, text, classification, faults)

    def _accept(self, ticket: Ticket) -> None:
        """Record the request, and before that what was known when it came."""
        now = self._clock.now
        if now >= self.register.opens:
            if self._span[0] <= now < self._span[1]:
                item = self.register.item(ticket.home, ticket.resident, ticket.text, now)
                known = latents.latents(ticket, self.site, self._service, now)
                self.moments.append(Moment(ticket, item, ticket.classification, known))
            self.register.add(ticket)
            if self._watch is not None:
                self._watch(self, ticket)
        self._clock.at(ticket.due, partial(self._fall_due, ticket))
        if ticket.follow_up_of is None:
            self._clock.at(now + self._patience(ticket), partial(self._lose_patience, ticket, 1))

    # How it goes on

    def _patience(self, ticket: Ticket) -> float:
        resident = ticket.resident
        relapses = max((fault.cause.relapses for fault in ticket.faults), default=0)
        factor = PATIENCE[ticket.classification.urgency] * (0.4 + 0.8 * resident.trust) * 0.7 ** min(3, relapses)
        return resident.patience_days * factor * self._rng.lognormvariate(0.0, 0.5)

    def _lose_patience(self, ticket: Ticket, times: int) -> None:
        if ticket.resolved is not None or ticket.home.resident is not ticket.resident:
            return
        if self._rng.random() < ticket.resident.assertive:
            self._complain(ticket)
        elif self._rng.random() < 0.4 * ticket.resident.writes:
            self._follow_up(ticket, Intent.ANSWER_QUESTION)
        if times < CHASES:
            again = self._clock.now + self._patience(ticket)
            self._clock.at(again, partial(self._lose_patience, ticket, times + 1))

    def _complain(self, ticket: Ticket) -> None:
        ticket.complaints.append(self._clock.now)
        _wear(ticket.resident, 0.08)
        for fault in ticket.faults:
            if fault.job is not None and fault.ended is None:
                self._service.hurry(fault.job)
        if self._rng.random() < 0.7 * ticket.resident.writes:
            self._follow_up(ticket, Intent.HUMAN_ESCALATION)

    def _follow_up(self, ticket: Ticket, intent: Intent) -> None:
        first = ticket.classification
        urgency = min(first.urgency, Urgency.HIGH, key=lambda level: level.rank)
        matter = ticket.faults[0].says
        angry = intent is Intent.HUMAN_ESCALATION
        text = messages.chase(self._rng, ticket.resident, matter, complains=angry)
        classification = messages.read(self._rng, first.category, first.trade, urgency, intent, ())
        follow_up = self._new_ticket(ticket.home, text, classification, [])
        follow_up.follow_up_of = ticket
        self._accept(follow_up)
        self._service.ask(follow_up, None)

    def _fall_due(self, ticket: Ticket) -> None:
        if ticket.resolved is not None:
            return
        ticket.breached = True
        _wear(ticket.resident, 0.15)
        if ticket.follow_up_of is None and self._rng.random() < 0.3 * ticket.resident.assertive:
            self._complain(ticket)

    def _fixed(self, fault: Fault, poor: bool) -> None:
        fault.ended = self._clock.now
        renew(self._rng, fault, self._clock.now, poor, fault.cause.building.renewal)
        self._plan_failure(fault.cause)
        for ticket in fault.tickets:
            if all(each.ended is not None for each in ticket.faults):
                self._resolve(ticket)
                if poor and self._rng.random() < 0.35 * ticket.resident.assertive:
                    days = self._rng.expovariate(1 / 2.0)
                    self._clock.at(self._clock.now + days, partial(self._reopen, ticket))

    def _reopen(self, ticket: Ticket) -> None:
        """The resident sees that it is not right and says so."""
        ticket.complaints.append(self._clock.now)
        _wear(ticket.resident, 0.1)

    def _resolve(self, ticket: Ticket) -> None:
        if ticket.resolved is None:
            ticket.resolved = self._clock.now
            self.register.close(ticket)
            ticket.resident.trust += 0.05 * (1.0 - ticket.resident.trust)

    def _move(self, home: Home) -> None:
        now = self._clock.now
        home.resident = draw_resident(
            self._rng, f"{home.building.building_id}R{home.number}-{now:.0f}", now, self._conditions
        )
        home.held.clear()
        for cause in home.causes:
            cause.seen = 0
        self._clock.at(home.resident.leaves, partial(self._move, home))


def _issues(faults: list[Fault]) -> tuple[Issue, ...]:
    if len(faults) < 2:
        return ()
    return tuple(
        Issue(text=fault.says, category=fault.cause.kind.category, urgency=fault.urgency, trade=fault.cause.kind.trade)
        for fault in faults
    )


def _wear(resident: Resident, share: float) -> None:
    resident.trust *= 1.0 - share
