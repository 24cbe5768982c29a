"""Routes that tell how requests went over time, and how true the predictions were."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from core.contract import SentTime
from deployments.request_management.api.context import Caller, Reply, Service, send
from deployments.request_management.api.problems import documented
from deployments.request_management.outcome_trend import Interval, TrendAnswer
from deployments.request_management.predictions import PredictionsAnswer

router = APIRouter(tags=["staff"], responses=documented(401, 403, 413, 422, 429, 500, 503))

BuildingId = Annotated[str | None, Query(max_length=100)]


@router.get("/statistics/trend", response_model=TrendAnswer, responses=documented(404))
async def get_trend(
    service: Service,
    caller: Caller,
    since: SentTime | None = None,
    before: SentTime | None = None,
    building_id: BuildingId = None,
    interval: Interval = "week",
) -> Response:
    """How the requests of `[since, before)` went, day by day or week by week; at most 400 of them."""
    return send(Reply(await service.trend.answer(caller, since, before, building_id, interval)))


@router.get("/statistics/predictions", response_model=PredictionsAnswer, responses=documented(404))
async def get_predictions(
    service: Service,
    caller: Caller,
    since: SentTime | None = None,
    before: SentTime | None = None,
    building_id: BuildingId = None,
) -> Response:
    """Predictions against what happened, of the newest 2,000 requests of `[since, before)` that are done."""
    return send(Reply(await service.predictions.answer(caller, since, before, building_id)))
