"""Asks a Prometheus server by its HTTP API."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import httpx

from aam.observability.promql_tokens import PromqlError
from core.errors import Unavailable

PATIENCE_S = 20.0


@dataclass(frozen=True)
class Window:
    """What is drawn: from when to when (POSIX seconds), and at what step in seconds."""

    start: float
    end: float
    step: float


@dataclass(frozen=True)
class Points:
    """One series of an answer: its labels, and values by POSIX seconds; what is no finite number is left out."""

    labels: Mapping[str, str]
    values: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Alert:
    """One that fires, or is about to."""

    name: str
    state: str
    severity: str
    summary: str
    runbook: str


class PrometheusApi:
    """Raises `Unavailable` where nobody answers, and `PromqlError` where an expression is refused."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self.url = url.rstrip("/")

    async def range(self, expression: str, window: Window) -> list[Points]:
        """An expression's values over a window."""
        asked = {"query": expression, "start": window.start, "end": window.end, "step": window.step}
        data = await self._ask("query_range", asked)
        return [_points(each["metric"], each["values"]) for each in data["result"]]

    async def now(self, expression: str, at: float) -> list[Points]:
        """An expression's values at one moment."""
        data = await self._ask("query", {"query": expression, "time": at})
        return [_points(each["metric"], [each["value"]]) for each in data["result"]]

    async def alerts(self) -> list[Alert]:
        """Those that fire or are about to, by the server's own rules; first those for which a person is called."""
        data = await self._ask("alerts", {})
        found = [_alert(each) for each in data["alerts"]]
        return sorted(found, key=lambda each: (each.state != "firing", each.severity, each.name))

    async def _ask(self, path: str, parameters: Mapping[str, str | float]) -> Mapping[str, Any]:
        try:
            answer = await self._client.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=PATIENCE_S)
            body = cast(Mapping[str, Any], answer.json())
        except (httpx.HTTPError, ValueError) as problem:
            reason = str(problem) or type(problem).__name__
            raise Unavailable(f"Prometheus does not answer at {self.url} ({reason}).") from None
        if body.get("status") != "success":
            raise PromqlError(f"Prometheus refused it: {body.get('error', answer.status_code)}")
        return body["data"]


def _points(labels: Mapping[str, str], values: Sequence[tuple[float, str]]) -> Points:
    numbers = [(float(at), float(value)) for at, value in values]
    return Points(labels, [(at, value) for at, value in numbers if math.isfinite(value)])


def _alert(given: Mapping[str, Any]) -> Alert:
    labels, notes = given["labels"], given["annotations"]
    return Alert(
        labels.get("alertname", ""),
        given["state"],
        labels.get("severity", ""),
        notes.get("summary", ""),
        notes.get("runbook", ""),
    )
