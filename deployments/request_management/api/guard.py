"""Enforces the table of access rules on every route: roles, the person's rate limit, and the audit log first."""

import asyncio
import contextvars
import logging
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.exceptions import HTTPException

from core.errors import AppError, BrokenInvariant, Forbidden, NotFound, RateLimited
from core.identity import Principal
from core.labels import Role
from deployments.request_management import access
from deployments.request_management.access_rules import RULES, Key, Reach, Rule
from deployments.request_management.api.authentication import authenticate
from deployments.request_management.api.context import Service
from deployments.request_management.api.correlation import correlation_id
from deployments.request_management.api.rate_limits import is_in_development, remember
from deployments.request_management.audit import PORTFOLIO, Act, Outcome
from deployments.request_management.intake import named_home
from deployments.request_management.service import RequestManagementService

log = logging.getLogger(__name__)

OPEN_PATHS = frozenset({"/openapi.json", "/docs", "/docs/oauth2-redirect", "/static-offline-docs"})
"""The documentation, outside of the interface's prefix."""


@dataclass(frozen=True)
class Entrance:
    """A route as it is served."""

    path: str
    method: str
    name: str
    rule: Rule | None
    """None for the documentation."""
    route: object


def entrances(app: FastAPI, prefix: str, rules: Mapping[Key, Rule] = RULES) -> list[Entrance]:
    """Every route of the application with its rule. Raises `BrokenInvariant` for one that has none."""
    found: list[Entrance] = []
    for context in iter_route_contexts(app.routes):
        path = context.path or ""
        for method in sorted(context.methods or {"MOUNT"}):
            key = (method, path.removeprefix(prefix))
            rule = rules.get(key) if path.startswith(prefix + "/") else None
            if rule is None and path not in OPEN_PATHS:
                raise BrokenInvariant(
                    f"{method} {path} has no access rule; add a line for {key} to RULES in access_rules.py."
                )
            if rule is not None and not isinstance(context.original_route, APIRoute):
                raise BrokenInvariant(f"{method} {path} is no route of FastAPI's, so that its rule is not enforced.")
            found.append(Entrance(path, method, context.name or "", rule, context.original_route))
    return found


def install_rules(app: FastAPI, prefix: str, rules: Mapping[Key, Rule] = RULES) -> None:
    """Let `guard` find each route's rule. Raises `BrokenInvariant` for a route without one."""
    app.state.entrances = {(id(each.route), each.method): each for each in entrances(app, prefix, rules)}


async def guard(request: Request, service: Service) -> AsyncIterator[None]:
    """A dependency of every route: whom the rule does not let in gets no further.

    Raises `Unauthenticated`, `Forbidden`, `NotFound`, `RateLimited`, and `Unavailable` where the audit log can't be
    written.
    """
    entrance: Entrance | None = request.app.state.entrances.get((id(request.scope["route"]), request.method))
    if entrance is None:
        raise BrokenInvariant(f"{request.url.path} was added after the rules were read.")
    rule = entrance.rule
    if rule is None or rule.roles is None:
        yield
        return
    principal = await authenticate(request)
    is_change = rule.is_change(request.method)
    is_audited = principal.role is not Role.RESIDENT and (is_change or rule.bulk)
    act = Act(principal.sub, principal.role, entrance.name, _target(request), correlation_id(request))
    if principal.role not in rule.roles:
        if is_audited:
            await _note(service, PORTFOLIO, act, "refused")
        raise await _refusal(service, principal, rule, request.path_params)
    if is_change:
        await _count(service, request, principal)
    if not is_audited:
        yield
        return
    chain = await _chain(service, principal, request.path_params)
    await service.audit.append(chain, act, "begun")
    try:
        yield
    except BaseException as error:
        await _note(service, chain, act, _outcome(error))
        raise


async def _refusal(
    service: RequestManagementService, principal: Principal, rule: Rule, params: Mapping[str, str]
) -> AppError:
    """`NotFound` for what the caller may not know of, else `Forbidden`."""
    if rule.reach is Reach.REQUEST and principal.role in access.SUBMITTERS:
        try:
            await service.requests.get(principal, params["request_id"])
        except NotFound as hidden:
            return hidden
    if rule.reach is Reach.RESIDENT and principal.is_resident and params["resident_id"] != principal.sub:
        return NotFound("There is no such resident.")
    return Forbidden(f"A {principal.role} may not do this.")


async def _count(service: RequestManagementService, request: Request, principal: Principal) -> None:
    """Count a change against the person's limit; a service is no person, and its address has a limit."""
    if principal.role is Role.SERVICE or is_in_development(request, service.settings):
        return
    allowance = await service.limits.person.take(f"{principal.role}:{principal.sub}")
    remember(request, allowance)
    if not allowance.allowed:
        raise RateLimited("You have changed much in a short time; please wait a moment.", allowance.reset_s)


async def _chain(service: RequestManagementService, principal: Principal, params: Mapping[str, str]) -> str:
    """The chain of the building that a call is about, as far as its path tells; else the portfolio's."""
    if "request_id" in params:
        try:
            return (await service.requests.get(principal, params["request_id"])).building_id
        except AppError as error:
            if error.status >= 500:
                raise
            return PORTFOLIO
    home = named_home(params.get("resident_id", ""))
    if home is not None and principal.covers(home[0]):
        return home[0]
    own = principal.buildings or frozenset()
    return next(iter(own)) if len(own) == 1 else PORTFOLIO


_ODD = re.compile(r"[^A-Za-z0-9_.:@=-]")


def _target(request: Request) -> str:
    parts = (f"{name}={_ODD.sub('?', str(value)[:100])}" for name, value in sorted(request.path_params.items()))
    return " ".join(parts)


def _outcome(error: BaseException) -> Outcome:
    is_refusal = isinstance(error, RequestValidationError) or (
        error.status < 500 if isinstance(error, AppError) else isinstance(error, HTTPException)
    )
    return "refused" if is_refusal else "failed"


async def _note(service: RequestManagementService, chain: str, act: Act, outcome: Outcome) -> None:
    """Write an entry after the fact, to its end though the call is cancelled; what can't be written is logged."""

    async def write() -> None:
        try:
            await service.audit.append(chain, act, outcome)
        except AppError as error:
            log.error("audit chain=%s action=%s outcome=%s is not written: %s", chain, act.action, outcome, error.code)

    await asyncio.shield(asyncio.get_running_loop().create_task(write(), context=contextvars.copy_context()))
