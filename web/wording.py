"""The labels of the interface in the words of people; each is translated where it is shown."""

from collections.abc import Mapping


def N_(text: str) -> str:
    """Marks a text for translation."""
    return text


DAYS: Mapping[str, str] = {
    "Monday": N_("Monday"),
    "Tuesday": N_("Tuesday"),
    "Wednesday": N_("Wednesday"),
    "Thursday": N_("Thursday"),
    "Friday": N_("Friday"),
    "Saturday": N_("Saturday"),
    "Sunday": N_("Sunday"),
}
LABELS: Mapping[str, str] = {
    # Statuses.
    "Submitted": N_("Received"),
    "Processing": N_("Being looked at"),
    "AwaitingSelection": N_("Waiting for your choice"),
    "Answered": N_("Answered"),
    "Escalated": N_("With our staff"),
    "NeedsReview": N_("With our staff"),
    "AwaitingApproval": N_("Waiting for approval"),
    "Approved": N_("Approved"),
    "InProgress": N_("In progress"),
    "Resolved": N_("Done"),
    "Closed": N_("Closed"),
    "Reopened": N_("Reopened"),
    "Cancelled": N_("Cancelled"),
    # Categories.
    "Maintenance": N_("Maintenance"),
    "Billing": N_("Billing"),
    "Security": N_("Security"),
    "Deliveries": N_("Deliveries"),
    "Amenities": N_("Amenities"),
    "Community": N_("Community"),
    "Leasing": N_("Leasing"),
    "Other": N_("Other"),
    # Urgencies and risk levels.
    "Low": N_("Low"),
    "Medium": N_("Medium"),
    "High": N_("High"),
    "Emergency": N_("Emergency"),
    # Trades and crews.
    "plumbing": N_("Plumbing"),
    "electrical": N_("Electrical"),
    "hvac": N_("Heating and cooling"),
    "appliance": N_("Appliance"),
    "pest": N_("Pest control"),
    "structural": N_("Structural"),
    "elevator": N_("Elevator"),
    "cleaning": N_("Cleaning"),
    "general": N_("General"),
    "office": N_("Office"),
    "security": N_("Security"),
    "concierge": N_("Concierge"),
    # Intents.
    "solve_problem": N_("Wants it solved"),
    "answer_question": N_("Asks a question"),
    "human_escalation": N_("Wants a person"),
    # Approval tiers.
    "none": N_("Nobody"),
    "supervisor": N_("Supervisor"),
    "manager": N_("Manager"),
    "regional": N_("Regional manager"),
    "executive": N_("Executive"),
    # Roles.
    "resident": N_("Resident"),
    "staff": N_("Staff"),
    "service": N_("Service"),
    # Sources of a label.
    "rules": N_("Written rule"),
    "model": N_("Model"),
    "llm": N_("Language model"),
    "user": N_("A person"),
    # The five factors of a decision.
    "urgency": N_("Urgency"),
    "time": N_("Time"),
    "cost": N_("Cost"),
    "satisfaction": N_("Satisfaction"),
    "compliance": N_("Compliance"),
    # How far an execution has come.
    "Queued": N_("Queued"),
    "Running": N_("Running"),
    "Succeeded": N_("Done"),
    "Failed": N_("Failed"),
    "DeadLettered": N_("Given up"),
    "Skipped": N_("Skipped"),
    "Undone": N_("Taken back"),
    "NotUndone": N_("Could not be taken back"),
    # Health.
    "healthy": N_("Healthy"),
    "degraded": N_("Degraded"),
    "unhealthy": N_("Unhealthy"),
    # Incidents.
    "Proposed": N_("To be decided"),
    "Accepted": N_("Accepted"),
    "Dismissed": N_("Dismissed"),
    "Ended": N_("Over"),
    # Outside systems.
    "ok": N_("Answers"),
    "failing": N_("Its newest call failed"),
    "left_alone": N_("Left alone for a while"),
    # Situations that weights are for.
    "standard": N_("Standard"),
    "emergency": N_("Emergency"),
    "extreme_weather": N_("Extreme weather"),
    "active_water": N_("Running water"),
    "security_breach": N_("Breach of security"),
    # Actions.
    "dispatch_work_order": N_("Work order"),
    "create_staff_task": N_("Task for the staff"),
    "schedule_visit": N_("Visit"),
    "order_part": N_("Order of a part"),
    "trace_parcel": N_("Search for a parcel"),
    "reroute_parcel": N_("Another place for a parcel"),
    "credit_bill": N_("Credit on a bill"),
    "correct_bill": N_("Correction of a bill"),
    "book_amenity": N_("Booking of a shared place"),
    "close_amenity": N_("Closing of a shared place"),
    "issue_access_code": N_("Access code"),
    "alert_on_call": N_("Alert to the person on call"),
    "notify": N_("Message"),
}

STAFF_LABELS: Mapping[str, str] = {
    "AwaitingSelection": N_("Waiting for the resident's choice"),
    "Escalated": N_("Escalated"),
    "NeedsReview": N_("Needs review"),
}
"""Where staff need another word than residents."""


def label(value: object, *, for_staff: bool = False) -> str:
    """The English words of a label; the label itself where it has none."""
    text = str(value)
    return (STAFF_LABELS.get(text) if for_staff else None) or LABELS.get(text, text)
