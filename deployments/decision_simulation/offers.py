"""Puts together the three to five options that are offered for a message: catalogued, planned and drafted."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.errors import Unavailable
from core.messages import ResolveItem, Retrieved
from core.ports.intelligence import LanguageModel, ProposedOption
from core.request import Classification
from core.rules import RuleBook
from deployments.decision_simulation.answer import commands_a_machine
from deployments.decision_simulation.option_check import CheckReport, OptionCheck
from deployments.decision_simulation.options import MOST_OPTIONS, Catalogue, Match, Subject
from deployments.decision_simulation.plan import Planner

LOG = logging.getLogger(__name__)

MOST_DRAFTED = 2
"""So many of a language model's drafts at most, so that reviewed options are always the larger part."""
MOST_PROPOSALS = 10
"""Of a language model's drafts, so many are looked at."""


@dataclass(frozen=True)
class Offered:
    """What is offered, and what became of the options that were looked at."""

    matches: tuple[Match, ...]
    report: CheckReport


class Offers:
    """Chooses and checks. Pure: the same message, drafts and passages give the same options."""

    def __init__(self, rules: RuleBook, catalogue: Catalogue) -> None:
        """Raises `ArtefactRefused` for phases of work that wait for each other."""
        self._catalogue = catalogue
        self._check = OptionCheck(rules, catalogue)
        self._planner = Planner(rules, catalogue, self._check.text)
        if faults := self._check.catalogue_faults:
            LOG.error("Catalogued options that may not be offered", extra={"faults": faults})

    def offer(
        self,
        subject: Subject,
        labels: Classification,
        recurring: bool = False,
        proposals: Sequence[ProposedOption] = (),
        passages: Sequence[Retrieved] = (),
    ) -> Offered:
        """Up to five options: the plan where there is one, then the catalogue's best, then drafts.

        Drafts take places from the catalogue's last options, never from its first ones.
        """
        catalogued = self._catalogue.pick(subject)
        checked = self._check.check(subject, catalogued, proposals[:MOST_PROPOSALS], passages)
        plan = self._planner.plan(subject, labels, recurring)
        drafted = [match for match in checked.matches if match.source == "llm"][:MOST_DRAFTED]
        reviewed = [match for match in checked.matches if match.source == "catalog"]
        planned = [plan] if plan else []
        room = MOST_OPTIONS - len(planned) - len(drafted)
        return Offered((*planned, *reviewed[:room], *drafted), checked.report)


class OfferCounts:
    """Running totals of what was mended and dropped, by reason."""

    def __init__(self) -> None:
        self.looked_at = 0
        self.repaired = Counter[str]()
        self.dropped = Counter[str]()

    def add(self, report: CheckReport) -> None:
        """Add one message's report; something dropped or mended is logged with its reasons."""
        self.looked_at += report.looked_at
        self.repaired.update(report.repaired)
        self.dropped.update(report.dropped)
        if report.repaired or report.dropped:
            LOG.info("Options were mended or dropped", extra={"repaired": report.repaired, "dropped": report.dropped})

    def totals(self) -> Mapping[str, int]:
        """`repaired:<reason>` and `dropped:<reason>`, with how often."""
        return {
            **{f"repaired:{reason}": number for reason, number in sorted(self.repaired.items())},
            **{f"dropped:{reason}": number for reason, number in sorted(self.dropped.items())},
        }


async def ask_for_drafts(
    model: LanguageModel, item: ResolveItem, subject: Subject, passages: Sequence[Retrieved], catalogue: Catalogue
) -> tuple[ProposedOption, ...]:
    """The language model's drafts, unchecked; none where it can't be asked, since the catalogue has options."""
    try:
        sound = [passage for passage in passages if not commands_a_machine(passage.text)]
        return await model.propose(subject.text, item.classification, sound, catalogue.suiting(subject))
    except Unavailable as problem:
        LOG.warning("No options were drafted", extra={"request": item.request_id, "code": problem.code})
    except Exception:
        LOG.exception("Drafting options failed", extra={"request": item.request_id})
    return ()
