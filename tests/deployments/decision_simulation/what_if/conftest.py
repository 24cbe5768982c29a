"""Orders on the small rule book of this service's tests."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from core.estate import Vendor
from core.labels import Urgency
from core.messages import ResolveItem
from core.rules import RuleBook
from core.what_if import FigureValue, ReplayedRequest, Scenario, WhatIfOrder, Work

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)

MakeOrder = Callable[..., WhatIfOrder]


@pytest.fixture(scope="session")
def make_requests(make_item: Callable[..., ResolveItem]) -> Callable[..., tuple[ReplayedRequest, ...]]:
    """`number` plumbing requests, one each `every_hours` from Monday midnight on."""

    def make(
        number: int = 60,
        every_hours: float = 2.0,
        option_id: str | None = "repair-today",
        urgency: Urgency = Urgency.HIGH,
    ) -> tuple[ReplayedRequest, ...]:
        items = [
            make_item(request_id=f"REQ_{place}", at=MONDAY + timedelta(hours=place * every_hours), urgency=urgency)
            for place in range(number)
        ]
        return tuple(ReplayedRequest(item=item, option_id=option_id) for item in items)

    return make


@pytest.fixture(scope="session")
def make_order(make_requests: Callable[..., tuple[ReplayedRequest, ...]]) -> MakeOrder:
    def make(
        figures: dict[str, FigureValue] | None = None,
        requests: Sequence[ReplayedRequest] | None = None,
        source: str = "period",
        replications: int = 10,
        seed: int = 3,
        days: int = 7,
        **scenario: object,
    ) -> WhatIfOrder:
        rows = () if source == "synthetic" else tuple(make_requests() if requests is None else requests)
        work = Work.model_validate(
            {"source": source, "begin": MONDAY, "end": MONDAY + timedelta(days=days), "requests": rows}
        )
        return WhatIfOrder(
            scenario=Scenario.model_validate({"figures": figures or {}, **scenario}),
            work=work,
            replications=replications,
            seed=seed,
            requested_by="mia",
        )

    return make


def vendor(vendor_id: str, **changes: object) -> Vendor:
    fields: dict[str, object] = {
        "vendor_id": vendor_id,
        "name": vendor_id,
        "trades": ("plumbing",),
        "licences": (),
        "teams": 2,
        "shift_start_hour": 8,
        "shift_end_hour": 18,
        "weekdays_only": True,
        "on_call_outside_shift": False,
        "travel_hours": {"low": 0.3, "mode": 0.6, "high": 1.2},
        "jobs_per_week": {"Emergency": 0.5, "High": 5, "Medium": 10},
        "job_hours": {"low": 1, "mode": 2, "high": 5},
        "call_out_usd": 120,
    }
    return Vendor.model_validate(fields | changes)


@pytest.fixture(scope="session")
def with_vendor(rules: RuleBook) -> RuleBook:
    """`contractor` is done by the vendor `acme`, which holds the licence that it needs."""
    options = tuple(
        entry.model_copy(
            update={"template": entry.template.model_copy(update={"vendor": "acme", "licence": "master plumber"})}
        )
        if entry.template.option_id == "contractor"
        else entry
        for entry in rules.options
    )
    acme = vendor("acme", licences=("master plumber",))
    return RuleBook.model_validate(
        {name: getattr(rules, name) for name in RuleBook.model_fields} | {"options": options, "vendors": {"acme": acme}}
    )


@pytest.fixture(scope="session")
def make_vendor() -> Callable[..., Vendor]:
    return vendor
