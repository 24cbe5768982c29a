"""The keys of the knowledge base's rules in the words of people."""

from collections.abc import Mapping

from web.wording import DAYS, LABELS, N_

DOCUMENT_KINDS: Mapping[str, str] = {
    "policy": N_("Policy"),
    "procedure": N_("Procedure"),
    "sla": N_("Service level"),
    "statute": N_("Statute"),
    "catalogue": N_("Catalogue"),
    "workforce": N_("Workforce"),
    "information": N_("Information"),
}

DECISIONS: Mapping[str, str] = {
    "response_targets": N_("Response and resolution targets"),
    "approvals": N_("Approval limits"),
    "scoring": N_("How options are scored"),
    "escalation": N_("When a person decides"),
    "emergency": N_("What is done in an emergency"),
    "entry": N_("Entry to homes"),
    "autonomy": N_("What the system may choose by itself"),
    "budgets": N_("Budgets"),
    "calendar": N_("Business days and holidays"),
    "follow_up": N_("Follow-up"),
    "on_call": N_("Who is on call"),
    "options": N_("Options"),
    "crews": N_("Crews"),
    "vendors": N_("Vendors"),
    "parts": N_("Parts"),
    "buildings": N_("Buildings"),
    "jurisdictions": N_("Clocks of the law"),
    "escalation_paths": N_("Escalation paths"),
    "forbidden_promises": N_("What must not be promised"),
    "plan_phases": N_("Phases of a plan"),
    "shared_systems": N_("Systems that several homes share"),
}
"""What a document decides: the keys of its rules."""

KEYS: Mapping[str, str] = {
    # Targets and approvals.
    "response_hours": N_("Response within"),
    "resolution_hours": N_("Resolution within"),
    "clock": N_("Hours that count"),
    "limits": N_("Most that may be spent on one incident"),
    "authority": N_("Highest tier that a role stands for"),
    "automatic": N_("Without anybody"),
    "basis": N_("Figure that is compared"),
    # Scoring.
    "weights": N_("Weights"),
    "cost_half_usd": N_("Cost that scores one half"),
    "risk_half_life_hours": N_("Half of the risk has come true after"),
    # When a person decides.
    "recurrence_window_days": N_("Earlier requests count for"),
    "similar_requests": N_("Similar requests that make it recurring"),
    "similar_requests_with_words": N_("Similar requests, with words of recurrence"),
    "recurrence_words": N_("Words of recurrence"),
    "escalation_probability": N_("Predicted probability from which a person decides"),
    "minimum_confidence": N_("Confidence below which a person looks first"),
    # Emergencies.
    "default_option": N_("Option for all other emergencies"),
    "on_call_role": N_("Role on call"),
    "document_within_hours": N_("Written up within"),
    "advice": N_("What residents are told to do"),
    "default": N_("All others"),
    # Entry.
    "notice_hours": N_("Notice before entry"),
    "quiet_start": N_("Quiet hours begin"),
    "quiet_end": N_("Quiet hours end"),
    "weekend_start": N_("Weekend work begins"),
    "weekend_end": N_("Weekend work ends"),
    # Autonomy and budgets.
    "enabled": N_("Switched on"),
    "urgencies": N_("Urgencies"),
    "categories": N_("Categories"),
    "actions": N_("Actions"),
    "highest_risk_score": N_("Highest risk"),
    "highest_tier": N_("Highest approval needed"),
    "least_confidence": N_("Least confidence"),
    "least_lead": N_("Least lead over the next option"),
    "citation_needed": N_("Must cite a document"),
    "monthly_usd": N_("Budget for a month"),
    "over_budget_tier": N_("Agrees to more than the budget"),
    # Calendar, follow-up, on call.
    "working_days": N_("Business days"),
    "until": N_("Until"),
    "since": N_("Since"),
    "holidays": N_("Holidays"),
    "day": N_("Day"),
    "name": N_("Name"),
    "warn_at_share": N_("Staff are warned after this share of the time"),
    "confirm_within_hours": N_("Residents confirm or reopen within"),
    "remind_after_hours": N_("Residents are reminded after"),
    "day_begins": N_("Day begins"),
    "night_begins": N_("Night begins"),
    "changes_on": N_("Changes on"),
    "posts": N_("Posts"),
    "days": N_("Days"),
    "nights": N_("Nights"),
    "absences": N_("Absences"),
    "person": N_("Person"),
    "deputy": N_("Deputy"),
    "path_id": N_("Path"),
    "who": N_("Who"),
    "wait_minutes": N_("Waits for an answer"),
    # Options.
    "options": N_("Option for each danger, trade or category"),
    "parts": N_("Parts"),
    "option_id": N_("Option"),
    "title": N_("Title"),
    "action": N_("Action"),
    "crew": N_("Crew"),
    "trade": N_("Trade"),
    "trades": N_("Trades"),
    "keywords": N_("Words that fit"),
    "steps": N_("Steps"),
    "reasoning": N_("Why"),
    "cost_usd": N_("Cost"),
    "work_hours": N_("Hands-on time"),
    "lead_hours": N_("Waiting for parts or others"),
    "effectiveness": N_("Share of the problem that it ends"),
    "satisfaction_impact": N_("Effect on satisfaction (from -1 to 1)"),
    "emergency_only": N_("For emergencies only"),
    "licence": N_("Licence needed"),
    "vendor": N_("Vendor"),
    "plan_step": N_("Step of a plan"),
    "section": N_("Section"),
    # Crews, vendors and parts.
    "technicians": N_("Technicians"),
    "teams": N_("Teams"),
    "shift_start_hour": N_("Shift begins"),
    "shift_end_hour": N_("Shift ends"),
    "weekdays_only": N_("Weekdays only"),
    "on_call_outside_shift": N_("On call outside the shift"),
    "travel_hours": N_("Way"),
    "jobs_per_week": N_("Usual jobs in a week"),
    "job_hours": N_("A usual job takes"),
    "licences": N_("Licences"),
    "call_out_usd": N_("Charge for coming"),
    "vendor_id": N_("Vendor"),
    "part_id": N_("Part"),
    "in_stock": N_("In stock"),
    # Buildings and the law.
    "building_id": N_("Building"),
    "jurisdiction": N_("Jurisdiction"),
    "homes": N_("Homes"),
    "time_zone": N_("Time zone"),
    "code": N_("Code"),
    "clocks": N_("Clocks"),
    "clock_id": N_("Clock"),
    "citation": N_("Law"),
    "within_hours": N_("Within"),
    "what": N_("What must be done"),
    "checked_by_counsel": N_("Checked by counsel"),
    # Promises and plans.
    "promise_id": N_("Promise"),
    "phrases": N_("Phrases"),
    "why": N_("Why"),
    "phase_id": N_("Phase"),
    "after": N_("After"),
    "at_once": N_("At once"),
    "system_id": N_("System"),
}
"""Keys within a rule."""

