"""Puts the routes together into the FastAPI application."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline

from core.settings import Settings
from deployments.request_management.access_rules import PUBLIC_PATHS
from deployments.request_management.api import (
    analysis,
    attachments,
    audit,
    callbacks,
    desk,
    health,
    incidents,
    knowledge,
    notifications,
    operations,
    requests,
    residents,
    services,
    staff,
    statistics,
    webhooks,
    what_if,
)
from deployments.request_management.api.admission import AdmissionMiddleware
from deployments.request_management.api.authentication import AuthenticationMiddleware
from deployments.request_management.api.body_limit import BodyLimitMiddleware
from deployments.request_management.api.correlation import CorrelationMiddleware
from deployments.request_management.api.description import install_description
from deployments.request_management.api.guard import guard, install_rules
from deployments.request_management.api.inner_calls import InnerCalls
from deployments.request_management.api.problems import install
from deployments.request_management.api.rate_limits import AddressLimitMiddleware
from deployments.request_management.api.security_headers import SecurityHeadersMiddleware
from deployments.request_management.api.tracing import TracingMiddleware
from deployments.request_management.service import RequestManagementService
from web.application import PagesMiddleware, PlainWordsMiddleware, build_pages, visitors_known_to

PREFIX = "/api/v1"
PHOTOS_AT_ONCE = 3
_CORS: Mapping[str, Any] = MappingProxyType(
    {
        "allow_methods": ["GET", "POST", "PUT", "PATCH", "DELETE"],
        "allow_headers": [
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "If-Match",
            "Last-Event-ID",
            "Prefer",
            "X-Request-ID",
        ],
        "expose_headers": [
            "ETag",
            "Idempotency-Replayed",
            "Location",
            "RateLimit-Limit",
            "RateLimit-Remaining",
            "RateLimit-Reset",
            "Retry-After",
            "X-Request-ID",
        ],
        "max_age": 600,
    }
)


def build_api(service: Callable[[], RequestManagementService], settings: Settings) -> FastAPI:
    """The interface and the pages; `service` is asked at each call, so that it may be made later than the routes."""
    # The documentation's page comes with its scripts from the package: no content network at run time.
    app = FastAPIOffline(
        title="Agentic Apartment Manager",
        version=version("agentic-apartment-manager"),
        description="A resident's message in, a decision carried out.",
        docs_url="/docs",
        redoc_url=None,
        openapi_url="/openapi.json",
        dependencies=[Depends(guard)],
    )
    app.state.service = service
    app.state.settings = settings
    install(app)
    for routes in (
        audit,
        incidents,
        staff,
        statistics,
        requests,
        residents,
        attachments,
        analysis,
        knowledge,
        what_if,
        services,
        operations,
        desk,
        notifications,
        callbacks,
        webhooks,
        health,
    ):
        app.include_router(routes.router, prefix=PREFIX)
    app.include_router(notifications.public, prefix=PREFIX)
    install_rules(app, PREFIX)
    install_description(app)
    # A form around the file takes room, too.
    file_bytes = settings.attachment_limit_bytes + 65_536
    # Without script, photos come with the report.
    photos_bytes = PHOTOS_AT_ONCE * settings.attachment_limit_bytes + 65_536
    app.add_middleware(PagesMiddleware, pages=build_pages(service, InnerCalls(app)))
    # The last one added is the outermost: a refused body has a correlation id, too.
    app.add_middleware(
        BodyLimitMiddleware,
        limit_bytes=settings.body_limit_bytes,
        limits_by_path={f"{PREFIX}/attachments": file_bytes},
        limits_of_known={"/photos": file_bytes, "/report": photos_bytes},
        is_known=visitors_known_to(service),
    )
    app.add_middleware(AuthenticationMiddleware, prefix=PREFIX, public=PUBLIC_PATHS)
    app.add_middleware(AddressLimitMiddleware, settings=settings, exempt=frozenset({f"{PREFIX}/health"}))
    app.add_middleware(AdmissionMiddleware, limit=settings.concurrent_calls)
    if settings.cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=list(settings.cors_origins), **_CORS)
    app.add_middleware(PlainWordsMiddleware, time_zone=settings.time_zone)
    app.add_middleware(SecurityHeadersMiddleware, settings=settings)
    app.add_middleware(
        TracingMiddleware,
        trusts_callers=settings.trust_traceparent,
        untraced=(f"{PREFIX}/health", "/static/"),
    )
    app.add_middleware(CorrelationMiddleware)
    return app
