"""The API answers as its description says, to made-up calls of everybody; `python -m bench.schema` makes more."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from fastapi import FastAPI, Response

from adapters.tokens import LocalTokens
from bench.one_process import assembled
from bench.schema import CALLERS, fuzz, prepare, served
from core.labels import Role, Status
from core.settings import Settings
from deployments.ai_processing.deployment import AIProcessing
from deployments.decision_simulation.deployment import DecisionSimulation
from deployments.request_management.api.application import build_api
from tests.builders import build_event, build_full_record
from tests.deployments.request_management.light import Light
from tests.deployments.request_management.test_story import EMERGENCY, PARCEL, QUESTION

OPERATIONS = build_api(lambda: cast(Any, None), Settings()).openapi()["paths"]


@pytest.fixture(scope="module")
def served_settings(built_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return built_settings.model_copy(update={"state_dir": tmp_path_factory.mktemp("served")})


@pytest.fixture(scope="module")
def base_url(served_settings: Settings, ai: AIProcessing, decision: DecisionSimulation) -> Iterator[str]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[FastAPI]:
        async with assembled(served_settings, ai, decision) as service:
            yield build_api(lambda: service, served_settings)

    with served(opened) as url:
        resident = LocalTokens(served_settings.local_key).issue(Role.RESIDENT, "RES_A_101")
        prepare(url, resident, [PARCEL, QUESTION, EMERGENCY])
        yield url


@pytest.mark.parametrize("name", CALLERS)
def test_no_answer_breaks_the_description(base_url: str, served_settings: Settings, name: str) -> None:
    who = CALLERS[name]
    token = LocalTokens(served_settings.local_key).issue(*who) if who else None
    found = fuzz(base_url, token, seed=20, examples=1, phases=("examples", "fuzzing"))
    assert not found.errors
    assert not found.failures, "\n\n".join(f"{key}\n{text}" for key, text in found.failures.items())
    assert found.cases >= sum(len(path) for path in OPERATIONS.values())
    assert max(found.statuses) < 500
    assert who or found.statuses[401] > found.calls / 2


def test_an_answer_that_breaks_its_description_is_found() -> None:
    app = FastAPI()

    @app.get("/teapot")
    def pour() -> Response:
        return Response(status_code=418)

    @app.get("/number", response_model=int)
    def count() -> Response:
        return Response('"many"', media_type="application/json")

    @app.get("/broken")
    def fall_over() -> Response:
        return Response(status_code=500)

    @asynccontextmanager
    async def opened() -> AsyncIterator[FastAPI]:
        yield app

    with served(opened) as url:
        found = fuzz(url, None, seed=1, examples=1)
    assert {(check, label) for check, label, _ in found.failures} >= {
        ("status_code_conformance", "GET /teapot"),
        ("response_schema_conformance", "GET /number"),
        ("not_a_server_error", "GET /broken"),
    }


def test_every_error_is_described_as_a_problem_document() -> None:
    for path, operations in OPERATIONS.items():
        for method, operation in operations.items():
            assert ("400" in operation["responses"]) == ("requestBody" in operation), (method, path)
            for status, response in operation["responses"].items():
                assert response["headers"]["X-Request-ID"]["required"]
                if status >= "400" and (path, status) != ("/api/v1/health", "503"):
                    (media_type,) = response["content"].items()
                    assert media_type == (
                        "application/problem+json",
                        {"schema": {"$ref": "#/components/schemas/Problem"}},
                    )
                    assert (status in ("429", "503")) == ("Retry-After" in response["headers"])


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/requests", "GET, POST"),
        ("/requests/REQ_1", "GET, PUT"),
        ("/requests/similar", "POST"),
        ("/attachments/ATT_1", "DELETE, GET"),
        ("/health", "GET"),
    ],
)
async def test_a_method_that_is_not_there_is_told_the_others(light: Light, path: str, methods: str) -> None:
    async with light.client(Role.STAFF, "sam") as staff:
        for method in ("OPTIONS", "TRACE", "PATCH"):
            answer = await staff.request(method, path)
            assert (answer.status_code, answer.headers["Allow"]) == (405, methods)
            assert answer.headers["content-type"] == "application/problem+json"


async def test_a_signature_of_letters_that_no_signature_has(light: Light) -> None:
    async with light.client() as client:
        path = "/attachments/ATT_1/content"
        for signature in ("\u00eb" * 64, "x" * 64, "A" * 64, ""):
            answer = await client.get(path, params={"expires": 2**39, "signature": signature})
            assert answer.status_code == 422
        assert (await client.get(path, params={"expires": 2**39, "signature": "a" * 64})).status_code == 404


HISTORY: dict[str, Any] = {"created_at": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/rag/retrieve", {"query": "gym", "top_k": True}),
        ("/rag/retrieve", {"query": "gym", "top_k": "5"}),
        ("/rag/retrieve", {"query": "gym", "min_score": False}),
        ("/predict-risk", {"message_text": "a", "building": {"open_requests": True}}),
        ("/predict-risk", {"message_text": "a", "building": {"same_trade_180d": {"pest": "1"}}}),
        ("/predict-risk", {"message_text": "a", "backlog": {"topics": {"pest": {"breached": False}}}}),
        ("/predict-risk", {"message_text": "a", "resident_history": [{"created_at": 0}]}),
        ("/predict-risk", {"message_text": "a", "resident_history": [{"created_at": "0"}]}),
        ("/predict-risk", {"message_text": "a", "resident_history": [{**HISTORY, "escalated": 0}]}),
        ("/what-if", {"changes": {}, "backlog": 1}),
        ("/what-if", {"changes": {}, "synthetic_days": True}),
    ],
    ids=str,
)
async def test_a_value_of_another_type_is_not_turned_into_one(light: Light, path: str, body: dict[str, Any]) -> None:
    async with light.client(Role.STAFF, "sam") as staff:
        answer = await staff.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")


async def test_a_whole_number_may_be_written_with_a_point(light: Light) -> None:
    record = build_full_record(status=Status.RESOLVED).model_copy(update={"last_event": 1})
    assert await light.ports.store.create(record, [build_event(1)])
    async with light.client(Role.RESIDENT, "RES_A_101") as owner:
        path = f"/requests/{record.request.request_id}/feedback"
        for content, status in ((b'{"rating": 4.5}', 422), (b'{"rating": 4.0}', 200)):
            answer = await owner.post(path, content=content, headers={"Content-Type": "application/json"})
            assert answer.status_code == status, answer.text
    async with light.client(Role.STAFF, "sam") as staff:
        # The other services are not there; what comes to them was valid.
        body = b'{"message_text": "a", "building": {"open_requests": 3.0}}'
        answer = await staff.post("/predict-risk", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 503
