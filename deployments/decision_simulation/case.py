"""A message with all that its decision depends on, and its options picked and judged before they are simulated."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import numpy as np

from core.labels import Crew, Urgency
from core.messages import ResolveItem, Retrieved
from core.ports.intelligence import ProposedOption
from core.request import OptionId, Sla
from core.rules import ApprovalLimits, OptionTemplate, RuleBook
from core.service_terms import ServiceTerms
from deployments.decision_simulation.duty import DutyClock, week_hour
from deployments.decision_simulation.gates import limits_with_budget, needs_notice
from deployments.decision_simulation.house import House
from deployments.decision_simulation.option_check import CheckReport
from deployments.decision_simulation.options import Match, Subject, leading_subject
from deployments.decision_simulation.policy import (
    Facts,
    Verdict,
    is_recurring,
    judge,
    recurrence_word,
    similar_requests,
)
from deployments.decision_simulation.sampling import Job, approval_hours
from deployments.decision_simulation.sla import Matter, StatutoryDuty, promise, statutory_duties
from deployments.decision_simulation.triangular import Floats
from deployments.decision_simulation.workforce import server_key, server_rules

Waits = Callable[[str, Urgency, float], Floats]
"""Waiting-time quantiles by crew or vendor (`workforce.server_key`), urgency and hour of the week."""

NO_WAIT: Floats = np.zeros(1)


@dataclass(frozen=True)
class Case:
    """One message with everything that its decision depends on."""

    item: ResolveItem
    seed: int
    replications: int
    waits: Waits
    answered: bool | None = None
    """Whether its question was answered; None where nobody was asked."""
    passages: tuple[Retrieved, ...] = ()
    proposals: tuple[ProposedOption, ...] = ()
    """A language model's drafts of further options, unchecked."""


@dataclass(frozen=True)
class Prepared:
    """A case with its options picked and judged, before they are simulated."""

    case: Case
    house: House
    subject: Subject
    verdict: Verdict
    matches: tuple[Match, ...]
    act_now: OptionId | None
    duties: tuple[StatutoryDuty, ...]
    sla: Sla
    terms: ServiceTerms
    """What `sla` follows from."""
    limits: ApprovalLimits
    begin: float
    """Now, in hours since Monday 00:00."""
    waits: Mapping[str, Floats]
    """By server; and by server and hour (`later_key`) for the waits of what may wait for an approval first."""
    approval_hours: tuple[float, ...]
    """When an approval may come, ascending; none where nothing waits for one."""
    report: CheckReport
    """What became of the options that were looked at."""


def prepare(case: Case, house: House, zone: ZoneInfo) -> Prepared:
    """Pick and judge a case's options by the rules of its building; `zone` is the portfolio's, that of the crews."""
    item, subject, rules = case.item, subject_of(case.item), house.rules
    labels = item.classification
    offered = house.offers.offer(subject, labels, _is_recurring(item, subject, rules), case.proposals, case.passages)
    matches = offered.matches
    # By the catalogue alone: what a language model drafts opens and closes no gate.
    verdict = judge_item(rules, item, subject, house.pick(subject), case.answered)
    act_now: OptionId | None = None
    if verdict.question:
        matches = ()
    if verdict.acts_now:
        action = house.catalogue.emergency_action(labels.safety_rule, subject.trade, subject.category)
        matches = (Match(action, 0), *matches)
        act_now = OptionId(action.template.option_id)
    begin = week_hour(item.at, zone)
    limits = limits_with_budget(rules, subject.urgency, subject.category, item.spent_usd)
    waits = {server: case.waits(server, subject.urgency, begin) for server in _servers(matches)}
    may_wait = _may_need_approval(matches, subject.urgency, limits)
    hours = _approval_hours(house, waits, subject.urgency, begin) if may_wait else ()
    for server in {server_key(template) for template in may_wait}:
        waits |= {later_key(server, hour): case.waits(server, subject.urgency, hour) for hour in hours}
    calendar = rules.business_calendar(item.building_id, zone.key, item.at)
    duties = statutory_duties(rules, item.building_id, _matters(item, subject), item.at, calendar)
    sla, terms = promise(rules, subject.urgency, item.at, calendar, duties)
    return Prepared(
        case=case,
        house=house,
        subject=subject,
        verdict=verdict,
        matches=matches,
        act_now=act_now,
        duties=duties,
        sla=sla,
        terms=terms,
        limits=limits,
        begin=begin,
        waits=waits,
        approval_hours=hours,
        report=offered.report,
    )


def subject_of(item: ResolveItem) -> Subject:
    """What the options address."""
    labels = item.classification
    urgency = Urgency.EMERGENCY if labels.emergency else labels.urgency
    return leading_subject(item.message_text, labels, urgency)


