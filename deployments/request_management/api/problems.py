"""Every error as RFC 9457 `application/problem+json`, in one place."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from core.errors import AppError, Overloaded, Unavailable
from core.metrics import REFUSALS
from deployments.request_management.api.correlation import HEADER, correlation_id
from deployments.request_management.api.security_headers import security_headers

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """One thing that is wrong with the call."""

    loc: list[str | int]
    msg: str
    type: str


class Problem(BaseModel):
    """RFC 9457, with a stable `code` and the correlation id."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[FieldError] | None = None


def install(app: FastAPI) -> None:
    """Answer every error of the application as a problem document."""
    app.add_exception_handler(AppError, _on_app_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_unexpected)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that can give these errors."""
    return {
        status: {"model": Problem, "description": _TITLES[status], "content": {MEDIA_TYPE: {}}} for status in statuses
    }


_TITLES = {
    400: "Bad request",
    401: "Authentication required",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    412: "Precondition failed",
    413: "Too large",
    415: "Unsupported media type",
    422: "Not valid",
    429: "Too many requests",
    500: "Internal error",
    503: "Service unavailable",
}


def problem_response(
    request: Request,
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    members: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """One problem document, which is counted."""
    request.app.state.service().meter.add(REFUSALS, problem=code, status=str(status))
    content = {
        "type": f"urn:aam:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        "code": code,
        "request_id": correlation_id(request),
        **(members or {}),
    }
    return JSONResponse(content, status, dict(headers or {}), media_type=MEDIA_TYPE)


def answer_error(request: Request, error: AppError) -> JSONResponse:
    """The problem document of one of this software's errors."""
    headers: dict[str, str] = {}
    if isinstance(error, Unavailable | Overloaded):
        headers["Retry-After"] = str(error.retry_after_s)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    detail = error.detail
    if error.status >= 500:
        log.warning("%s %s: %s: %s", request.method, _route(request), error.code, error.detail)
        detail = "Something that this needs does not answer now." if error.status == 503 else "Something went wrong."
    return problem_response(
        request, error.status, error.code, error.title, detail, members=error.members(), headers=headers
    )


def _route(request: Request) -> str:
    """The route's template: a path may hold anything that somebody typed."""
    return str(getattr(request.scope.get("route"), "path", "-"))


async def _on_app_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AppError)
    return answer_error(request, error)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [{"loc": list(one["loc"]), "msg": str(one["msg"]), "type": str(one["type"])} for one in error.errors()]
    first = errors[0] if errors else {"loc": ["body"], "msg": "not valid"}
    where = ".".join(str(part) for part in first["loc"])
    return problem_response(
        request, 422, "validation_error", "Not valid", f"{where}: {first['msg']}", members={"errors": errors}
    )


_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported"}


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    title = _TITLES.get(error.status_code, "Error")
    code = _CODES.get(error.status_code, "error")
    headers = {"Allow": ", ".join(_allowed(request))} if error.status_code == 405 else error.headers
    return problem_response(request, error.status_code, code, title, f"{title}.", headers=headers)


def _allowed(request: Request) -> list[str]:
    """The methods of the call's path: each is a route of its own, of which the error knows but one."""
    methods: dict[str, set[str]] = {}
    for route in iter_route_contexts(request.app.routes):
        if route.path and compile_path(route.path)[0].match(request.url.path):
            methods.setdefault(route.path, set()).update(route.methods or ())
    return sorted(next(iter(methods.values()), ()))


async def _on_unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s failed", request.method, _route(request), exc_info=error)
    # This handler runs outside of the middleware that sets the correlation id on every other answer.
    headers = {HEADER: correlation_id(request), **security_headers(request.app.state.settings, request.url.path)}
    return problem_response(request, 500, "internal_error", "Internal error", "Something went wrong.", headers=headers)
