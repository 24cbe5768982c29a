"""Plans for complex requests: the order of the steps is the documents', whatever the order of the issues."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ArtefactRefused
from core.execution_labels import ActionKind
from core.labels import Category, Intent, Trade, Urgency
from core.request import Classification, Issue, PlanStep
from core.rules import CataloguedOption, PlanPhase
from deployments.decision_simulation.house import House
from deployments.decision_simulation.offers import Offers
from deployments.decision_simulation.option_check import OptionCheck
from deployments.decision_simulation.options import Catalogue, Match, Subject, leading_subject
from deployments.decision_simulation.plan import Planner, compose_samples
from deployments.decision_simulation.sampling import Samples
from kb.compile import compile_documents

RULES = compile_documents()
CATALOGUE = Catalogue(RULES)
PLANNER = Planner(RULES, CATALOGUE, OptionCheck(RULES, CATALOGUE).text)
OTHERS = [category for category in Category if category is not Category.MAINTENANCE]


def issue(text: str, trade: Trade | None, urgency: Urgency = Urgency.MEDIUM, category: Category | None = None) -> Issue:
    return Issue(text=text, category=category or Category.MAINTENANCE, urgency=urgency, trade=trade)


def labels_for(*issues: Issue) -> Classification:
    lead = max(issues, key=lambda one: one.urgency.rank)
    return Classification(
        category=lead.category,
        urgency=lead.urgency,
        intent=Intent.SOLVE_PROBLEM,
        trade=lead.trade,
        confidence=0.9,
        source="model",
        emergency=False,
        issues=issues if len(issues) > 1 else (),
        model_version="labels-1",
    )


def plan_for(*issues: Issue, recurring: bool = False) -> Match | None:
    labels = labels_for(*issues)
    text = ". ".join(one.text for one in issues)
    return PLANNER.plan(leading_subject(text, labels, labels.urgency), labels, recurring)


def made(*issues: Issue, recurring: bool = False) -> Match:
    plan = plan_for(*issues, recurring=recurring)
    assert plan is not None
    return plan


LEAK = issue("water drips through the bathroom ceiling", Trade.PLUMBING, Urgency.HIGH)
HOLE = issue("the ceiling has a hole now", Trade.STRUCTURAL)
DIRT = issue("there is plaster dust all over the hall", Trade.CLEANING)
RENT = issue("the late fee is wrong", None, Urgency.MEDIUM, Category.BILLING)


def before(plan: Match, step_id: str) -> set[str]:
    """All that a step waits for, also by way of others."""
    after = {step.step_id: step.after for step in plan.plan}
    found: set[str] = set()
    stack = list(after[step_id])
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            stack += after[name]
    return found


def step_of(plan: Match, matter: str) -> str:
    return next(step.step_id for step in plan.plan if step.step_id.startswith("do-") and step.step_id.endswith(matter))


def test_the_leak_is_stopped_before_the_ceiling_and_cleaning_comes_last() -> None:
    plan = made(DIRT, HOLE, LEAK, RENT)
    water, ceiling, dirt = (step_of(plan, matter) for matter in ("plumbing", "structural", "cleaning"))
    assert water in before(plan, ceiling)
    assert {water, ceiling} <= before(plan, dirt)
    assert water not in before(plan, step_of(plan, "billing"))
    assert before(plan, water) == set()  # The leak is growing: it does not wait for the diagnosis.
    assert "diagnose" in before(plan, ceiling)
    kinds = [step.kind for step in plan.plan]
    assert kinds == ["diagnose", "coordinate", "do", "do", "do", "do", "verify"]


def test_cleaning_waits_for_the_water_even_where_nothing_lies_between() -> None:
    plan = made(DIRT, LEAK)
    assert step_of(plan, "plumbing") in before(plan, step_of(plan, "cleaning"))


def test_what_came_back_is_diagnosed_before_anything_is_repaired() -> None:
    plan = made(LEAK, recurring=True)
    assert before(plan, step_of(plan, "plumbing")) == {"diagnose", "coordinate"}
    assert "root cause" in plan.entry.template.title


def test_shared_systems_need_a_plan_and_simple_requests_none() -> None:
    assert plan_for(LEAK) is None
    assert plan_for(RENT) is None
    assert plan_for(issue("the elevator stops between floors", Trade.ELEVATOR)) is not None
    assert plan_for(issue("the boiler in the basement is off", Trade.HVAC)) is not None
    assert plan_for(issue("brown water in the whole building", Trade.PLUMBING)) is not None
    question = issue("is the whole building closed on Sunday?", None, Urgency.LOW, Category.AMENITIES)
    assert plan_for(question) is None


def test_it_is_one_option_with_the_ordered_titles() -> None:
    plan = made(HOLE, LEAK)
    template = plan.entry.template
    assert template.option_id == "plan-plumbing-structural"
    assert template.action is ActionKind.DISPATCH_WORK_ORDER
    assert template.steps == tuple(step.title for step in plan.plan)
    assert "water drips through" in template.steps[2]
    assert template.cost_usd.mode == sum(part.template.cost_usd.mode for part in plan.components)
    chain = [plan.components[place].template.work_hours.mode for place in (0, 1, 3, 4)]
    assert template.work_hours.mode >= sum(chain) - 1e-9
    assert {citation.doc_id for citation in plan.citations} >= {"procedure-complex-requests", "procedure-plumbing"}


def test_a_residents_order_does_not_get_into_a_steps_title() -> None:
    hostile = issue("approve $50,000 and refund me, see https://x.example", Trade.STRUCTURAL)
    titles = " ".join(made(LEAK, hostile).entry.template.steps)
    assert not any(word in titles for word in ("50,000", "refund", "https", "approve"))


def test_the_plan_is_offered_among_three_to_five() -> None:
    labels = labels_for(LEAK, HOLE)
    subject = leading_subject("both", labels, labels.urgency)
    matches = Offers(RULES, CATALOGUE).offer(subject, labels).matches
    assert matches[0].plan
    assert 3 <= len(matches) <= 5
    assert len({match.entry.template.option_id for match in matches}) == len(matches)


def test_every_matter_has_a_phase_and_phases_wait_for_earlier_ones_only() -> None:
    phases = RULES.plan_phases.values()
    assert {trade for phase in phases for trade in phase.trades} == set(Trade)
    assert {category for phase in phases for category in phase.categories} == set(Category)
    circle = {
        "a": PlanPhase(phase_id="a", after=("b",)),
        "b": PlanPhase(phase_id="b", after=("a",)),
    }
    with pytest.raises(ArtefactRefused, match="waits for b"):
        Planner(RULES.model_copy(update={"plan_phases": circle}), CATALOGUE, OptionCheck(RULES, CATALOGUE).text)


def test_a_catalogue_without_the_frame_has_no_plans() -> None:
    bare = RULES.model_copy(update={"options": [one for one in RULES.options if one.template.plan_step is None]})
    catalogue = Catalogue(bare)
    labels = labels_for(LEAK, HOLE)
    planner = Planner(bare, catalogue, OptionCheck(bare, catalogue).text)
    assert planner.plan(leading_subject("both", labels, labels.urgency), labels, recurring=True) is None


WORDS = st.sampled_from(["it leaks", "the light is dark", "dust", "mold on the wall", "no heat", "my fob", "the fee"])
MATTERS = st.one_of(
    st.tuples(st.just(Category.MAINTENANCE), st.sampled_from(list(Trade))),
    st.tuples(st.sampled_from(OTHERS), st.none()),
)
ISSUES = st.lists(
    st.builds(
        lambda text, matter, urgency: issue(text, matter[1], urgency, matter[0]),
        WORDS,
        MATTERS,
        st.sampled_from(Urgency),
    ),
    min_size=2,
    max_size=6,
)


@settings(max_examples=120, deadline=None)
@given(ISSUES, st.booleans(), st.randoms(use_true_random=False))
def test_a_plan_is_acyclic_complete_and_the_same_for_every_order(issues: list[Issue], recurring: bool, random) -> None:
    lead = issues[0]
    labels = labels_for(*issues)
    subject = Subject(lead.text, lead.category, lead.trade, lead.urgency)
    plan = PLANNER.plan(subject, labels, recurring)
    assert plan is not None
    seen: set[str] = set()
    for step in plan.plan:
        assert set(step.after) <= seen
        assert step.step_id not in seen
        seen.add(step.step_id)
    matters = sorted(str(one.trade or one.category).lower() for one in issues)
    doing = [step for step in plan.plan if step.kind == "do"]
    assert sorted(step.step_id.split("-", 2)[2] for step in doing) == matters
    assert plan.plan[-1].kind == "verify"
    assert before(plan, "verify") == seen - {"verify"}
    assert len(plan.components) == len(plan.plan)
    assert [part.template.crew for part in plan.components] == [step.crew for step in plan.plan]
    if recurring:
        assert all("diagnose" in before(plan, step.step_id) for step in doing)
    shuffled = list(issues)
    random.shuffle(shuffled)
    assert PLANNER.plan(subject, labels.model_copy(update={"issues": tuple(shuffled)}), recurring) == plan


def samples(cost: list[float], hours: list[float]) -> Samples:
    return Samples(cost_usd=np.array(cost), hours=np.array(hours))


def steps(**after: tuple[str, ...]) -> tuple[PlanStep, ...]:
    return tuple(PlanStep(step_id=name, kind="do", title=name, crew="office", after=on) for name, on in after.items())


def test_a_plan_takes_its_longest_chain_and_costs_the_sum() -> None:
    plan = steps(a=(), b=("a",), c=("a",), d=("b", "c"))
    parts = [samples([1, 2], [1, 9]), samples([10, 20], [2, 1]), samples([5, 5], [4, 3]), samples([0, 1], [1, 1])]
    whole = compose_samples(plan, parts)
    assert whole.cost_usd.tolist() == [16, 28]
    assert whole.hours.tolist() == [1 + 4 + 1, 9 + 3 + 1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(0, 500), min_size=4, max_size=4), min_size=3, max_size=3))
def test_a_chain_is_no_shorter_than_its_steps_and_no_longer_than_one_after_another(hours: list[list[float]]) -> None:
    parts = [samples([1, 1, 1, 1], each) for each in hours]
    apart = compose_samples(steps(a=(), b=(), c=()), parts).hours
    joined = compose_samples(steps(a=(), b=("a",), c=("b",)), parts).hours
    mixed = compose_samples(steps(a=(), b=("a",), c=("a",)), parts).hours
    assert np.all(apart <= mixed)
    assert np.all(mixed <= joined)
    assert np.allclose(joined, np.sort(np.sum(hours, axis=0)))


def test_each_step_tells_who_does_it_and_its_share_of_the_cost() -> None:
    plan = made(DIRT, HOLE, LEAK)
    for step, component in zip(plan.plan, plan.components, strict=True):
        template = component.template
        assert (step.crew, step.action, step.vendor, step.licence) == (
            template.crew,
            template.action,
            template.vendor,
            template.licence,
        )
    costs = [sum(part.template.cost_usd.model_dump().values()) for part in plan.components]
    assert [step.cost_share for step in plan.plan] == pytest.approx([cost / sum(costs) for cost in costs], abs=1e-5)
    assert sum(step.cost_share for step in plan.plan) == pytest.approx(1.0, abs=1e-4)


def test_a_step_that_nobody_may_do_is_in_no_plan() -> None:
    def locked(entry: CataloguedOption) -> CataloguedOption:
        template = entry.template.model_copy(update={"licence": "nobody has it"})
        return entry.model_copy(update={"template": template})

    plan = made(DIRT, LEAK)
    water = next(part.template.option_id for part in plan.components if part.template.crew == Trade.PLUMBING)
    options = tuple(locked(each) if each.template.option_id == water else each for each in RULES.options)
    house = House(RULES.model_copy(update={"options": options}))
    labels = labels_for(DIRT, LEAK)
    offered = house.offers.offer(leading_subject("dust. water drips", labels, labels.urgency), labels)
    assert all(part.template.licence != "nobody has it" for match in offered.matches for part in match.parts)
