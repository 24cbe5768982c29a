"""What only real replicas show: errors that keep their type, and batches across processes.

The tests run in the order in which they stand: the last ones end the cluster.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest

from bench.running_graph import Graph
from core.labels import Role

PARCEL = "my parcel shows delivered yesterday but it is not in the locker"
EMERGENCY = "water is pouring through my bathroom ceiling and the light is flickering"
PENDING = {"Submitted", "Processing"}


def submit(client: httpx.Client, message: str, wait_s: int = 20) -> httpx.Response:
    return client.post("/requests", json={"message_text": message}, headers={"Prefer": f"wait={wait_s}"})


def until(client: httpx.Client, request_id: str, reached: Any, within_s: float = 60) -> dict[str, Any]:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            request = client.get(f"/requests/{request_id}").json()
            if reached(request):
                return request
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"{request_id} never got there")


def test_the_four_deployments_run_each_in_processes_of_its_own(graph: Graph) -> None:
    pids = {
        name: [one.pid for one in graph.replicas(name)]
        for name in ("RequestManagement", "AIProcessing", "DecisionSimulation", "Execution")
    }
    assert all(len(found) == 1 for found in pids.values())
    assert len({pid for found in pids.values() for pid in found}) == 4


def test_the_status_counts_the_replicas_that_serve_runs(staff: httpx.Client) -> None:
    end = time.monotonic() + 30
    # Serve's first answer to a replica may take longer than a page waits for it.
    while None in [each["deployment"] for each in staff.get("/operations/services").json()["services"].values()]:
        assert time.monotonic() < end
    report = staff.get("/operations/services").json()
    assert (report["status"], report["on_ray"]) == ("healthy", True)
    for name, service in report["services"].items():
        deployment = service["deployment"]
        assert (deployment["status"], deployment["running"], deployment["wanted"]) == ("HEALTHY", 1, 1), name
    assert report["waiting_commands"] is not None
    assert report["services"]["decision_simulation"]["versions"]["knowledge_base"]


def test_a_choice_crosses_all_four_services(resident: httpx.Client, staff: httpx.Client) -> None:
    answer = submit(resident, PARCEL)
    assert answer.status_code == 201
    request = answer.json()
    option = request["decision"]["recommended_option_id"]
    chosen = resident.post(f"/requests/{request['request_id']}/select-option", json={"option_id": option})
    assert chosen.status_code == 200
    done = until(resident, request["request_id"], lambda one: one["execution"]["status"] == "Succeeded")
    execution = staff.get(f"/executions/{done['execution']['execution_id']}").json()
    assert execution["status"] == "Succeeded"
    assert execution["steps"] == done["execution"]["steps"]


def test_an_emergency_needs_nobody(resident: httpx.Client) -> None:
    request = submit(resident, EMERGENCY).json()
    assert request["classification"]["source"] == "rules"
    done = until(resident, request["request_id"], lambda one: one["execution"]["status"] == "Succeeded")
    assert done["status"] == "InProgress"


def test_errors_keep_their_type_between_replicas(staff: httpx.Client, resident: httpx.Client) -> None:
    option = {"option_id": "a", "estimated_cost_usd": 10, "estimated_time_hours": 2}
    weights = {"urgency": 0.9, "time": 0.9, "cost": 0.0, "satisfaction": 0.0, "compliance": 0.0}
    question = {"options": [option], "urgency": "Low", "category": "Billing"}
    assert staff.post("/decide", json=question).status_code == 200
    refused = staff.post("/decide", json={**question, "weights": weights})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    cursor = staff.get("/operations/work-orders", params={"cursor": "bm9uc2Vuc2U"})
    assert (cursor.status_code, cursor.json()["code"]) == (422, "invalid_cursor")
    missing = staff.post("/operations/work-orders/WO-999999/complete", json={"notes": "x"})
    assert missing.status_code == 404
    request_id = submit(resident, PARCEL).json()["request_id"]
    order = {"request_id": request_id, "action": "notify", "parameters": {"subject": "s"}}
    wrong = staff.post("/execute", json=order)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")
    for answer in (refused, cursor, missing, wrong):
        assert answer.headers["content-type"] == "application/problem+json"
        assert "ray" not in answer.text.lower()


def test_concurrent_residents_get_each_their_own(graph: Graph) -> None:
    def one(number: int) -> tuple[str, dict[str, Any]]:
        with graph.client(Role.RESIDENT, f"RES_B_{number}") as client:
            return f"RES_B_{number}", submit(client, f"unit {number}: the kitchen tap drips").json()

    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(one, range(48)))
    assert [request["resident_id"] for _, request in answers] == [resident for resident, _ in answers]
    assert all(f"unit {number}:" in request["message_text"] for number, (_, request) in enumerate(answers))
    assert not {request["status"] for _, request in answers} & PENDING


def test_a_what_if_runs_beside_the_service(staff: httpx.Client) -> None:
    body: dict[str, Any] = {"changes": {"figures": {"crews.plumbing.technicians": 3}}, "synthetic_days": 1}
    started = staff.post("/what-if", json={**body, "replications": 10})
    assert started.status_code == 202
    place = started.headers["Location"].removeprefix("/api/v1")
    end = time.monotonic() + 120
    while (run := staff.get(place).json())["status"] in ("Queued", "Running"):
        assert time.monotonic() < end
        time.sleep(0.2)
    assert (run["status"], run["result"]["replications"]) == ("Succeeded", 10)
    long = staff.post("/what-if", json={**body, "synthetic_days": 30, "replications": 1000}).json()["run_id"]
    assert staff.post(f"/what-if/{long}/cancel").json()["status"] == "Cancelled"
    assert staff.get("/health").json()["status"] == "healthy"


@pytest.mark.parametrize("path", ["/api/jobs/", "/api/serve/applications/", "/nodes?view=summary", "/api/v0/actors"])
def test_rays_dashboard_and_jobs_ask_for_a_token(graph: Graph, path: str) -> None:
    """Whoever may submit a job runs code here."""
    url = f"http://127.0.0.1:{graph.dashboard_port}{path}"
    assert httpx.get(url, timeout=20).status_code == 401
    assert httpx.post(url, json={"entrypoint": "true"}, timeout=20).status_code == 401
    known = {"Authorization": f"Bearer {graph.ray_token}"}
    assert httpx.get(url, headers=known, timeout=20).status_code == 200


def test_a_stop_leaves_nothing_behind(graph: Graph) -> None:
    assert graph.process is not None
    bystander = psutil.Process()
    assert graph.stop() == []
    assert graph.process.returncode == 0
    assert bystander.is_running()


def test_a_taken_port_is_told(graph: Graph) -> None:
    import socket
    import subprocess
    import sys

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "aam", "run", "--http-port", port]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert port in result.stderr
    assert "--http-port" in result.stderr
    assert "Traceback" not in result.stderr
