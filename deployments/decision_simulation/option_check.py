"""The one validator of options: what is catalogued and what a language model drafts must pass the same rules."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from core.estate import Triangle
from core.execution_labels import ActionKind
from core.labels import Crew
from core.messages import Retrieved
from core.ports.intelligence import ProposedOption
from core.request import Citation
from core.rules import CataloguedOption, OptionTemplate, RuleBook
from deployments.decision_simulation.gates import lacks_licence
from deployments.decision_simulation.option_text import TextRules, Unfit, tidied
from deployments.decision_simulation.options import Catalogue, Match, Subject, cite

LEAST_QUOTED_WORDS = 3
MOST_CITATIONS = 6
_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class CheckReport:
    """How many options were looked at, and why some were mended or dropped."""

    looked_at: int = 0
    repaired: Mapping[str, int] = field(default_factory=dict[str, int])
    """Repairs by reason; one option may have several."""
    dropped: Mapping[str, int] = field(default_factory=dict[str, int])
    """Dropped options by the first reason found."""


@dataclass(frozen=True)
class Checked:
    """What passed, in the order given."""

    matches: tuple[Match, ...]
    report: CheckReport


@dataclass(frozen=True)
class _Scope:
    """What an option may rest on for one message."""

    subject: Subject
    suiting: Sequence[CataloguedOption]
    passages: Sequence[Retrieved]


class OptionCheck:
    """Mends what is safe to mend, drops the rest, and counts both."""

    def __init__(self, rules: RuleBook, catalogue: Catalogue) -> None:
        self._rules = rules
        self._crews = frozenset(rules.crews)
        self._catalogue = catalogue
        self.text = TextRules(rules.forbidden_promises.values())
        self._faults = {entry.template.option_id: self._fault(entry) for entry in rules.options}

    @property
    def catalogue_faults(self) -> dict[str, str]:
        """The catalogued options that may not be offered, with the reason."""
        return {option_id: fault for option_id, fault in self._faults.items() if fault}

    def check(
        self,
        subject: Subject,
        catalogued: Sequence[Match],
        proposals: Sequence[ProposedOption] = (),
        passages: Sequence[Retrieved] = (),
    ) -> Checked:
        """The catalogued options that pass, then the proposals that do; titles and ids are unique among them."""
        repaired, dropped = Counter[str](), Counter[str]()
        kept: list[Match] = []
        for match in catalogued:
            if fault := self._faults.get(match.entry.template.option_id):
                dropped[fault] += 1
            else:
                kept.append(match)
        scope = _Scope(subject, self._catalogue.suiting(subject), passages)
        for proposal in proposals:
            try:
                match, repairs = self._match(proposal, scope, kept)
                # Catalogued options passed this gate before; an emergency action is exempt from it.
                if lacks_licence(match.entry.template, self._rules):
                    raise Unfit("no_licence")
            except Unfit as problem:
                dropped[problem.reason] += 1
            else:
                kept.append(match)
                repaired.update(repairs)
        return Checked(tuple(kept), CheckReport(len(catalogued) + len(proposals), dict(repaired), dict(dropped)))

    def _fault(self, entry: CataloguedOption) -> str | None:
        """Why a catalogued option may not be offered: it is put through the check as if it were a draft."""
        template = entry.template
        subject = Subject("", template.categories[0], next(iter(template.trades), None), template.urgencies[0])
        try:
            self._match(as_draft(entry), _Scope(subject, [entry], ()), ())
        except Unfit as problem:
            return problem.reason
        return None

    def _match(self, draft: ProposedOption, scope: _Scope, others: Sequence[Match]) -> tuple[Match, Counter[str]]:
        """The draft as an option, and what was mended. Raises `Unfit`."""
        repairs = Counter[str]()
        action, crew = self._action(draft, scope)
        citations = _sound_citations(draft, scope, repairs)
        bases = _bases(citations, scope.suiting, action, crew)
        text = self.text.checked(draft, [base.template for base in bases], repairs)
        cost = _no_cheaper(
            _bounded(draft.cost_usd, [base.template.cost_usd for base in bases], "cost", repairs),
            [base.template.cost_usd for base in bases],
            repairs,
        )
        work = _bounded(draft.work_hours, [base.template.work_hours for base in bases], "hours", repairs)
        lead = _bounded(draft.lead_hours, [base.template.lead_hours for base in bases], "hours", repairs)
        template = OptionTemplate(
            option_id=f"llm-{_SLUG.sub('-', text.title.lower()).strip('-') or 'option'}",
            title=text.title,
            action=action,
            crew=crew,
            categories=(scope.subject.category,),
            trades=(scope.subject.trade,) if scope.subject.trade else (),
            urgencies=(scope.subject.urgency,),
            steps=text.steps,
            reasoning=text.reasoning,
            cost_usd=cost,
            work_hours=work,
            lead_hours=lead,
            # A draft has no record of its own: it is taken to be no better than what it is drawn from.
            effectiveness=min(base.template.effectiveness for base in bases),
            satisfaction_impact=min(base.template.satisfaction_impact for base in bases),
            licence=next((base.template.licence for base in bases if base.template.licence), None),
            vendor=bases[0].template.vendor,
            parts=bases[0].template.parts,
            section=bases[0].template.section,
        )
        _require_new(template, others)
        entry = CataloguedOption(doc_id=bases[0].doc_id, template=template, quote=bases[0].quote)
        return Match(entry, 0, "llm", citations), repairs

    def _action(self, draft: ProposedOption, scope: _Scope) -> tuple[ActionKind, Crew]:
        if draft.unknown_fields:
            raise Unfit("unknown_field")
        if draft.action not in set(ActionKind):
            raise Unfit("unknown_action")
        if draft.crew not in self._crews:
            raise Unfit("unknown_crew")
        action, crew = ActionKind(draft.action), Crew(draft.crew)
        if (action, crew) not in {(entry.template.action, entry.template.crew) for entry in scope.suiting}:
            raise Unfit("action_not_suited")
        return action, crew


def as_draft(entry: CataloguedOption) -> ProposedOption:
    """A catalogued option in the form of a draft."""
    template = entry.template
    return ProposedOption(
        title=template.title,
        action=template.action,
        crew=template.crew,
        steps=template.steps,
        reasoning=template.reasoning,
        cost_usd=_figures(template.cost_usd),
        work_hours=_figures(template.work_hours),
        lead_hours=_figures(template.lead_hours),
        citations=(cite(entry),),
    )


def _figures(triangle: Triangle) -> tuple[float, float, float]:
    return triangle.low, triangle.mode, triangle.high


def _sound_citations(draft: ProposedOption, scope: _Scope, repairs: Counter[str]) -> tuple[Citation, ...]:
    """Those that quote, word for word, what was found or is catalogued. Raises `Unfit` where none does."""
    known = [(one.doc_id, one.section, tidied(one.text)) for one in scope.passages]
    known += [(one.doc_id, one.template.section, tidied(one.quote)) for one in scope.suiting]
    distinct = dict.fromkeys(draft.citations)
    sound = [citation for citation in distinct if _is_quoted(citation, known)][:MOST_CITATIONS]
    if not sound:
        raise Unfit("not_cited")
    if len(sound) < len(distinct):
        repairs["citation_dropped"] += 1
    return tuple(sound)


def _is_quoted(citation: Citation, known: Iterable[tuple[str, str, str]]) -> bool:
    quote = tidied(citation.quote)
    return len(quote.split()) >= LEAST_QUOTED_WORDS and any(
        (citation.doc_id, citation.section) == (doc_id, section) and quote in text for doc_id, section, text in known
    )


def _bases(
    citations: Sequence[Citation], suiting: Sequence[CataloguedOption], action: ActionKind, crew: Crew
) -> list[CataloguedOption]:
    """The cited catalogued options of the same crew and action, on whose figures the draft's must rest."""
    cited = {(citation.doc_id, citation.section) for citation in citations}
    bases = [
        entry
        for entry in suiting
        if (entry.doc_id, entry.template.section) in cited
        and (entry.template.action, entry.template.crew) == (action, crew)
    ]
    if not bases:
        raise Unfit("no_cost_basis")
    licences = {base.template.licence for base in bases} - {None}
    if len({base.template.vendor for base in bases}) > 1 or len(licences) > 1:
        # It would be one's work on the other's licence.
        raise Unfit("mixed_vendors")
    return bases


