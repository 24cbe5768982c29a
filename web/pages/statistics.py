"""How requests went: the numbers of a period, over time and by group, and how true the predictions were."""

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response
from markupsafe import Markup

from web.api_client import Problem
from web.buildings import buildings_of
from web.charts import draw
from web.rendering import render
from web.statistics_charts import calibration_chart, coverage_chart, groups_chart, trend_chart
from web.statistics_period import PERIODS, USUAL, ChosenPeriod, NoPeriod, choose
from web.statistics_view import (
    ESTIMATES,
    LEAST_CASES,
    PROBABILITIES,
    cards_of,
    error_words,
    group_rows,
    share_words,
    trend_rows,
)
from web.viewer import Staff, Viewer
from web.wording import N_

router = APIRouter()

GROUPS: Mapping[str, str] = {"building": N_("Building"), "category": N_("Category"), "urgency": N_("Urgency")}
USUAL_GROUP = "category"
NO_PERIOD = N_("Give both days, the first not after the last.")


@router.get("/staff/statistics")
async def open_statistics(
    viewer: Staff,
    period: str = USUAL,
    begin: str = "",
    end: str = "",
    building: str = "",
    group_by: str = USUAL_GROUP,
    view: str = "",
) -> Response:
    """The figures of the chosen period; what can't be chosen is told above the choice, which stays as it was."""
    words = viewer.words
    group_by = group_by if group_by in GROUPS else USUAL_GROUP
    known = await buildings_of(viewer)
    chosen = {"period": period if period in PERIODS else USUAL, "begin": begin, "end": end, "building": building}
    chosen |= {"group_by": group_by, "view": "predictions" if view == "predictions" else ""}
    content: Mapping[str, Any] = {}
    refused, status = "", 200
    try:
        span = choose(period, begin, end, viewer.visitor.clock(), words.zone)
        content = await _content(viewer, span, chosen)
    except NoPeriod:
        refused, status = words.gettext(NO_PERIOD), 422
    except Problem as problem:
        if problem.status != 422:
            raise
        refused, status = problem.detail, 422
    return render(
        viewer,
        "staff/statistics.html",
        status=status,
        chosen=chosen,
        refused=refused,
        periods=[(name, words.gettext(text)) for name, text in PERIODS.items()],
        groupings=[(name, words.gettext(text)) for name, text in GROUPS.items()],
        buildings=sorted({*known, *([building] if building else [])}),
        content=content,
        least_cases=LEAST_CASES,
    )


async def _content(viewer: Viewer, span: ChosenPeriod, chosen: Mapping[str, str]) -> Mapping[str, Any]:
    where = {**span.query(), "building_id": chosen["building"] or None}
    if chosen["view"]:
        return await _predictions(viewer, where)
    return await _overview(viewer, where, span, chosen["group_by"])


async def _overview(
    viewer: Viewer, where: Mapping[str, str | None], span: ChosenPeriod, group_by: str
) -> Mapping[str, Any]:
    words = viewer.words
    found, trend = await asyncio.gather(
        viewer.api.get("/statistics", **where, group_by=group_by),
        viewer.api.get("/statistics/trend", **where, interval=span.interval),
    )
    items, groups = trend.body["items"], found.body["groups"]
    is_empty = not found.body["overall"]["volume"]
    return {
        "since": found.body["since"],
        "before": found.body["before"],
        "cards": cards_of(found.body["overall"], words),
        "is_empty": is_empty,
        "interval": span.interval,
        "trend": trend_rows(items, words),
        "trend_picture": await _drawn(
            not is_empty, trend_chart(items, words), words.gettext("Requests and the share done in time, over time")
        ),
        "grouping": words.gettext(GROUPS[group_by]),
        "groups": group_rows(groups, words),
        "groups_picture": await _drawn(
            not is_empty, groups_chart(groups, words), words.gettext("Requests and the share done in time, by group")
        ),
    }


async def _predictions(viewer: Viewer, where: Mapping[str, str | None]) -> Mapping[str, Any]:
    words = viewer.words
    found = (await viewer.api.get("/statistics/predictions", **where)).body
    estimates = [
        {
            "title": words.gettext(title),
            "meaning": words.gettext(meaning),
            **await _estimate(viewer, key, found[key], words.gettext(title)),
        }
        for key, title, meaning in ESTIMATES
    ]
    probabilities = [
        {
            "title": words.gettext(title),
            "meaning": words.gettext(meaning),
            **await _probability(viewer, found[key], words.gettext(title)),
        }
        for key, title, meaning in PROBABILITIES
    ]
    return {**found, "estimates": estimates, "probabilities": probabilities}


async def _estimate(viewer: Viewer, key: str, check: Mapping[str, Any], title: str) -> Mapping[str, Any]:
    words, is_enough = viewer.words, check["count"] >= LEAST_CASES
    if not is_enough:
        return {"count": check["count"], "is_enough": False}
    deciles = check["deciles"]
    simulated = deciles[0]["held"]["count"] if deciles else 0
    described = words.gettext("%(what)s: how often the actual figure was within each predicted percentile")
    return {
        "count": check["count"],
        "is_enough": True,
        "within_p50": share_words(check["within_p50"], words),
        "within_p90": share_words(check["within_p90"], words),
        "error": error_words(key, check["median_absolute_error"], words),
        "lean": error_words(key, check["median_error"], words),
        "leans_over": check["median_error"] > 0,
        "picture": await _drawn(simulated >= LEAST_CASES, coverage_chart(deciles, words), described % {"what": title}),
        "rows": [(words.percent(one["level"]), share_words(one["held"], words)) for one in deciles],
    }


async def _probability(viewer: Viewer, found: Mapping[str, Any], title: str) -> Mapping[str, Any]:
    words, is_enough = viewer.words, found["count"] >= LEAST_CASES
    if not is_enough:
        return {"count": found["count"], "is_enough": False}
    described = words.gettext("%(what)s: what was predicted against how often it happened")
    happened = found["happened"]
    return {
        "count": found["count"],
        "is_enough": True,
        "predicted": words.percent(found["mean_predicted"]),
        "happened": share_words(happened, words),
        "agrees": happened["low"] <= found["mean_predicted"] <= happened["high"],
        "is_over": found["mean_predicted"] > happened["high"],
        "brier": words.number(found["brier_score"], 3),
        "picture": await _drawn(True, calibration_chart(found["bins"], words), described % {"what": title}),
        "rows": [
            (
                words.gettext("%(low)s to %(high)s")
                % {"low": words.percent(one["begin"]), "high": words.percent(one["end"])},
                words.number(one["happened"]["count"]),
                words.percent(one["mean_predicted"]),
                share_words(one["happened"], words),
            )
            for one in found["bins"]
        ],
    }


async def _drawn(wanted: bool, chart: Mapping[str, Any], description: str) -> Markup:
    return await asyncio.to_thread(draw, chart, description) if wanted else Markup()
