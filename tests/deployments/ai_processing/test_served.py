"""The canary: who gets it, in what order answers come back, and what happens when it fails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.messages import AssessItem, Assessment, ItemFailure
from core.models_config import ModelsConfig
from deployments.ai_processing.served import Served, is_in_canary
from deployments.ai_processing.shadow import Shadow
from tests.deployments.ai_processing.conftest import item
from tests.deployments.ai_processing.models_on_trial import NamedJudge, Notes, set_of

COHORTS = st.lists(st.none() | st.integers(0, 9999), max_size=40)


def serving(current: NamedJudge, canary: NamedJudge, percent: float, notes: Notes | None = None) -> Served:
    config = ModelsConfig.model_validate({"canary": {"text": canary.name, "percent": percent}})
    return Served(config, set_of(current), set_of(canary), None, notes or Notes())


def items_of(cohorts: list[int | None]) -> list[AssessItem]:
    return [item(f"message {place}", cohort=cohort) for place, cohort in enumerate(cohorts)]


def versions(answers: list[Assessment | ItemFailure]) -> list[str]:
    return [answer.classification.model_version for answer in answers if isinstance(answer, Assessment)]


@given(COHORTS, st.integers(0, 10_000))
async def test_each_resident_gets_theirs_and_the_order_is_kept(cohorts: list[int | None], share: int) -> None:
    current, canary = NamedJudge("current"), NamedJudge("canary")
    answers = await serving(current, canary, share / 100).assess(items_of(cohorts))
    expected = ["canary" if cohort is not None and cohort < share else "current" for cohort in cohorts]
    assert versions(answers) == expected
    assert canary.seen == [f"message {place}" for place, arm in enumerate(expected) if arm == "canary"]
    assert current.seen == [f"message {place}" for place, arm in enumerate(expected) if arm == "current"]


@given(st.integers(0, 9999), st.integers(0, 10_000))
async def test_who_gets_the_canary_does_not_depend_on_the_company(cohort: int, share: int) -> None:
    served = serving(NamedJudge("current"), NamedJudge("canary"), share / 100)
    alone = versions(await served.assess([item("mine", cohort=cohort)]))
    together = versions(await served.assess([*items_of([0, None, 9999]), item("mine", cohort=cohort)]))
    again = versions(
        await serving(NamedJudge("current"), NamedJudge("canary"), share / 100).assess([item("mine", cohort=cohort)])
    )
    assert alone == together[-1:] == again


@pytest.mark.parametrize(("percent", "arm"), [(0, "current"), (100, "canary")])
async def test_nobody_and_everybody(percent: float, arm: str) -> None:
    answers = await serving(NamedJudge("current"), NamedJudge("canary"), percent).assess(items_of([0, 5000, 9999]))
    assert versions(answers) == [arm] * 3


def test_a_message_of_nobody_known_is_never_in_a_canary() -> None:
    assert not is_in_canary(item("x"), 10_000)


@pytest.mark.parametrize("way", ["broken_by", "explodes"])
async def test_what_the_canary_cannot_judge_the_current_models_do(way: str) -> None:
    canary = NamedJudge("canary", broken_by="message 1") if way == "broken_by" else NamedJudge("canary", explodes=True)
    notes = Notes()
    answers = await serving(NamedJudge("current"), canary, 50, notes).assess(items_of([1, 2, 9999]))
    assert versions(answers) == (["canary", "current", "current"] if way == "broken_by" else ["current"] * 3)
    assert notes.messages["current", "text-None risk-None"] == (2 if way == "broken_by" else 3)


async def test_the_shadow_sees_what_the_current_models_answered() -> None:
    watcher = NamedJudge("watcher")
    before = serving(NamedJudge("current"), NamedJudge("canary"), 50)
    shadow = Shadow(set_of(watcher), Notes())
    served = Served(before.config, before.current, before.canary, shadow, before.meter)
    await served.assess(items_of([1, 9999, None]))
    await shadow.drained()
    assert watcher.seen == ["message 1", "message 2"]
    served.close()
