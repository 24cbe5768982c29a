"""The page on cost shows what its sources give, and the arithmetic does what it says."""

from dataclasses import replace

import pytest

from aam.configuration.prices_file import read_prices
from bench.cost import PAGE, open_sums, page_with, tables
from bench.cost_measured import graph_requests_per_s, read_measured
from bench.cost_model import Sums


@pytest.fixture(scope="module")
def sums() -> Sums:
    return open_sums()


def test_the_page_shows_what_its_sources_give() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page_with(text, tables()), "run python -m bench.cost --write"


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the lines"):
        page_with("no marks here", "")


def test_the_deployment_is_that_of_the_tree(sums: Sums) -> None:
    deployment = sums.deployment
    assert (deployment.head, deployment.worker) == ("m7i.large", "m7i.xlarge")
    assert (deployment.least_workers, deployment.most_workers, deployment.replicas) == (2, 8, 2)
    assert deployment.alarms > 0
    assert deployment.dashboards == 1


def test_a_dearer_node_makes_the_month_dearer_by_its_hours(sums: Sums) -> None:
    prices = read_prices()
    worker = prices.instances["m7i.xlarge"]
    dearer = worker.model_copy(update={"on_demand": worker.on_demand + 0.1})
    changed = replace(sums, prices=prices.model_copy(update={"instances": {**prices.instances, "m7i.xlarge": dearer}}))
    assert changed.month(0, "on_demand") - sums.month(0, "on_demand") == pytest.approx(2 * 730 * 0.1)
    assert changed.month(0, "savings_plan") == sums.month(0, "savings_plan")


def test_the_head_is_never_on_spot(sums: Sums) -> None:
    head = "head, m7i.large"
    assert sums.standing("spot")[head] == sums.standing("on_demand")[head]


def test_as_deployed_only_what_comes_beyond_the_least_is_on_spot(sums: Sums) -> None:
    assert sums.month(1000, "deployed") == sums.month(1000, "on_demand")
    many = 300_000_000
    assert sums.workers(many) > sums.deployment.least_workers
    assert sums.month(many, "deployed") < sums.month(many, "on_demand")


def test_slower_requests_need_more_workers(sums: Sums) -> None:
    slower = replace(sums, measured=replace(sums.measured, processor_ms=2 * sums.measured.processor_ms))
    assert slower.worker_requests_per_s() == pytest.approx(sums.worker_requests_per_s() / 2)
    assert slower.workers(300_000_000) > sums.workers(300_000_000)


def test_a_thousand_requests_cost_what_a_month_of_them_adds(sums: Sums) -> None:
    added = sums.month(1000, "on_demand") - sums.month(0, "on_demand")
    assert added == pytest.approx(sum(sums.per_thousand().values()))


def test_the_replaced_containers_on_fargate(sums: Sums) -> None:
    fargate = sums.prices.fargate
    assert sums.fargate() == pytest.approx(730 * (7.5 * fargate.vcpu_hour + 15 * fargate.gib_hour))


def test_what_was_measured_is_plausible() -> None:
    measured = read_measured()
    assert 1 < measured.processor_ms < 500
    # A request is created, decided, chosen, resolved and confirmed: five writes in transactions at least.
    assert measured.per_request["write_units"] > 10
    assert measured.per_request["stored_kib"] > 1
    assert measured.idle_per_second["sqs_requests"] > 0
    assert graph_requests_per_s()[1] > 0
