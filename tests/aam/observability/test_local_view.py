"""The local view shows what a Prometheus server says, over its real protocol."""

import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from aam.observability.answers import ask, named, window_until
from aam.observability.catalogue import DASHBOARDS
from aam.observability.charts import as_text
from aam.observability.local_view import build_view
from aam.observability.pictures import write_picture
from aam.observability.product import PRODUCT
from aam.observability.prometheus_api import PrometheusApi
from core.errors import Unavailable
from tests.prometheus_server import PrometheusServer, prometheus_server

NOW = 1_800_000_003.0


@pytest.fixture
def server() -> Iterator[PrometheusServer]:
    with prometheus_server() as running:
        running.answers = {
            "sum by (category) ((max_over_time(ray_aam_requests_total": [
                ({"category": "Maintenance"}, lambda at: 40.0),
                ({"category": "<b>Billing</b>"}, lambda at: 7.0 if at > NOW - 600 else None),
            ],
            "sum ((max_over_time(ray_aam_requests_total": [({}, lambda at: 1234.0)],
            "histogram_quantile(0.95, sum by (le) ((max_over_time": [({}, lambda at: float("nan"))],
        }
        yield running


@pytest.fixture
async def browser(server: PrometheusServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        view = build_view(client, server.url, clock=lambda: NOW)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(view), base_url="http://127.0.0.1") as browser:
            yield browser


async def test_a_page_draws_the_panels_of_the_dashboard(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/product?hours=1")
    assert page.status_code == 200
    for panel in PRODUCT.panels():
        assert f"<h3>{panel.title}</h3>" in page.text
    assert page.text.count("<svg") == 1
    assert "<td>Maintenance</td><td>40</td>" in page.text
    assert '<div class="number">1,234' in page.text
    assert "Nothing yet." in page.text


async def test_what_a_label_says_is_text_and_no_markup(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/product")
    assert "&lt;b&gt;Billing&lt;/b&gt;" in page.text
    assert "<b>Billing" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_the_questions_are_those_of_grafana_with_an_interval(
    browser: httpx.AsyncClient, server: PrometheusServer
) -> None:
    for board in DASHBOARDS:
        server.asked.clear()
        assert (await browser.get(f"/{board.uid.removeprefix('aam-')}?hours=6")).status_code == 200
        meant = [query.expression.replace("$__rate_interval", "180s") for p in board.panels() for query in p.queries]
        assert sorted(server.asked) == sorted(meant)


async def test_an_alert_stands_above_the_panels(browser: httpx.AsyncClient, server: PrometheusServer) -> None:
    note = {"summary": "Look at each.", "runbook": "docs/runbooks/dead-letters.md"}
    server.alerts = [
        {"labels": {"alertname": "Late", "severity": "page"}, "annotations": note, "state": "pending", "value": "1"},
        {"labels": {"alertname": "DeadLetters", "severity": "ticket"}, "annotations": note, "state": "firing"},
    ]
    text = (await browser.get("/platform")).text
    assert text.index("DeadLetters") < text.index("Late") < text.index("<main>")
    assert "docs/runbooks/dead-letters.md" in text


async def test_a_refused_question_is_told_in_its_panel_alone(
    browser: httpx.AsyncClient, server: PrometheusServer
) -> None:
    server.refused = "ray_aam_gates_total"
    page = await browser.get("/product")
    assert page.status_code == 200
    assert page.text.count("parse error") == 2
    assert page.text.count("<svg") == 1


async def test_without_prometheus_the_page_says_so() -> None:
    async with httpx.AsyncClient() as client:
        view = build_view(client, "http://127.0.0.1:9", clock=lambda: NOW)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(view), base_url="http://127.0.0.1") as browser:
            page = await browser.get("/product")
    assert page.status_code == 503
    assert "Prometheus does not answer at http://127.0.0.1:9" in page.text


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/product?hours=0", 422), ("/", 307)])
async def test_other_addresses(browser: httpx.AsyncClient, path: str, status: int) -> None:
    assert (await browser.get(path)).status_code == status


async def test_a_page_of_another_name_can_not_read_it(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/product", headers={"Host": "evil.example"})).status_code == 400


async def test_each_dashboard_is_one_picture(server: PrometheusServer, tmp_path: Path) -> None:
    window = window_until(NOW, 1.0)
    async with httpx.AsyncClient() as client:
        answers = await ask(PrometheusApi(client, server.url), PRODUCT, window)
    path = tmp_path / "product.png"
    write_picture(path, PRODUCT, answers, window)
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    assert width > 1000
    assert height > 1000


async def test_what_is_no_prometheus_is_told(server: PrometheusServer) -> None:
    def page(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text="<html>")

    async with httpx.AsyncClient(transport=httpx.MockTransport(page)) as client:
        with pytest.raises(Unavailable, match="does not answer"):
            await PrometheusApi(client, "http://127.0.0.1:1").alerts()


def test_a_window_lies_on_whole_steps() -> None:
    window = window_until(NOW, 1.0)
    assert (window.end, window.end - window.start, window.step) == (1_800_000_000.0, 3600.0, 30)


def test_names_and_values_for_people() -> None:
    assert named("{{system}} {{outcome}}", {"system": "mail"}) == "mail"
    assert named("{{system}}", {}) == "all"
    assert [as_text(0.1234, "percentunit"), as_text(1234.5, "short"), as_text(3.0, "short"), as_text(0.5, "s")] == [
        "12.3 %",
        "1,234",
        "3",
        "0.5 s",
    ]
