"""Residents are told times in the zone of their building, unless they named another."""

from core.estate import Building
from core.notices import of_person, of_resident, resident_of
from core.rules import RuleBook
from deployments.execution.notices.on_call import home_zone_by_rules


def test_a_resident_is_told_the_zone_of_their_building() -> None:
    building = Building.model_construct(building_id="A", time_zone="America/Los_Angeles")
    rules = RuleBook.model_construct(buildings={"A": building})
    zone_of = home_zone_by_rules(lambda: rules)
    assert zone_of("RES_A_101") == "America/Los_Angeles"
    assert zone_of("RES_Z_101") is None
    assert zone_of("somebody") is None


def test_only_a_resident_has_a_home() -> None:
    assert resident_of(of_resident("RES_A_101")) == "RES_A_101"
    assert resident_of(of_person("sam")) is None
