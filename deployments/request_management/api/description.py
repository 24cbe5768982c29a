"""The API's description (OpenAPI) as FastAPI makes it, with what FastAPI does not know of how errors are answered."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from fastapi import FastAPI

from deployments.request_management.api.correlation import HEADER
from deployments.request_management.api.problems import MEDIA_TYPE, documented

_TEXT = {"schema": {"type": "string"}}
_HEADERS: Mapping[str, Mapping[str, Any]] = {
    "401": {"WWW-Authenticate": {"required": True, **_TEXT, "description": "The scheme: `Bearer`."}},
    "405": {"Allow": {"required": True, **_TEXT, "description": "The methods that the path has."}},
    "429": {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 0}, "description": "Seconds."}},
    "503": {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 0}, "description": "Seconds."}},
}
_CORRELATION = {
    "description": "The correlation id of the call, the caller's own where it sent one.",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
}


def install_description(app: FastAPI) -> None:
    """Let `/openapi.json` say how errors are answered: their one media type, their headers, and unreadable bodies."""
    made = app.openapi

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            description = made()
            for operation in _operations(description):
                _complete(operation)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = describe


def _operations(description: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path in description["paths"].values():
        yield from (operation for operation in path.values() if isinstance(operation, dict))


def _complete(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if "requestBody" in operation:
        # Bytes that are no text in UTF-8 never come to be judged by the schema.
        unreadable = documented(400)[400]
        responses["400"] = {
            "description": unreadable["description"],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    for status, response in responses.items():
        content = response.get("content", {})
        if MEDIA_TYPE in content:
            content[MEDIA_TYPE] |= content.pop("application/json", {})
            response.setdefault("headers", {}).update(deepcopy(_HEADERS.get(status, {})))
        response.setdefault("headers", {})[HEADER] = dict(_CORRELATION)
