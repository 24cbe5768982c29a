"""Which options are offered, and what they cite."""

from collections.abc import Callable

import pytest

from core.errors import ArtefactRefused
from core.labels import ApprovalTier, Category, Trade, Urgency
from core.messages import ResolveItem
from core.request import Estimate, Issue
from core.rules import RuleBook
from deployments.decision_simulation.options import Catalogue, Subject, leading_subject, write_option


@pytest.fixture(scope="module")
def catalogue(rules: RuleBook) -> Catalogue:
    return Catalogue(rules)


def ids(catalogue: Catalogue, subject: Subject) -> list[str]:
    return [match.entry.template.option_id for match in catalogue.pick(subject)]


def plumbing(text: str, urgency: Urgency = Urgency.MEDIUM) -> Subject:
    return Subject(text, Category.MAINTENANCE, Trade.PLUMBING, urgency)


def test_keywords_come_first_then_the_trade_then_the_rest(catalogue: Catalogue) -> None:
    assert ids(catalogue, plumbing("the DRAIN is clogged")) == [
        "clear-drain",
        "contractor",
        "repair-later",
        "repair-today",
        "first-look",
    ]


def test_an_option_with_keywords_needs_one(catalogue: Catalogue) -> None:
    assert "water-heater" not in ids(catalogue, plumbing("the tap drips"))
    assert ids(catalogue, plumbing("no  hot\nwater"))[0] == "water-heater"


def test_a_keyword_is_a_word_or_its_beginning(catalogue: Catalogue) -> None:
    security = Subject("my keys", Category.SECURITY, None, Urgency.HIGH)
    assert ids(catalogue, security)[0] == "rekey"
    assert "rekey" not in ids(catalogue, Subject("a monkey", Category.SECURITY, None, Urgency.HIGH))


def test_emergency_actions_are_never_offered(catalogue: Catalogue) -> None:
    for category in Category:
        for trade in (None, *Trade):
            for urgency in Urgency:
                offered = catalogue.pick(Subject("gas fire water", category, trade, urgency))
                assert not any(match.entry.template.emergency_only for match in offered)
                assert len(offered) <= 5


def test_the_emergency_action_goes_by_rule_then_trade_then_category_then_default(catalogue: Catalogue) -> None:
    def action(rule: str | None, trade: Trade | None, category: Category) -> str:
        return catalogue.emergency_action(rule, trade, category).template.option_id

    assert action("gas_smell", Trade.PLUMBING, Category.MAINTENANCE) == "emergency-gas"
    assert action("unknown_rule", Trade.PLUMBING, Category.MAINTENANCE) == "emergency-water"
    assert action(None, None, Category.SECURITY) == "emergency-any"
    assert action(None, Trade.HVAC, Category.MAINTENANCE) == "emergency-any"


def test_a_missing_emergency_option_is_refused(rules: RuleBook) -> None:
    changed = rules.emergency.model_copy(update={"default_option": "nowhere"})
    with pytest.raises(ArtefactRefused, match="nowhere"):
        Catalogue(rules.model_copy(update={"emergency": changed}))


def test_several_issues_address_the_leading_one(make_item: Callable[..., ResolveItem]) -> None:
    issues = [
        Issue(text="a stain on the wall", category=Category.MAINTENANCE, urgency=Urgency.LOW, trade=Trade.STRUCTURAL),
        Issue(text="the boiler is dead", category=Category.MAINTENANCE, urgency=Urgency.HIGH, trade=Trade.PLUMBING),
    ]
    item = make_item("a stain on the wall, and the boiler is dead", urgency=Urgency.HIGH, issues=issues)
    subject = leading_subject(item.message_text, item.classification, Urgency.HIGH)
    assert subject.text == "the boiler is dead"
    assert subject.trade is Trade.PLUMBING
    assert "one of 2 issues" in subject.note
    assert subject.issues == 2
    single = make_item("the boiler is dead")
    assert leading_subject(single.message_text, single.classification, Urgency.MEDIUM).note == ""


def test_an_option_cites_the_section_that_describes_it(catalogue: Catalogue) -> None:
    entry = catalogue.get("repair-today")
    assert entry is not None
    estimate = Estimate(mean=1, p50=1, p90=2)
    option = write_option(entry, estimate, estimate, 0.1, 0.2, ApprovalTier.NONE, " Noted.")
    (citation,) = option.citations
    assert (citation.doc_id, citation.section, citation.quote) == ("procedures", "About repair-today", entry.quote)
    assert option.reasoning.endswith(" Noted.")
    assert option.share_addressed == 1.0
    one_of_three = write_option(entry, estimate, estimate, 0.1, 0.2, ApprovalTier.NONE, issues=3)
    assert one_of_three.share_addressed == pytest.approx(1 / 3)