def _bounded(
    figures: tuple[float, float, float], bases: Sequence[Triangle], what: str, repairs: Counter[str]
) -> Triangle:
    """The figures within those of the bases; clipped where the usual one lies inside. Raises `Unfit`.

    The most is raised to what the least of the bases may take at most.
    """
    low, mode, high = figures
    if not 0 <= low <= mode <= high:
        raise Unfit("bad_figures")
    least, most = min(base.low for base in bases), max(base.high for base in bases)
    if not least <= mode <= most:
        raise Unfit(f"{what}_out_of_bounds")
    clipped = (max(low, least), mode, min(high, most))
    if clipped != figures:
        repairs[f"{what}_clipped"] += 1
    floor = min(base.high for base in bases)
    if clipped[2] < floor:
        repairs[f"{what}_widened"] += 1
    return Triangle(low=clipped[0], mode=mode, high=max(clipped[2], floor))


def _no_cheaper(cost: Triangle, bases: Sequence[Triangle], repairs: Counter[str]) -> Triangle:
    """The cost raised, figure by figure, to the costliest base's: a draft can't lower the approval that is needed."""
    raised = Triangle(
        low=max(cost.low, *(base.low for base in bases)),
        mode=max(cost.mode, *(base.mode for base in bases)),
        high=max(cost.high, *(base.high for base in bases)),
    )
    if raised != cost:
        repairs["cost_raised"] += 1
    return raised


def _require_new(template: OptionTemplate, others: Sequence[Match]) -> None:
    titles = {other.entry.template.title.casefold() for other in others}
    ids = {other.entry.template.option_id for other in others}
    if template.title.casefold() in titles or template.option_id in ids:
        raise Unfit("title_taken")
