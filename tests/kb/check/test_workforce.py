import pytest

from core.estate import Vendor
from core.labels import Crew
from core.rules import CrewRules
from kb.check.workforce import find, utilisation
from kb.reader import read_documents
from tests.kb.check.shelf import CREW, VENDOR, Shelf


def test_utilisation_is_work_over_time_on_duty():
    # 10 jobs of 1 h and 0.4 h of travel, over 10 h on each of 7 days by two.
    assert utilisation(CrewRules.model_validate(CREW)) == pytest.approx(14 / 140)
    assert utilisation(Vendor.model_validate(VENDOR)) == pytest.approx(14 / 70)
    assert utilisation(Vendor.model_validate(VENDOR | {"weekdays_only": True})) == pytest.approx(14 / 50)


def test_every_crew_is_stated(shelf: Shelf):
    shelf.put("crews", rules={"crews": [CREW]})
    assert shelf.found(find) == [("missing_crew", "-")] * (len(Crew) - 1)


def test_a_crew_or_vendor_with_too_much_to_do(shelf: Shelf):
    crews = [CREW | {"crew": str(crew)} for crew in Crew]
    shelf.put("crews", rules={"crews": crews, "vendors": [VENDOR | {"jobs_per_week": {"Low": 42}}]})
    assert shelf.found(find) == []
    shelf.put("more", rules={"vendors": [VENDOR | {"vendor_id": "b", "jobs_per_week": {"Low": 43}}]})
    shelf.put("much", rules={"crews": [CREW | {"jobs_per_week": {"Low": 90}}]})
    assert shelf.found(find) == [("overloaded", "more"), ("overloaded", "much")]


def test_a_shift_that_ends_before_it_begins(shelf: Shelf):
    crews = [CREW | {"crew": str(crew)} for crew in Crew]
    shelf.put("crews", rules={"crews": [*crews[1:], crews[0] | {"shift_start_hour": 18}]})
    assert shelf.found(find) == [("shift", "crews")]


def test_every_crew_of_the_project_has_slack():
    crews = [crew for document in read_documents() for crew in document.front.rules.crews]
    assert crews
    assert all(0.2 < utilisation(crew) < 0.85 for crew in crews)
