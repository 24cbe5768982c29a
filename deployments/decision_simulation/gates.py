"""The hard gates on single options: licence, entry notice, quiet hours, budget; each with its clause.

They bind before anything is scored: an option without its licence is not offered, a visit that needs notice begins no
sooner in the simulation, and a budget that is used up raises the tier that must agree. No score can outvote them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from core.entry import EntryTerms
from core.execution_labels import ActionKind
from core.labels import ApprovalTier, Category, Crew, Trade, Urgency
from core.request import ResolutionOption, Sla
from core.rules import ApprovalLimits, OptionTemplate, RuleBook
from deployments.decision_simulation.sla import StatutoryDuty

TRADES = frozenset(Crew(trade.value) for trade in Trade)
"""Crews whose work can be heard."""
IN_HOMES = TRADES - {Crew.ELEVATOR}
"""Crews whose visits are to homes."""


@dataclass(frozen=True)
class Gate:
    """A gate that applied."""

    name: str
    sentence: str
    clause: str
    """`doc_id#key`."""
    option_id: str | None = None
    """The option that it concerns; None for the whole request."""
    told: bool = True
    """Whether the explanation says it, too, where it concerns the recommended option or the whole request."""

    @property
    def line(self) -> str:
        """For the trace."""
        return f"{self.name}: {self.sentence} [{self.clause}]"

    @property
    def words(self) -> str:
        """For the explanation."""
        return f"{self.name}: {self.sentence} ({self.clause})"


def building_gate(rules: RuleBook, building_id: str | None) -> Gate | None:
    """Says that the general rules hold, where no document knows the building."""
    if building_id is not None and building_id in rules.buildings:
        return None
    named = "No building is named" if building_id is None else f"No document lists the building {building_id}"
    clause = rules.clause("buildings") if "buildings" in rules.sources else "no document lists buildings"
    return Gate("Building", f"{named}; the general rules hold, and no statutory clock is known.", clause, told=False)


def statutory_gates(duties: tuple[StatutoryDuty, ...], sla: Sla) -> tuple[Gate, ...]:
    """One for each clock of a statute that runs on the request."""
    return tuple(_statutory_gate(duty, sla) for duty in duties)


def _statutory_gate(duty: StatutoryDuty, sla: Sla) -> Gate:
    begin = duty.clock.what == "begin"
    sets = duty.due_at == (sla.response_due_at if begin else sla.resolution_due_at) and duty.clause in sla.basis
    what = "The work must begin" if begin else "The work must be done"
    sentence = (
        f"{what} within {duty.clock.within_hours:g} {duty.clock.clock} hours"
        f"{'.' if sets else '; a sooner time applies already.'}"
    )
    return Gate("Statutory clock", sentence, duty.clause, told=sets)


def lacks_licence(template: OptionTemplate, rules: RuleBook) -> bool:
    """Whether it needs a licence that whoever carries it out does not hold."""
    return template.licence is not None and template.licence not in _licences(template, rules)


def licence_gate(template: OptionTemplate, rules: RuleBook) -> Gate:
    """Says that such an option is not offered."""
    who, key = (
        (f"the vendor {template.vendor}", f"vendors:{template.vendor}")
        if template.vendor
        else (f"the {template.crew} crew", f"crews:{template.crew}")
    )
    source = rules.sources.get(key) or rules.sources.get(key.split(":")[0], "no document")
    return Gate(
        "Licence",
        f"{template.option_id} is not offered: it needs the licence “{template.licence}”, which {who} does not hold.",
        f"{source}#{key}",
        template.option_id,
    )


def _licences(template: OptionTemplate, rules: RuleBook) -> tuple[str, ...]:
    """Of whoever carries it out: its vendor in place of its crew, where it has one."""
    if template.vendor is not None:
        vendor = rules.vendors.get(template.vendor)
        return vendor.licences if vendor else ()
    crew = rules.crews.get(template.crew)
    return crew.licences if crew else ()


def needs_notice(template: OptionTemplate, urgency: Urgency, entry_consent: bool | None) -> bool:
    """Whether the visit must be announced: to a home, in no emergency, and entry without the resident was refused.

    Who says nothing agrees by asking for the work.
    """
    return (
        entry_consent is False
        and urgency is not Urgency.EMERGENCY
        and not template.emergency_only
        and template.action is ActionKind.DISPATCH_WORK_ORDER
        and template.crew in IN_HOMES
    )


def entry_gate(template: OptionTemplate, rules: RuleBook, option_id: str) -> Gate:
    """Says that the visit of such an option begins only after the notice."""
    hours = rules.entry.notice_hours
    return Gate(
        "Entry notice",
        f"{template.option_id} begins no sooner than {hours:g} hours from now, since the resident did not agree to "
        "entry in their absence.",
        rules.clause("entry"),
        option_id,
    )


def quiet_gate(
    template: OptionTemplate, urgency: Urgency, rules: RuleBook, at: datetime, zone: tzinfo, option_id: str
) -> Gate | None:
    """Says that noise keeps a trade's job waiting, where the request comes in quiet time and is no emergency."""
    if not _may_disturb(template, urgency):
        return None
    local = at.astimezone(zone)
    opens = rules.entry.opening(local)
    if opens == local:
        return None
    until = f"{opens:%H:%M}" if opens.date() == local.date() else f"{opens:%A %H:%M}"
    sentence = f"{template.option_id} waits until {until}: at {local:%H:%M} no work that can be heard is done."
    return Gate("Quiet hours", sentence, rules.clause("entry"), option_id)


