"""What crosses services takes whatever the store has counted."""

from core.labels import Crew, Urgency
from core.messages import Workload


def test_a_real_backlog_has_no_bound() -> None:
    counted = {Crew.PLUMBING: {Urgency.EMERGENCY: 12_345}}
    assert Workload(open_by_crew=counted).open_by_crew == counted
