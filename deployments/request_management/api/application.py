"""Puts the routes together into the FastAPI application."""

from collections.abc import Callable
from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from core.settings import Settings
from deployments.request_management.api import analysis, health, operations, requests, what_if
from deployments.request_management.api.admission import AdmissionMiddleware
from deployments.request_management.api.body_limit import BodyLimitMiddleware
from deployments.request_management.api.correlation import CorrelationMiddleware
from deployments.request_management.api.problems import install
from deployments.request_management.service import RequestManagementService

PREFIX = "/api/v1"


def build_api(service: Callable[[], RequestManagementService], settings: Settings) -> FastAPI:
    """The application; `service` is asked at each call, so that it may be made later than the routes."""
    # The documentation's page comes with its scripts from the package: no content network at run time.
    app = FastAPIOffline(
        title="Agentic Apartment Manager",
        version=version("agentic-apartment-manager"),
        description="A resident's message in, a decision carried out.",
        docs_url="/docs",
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.service = service
    install(app)
    for router in (requests.router, analysis.router, what_if.router, operations.router, health.router):
        app.include_router(router, prefix=PREFIX)
    # The last one added is the outermost: a refused body has a correlation id, too.
    app.add_middleware(BodyLimitMiddleware, limit_bytes=settings.body_limit_bytes)
    app.add_middleware(AdmissionMiddleware, limit=settings.concurrent_calls)
    app.add_middleware(CorrelationMiddleware)
    return app
