"""The words that every part uses for the same thing: categories, urgencies, statuses, roles, tiers."""

from enum import StrEnum


class Category(StrEnum):
    """What a message is about."""

    MAINTENANCE = "Maintenance"
    BILLING = "Billing"
    SECURITY = "Security"
    DELIVERIES = "Deliveries"
    AMENITIES = "Amenities"
    COMMUNITY = "Community"
    LEASING = "Leasing"
    OTHER = "Other"


class Urgency(StrEnum):
    """How soon somebody must act, from the least to the most urgent."""

    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"
    EMERGENCY = "Emergency"

    @property
    def rank(self) -> int:
        """0 for Low up to 3 for Emergency."""
        return list(Urgency).index(self)


class Intent(StrEnum):
    """What the writer wants."""

    SOLVE_PROBLEM = "solve_problem"
    ANSWER_QUESTION = "answer_question"
    HUMAN_ESCALATION = "human_escalation"


class Trade(StrEnum):
    """Who would do the work of a Maintenance request."""

    PLUMBING = "plumbing"
    ELECTRICAL = "electrical"
    HVAC = "hvac"
    APPLIANCE = "appliance"
    PEST = "pest"
    STRUCTURAL = "structural"
    ELEVATOR = "elevator"
    CLEANING = "cleaning"
    GENERAL = "general"


class Crew(StrEnum):
    """A team of the workforce: one for each trade, and those that serve the other categories."""

    PLUMBING = "plumbing"
    ELECTRICAL = "electrical"
    HVAC = "hvac"
    APPLIANCE = "appliance"
    PEST = "pest"
    STRUCTURAL = "structural"
    ELEVATOR = "elevator"
    CLEANING = "cleaning"
    GENERAL = "general"
    OFFICE = "office"
    SECURITY = "security"
    CONCIERGE = "concierge"


class RiskLevel(StrEnum):
    """A risk score in three bands."""

    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"


class Status(StrEnum):
    """Where a request stands; `core.status` says which may follow which."""

    SUBMITTED = "Submitted"
    PROCESSING = "Processing"
    AWAITING_SELECTION = "AwaitingSelection"
    ANSWERED = "Answered"
    ESCALATED = "Escalated"
    NEEDS_REVIEW = "NeedsReview"
    AWAITING_APPROVAL = "AwaitingApproval"
    APPROVED = "Approved"
    IN_PROGRESS = "InProgress"
    RESOLVED = "Resolved"
    CLOSED = "Closed"
    REOPENED = "Reopened"
    CANCELLED = "Cancelled"


class ApprovalTier(StrEnum):
    """Who must agree before money is spent, from nobody to the executive."""

    NONE = "none"
    SUPERVISOR = "supervisor"
    MANAGER = "manager"
    REGIONAL = "regional"
    EXECUTIVE = "executive"

    @property
    def rank(self) -> int:
        """0 for none up to 4 for executive."""
        return list(ApprovalTier).index(self)


class Role(StrEnum):
    """Who a caller is."""

    RESIDENT = "resident"
    STAFF = "staff"
    MANAGER = "manager"
    SERVICE = "service"


class Situation(StrEnum):
    """Which row of decision weights applies."""

    STANDARD = "standard"
    EMERGENCY = "emergency"
    EXTREME_WEATHER = "extreme_weather"
    ACTIVE_WATER = "active_water"
    SECURITY_BREACH = "security_breach"
