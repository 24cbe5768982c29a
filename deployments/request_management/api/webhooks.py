"""Routes of webhooks: register an endpoint, look after it, see what was delivered."""

from fastapi import APIRouter, Response

from deployments.request_management.api.context import Caller, Cursor, Limit, OnceOnly, Reply, Service, send
from deployments.request_management.api.problems import documented
from deployments.request_management.webhook_log import DeliveryList, WebhookDelivery
from deployments.request_management.webhooks import Endpoint, EndpointList, EndpointOrder, NewEndpoint, new_endpoint_id

router = APIRouter(tags=["webhooks"], responses=documented(401, 403, 413, 422, 429, 500, 503))


@router.post("/webhooks", response_model=NewEndpoint, status_code=201, responses=documented(409))
async def register_webhook(order: EndpointOrder, service: Service, caller: Caller, once: OnceOnly) -> Response:
    """Register an address for events. The answer shows the signing secret, which no other answer does."""

    async def work(endpoint_id: str) -> Reply:
        made = await service.webhooks.register(caller, order, endpoint_id)
        headers = {"Location": f"/api/v1/webhooks/{endpoint_id}", "Cache-Control": "no-store"}
        return Reply(made, 201, headers)

    return await once(new_endpoint_id(), work)


@router.get("/webhooks", response_model=EndpointList)
async def list_webhooks(service: Service, caller: Caller) -> Response:
    """The endpoints of the caller's buildings."""
    return send(Reply(await service.webhooks.list(caller)))


@router.get("/webhooks/{endpoint_id}", response_model=Endpoint, responses=documented(404))
async def get_webhook(endpoint_id: str, service: Service, caller: Caller) -> Response:
    """One endpoint."""
    return send(Reply(await service.webhooks.get(caller, endpoint_id)))


@router.delete("/webhooks/{endpoint_id}", status_code=204, response_class=Response, responses=documented(404))
async def delete_webhook(endpoint_id: str, service: Service, caller: Caller) -> Response:
    """Send nothing there any more, of what waits neither."""
    await service.webhooks.delete(caller, endpoint_id)
    return Response(status_code=204)


@router.post("/webhooks/{endpoint_id}/rotate-secret", response_model=NewEndpoint, responses=documented(404, 409))
async def rotate_webhook_secret(endpoint_id: str, service: Service, caller: Caller, once: OnceOnly) -> Response:
    """A new signing secret; for 24 hours, events are signed with the one before, too."""

    async def work(_: str) -> Reply:
        made = await service.webhooks.rotate(caller, endpoint_id)
        return Reply(made, headers={"Cache-Control": "no-store"})

    return await once(endpoint_id, work)


@router.post("/webhooks/{endpoint_id}/pause", response_model=Endpoint, responses=documented(404, 409))
async def pause_webhook(endpoint_id: str, service: Service, caller: Caller, once: OnceOnly) -> Response:
    """Keep its events, for up to five days each, until it goes on."""

    async def work(_: str) -> Reply:
        return Reply(await service.webhooks.pause(caller, endpoint_id))

    return await once(endpoint_id, work)


@router.post("/webhooks/{endpoint_id}/resume", response_model=Endpoint, responses=documented(404, 409))
async def resume_webhook(endpoint_id: str, service: Service, caller: Caller, once: OnceOnly) -> Response:
    """Go on with a paused endpoint; begin anew with one that was disabled because it failed."""

    async def work(_: str) -> Reply:
        return Reply(await service.webhooks.resume(caller, endpoint_id))

    return await once(endpoint_id, work)


@router.get("/webhooks/{endpoint_id}/deliveries", response_model=DeliveryList, responses=documented(404))
async def list_webhook_deliveries(
    endpoint_id: str, service: Service, caller: Caller, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """What was sent there and what came of it, newest first."""
    return send(Reply(await service.courier.deliveries(caller, endpoint_id, limit, cursor)))


@router.post(
    "/webhooks/{endpoint_id}/deliveries/{delivery_id}/redeliver",
    response_model=WebhookDelivery,
    status_code=202,
    responses=documented(404, 409),
)
async def redeliver_webhook(
    endpoint_id: str, delivery_id: str, service: Service, caller: Caller, once: OnceOnly
) -> Response:
    """Have an event sent once more, under the same id."""

    async def work(_: str) -> Reply:
        return Reply(await service.courier.redeliver(caller, endpoint_id, delivery_id), 202)

    return await once(delivery_id, work)
