"""The dashboards as pages on this machine, drawn in the server from what Prometheus says."""

import time
from collections.abc import Callable, Sequence
from typing import Annotated

import httpx
from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.middleware.trustedhost import TrustedHostMiddleware

from aam.observability.answers import PanelAnswer, ask, window_until
from aam.observability.catalogue import DASHBOARDS
from aam.observability.charts import as_text, chart
from aam.observability.local_page import PAGE
from aam.observability.panels import Dashboard
from aam.observability.prometheus_api import Alert, PrometheusApi, Window
from core.errors import Unavailable
from web.charts import draw

HOURS = (0.25, 1.0, 6.0, 24.0, 168.0)
_NAMES = {0.25: "15 minutes", 1.0: "1 hour", 6.0: "6 hours", 24.0: "1 day", 168.0: "1 week"}
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Cache-Control": "no-store"}
_COLUMN = 52
_template = Environment(autoescape=True).from_string(PAGE)


def build_view(client: httpx.AsyncClient, url: str, clock: Callable[[], float] = time.time) -> FastAPI:
    """The pages. They answer to the loopback interface's names only, so that no web page elsewhere can read them."""
    api = PrometheusApi(client, url)
    pages = {board.uid.removeprefix("aam-"): board for board in DASHBOARDS}
    view = FastAPI(title="Dashboards", openapi_url=None)
    view.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])

    async def first() -> RedirectResponse:
        return RedirectResponse(f"/{next(iter(pages))}")

    async def page(name: str, hours: Annotated[float, Query(ge=0.1, le=24 * 31)] = 1.0) -> HTMLResponse:
        board = pages.get(name)
        if board is None:
            raise HTTPException(404, f"There is no dashboard {name}; there are {', '.join(pages)}.")
        window = window_until(clock(), hours)
        try:
            answers, alerts, problem = await ask(api, board, window), await api.alerts(), None
        except Unavailable as error:
            answers, alerts, problem = [], [], error.detail
        html = await run_in_threadpool(_rendered, name, board, answers, alerts, window, hours, problem)
        return HTMLResponse(html, status_code=503 if problem else 200, headers=_HEADERS)

    view.get("/")(first)
    view.get("/{name}")(page)
    return view


def _rendered(
    name: str,
    board: Dashboard,
    answers: Sequence[PanelAnswer],
    alerts: Sequence[Alert],
    window: Window,
    hours: float,
    problem: str | None,
) -> str:
    by_panel = {id(answer.panel): answer for answer in answers}
    return _template.render(
        name=name,
        board=board,
        boards={each.uid.removeprefix("aam-"): each.title for each in DASHBOARDS},
        answer=lambda panel: by_panel.get(id(panel)),  # pyright: ignore[reportUnknownLambdaType,reportUnknownArgumentType]
        drawn=lambda answer: _drawn(answer, window),  # pyright: ignore[reportUnknownLambdaType,reportUnknownArgumentType]
        text=as_text,
        alerts=alerts,
        hours=hours,
        choices=[(each, _NAMES[each]) for each in HOURS],
        problem=problem,
        until=time.strftime("%H:%M:%S", time.localtime(window.end)),
    )


def _drawn(answer: PanelAnswer, window: Window) -> Markup:
    width = answer.panel.width * _COLUMN - 90
    return draw(chart(answer, window, width, 170), f"{answer.panel.title}: the table below has its newest values")
