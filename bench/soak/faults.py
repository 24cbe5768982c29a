"""Kills while the load goes on: a deployment's replicas, or the whole application, which is then started again."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.running_graph import DEPLOYMENTS, Graph

EVERYTHING = "everything"
BACK_WITHIN_S = 240.0


@dataclass(frozen=True)
class Kill:
    """One kill and how long it was felt."""

    what: str
    after: int
    """How many submissions had been acknowledged."""
    recovered_s: float
    """From the kill until every deployment has a new process and all services say that they are healthy."""


def plan(kills: int, rng: random.Random, kinds: Sequence[str] = (*DEPLOYMENTS, EVERYTHING)) -> list[str]:
    """So many kills, each kind as often as any other as far as that goes, in an order by chance."""
    rounds = [kinds[number % len(kinds)] for number in range(kills)]
    rng.shuffle(rounds)
    return rounds


class Faults:
    """Kills what is planned, each kill at a moment by chance within its share of the load."""

    def __init__(
        self,
        graph: Graph,
        rng: random.Random,
        planned: Sequence[str],
        acknowledged: Callable[[], int],
        total: int,
    ) -> None:
        self._graph = graph
        self._rng = rng
        self._planned = planned
        self._acknowledged = acknowledged
        self._share = total / max(1, len(planned))
        self._begun = 0
        self.recovering = False
        self.kills: list[Kill] = []

    async def may_send(self, number: int) -> None:
        """Wait until message `number` may be sent: the load is shared out so that some is left for each kill."""
        while self._begun < len(self._planned) and number >= self._share * (self._begun + 1):
            await asyncio.sleep(0.05)

    async def run(self) -> None:
        """Until all are done; the next never comes before the last one is over."""
        for number, what in enumerate(self._planned):
            moment = self._share * (number + self._rng.uniform(0.1, 0.9))
            while self._acknowledged() < moment:
                await asyncio.sleep(0.02)
            await self._kill(what)

    async def _kill(self, what: str) -> None:
        after, began = self._acknowledged(), time.monotonic()
        self.recovering = True
        self._begun += 1
        print(f"  {after:4d} acknowledged: kill {what}", flush=True)
        if what == EVERYTHING:
            await asyncio.to_thread(self._power_cut)
        else:
            await asyncio.to_thread(self._kill_and_wait, what)
        self.recovering = False
        self.kills.append(Kill(what, after, time.monotonic() - began))
        print(f"       back after {self.kills[-1].recovered_s:.1f} s", flush=True)

    def _power_cut(self) -> None:
        self._graph.kill()
        self._graph.start()

    def _kill_and_wait(self, deployment: str) -> None:
        killed = self._graph.kill_replicas(deployment)
        if not killed:
            raise AssertionError(f"no replica of {deployment} was running")
        end = time.monotonic() + BACK_WITHIN_S
        while not ({one.pid for one in self._graph.replicas(deployment)} - killed and self._graph.is_healthy()):
            if time.monotonic() > end:
                raise AssertionError(f"{deployment} is not back after {BACK_WITHIN_S:.0f} s")
            time.sleep(0.2)
