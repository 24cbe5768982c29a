"""Parts: in stock as often as stated, later otherwise, and the slowest missing one counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.estate import Part, Triangle
from core.labels import Trade
from deployments.decision_simulation.parts import lead_with_parts, part_hours

UNIFORMS = (np.arange(2000) + 0.5) / 2000


def part(in_stock: float = 0.6, low: float = 4, mode: float = 24, high: float = 72, part_id: str = "valve") -> Part:
    return Part(
        part_id=part_id,
        name="Valve",
        trade=Trade.PLUMBING,
        cost_usd=Triangle(low=1, mode=2, high=3),
        in_stock=in_stock,
        lead_hours=Triangle(low=low, mode=mode, high=high),
    )


def test_a_part_is_there_at_once_as_often_as_it_is_in_stock() -> None:
    hours = part_hours(part(), UNIFORMS)
    assert (hours == 0).mean() == pytest.approx(0.6)
    assert hours[hours > 0].mean() == pytest.approx((4 + 24 + 72) / 3, rel=0.005)


@pytest.mark.parametrize(("in_stock", "least"), [(1.0, 0.0), (0.0, 4.0)])
def test_a_part_that_is_always_or_never_in_stock(in_stock: float, least: float) -> None:
    hours = part_hours(part(in_stock), UNIFORMS)
    assert hours.min() >= least
    assert (hours.max() == 0) == (in_stock == 1.0)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 100))
def test_a_part_that_is_rarer_or_slower_never_comes_sooner(in_stock: float, rarer: float, slower: float) -> None:
    usual = part_hours(part(in_stock), UNIFORMS)
    worse = part_hours(part(in_stock * rarer, 4 + slower, 24 + slower, 72 + slower), UNIFORMS)
    assert (worse >= usual - 1e-6).all()


def test_the_slowest_missing_part_adds_to_the_lead_time() -> None:
    always = part(0.0, 10, 10, 10), part(0.0, 30, 30, 30, "pump"), part(1.0, 90, 90, 90, "tank")
    lead = lead_with_parts(lambda rng, number: np.full(number, 2.0), always)
    assert lead(np.random.default_rng(1), 3).tolist() == [32.0] * 3


def test_an_option_without_parts_has_its_own_lead_time() -> None:
    lead = lead_with_parts(lambda rng, number: np.full(number, 2.0), [])
    assert lead(np.random.default_rng(1), 2).tolist() == [2.0, 2.0]
