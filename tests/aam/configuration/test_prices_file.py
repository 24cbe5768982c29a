"""`deploy/prices.yaml` is sound, and what is wrong in one like it is found where it is."""

from pathlib import Path
from typing import Any

import pytest

from aam.configuration.documents import read_mapping
from aam.configuration.findings import Unreadable
from aam.configuration.prices_file import FILE, KINDS, check, read_prices
from aam.configuration.registry import kinds
from tests.aam.configuration.spoiled import Place, changed, keys, misspelled, without

GOOD = read_mapping(FILE)
TYPES = [place for place in keys(GOOD) if place[:-1] == ("instances",)]
WORKER: Place = ("instances", "m7i.xlarge")


def findings(document: Any) -> list[str]:
    return [str(each) for each in check(FILE, document)]


def test_what_is_in_the_tree_is_sound_and_registered() -> None:
    assert findings(GOOD) == []
    assert KINDS[0].matches(FILE)
    assert KINDS[0].name in [kind.name for kind in kinds()]


@pytest.mark.parametrize("place", list(keys(GOOD)), ids=lambda place: ".".join(map(str, place)))
def test_every_key_that_is_misspelled_or_missing_is_found_and_named(place: Place) -> None:
    found = findings(misspelled(GOOD, place))
    # The name of a type is free; that the cluster's own has no price then is told.
    wanted = f"{place[-1]}: is missing" if place in TYPES else f"{place[-1]}x"
    assert any(wanted in each for each in found), found
    assert any(str(place[-1]) in each for each in findings(without(GOOD, place)))


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        ((*WORKER, "on_demand"), 0, "instances.m7i.xlarge.on_demand"),
        ((*WORKER, "on_demand"), "cheap", "instances.m7i.xlarge.on_demand"),
        ((*WORKER, "on_demand"), True, "truth value"),
        ((*WORKER, "on_demand"), float("nan"), "instances.m7i.xlarge.on_demand"),
        ((*WORKER, "spot"), 0.9, "look them up again"),
        (("month",), "November", "month"),
        (("month",), "2026-13", "month"),
        (("currency",), "EUR", "currency"),
        (("region",), "us-esat-1", "unknown region"),
        (("hours_per_month",), 24, "hours_per_month"),
        (("assumed", "used_share"), 1.5, "assumed.used_share"),
        (("instances",), [], "instances"),
        (("services",), None, "services"),
    ],
)
def test_a_value_that_can_not_be_is_found(place: Place, value: object, expected: str) -> None:
    found = findings(changed(GOOD, place, value))
    assert any(expected in each for each in found), found


def test_prices_that_are_wrong_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(FILE.read_text().replace("currency:", "curency:"))
    with pytest.raises(Unreadable, match="did you mean 'currency'"):
        read_prices(path)
