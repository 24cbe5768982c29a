"""What the life-safety rules alone say of a message that is still being written."""

from core.contract import Contract


class SafetyCheck(Contract):
    """Whether a rule fires, and what to do now; that none fires does not mean that all is well."""

    emergency: bool
    safety_rule: str | None = None
    """The id of the rule that fired."""
    advice: str | None = None
    """What to do now, as the knowledge base states it."""
