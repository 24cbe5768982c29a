"""What residents and staff do: messages of all kinds, and what becomes of each by somebody's hand."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence

from bench.soak.conversation import Clients, GaveUp, Json
from core.labels import Category, Intent, Role, Urgency
from models.corpus_reader import TEST_VOICES, Message, read_corpus

WAITS_S = (0, 2, 20)
DECIDED_WITHIN_S = 120.0
CARRIED_OUT_WITHIN_S = 90.0
POLL_S = 0.7
KINDS: dict[str, Callable[[Message], bool]] = {
    "emergency": lambda message: message.urgency is Urgency.EMERGENCY,
    "question": lambda message: message.intent is Intent.ANSWER_QUESTION,
    "delivery": lambda message: message.category is Category.DELIVERIES,
    "repair": lambda message: message.category is Category.MAINTENANCE and message.urgency is not Urgency.EMERGENCY,
    "other": lambda message: message.category not in (Category.MAINTENANCE, Category.DELIVERIES),
}
SHARES = {"emergency": 2, "question": 2, "delivery": 2, "repair": 5, "other": 1}
UNDECIDED = frozenset({"Submitted", "Processing"})


def messages(count: int, rng: random.Random) -> list[str]:
    """Messages of the test voices in mixed kinds, each with a number so that no two are the same."""
    corpus = [message for message in read_corpus() if message.voice in TEST_VOICES]
    by_kind = {kind: [message.text for message in corpus if fits(message)] for kind, fits in KINDS.items()}
    kinds = rng.choices(list(SHARES), weights=list(SHARES.values()), k=count)
    return [f"{rng.choice(by_kind[kind])} (no. {number})" for number, kind in enumerate(kinds)]


def home(number: int) -> str:
    """The resident who sends message `number`; each sends two."""
    return f"RES_{'ABCDEF'[number % 6]}_{100 + number // 2}"


class Life:
    """Submits messages and sees to some of them, as residents and staff would."""

    def __init__(self, clients: Clients, rng: random.Random) -> None:
        self._clients = clients
        self._rng = rng
        self._seeing_to: list[asyncio.Task[None]] = []
        self._hands = asyncio.Semaphore(8)

    async def submit_all(
        self, texts: Sequence[str], concurrency: int, may_send: Callable[[int], Awaitable[None]]
    ) -> None:
        """Send every message once it may be sent; what is done about each goes on in the background."""
        waiting = iter(list(enumerate(texts)))

        async def client() -> None:
            for number, text in waiting:
                await may_send(number)
                # Whoever gives up has said so in the tally.
                with contextlib.suppress(GaveUp):
                    resident = home(number)
                    request = await self._clients.submit(resident, text, self._rng.choice(WAITS_S))
                    if self._rng.random() < 0.6:
                        self._seeing_to.append(asyncio.create_task(self._see_to(resident, request["request_id"])))

        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(client())

    async def finish(self) -> None:
        """Wait until all that was begun has ended."""
        for ended in await asyncio.gather(*self._seeing_to, return_exceptions=True):
            if ended is not None and not isinstance(ended, GaveUp):
                raise ended

    async def _see_to(self, resident: str, request_id: str) -> None:
        async with self._hands:
            request = await self._until(request_id, lambda one: one["status"] not in UNDECIDED, DECIDED_WITHIN_S)
            if request["status"] == "AwaitingSelection":
                request = await self._choose(resident, request)
            elif request["status"] == "Answered":
                await self._end(resident, request_id)
            if request["execution"] is not None and self._rng.random() < 0.7:
                await self._carry_out(resident, request)

    async def _choose(self, resident: str, request: Json) -> Json:
        path, draw = f"/requests/{request['request_id']}", self._rng.random()
        if draw < 0.15:
            step = "cancel" if draw < 0.08 else "escalate"
            await self._clients.change(Role.RESIDENT, resident, f"{path}/{step}")
            return await self._request(request["request_id"])
        if draw < 0.3:
            return request
        option = {"option_id": self._rng.choice(request["options"])["option_id"]}
        await self._clients.change(Role.RESIDENT, resident, f"{path}/select-option", option)
        request = await self._request(request["request_id"])
        if request["status"] == "AwaitingApproval":
            step = "approve" if self._rng.random() < 0.8 else "reject"
            await self._clients.change(Role.MANAGER, "morgan", f"{path}/{step}")
            request = await self._request(request["request_id"])
        return request

    async def _carry_out(self, resident: str, request: Json) -> None:
        request_id = request["request_id"]
        request = await self._until(
            request_id, lambda one: one["execution"]["status"] == "Succeeded", CARRIED_OUT_WITHIN_S
        )
        steps = [step for step in request["execution"]["steps"] if step["system"] == "operations_desk"]
        # Where the time was over before it was carried out, there is no job yet.
        for job in [step["external_id"] for step in steps if step["external_id"]]:
            done = {"notes": "done", "actual_cost_usd": 40.0, "actual_hours": 1.0}
            await self._clients.change(Role.STAFF, "sam", f"/operations/work-orders/{job}/complete", done)
        request = await self._until(request_id, lambda one: one["status"] == "Resolved", CARRIED_OUT_WITHIN_S)
        if request["status"] == "Resolved":
            await self._end(resident, request_id)

    async def _end(self, resident: str, request_id: str) -> None:
        """Confirmed, reopened, or left to close by itself."""
        step = self._rng.choice(["confirm", "reopen", None])
        if step is not None:
            await self._clients.change(Role.RESIDENT, resident, f"/requests/{request_id}/{step}")

    async def _until(self, request_id: str, reached: Callable[[Json], bool], within_s: float) -> Json:
        """The request once it got there, or as it is when the time is over."""
        end = asyncio.get_running_loop().time() + within_s
        while True:
            request = await self._request(request_id)
            if reached(request) or asyncio.get_running_loop().time() > end:
                return request
            await asyncio.sleep(POLL_S)

    async def _request(self, request_id: str) -> Json:
        return await self._clients.read(Role.STAFF, "sam", f"/requests/{request_id}")
