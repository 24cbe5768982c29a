"""The safety screen by itself, for a message that nobody has sent yet."""

from collections.abc import Mapping

from core.safety_check import SafetyCheck
from deployments.ai_processing.merger import DEFAULT_ADVICE
from deployments.ai_processing.safety import SafetyScreen


def check_safety(message_text: str, screen: SafetyScreen, advice: Mapping[str, str]) -> SafetyCheck:
    """Which rule fires and what to do now; `advice` is by rule id, with a `default`. No model is asked."""
    finding = screen.screen(message_text.strip())
    if finding is None:
        return SafetyCheck(emergency=False)
    told = advice.get(finding.rule_id, advice.get(DEFAULT_ADVICE))
    return SafetyCheck(emergency=True, safety_rule=finding.rule_id, advice=told)
