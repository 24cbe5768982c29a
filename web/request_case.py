"""All that staff may know of one request, read from the interface at once; what can't be had now is left out."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from core.request import Decision, Event, Request
from web.api_client import Answer, Problem, path
from web.charts import draw
from web.language import Words
from web.option_charts import draw_factors, draw_outcomes, draw_scores
from web.request_view import DrivingWords, driving_words
from web.viewer import Viewer

OPTIONAL = frozenset({403, 404, 405, 409, 429, 503})
"""Answers at which a part of the page is left out, with a sentence; the rest stands."""
MOST_EXECUTIONS = 6
MOST_OF_RESIDENT = 6
MOST_SIMILAR = 5


@dataclass(frozen=True)
class Case:
    """A request with what belongs to it. Bodies are JSON as the interface gives it."""

    body: Mapping[str, Any]
    request: Request
    """The same in its contract."""
    told: Sequence[Mapping[str, Any]]
    """The timeline."""
    events: tuple[Event, ...]
    """The same in its contract."""
    decision: Mapping[str, Any] | None
    """None where nothing was decided."""
    templates: Sequence[Mapping[str, Any]]
    of_resident: Sequence[Mapping[str, Any]]
    """The resident's other requests, newest first."""
    executions: Sequence[Mapping[str, Any]]
    incident: Mapping[str, Any] | None
    similar: Mapping[str, Any] | None
    """None where that can't be said now."""

    @property
    def last_event(self) -> int:
        """The sequence number of the newest event that is shown."""
        return self.events[-1].sequence if self.events else 0

    @property
    def is_led(self) -> bool:
        """Whether another request of an accepted incident carries the work."""
        incident, labels = self.incident, self.request.classification
        if labels is not None and labels.emergency:
            return False
        return incident is not None and incident["status"] == "Accepted" and incident["lead"] != self.request.request_id


async def read_case(viewer: Viewer, request_id: str) -> Case:
    """Everything. Raises `Problem` where the request itself can't be read."""
    api = viewer.api
    # The timeline first: what happens between the two calls is then told as new, and not lost.
    timeline = await api.get(path("requests", request_id, "events"))
    found = await api.get(path("requests", request_id))
    request = Request.model_validate(found.body)
    events = tuple(Event.model_validate(one) for one in timeline.body["items"])
    decision, templates, history, similar, incident, *executions = await asyncio.gather(
        _optional(api.get(path("requests", request_id, "decision"))),
        _optional(api.get("/templates", limit=100)),
        _optional(api.get(path("residents", request.resident_id, "requests"), limit=MOST_OF_RESIDENT + 1)),
        _optional(api.get(path("requests", request_id, "similar"), limit=MOST_SIMILAR)),
        _optional(api.get(path("incidents", request.incident_id))) if request.incident_id else _nothing(),
        *(_optional(api.get(path("executions", one))) for one in execution_ids(request, events)),
    )
    others = [one for one in _items(history) if one["request_id"] != request.request_id]
    return Case(
        body=found.body,
        request=request,
        told=timeline.body["items"],
        events=events,
        decision=decision.body if decision else None,
        templates=_items(templates),
        of_resident=others[:MOST_OF_RESIDENT],
        executions=[answer.body for answer in executions if answer is not None],
        incident=incident.body if incident else None,
        similar=similar.body if similar else None,
    )


async def read_words(viewer: Viewer, message: str) -> DrivingWords | None:
    """The words behind the category; None where that can't be said now."""
    answer = await _optional(viewer.api.post("/explain", {"message_text": message}))
    return driving_words(message, answer.body) if answer else None


def execution_ids(request: Request, events: Sequence[Event]) -> list[str]:
    """The newest executions that the request or its timeline names, the selected option's first."""
    own = [request.execution.execution_id] if request.execution else []
    named = [str(event.details["execution_id"]) for event in reversed(events) if event.details.get("execution_id")]
    return list(dict.fromkeys([*own, *named]))[:MOST_EXECUTIONS]


async def draw_case(case: Case, words: Words) -> Mapping[str, Markup]:
    """The pictures by name; none of what there is nothing of."""
    return await asyncio.to_thread(_draw, case.request, words)


def _draw(request: Request, words: Words) -> Mapping[str, Markup]:
    charts: dict[str, Markup] = {}
    decision: Decision | None = request.decision
    if request.risk is not None and request.risk.factors:
        said = words.gettext("What raises and what lowers the risk, by factor. The table below says the same.")
        charts["risk"] = draw(draw_factors(request.risk.factors, words), said)
    if request.options:
        said = words.gettext(
            "Cost and time of each option, from the 10th to the 90th percentile. The table says the same."
        )
        charts["outcomes"] = draw(draw_outcomes(request.options, words), said)
    if decision is not None and decision.scores:
        said = words.gettext("The score of each option by factor. The table below says the same.")
        charts["scores"] = draw(draw_scores(decision, request.options, words), said)
    return charts


async def _optional(call: Awaitable[Answer]) -> Answer | None:
    try:
        return await call
    except Problem as problem:
        if problem.status in OPTIONAL:
            return None
        raise


async def _nothing() -> None:
    return None


def _items(answer: Answer | None) -> Sequence[Mapping[str, Any]]:
    return answer.body["items"] if answer else ()