def entry_terms(
    template: OptionTemplate, urgency: Urgency, entry_consent: bool | None, rules: RuleBook, zone: tzinfo
) -> EntryTerms | None:
    """What the visit of such an option waits for; None for an emergency, and where nobody is disturbed."""
    notice = needs_notice(template, urgency, entry_consent)
    if not notice and not _may_disturb(template, urgency):
        return None
    return EntryTerms(rules=rules.entry, notice=notice, time_zone=str(zone))


def visit_terms(rules: RuleBook, urgency: Urgency, entry_consent: bool | None, zone: tzinfo) -> EntryTerms | None:
    """What a visit that staff order waits for; None for an emergency. Who says nothing agrees by asking for it."""
    if urgency is Urgency.EMERGENCY:
        return None
    return EntryTerms(rules=rules.entry, notice=entry_consent is False, time_zone=str(zone))


def _may_disturb(template: OptionTemplate, urgency: Urgency) -> bool:
    return template.crew in TRADES and urgency is not Urgency.EMERGENCY and not template.emergency_only


def limits_with_budget(
    rules: RuleBook, urgency: Urgency, category: Category, spent_usd: Mapping[Category, float]
) -> ApprovalLimits:
    """The approval limits, where tiers below the one for an exceeded budget may agree to what is left of it only.

    An emergency goes ahead whatever is left. Where nobody knows what was spent, the plain limits hold. What costs
    nothing exceeds nothing.
    """
    limits = rules.approvals.limits[urgency]
    if urgency is Urgency.EMERGENCY or category not in spent_usd:
        return limits
    left = max(0.0, rules.budgets.monthly_usd[category] - spent_usd[category])
    names = ("automatic", "supervisor", "manager", "regional")[: rules.budgets.over_budget_tier.rank]
    return limits.model_copy(update={name: min(getattr(limits, name), left) for name in names})


def tier_for_cost(
    rules: RuleBook,
    urgency: Urgency,
    cost_usd: float,
    category: Category | None,
    spent_usd: Mapping[Category, float] | None,
) -> ApprovalTier:
    """Whose agreement a cost needs by the building's limits and, where both are known, by what is left of its budget.

    A category that `spent_usd` leaves out has spent nothing.
    """
    if category is None or spent_usd is None:
        return rules.approvals.limits[urgency].tier(cost_usd)
    spent = {category: spent_usd.get(category, 0.0)}
    return limits_with_budget(rules, urgency, category, spent).tier(cost_usd)


def cost_gate(
    rules: RuleBook, urgency: Urgency, limits: ApprovalLimits, option: ResolutionOption, category: Category
) -> Gate | None:
    """Whose approval an option needs, and whether by its cost alone or by the budget."""
    if option.approval.rank == 0:
        return None
    p90 = option.estimated_cost_usd.p90
    if rules.approvals.limits[urgency].tier(p90).rank < limits.tier(p90).rank:
        sentence = (
            f"{option.option_id} needs {option.approval}: with a p90 cost of ${p90:,.2f} the month's "
            f"${rules.budgets.monthly_usd[category]:,.2f} for {category} would be exceeded."
        )
        return Gate("Budget", sentence, rules.clause("budgets"), option.option_id, told=False)
    sentence = f"{option.option_id} needs {option.approval} at a p90 cost of ${p90:,.2f}"
    return Gate("Approval", sentence, rules.clause("approvals"), option.option_id, told=False)
