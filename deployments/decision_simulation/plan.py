"""Plans for complex requests: diagnose, coordinate, do each part in its order and verify, with their cost and hours."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.errors import ArtefactRefused
from core.estate import Triangle
from core.execution_labels import ActionKind
from core.labels import Category, Urgency
from core.request import Citation, Classification, Issue, PlanStep
from core.rules import CataloguedOption, OptionTemplate, PlanPhase, RuleBook
from deployments.decision_simulation.option_text import TextRules, tidied
from deployments.decision_simulation.options import Catalogue, Match, Subject, cite, holds_word, shortened
from deployments.decision_simulation.sampling import Samples

StepKind = Literal["diagnose", "coordinate", "do", "verify"]
FRAME: tuple[StepKind, ...] = ("diagnose", "coordinate", "verify")
"""The steps of every plan besides the work itself."""
URGENT = frozenset({Urgency.HIGH, Urgency.EMERGENCY})
TITLE_CHARACTERS = 60
"""Of an issue's text in the title of its step."""
_CORNERS = ("low", "mode", "high")


@dataclass(frozen=True)
class _Part:
    """One issue with what deals with it."""

    issue: Issue
    entry: CataloguedOption
    place: int
    """Of its phase in the order of the work."""
    phase: PlanPhase | None


class Planner:
    """Composes the plan for a request that is complex, from the catalogue and the documents' order of work."""

    def __init__(self, rules: RuleBook, catalogue: Catalogue, text: TextRules) -> None:
        """`text` says which of a resident's words may stand in a step's title.

        Raises `ArtefactRefused` where a phase waits for one that is not stated before it.
        """
        self._catalogue, self._text = catalogue, text
        self._systems = tuple(rules.shared_systems.values())
        self._phases = tuple(rules.plan_phases.values())
        self._earlier = _earlier_phases(self._phases)
        self._frame = [entry for entry in rules.options if entry.template.plan_step is not None]

    def is_complex(self, subject: Subject, labels: Classification, recurring: bool) -> bool:
        """Whether it raises several issues, came back, or is about what several homes share."""
        return len(labels.issues) > 1 or recurring or any(self._is_shared(issue) for issue in _issues(subject, labels))

    def plan(self, subject: Subject, labels: Classification, recurring: bool) -> Match | None:
        """The plan as an option, or None for a simple request or where the catalogue lacks a part of it."""
        if not self._phases or not self.is_complex(subject, labels, recurring):
            return None
        parts = [self._part(issue) for issue in _issues(subject, labels)]
        known = [part for part in parts if part is not None]
        frame = self._frame_for(subject)
        if len(known) < len(parts) or len(frame) < len(FRAME):
            return None
        return self._compose(sorted(known, key=_in_order), frame, subject, recurring)

    def _is_shared(self, issue: Issue) -> bool:
        return issue.category is Category.MAINTENANCE and any(
            issue.trade in system.trades or holds_word(issue.text, system.keywords) for system in self._systems
        )

    def _part(self, issue: Issue) -> _Part | None:
        matches = self._catalogue.pick(Subject(issue.text, issue.category, issue.trade, issue.urgency))
        entries = [match.entry for match in matches]
        on_site = [entry for entry in entries if entry.template.action is ActionKind.DISPATCH_WORK_ORDER]
        best = next(iter([*on_site, *entries]), None)
        place = next((place for place, phase in enumerate(self._phases) if _is_of(issue, phase)), len(self._phases))
        phase = self._phases[place] if place < len(self._phases) else None
        return _Part(issue, best, place, phase) if best else None

    def _frame_for(self, subject: Subject) -> dict[StepKind, CataloguedOption]:
        """The first entry for each kind of step that suits the subject's category."""
        suiting = [entry for entry in self._frame if subject.category in entry.template.categories]
        return {kind: entry for kind in FRAME for entry in reversed(suiting) if entry.template.plan_step == kind}

    def _compose(
        self, parts: Sequence[_Part], frame: Mapping[StepKind, CataloguedOption], subject: Subject, recurring: bool
    ) -> Match:
        names = {id(part): _step_id(number, part) for number, part in enumerate(parts, start=1)}
        doing = [
            PlanStep(
                step_id=names[id(part)],
                kind="do",
                title=self._do_title(part, parts),
                crew=part.entry.template.crew,
                action=part.entry.template.action,
                vendor=part.entry.template.vendor,
                licence=part.entry.template.licence,
                after=(
                    *(() if _begins_at_once(part, recurring) else ("coordinate",)),
                    *(names[id(other)] for other in parts if self._waits_for(part, other)),
                ),
            )
            for part in parts
        ]
        steps = (
            _frame_step("diagnose", frame, ()),
            _frame_step("coordinate", frame, ("diagnose",)),
            *doing,
            _frame_step("verify", frame, ("coordinate", *(step.step_id for step in doing))),
        )
        components = (frame["diagnose"], frame["coordinate"], *(part.entry for part in parts), frame["verify"])
        steps = _with_shares(steps, components)
        template = _whole(steps, components, parts, subject, recurring)
        entry = CataloguedOption(doc_id=frame["diagnose"].doc_id, template=template, quote=frame["diagnose"].quote)
        return Match(entry, 0, "catalog", _citations(components), steps, components)

    def _do_title(self, part: _Part, parts: Sequence[_Part]) -> str:
        title, words = part.entry.template.title, tidied(shortened(part.issue.text, TITLE_CHARACTERS))
        if len(parts) == 1:
            return title
        return f"{title}: “{words}”" if self._text.is_plain(words) else f"{title}: {_matter(part.issue)}"

    def _waits_for(self, part: _Part, other: _Part) -> bool:
        if part.phase is None or other.phase is None:
            return False
        return other.phase.phase_id in self._earlier[part.phase.phase_id]


