"""Finds what a message is compared with: the building's open requests, the nearest of them with what they name."""

import base64
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from core.ports.store import OpenRequest, RequestStore
from core.record import RequestRecord
from core.request import BuildingId, RequestId
from deployments.request_management.likeness import DUPLICATE_WINDOW, Matter, shortlist, unpack
from deployments.request_management.matters import mentions_of
from deployments.request_management.peers import DecisionSimulation

MOST_OPEN = 200
MOST_READ = 24


async def matter_of(record: RequestRecord, decision: DecisionSimulation) -> Matter:
    """What is compared of a stored request. Raises `ServiceUnavailable` where a vector is needed and can't be had."""
    request, labels = record.request, record.request.classification
    kept = record.trace.inputs.get("embedding") if record.trace else None
    vector = base64.b64decode(kept) if kept else (await decision.embed([request.message_text]))[0]
    return Matter(
        request_id=request.request_id,
        resident_id=request.resident_id,
        unit=request.unit,
        at=request.created_at,
        category=labels.category if labels else None,
        trade=labels.trade if labels else None,
        urgency=labels.urgency if labels else None,
        vector=unpack(vector),
        mentions=mentions_of(request.message_text),
    )


async def nearest_open(
    store: RequestStore,
    building_id: BuildingId,
    new: Matter,
    now: datetime,
    *,
    of_resident: bool = False,
    always: Collection[str] = (),
) -> tuple[list[Matter], dict[str, RequestRecord]]:
    """The open requests that are worth comparing, with their records; with `of_resident` the same resident's alone.

    Those in `always` are compared however far off they are.
    """
    found = await store.open_requests(building_id, since=now - DUPLICATE_WINDOW, limit=MOST_OPEN)
    others = [_unread(one) for one in found if one.request_id != new.request_id]
    own = [one for one in others if one.resident_id == new.resident_id]
    rest = [] if of_resident else [one for one in others if one.resident_id != new.resident_id]
    nearest = (*shortlist(new, own, MOST_READ), *shortlist(new, rest, MOST_READ))
    kept = (one for one in rest if one.request_id in always and one not in nearest)
    return await _read(store, (*nearest, *kept))


async def _read(store: RequestStore, chosen: Sequence[Matter]) -> tuple[list[Matter], dict[str, RequestRecord]]:
    matters, records = list[Matter](), dict[str, RequestRecord]()
    for matter in chosen:
        record = await store.get(RequestId(matter.request_id))
        if record is not None:
            matters.append(replace(matter, mentions=mentions_of(record.request.message_text)))
            records[matter.request_id] = record
    return matters, records


def _unread(one: OpenRequest) -> Matter:
    return Matter(
        request_id=one.request_id,
        resident_id=one.resident_id,
        unit=one.unit,
        at=one.created_at,
        category=one.category,
        trade=one.trade,
        urgency=one.urgency,
        vector=unpack(one.vector),
    )
