"""Work orders in Atlas CMMS by its REST API.

Read for it: github.com/Grashjs/cmms as of 2026, below `api/src/main/java/com/grash`: `controller/AuthController`,
`WorkOrderController`, `LaborController`, `AdditionalCostController`, `PartQuantityController`,
`service/WorkOrderService`, `model/WorkOrder`, `model/abstracts/WorkOrderBase`, `advancedsearch/*`,
`security/JwtTokenFilter`, `JwtTokenProvider`, `RateLimitFilter` and `service/WebhookDispatchService`.

- It knows no idempotency key and numbers work orders (`customId`) by itself, so the key stands at the end of the
  description, which can be searched.
- There is no cancelled status; what has not begun is deleted.
- Its webhooks need a licence and tell no cost, so the end of work can be asked for too; see `callbacks_atlas`.
- Its times in searches are read as the server's own zone's, and its money is taken for US dollars.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from adapters.atlas_session import AtlasSession, read_object, read_objects
from adapters.call_tally import CallTally
from adapters.callbacks import HIGHEST_COST_USD, LONGEST_NOTES, MOST_HOURS
from adapters.outbound_http import OutboundHttp, require_success
from core.actions import JobParameters, parse_parameters
from core.contract import rfc3339
from core.errors import ActionRejected, Invalid, SystemUnavailable
from core.execution import ActionCall
from core.labels import Urgency
from core.ports.execution import ActionContext, Completion, Effect, SystemState
from core.systems import ATLAS_ACTIONS, AtlasSystem

log = logging.getLogger(__name__)

LONGEST_TITLE = 255
LONGEST_DESCRIPTION = 10_000
PAGE_SIZE = 50
MOST_PAGES = 50
"""Of one search; a server that never names a last page is not asked for ever."""
MOST_COMPLETIONS = 20
"""At once: three calls for each stay below the hundred a minute that it takes from one account by default."""
ZONE_MARGIN = timedelta(hours=14)
"""Its search reads a time as one of the server's own zone, whatever offset stands there."""

_PRIORITIES = {Urgency.LOW: "LOW", Urgency.MEDIUM: "MEDIUM", Urgency.HIGH: "HIGH", Urgency.EMERGENCY: "HIGH"}
_NOT_BEGUN = frozenset({"OPEN", "ON_HOLD"})
_MARK = re.compile(r"\[aam:([^\]\s]{1,200})\]")


class TooManyPages(SystemUnavailable):
    """A search has more pages than are read."""