def compose_samples(plan: Sequence[PlanStep], parts: Sequence[Samples]) -> Samples:
    """Cost and hours until done of a whole plan, from those of its steps in their order.

    A step begins when all that it waits for is done, and then waits for its own crew anew; the plan takes the longest
    chain and costs the sum. Equal places of the parts' arrays are one replication; parts that were sorted each for
    itself are added as if all went well, or badly, together, which overstates the spread and never the mean cost.
    """
    done: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = {}
    for step, part in zip(plan, parts, strict=True):
        begun = np.zeros_like(part.hours)
        for name in step.after:
            begun = np.maximum(begun, done[name])
        done[step.step_id] = begun + part.hours
    hours = np.maximum.reduce(list(done.values()))
    cost = np.sum([part.cost_usd for part in parts], axis=0)
    return Samples(cost_usd=np.sort(cost), hours=np.sort(hours))


def _issues(subject: Subject, labels: Classification) -> tuple[Issue, ...]:
    if len(labels.issues) > 1:
        return labels.issues
    return (Issue(text=subject.text, category=subject.category, urgency=subject.urgency, trade=subject.trade),)


def _earlier_phases(phases: Sequence[PlanPhase]) -> dict[str, frozenset[str]]:
    """All that each phase waits for, also by way of others."""
    earlier: dict[str, frozenset[str]] = {}
    for phase in phases:
        if unknown := [name for name in phase.after if name not in earlier]:
            raise ArtefactRefused(f"The phase {phase.phase_id} waits for {', '.join(unknown)}, not stated before it.")
        earlier[phase.phase_id] = frozenset(phase.after).union(*(earlier[name] for name in phase.after))
    return earlier


def _is_of(issue: Issue, phase: PlanPhase) -> bool:
    return issue.trade in phase.trades if issue.trade else issue.category in phase.categories


def _in_order(part: _Part) -> tuple[int, int, str, str, str]:
    issue = part.issue
    return part.place, -issue.urgency.rank, part.entry.template.option_id, str(issue.trade), issue.text