def _matters(item: ResolveItem, subject: Subject) -> list[Matter]:
    """The leading issue and every other one; a statute's keywords may stand anywhere in the message."""
    leading = Matter(subject.category, subject.trade, subject.urgency, item.message_text)
    return [
        leading,
        *(
            Matter(issue.category, issue.trade, issue.urgency, item.message_text)
            for issue in item.classification.issues
        ),
    ]


def _is_recurring(item: ResolveItem, subject: Subject, rules: RuleBook) -> bool:
    similar = similar_requests(item.history, subject.category, subject.trade, item.at, rules)
    return is_recurring(len(similar), recurrence_word(item.message_text, rules), rules)


def judge_item(
    rules: RuleBook, item: ResolveItem, subject: Subject, matches: tuple[Match, ...], answered: bool | None
) -> Verdict:
    """Where the gates on the whole request send it."""
    labels = item.classification
    facts = Facts(
        category=subject.category,
        urgency=subject.urgency,
        trade=subject.trade,
        intent=labels.intent,
        confidence=labels.least_confidence,
        safety_rule=labels.safety_rule,
        escalation_probability=item.risk.escalation_probability,
        similar=similar_requests(item.history, subject.category, subject.trade, item.at, rules),
        recurrence_word=recurrence_word(item.message_text, rules),
        options=len(matches),
        keywords=sum(match.keywords for match in matches),
        answered=answered,
    )
    return judge(facts, rules)


def _servers(matches: Sequence[Match]) -> list[str]:
    """Those who carry the options out, and the office, which finds whoever approves them."""
    parts = [part.template for match in matches for part in match.parts]
    return sorted({Crew.OFFICE.value, *map(server_key, parts)}) if matches else []


def later_key(server: str, hour: float) -> str:
    """The name of a server's waits for a job that joins its queue at this hour, counted from Monday 00:00."""
    return f"{server}@{hour!r}"


def _may_need_approval(matches: Sequence[Match], urgency: Urgency, limits: ApprovalLimits) -> list[OptionTemplate]:
    """What may cost more than anybody may spend alone, and of such a plan its first steps; an emergency waits for
    nobody."""
    if urgency is Urgency.EMERGENCY:
        return []
    costly = [match for match in matches if limits.tier(match.entry.template.cost_usd.high).rank > 0]
    return [
        part.template for match in costly for part, first in zip(match.parts, _first_steps(match), strict=True) if first
    ]


def _first_steps(match: Match) -> list[bool]:
    """Of each of its parts, whether it waits for no other one."""
    return [not step.after for step in match.plan] if match.plan else [True]


def _approval_hours(house: House, waits: Mapping[str, Floats], urgency: Urgency, begin: float) -> tuple[float, ...]:
    return approval_hours(house.servers[Crew.OFFICE].clock_for(urgency), waits[Crew.OFFICE], begin)


def jobs_of(plan: Prepared, request: int) -> list[Job]:
    """The options, part by part, as they are sampled; `request` is the place of their block of uniforms."""
    return [
        replace(_job(plan, part.template, request), plan=number if match.plan else None, first=first)
        for number, match in enumerate(plan.matches)
        for part, first in zip(match.parts, _first_steps(match), strict=True)
    ]


def _job(plan: Prepared, template: OptionTemplate, request: int) -> Job:
    urgency, servers, rules = plan.subject.urgency, plan.house.servers, plan.house.rules
    server = server_key(template)
    clock = servers[server].clock_for(urgency)
    later = [(hour, plan.waits.get(later_key(server, hour))) for hour in plan.approval_hours]
    return Job(
        request=request,
        template=template,
        travel_hours=server_rules(rules, template).travel_hours,
        clock=clock,
        waits=_noticed(plan, template, clock, plan.waits[server], plan.begin),
        later_waits=tuple((h, _noticed(plan, template, clock, waits, h)) for h, waits in later if waits is not None),
        begin=plan.begin,
        urgency=urgency,
        limits=plan.limits,
        office_clock=servers[Crew.OFFICE].clock_for(urgency),
        office_waits=plan.waits[Crew.OFFICE],
        parts=tuple(rules.parts[name] for name in template.parts),
    )


def _noticed(plan: Prepared, template: OptionTemplate, clock: DutyClock, waits: Floats, hour: float) -> Floats:
    """The wait for whoever comes; where a visit needs notice, none is so short that it begins within the notice.

    The least lead time runs meanwhile, so that it counts towards the notice. `hour` is when the queue is joined.
    """
    if not needs_notice(template, plan.subject.urgency, plan.case.item.entry_consent):
        return waits
    until = plan.begin + max(0.0, plan.house.rules.entry.notice_hours - template.lead_hours.low)
    on_duty = clock.worked(np.array([hour, max(hour, until)]))
    return np.maximum(waits, on_duty[1] - on_duty[0])