VALUES: Mapping[str, str] = {
    "calendar": N_("All hours"),
    "business": N_("Hours of business days"),
    "begin": N_("Begin"),
    "finish": N_("Be done"),
    "p90": N_("The cost that 9 in 10 jobs do not exceed"),
    "standard": N_("Usually"),
    "emergency": N_("In an emergency"),
    "extreme_weather": N_("In extreme weather"),
    "active_water": N_("While water runs"),
    "security_breach": N_("Where security is broken"),
    "diagnose": N_("Find the cause"),
    "coordinate": N_("Coordinate"),
    "verify": N_("Check the result"),
    "dispatch_work_order": N_("Work order"),
    "create_staff_task": N_("Task for staff"),
    "schedule_visit": N_("Visit"),
    "order_part": N_("Order of a part"),
    "trace_parcel": N_("Search for a parcel"),
    "reroute_parcel": N_("Parcel to another place"),
    "credit_bill": N_("Credit"),
    "correct_bill": N_("Correction of a bill"),
    "book_amenity": N_("Booking of a shared place"),
    "close_amenity": N_("Closing of a shared place"),
    "issue_access_code": N_("Access code"),
    "alert_on_call": N_("Alert to the person on call"),
    "notify": N_("Message"),
    **DAYS,
}
"""Values that are labels, and keys that are such."""


def decision_words(key: str) -> str:
    """The English words of what a document decides."""
    return DECISIONS.get(key) or rule_words(key)


def rule_words(key: str) -> str:
    """The English words of a key within a rule; an id, such as that of a part, is written without its dashes."""
    known = KEYS.get(key) or VALUES.get(key) or LABELS.get(key)
    if known is not None:
        return known
    words = key.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def value_words(value: str) -> str:
    """The English words of a value that is a label; a value that is none, as it stands."""
    return VALUES.get(value) or LABELS.get(value, value)
