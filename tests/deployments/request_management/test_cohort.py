"""Cohorts: steady, even, and no name of anybody."""

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from core.messages import AssessItem
from core.models_config import COHORTS, Canary
from deployments.request_management.cohort import cohort_of
from tests.builders import NOON


@given(st.text(min_size=1))
def test_a_resident_stays_in_one_cohort(resident: str) -> None:
    cohort = cohort_of(resident)
    assert 0 <= cohort < COHORTS
    assert cohort_of(resident) == cohort
    assert AssessItem(message_text="x", at=NOON, cohort=cohort).cohort == cohort


def test_it_is_the_same_in_every_process() -> None:
    code = "from deployments.request_management.cohort import cohort_of; print(cohort_of('RES_A_101'))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert int(told.stdout) == cohort_of("RES_A_101")


@given(st.floats(0, 100), st.floats(0, 100))
def test_who_is_in_a_small_canary_is_in_a_larger_one(one: float, other: float) -> None:
    small, large = (Canary(text="a", percent=percent).cohorts for percent in sorted((one, other)))
    assert small <= large


def test_a_percentage_is_that_share_of_the_residents() -> None:
    residents = [f"RES_{building}_{unit}" for building in "ABCD" for unit in range(5000)]
    for percent in (1.0, 5.0, 20.0, 50.0):
        cohorts = Canary(text="a", percent=percent).cohorts
        share = 100 * sum(cohort_of(resident) < cohorts for resident in residents) / len(residents)
        # Four standard deviations of a share of 20,000.
        assert abs(share - percent) < 4 * (percent * (100 - percent) / len(residents)) ** 0.5
