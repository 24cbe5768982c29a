"""Routes by which people say how they wish to be told, and what mail programs call to switch a kind off."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import HTMLResponse

from core.contract import Contract
from core.execution_labels import NoticeKind
from core.notices import NotificationPreferences
from deployments.request_management.api.context import Caller, Reply, Service, expected_version, send
from deployments.request_management.api.problems import documented
from deployments.request_management.api.unsubscribe_page import PAGE_POLICY, unsubscribe_page

router = APIRouter(tags=["notifications"], responses=documented(401, 403, 413, 422, 429, 500, 503))
public = APIRouter(tags=["notifications"], responses=documented(413, 422, 429, 500, 503))
IfMatch = Annotated[str | None, Header()]
WhosePreferences = Annotated[str, Path(max_length=100)]
Token = Annotated[str, Query(pattern=r"^[A-Za-z0-9._~-]{1,1000}$")]


class Unsubscribed(Contract):
    """What is not pushed any more."""

    kind: NoticeKind


def _of(preferences: NotificationPreferences) -> Response:
    return send(Reply(preferences, headers={"ETag": f'"{preferences.version}"'}))


@router.get(
    "/residents/{resident_id}/notification-preferences",
    response_model=NotificationPreferences,
    responses=documented(404),
)
async def get_resident_preferences(resident_id: WhosePreferences, service: Service, caller: Caller) -> Response:
    """How a resident wishes to be told; version 0 where they never said."""
    return _of(await service.notification_settings.of_resident(caller, resident_id))


@router.put(
    "/residents/{resident_id}/notification-preferences",
    response_model=NotificationPreferences,
    responses=documented(404, 412),
)
async def choose_resident_preferences(
    resident_id: WhosePreferences,
    chosen: NotificationPreferences,
    service: Service,
    caller: Caller,
    if_match: IfMatch = None,
) -> Response:
    """Say how a resident wishes to be told; the version comes from `If-Match` alone."""
    expected = expected_version(if_match)
    return _of(await service.notification_settings.choose_for_resident(caller, resident_id, chosen, expected))


@router.get("/me/notification-preferences", response_model=NotificationPreferences)
async def get_own_preferences(service: Service, caller: Caller) -> Response:
    """How the caller wishes to be told."""
    return _of(await service.notification_settings.own(caller))


@router.put("/me/notification-preferences", response_model=NotificationPreferences, responses=documented(412))
async def choose_own_preferences(
    chosen: NotificationPreferences, service: Service, caller: Caller, if_match: IfMatch = None
) -> Response:
    """Say how the caller wishes to be told; the version comes from `If-Match` alone."""
    return _of(await service.notification_settings.choose_own(caller, chosen, expected_version(if_match)))


@public.get(
    "/unsubscribe",
    response_class=Response,
    responses={200: {"description": "The page", "content": {"text/html": {"schema": {"type": "string"}}}}},
)
async def confirm_unsubscribing(token: Token) -> Response:
    """A page that asks whether to switch the kind of message off that a mail's link names."""
    return HTMLResponse(unsubscribe_page(token), headers={"Content-Security-Policy": PAGE_POLICY})


@public.post("/unsubscribe", response_model=Unsubscribed, responses=documented(404))
async def unsubscribe(token: Token, service: Service) -> Response:
    """Switch off the kind of message that a mail's link names (RFC 8058); danger is told in any case."""
    return send(Reply(Unsubscribed(kind=await service.notification_settings.unsubscribe(token))))