def _step_id(number: int, part: _Part) -> str:
    return f"do-{number}-{_matter(part.issue)}"


def _matter(issue: Issue) -> str:
    return str(issue.trade or issue.category).lower()


def _begins_at_once(part: _Part, recurring: bool) -> bool:
    """Whether it does not wait for the diagnosis; what came back is never repaired again without one."""
    return part.phase is not None and part.phase.at_once and part.issue.urgency in URGENT and not recurring


def _frame_step(kind: StepKind, frame: Mapping[StepKind, CataloguedOption], after: tuple[str, ...]) -> PlanStep:
    template = frame[kind].template
    return PlanStep(
        step_id=kind,
        kind=kind,
        title=template.title,
        crew=template.crew,
        after=after,
        action=template.action,
        vendor=template.vendor,
        licence=template.licence,
    )


def _with_shares(steps: Sequence[PlanStep], components: Sequence[CataloguedOption]) -> tuple[PlanStep, ...]:
    """Each step with its part of the expected cost."""
    costs = [sum(getattr(one.template.cost_usd, corner) for corner in _CORNERS) for one in components]
    whole = sum(costs) or 1.0
    return tuple(
        step.model_copy(update={"cost_share": round(cost / whole, 6)}) for step, cost in zip(steps, costs, strict=True)
    )


def _whole(
    steps: Sequence[PlanStep],
    components: Sequence[CataloguedOption],
    parts: Sequence[_Part],
    subject: Subject,
    recurring: bool,
) -> OptionTemplate:
    """The plan as one template: its cost is the sum of its parts, its hours are those of the longest chain."""
    templates = [component.template for component in components]
    matters = sorted({_matter(part.issue) for part in parts})
    doing = [part.entry.template for part in parts]
    return OptionTemplate(
        option_id=f"plan-{'-'.join(matters)}",
        title="Find the root cause, then mend it for good" if recurring else "Deal with everything in order",
        action=ActionKind.DISPATCH_WORK_ORDER,
        crew=doing[0].crew,
        categories=(subject.category,),
        trades=(subject.trade,) if subject.trade else (),
        urgencies=(subject.urgency,),
        steps=tuple(step.title for step in steps),
        reasoning=_reasoning(parts, recurring),
        cost_usd=_triangle(lambda corner: sum(getattr(one.cost_usd, corner) for one in templates)),
        work_hours=_triangle(lambda corner: _longest(steps, [getattr(one.work_hours, corner) for one in templates])),
        lead_hours=_triangle(lambda corner: _longest(steps, [getattr(one.lead_hours, corner) for one in templates])),
        effectiveness=sum(one.effectiveness for one in doing) / len(doing),
        satisfaction_impact=sum(one.satisfaction_impact for one in doing) / len(doing),
        licence=next((one.licence for one in doing if one.licence), None),
        section=components[0].template.section,
    )


def _reasoning(parts: Sequence[_Part], recurring: bool) -> str:
    if recurring:
        return "It came back, so the cause is found with the history before anything is repaired again."
    if len(parts) > 1:
        return f"It deals with all {len(parts)} issues in the order in which each can be mended for good."
    return "Several homes depend on it, so access, neighbours and vendors are arranged before the work."


def _triangle(at: Callable[[str], float]) -> Triangle:
    return Triangle(**{corner: at(corner) for corner in _CORNERS})


def _longest(steps: Sequence[PlanStep], hours: Sequence[float]) -> float:
    done: dict[str, float] = {}
    for step, taken in zip(steps, hours, strict=True):
        done[step.step_id] = max((done[name] for name in step.after), default=0.0) + taken
    return max(done.values())


def _citations(components: Sequence[CataloguedOption]) -> tuple[Citation, ...]:
    return tuple(dict.fromkeys(cite(component) for component in components))
