"""The shadow: what it counts, and that nobody waits for it or hears of its troubles."""

import asyncio
import threading
from time import perf_counter

import pytest

from core.labels import Category, RiskLevel, Trade
from core.messages import Assessment, ItemFailure
from deployments.ai_processing.agreement import Tally, compare
from deployments.ai_processing.shadow import Shadow
from tests.builders import build_classification
from tests.deployments.ai_processing.conftest import item
from tests.deployments.ai_processing.models_on_trial import NamedJudge, Notes, set_of


async def answer_of(judge: NamedJudge, text: str = "x") -> Assessment:
    (answer,) = await judge.assess([item(text)])
    assert isinstance(answer, Assessment)
    return answer


async def test_agreement_is_counted_by_head() -> None:
    notes = Notes()
    shadow = Shadow(set_of(NamedJudge("shadow", Category.LEASING, score=0.5)), notes)
    answer = await answer_of(NamedJudge("current", Category.BILLING, score=0.2))
    shadow.offer([item(str(number)) for number in range(3)], [answer] * 3)
    await shadow.drained()
    tally = shadow.tally
    assert tally.messages == 3
    assert tally.compared == {"category": 3, "urgency": 3, "intent": 3, "risk_level": 3}
    assert tally.agreed == {"urgency": 3, "intent": 3, "risk_level": 3}
    assert tally.risk_difference == pytest.approx(0.9)
    assert [one.agreed["category"] for one in notes.comparisons] == [False] * 3
    assert "category 0.0% of 3" in shadow.describe()
    assert "risk differs by 0.300" in shadow.describe()
    shadow.close()


async def test_the_trade_counts_where_both_say_maintenance() -> None:
    answer = await answer_of(NamedJudge("a"))

    def labelled(category: Category, trade: Trade | None = None) -> Assessment:
        return answer.model_copy(update={"classification": build_classification(category, trade=trade)})

    plumbing = labelled(Category.MAINTENANCE, Trade.PLUMBING)
    assert compare(plumbing, labelled(Category.MAINTENANCE, Trade.PEST)).agreed["trade"] is False
    assert compare(plumbing, plumbing).agreed["trade"] is True
    assert "trade" not in compare(plumbing, labelled(Category.BILLING)).agreed
    higher = plumbing.model_copy(update={"risk": plumbing.risk.model_copy(update={"level": RiskLevel.HIGH})})
    assert compare(plumbing, higher).agreed["risk_level"] is False


def test_nothing_compared_is_said_so() -> None:
    assert Tally().describe() == "nothing compared yet"


async def test_it_judges_in_another_thread_and_offering_takes_no_time() -> None:
    slow = NamedJudge("slow", takes_s=0.2)
    shadow = Shadow(set_of(slow), Notes())
    answer = await answer_of(NamedJudge("current"))
    began = perf_counter()
    shadow.offer([item("x")] * 3, [answer] * 3)
    await asyncio.sleep(0)
    assert perf_counter() - began < 0.1
    await shadow.drained()
    assert len(slow.seen) == 3
    assert threading.get_ident() not in slow.threads
    shadow.close()


async def test_it_drops_what_it_cannot_keep_up_with() -> None:
    notes = Notes()
    shadow = Shadow(set_of(NamedJudge("slow", takes_s=0.01)), notes, capacity=4)
    answer = await answer_of(NamedJudge("current"))
    shadow.offer([item(str(number)) for number in range(10)], [answer] * 10)
    await shadow.drained()
    assert (shadow.tally.messages, notes.skips["dropped"]) == (4, 6)
    assert "dropped 6" in shadow.describe()
    shadow.close()


@pytest.mark.parametrize("judge", [NamedJudge("a", explodes=True), NamedJudge("b", broken_by="x")])
async def test_its_failures_are_counted_and_it_goes_on(judge: NamedJudge) -> None:
    notes = Notes()
    shadow = Shadow(set_of(judge), notes)
    answer = await answer_of(NamedJudge("current"))
    shadow.offer([item("x"), item("x too")], [answer] * 2)
    await shadow.drained()
    assert notes.skips["failed"] == 2
    judge.explodes, judge.broken_by = False, None
    shadow.offer([item("x")], [answer])
    await shadow.drained()
    assert shadow.tally.messages == 1
    shadow.close()


async def test_answers_that_are_not_the_models_are_not_compared() -> None:
    notes = Notes()
    watcher = NamedJudge("watcher")
    shadow = Shadow(set_of(watcher), notes)
    opinion = await answer_of(NamedJudge("current", source="llm"))
    shadow.offer([item("a"), item("b")], [opinion, ItemFailure(code="invalid", detail="No text.")])
    await shadow.drained()
    assert watcher.seen == []
    assert notes.skips == {"second_opinion": 1}
    shadow.close()


async def test_a_closed_one_takes_nothing() -> None:
    watcher = NamedJudge("watcher")
    shadow = Shadow(set_of(watcher), Notes())
    shadow.close()
    shadow.offer([item("x")], [await answer_of(NamedJudge("current"))])
    await asyncio.sleep(0.05)
    assert watcher.seen == []