class AtlasCmms:
    """An `OutsideSystem`. Its account needs to create, see, edit and delete work orders."""

    def __init__(
        self,
        config: AtlasSystem,
        password: str,
        http: OutboundHttp,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`http` calls below the API's root."""
        self.name: str = config.name
        self._locations = config.locations
        self._session = AtlasSession(config.email, password, http, clock=lambda: clock().timestamp())
        self._tally = CallTally(config.name)

    async def perform(self, call: ActionCall, context: ActionContext) -> Effect:
        """See the port. It does not ask first whether there is one already: `find` does."""
        body = self._work_order(_parameters(call), context)
        with self._tally.call():
            return _effect(read_object(await self._session.call("POST", "/work-orders", body)))

    async def find(self, call: ActionCall, context: ActionContext) -> Effect | None:
        """See the port. The oldest work order whose mark is the key's."""
        marked = _filter("description", "cn", _mark(context.idempotency_key))
        with self._tally.call():
            # The search takes wildcards and letters in either case, so that what it finds is looked at again.
            async with aclosing(self._search(marked)) as orders:
                async for order in orders:
                    if _key(order) == context.idempotency_key:
                        return _effect(order)
        return None

    async def undo(self, call: ActionCall, context: ActionContext, external_id: str) -> bool:
        """See the port. False where it was begun or completed, or where the account must not delete it."""
        path = f"/work-orders/{_number(external_id)}"
        with self._tally.call():
            answer = await self._session.call("GET", path)
            if answer.status == 404:
                return True
            status = read_object(answer).get("status")
            if not isinstance(status, str):
                raise SystemUnavailable(f"{self.name} does not say how the work order stands.")
            if status not in _NOT_BEGUN:
                return False
            answer = await self._session.call("DELETE", path)
            if answer.status == 403:
                log.error("the account of %s must not delete work orders", self.name)
                return False
            if answer.status != 404:
                require_success(answer)
            return True

    async def completions(
        self, *, since: datetime, known: frozenset[str] = frozenset(), limit: int = MOST_COMPLETIONS
    ) -> tuple[Completion, ...]:
        """Work orders of this service that were completed at `since` or later, the earliest first, at most `limit`.

        Those whose outside ids are in `known` are left out; every other one is given again by each call. Three calls
        are made for the cost and hours of each. Raises what `perform` does.
        """
        with self._tally.call():
            orders = self._search(
                _filter("status", "in", "", ["COMPLETE"], "STATUS"),
                _filter("completedOn", "ge", rfc3339(since - ZONE_MARGIN), enum="JS_DATE"),
                _filter("description", "cn", "[aam:"),
            )
            ended: dict[str, tuple[datetime, dict[str, Any]]] = {}
            try:
                async for order in orders:
                    if _key(order) is not None and (external_id := _effect(order).external_id) not in known:
                        ended[external_id] = _time(order.get("completedOn")), order
            except TooManyPages as problem:
                log.warning("of %s, not all work that has ended is looked at: %s", self.name, problem.detail)
            new = sorted((at, external_id) for external_id, (at, _) in ended.items() if at >= since)
            return tuple([await self._completion(each, ended[each][1]) for _, each in new[:limit]])

    def state(self) -> SystemState:
        return self._tally.state()

    async def close(self) -> None:
        """Nothing is held between calls."""

    def _work_order(self, job: JobParameters, context: ActionContext) -> dict[str, Any]:
        body: dict[str, Any] = {
            "title": job.title[:LONGEST_TITLE],
            "description": _description(job, context),
            "priority": _PRIORITIES[context.urgency],
            # Its newest versions fail where there are none.
            "customFields": [],
        }
        if job.not_before is not None:
            body["estimatedStartDate"] = rfc3339(job.not_before)
        if job.building_id in self._locations:
            body["location"] = {"id": self._locations[job.building_id]}
        return body

    async def _search(self, *filters: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        for number in range(MOST_PAGES):
            criteria = {
                "filterFields": filters,
                "sortField": "id",
                "direction": "ASC",
                "pageNum": number,
                "pageSize": PAGE_SIZE,
            }
            page = read_object(await self._session.call("POST", "/work-orders/search", criteria))
            content = page.get("content")
            if not isinstance(content, list):
                raise SystemUnavailable("The answer of Atlas CMMS can't be read.")
            for order in cast(list[Any], content):
                yield order if isinstance(order, dict) else {}
            if page.get("last") is not False or not content:
                return
        raise TooManyPages(f"{self.name} names no last page among {MOST_PAGES}.")

    async def _completion(self, external_id: str, order: dict[str, Any]) -> Completion:
        kinds = ("labors", "additional-costs", "part-quantities")
        labors, costs, parts = await asyncio.gather(*(self._entries(kind, external_id) for kind in kinds))
        timed = [labor for labor in labors if labor.get("includeToTotalTime") is not False]
        spent = [
            *(_amount(labor.get("hourlyRate")) * _amount(labor.get("duration")) / 3600 for labor in timed),
            *(_amount(cost.get("cost")) for cost in costs if cost.get("includeToTotalCost") is not False),
            *(_amount(part.get("quantity")) * _part_cost(part) for part in parts),
        ]
        hours = [_amount(labor.get("duration")) / 3600 for labor in timed]
        return Completion(
            external_id,
            notes=str(order["feedback"])[:LONGEST_NOTES] if order.get("feedback") else None,
            actual_cost_usd=_total(spent, HIGHEST_COST_USD),
            actual_hours=_total(hours, MOST_HOURS),
        )

    async def _entries(self, kind: str, external_id: str) -> list[dict[str, Any]]:
        """None where the account must not see them: the end itself has to be told all the same."""
        try:
            return read_objects(await self._session.call("GET", f"/{kind}/work-order/{external_id}"))
        except ActionRejected as problem:
            log.warning("%s does not show the %s of work order %s: %s", self.name, kind, external_id, problem.detail)
            return []


def _filter(
    field: str, operation: str, value: str, values: Sequence[str] = (), enum: str | None = None
) -> dict[str, Any]:
    found = {"field": field, "operation": operation, "value": value, "values": list(values)}
    return found if enum is None else found | {"enumName": enum}


def _parameters(call: ActionCall) -> JobParameters:
    if call.action not in ATLAS_ACTIONS:
        raise ActionRejected(f"Atlas CMMS does not carry out {call.action}.")
    try:
        return cast(JobParameters, parse_parameters(call.action, call.parameters))
    except Invalid as problem:
        raise ActionRejected(problem.detail) from None


def _description(job: JobParameters, context: ActionContext) -> str:
    """What the crew must know, with the mark last, so that no words of a resident's can stand in its place."""
    place = " ".join(part for part in (job.building_id, job.unit and f"unit {job.unit}") if part)
    lines = [
        f"Place: {place}" if place else "",
        f"Crew: {job.crew}",
        f"Vendor: {job.vendor}" if job.vendor else "",
        f"Licence needed: {job.licence}" if job.licence else "",
        f"Cost limit: {job.cost_limit_usd:.2f} USD; ask before spending more" if job.cost_limit_usd else "",
        f"Not before: {rfc3339(job.not_before)}" if job.not_before else "",
        "Emergency" if context.urgency is Urgency.EMERGENCY else "",
        *(f"{number}. {step}" for number, step in enumerate(job.steps, 1)),
        job.instructions or "",
    ]
    text = "\n".join(line for line in lines if line)
    mark = f"\n\n{_mark(context.idempotency_key)}"
    return text[: LONGEST_DESCRIPTION - len(mark)] + mark


def _mark(key: str) -> str:
    if _MARK.fullmatch(mark := f"[aam:{key}]") is None:
        raise ActionRejected("The idempotency key can't be written into a work order.")
    return mark


def _key(order: dict[str, Any]) -> str | None:
    """Of its last mark: one before it may be part of somebody's words."""
    marks = _MARK.findall(str(order.get("description") or ""))
    return marks[-1] if marks else None


def _effect(order: dict[str, Any]) -> Effect:
    number = order.get("id")
    if not isinstance(number, int) or isinstance(number, bool):
        raise SystemUnavailable("The answer of Atlas CMMS names no work order.")
    return Effect(str(number), is_done=order.get("status") == "COMPLETE")


def _number(external_id: str) -> str:
    if not (external_id.isascii() and external_id.isdecimal()):
        raise ActionRejected("That is no work order of Atlas CMMS.")
    return external_id


def _time(text: Any) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (TypeError, ValueError):
        raise SystemUnavailable("The answer of Atlas CMMS can't be read.") from None


def _amount(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _total(amounts: Sequence[float], highest: float) -> float | None:
    """None where nothing was entered, or where the sum can't be true."""
    total = round(sum(amounts), 2)
    if not 0 <= total <= highest:
        log.warning("Atlas CMMS gave a sum of %s, which is left out", total)
        return None
    return total if amounts else None


def _part_cost(used: dict[str, Any]) -> float:
    part = used.get("part")
    return _amount(cast(dict[str, Any], part).get("cost")) if isinstance(part, dict) else 0.0
