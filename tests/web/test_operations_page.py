"""The status page: what each service says of itself, and still a page where one does not answer."""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from core.errors import ServiceUnavailable, Unavailable
from core.labels import Role
from core.service_status import DeploymentState, ServiceName
from core.settings import Settings
from deployments.decision_simulation.deployment import DecisionSimulation
from deployments.request_management import service_status
from deployments.request_management.service import RequestManagementService
from tests.web.conftest import Person


def card(html: str, service: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition(f"<h3>{service} ")[2].partition("</li>")[0]).split())


class Cluster:
    """Says what it is told to say."""

    def __init__(self, answer: Mapping[ServiceName, DeploymentState] | Exception) -> None:
        self.answer = answer

    async def deployments(self) -> Mapping[ServiceName, DeploymentState]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_four_services_are_shown_with_what_they_serve_by(staff: Person, decision: DecisionSimulation) -> None:
    html = await staff.page("/operations")
    assert all(card(html, name) for name in ("RequestManagement", "AIProcessing", "Execution"))
    assert decision.versions()["knowledge_base"] in card(html, "DecisionSimulation")
    assert "0 commands wait" in card(html, "Execution")
    assert "Not on Ray" in card(html, "AIProcessing")
    assert "operations_desk" in html.partition("Systems outside")[2]
    assert 'href="/docs"' in html
    assert 'href="http://127.0.0.1:8265"' in html


async def test_the_part_that_changes_comes_alone(staff: Person) -> None:
    part = await staff.page("/operations/services")
    assert "<html" not in part
    assert "data-health=" in part


async def test_replicas_are_shown_as_serve_counts_them(staff: Person, service: RequestManagementService) -> None:
    state = DeploymentState(
        status="UPSCALING", message="<b>Starting</b> 2", running=1, starting=2, stopping=0, failing=True, wanted=3,
        replicas={"RUNNING": 1, "STARTING": 2},
    )  # fmt: skip
    service.services.cluster = Cluster({"execution": state})
    html = await staff.page("/operations")
    assert "1 of 3 running" in card(html, "Execution")
    assert "2 starting" in card(html, "Execution")
    assert "&lt;b&gt;Starting&lt;/b&gt;" in html
    assert "Ray does not say" in card(html, "AIProcessing")
    assert 'data-health="degraded:Execution"' in html
    service.services.cluster = Cluster(Unavailable("no word"))
    assert "Ray does not say" in card(await staff.page("/operations"), "Execution")


async def test_a_service_that_is_down_is_told_and_the_page_is_there(
    staff: Person, service: RequestManagementService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: Any, **__: Any) -> Any:
        raise ServiceUnavailable("down")

    async def silent(*_: Any, **__: Any) -> Any:
        await asyncio.sleep(60)

    monkeypatch.setattr(service_status, "PATIENCE_S", 0.2)
    for name in ("health", "load", "dead_lettered", "systems"):
        monkeypatch.setattr(service._execution, name, down)
    monkeypatch.setattr(service._decision, "versions", silent)
    html = await staff.page("/operations")
    assert "Unhealthy" in card(html, "Execution")
    assert "it does not answer" in card(html, "Execution")
    assert "Queue Not known" in card(html, "Execution")
    assert "Serves by Not known" in card(html, "DecisionSimulation")
    assert "Healthy" in card(html, "AIProcessing")
    assert "Not known: Execution does not answer." in html
    assert 'data-health="unhealthy:Execution"' in html


async def test_programs_may_look_and_residents_may_not(resident: Person, sign_in: Callable[..., object]) -> None:
    await resident.page("/operations", status=403)
    await resident.page("/operations/services", status=403)
    robot: Person = await sign_in(Role.SERVICE, "robot")  # type: ignore[misc]
    assert "/staff/executions" not in await robot.page("/operations")


def test_the_dashboard_is_linked_in_production_only_where_it_was_named() -> None:
    assert Settings().dashboard_url == "http://127.0.0.1:8265"
    production = Settings(environment="production", auth_mode="oidc")
    assert production.dashboard_url is None
    named = production.model_copy(update={"ray_dashboard_url": "https://ray.example"})
    assert named.dashboard_url == "https://ray.example"
