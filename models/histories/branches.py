"""True probabilities: from the full state at the writing of a request, the future again and again with other numbers.

Each future runs in a process forked at that moment, so that the state is exactly what it was and costs no copying.
"""

from __future__ import annotations

import math
import os
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random

from core.errors import BrokenInvariant
from models.histories.generator import USUAL, outcomes
from models.histories.register import WINDOW_DAYS
from models.histories.simulation import Simulation
from models.histories.tickets import Ticket
from models.histories.world import Conditions

OUTCOMES = ("recurred", "breached", "escalated")
_JUST_AFTER = 1e-6


@dataclass(frozen=True)
class Truth:
    """How often each outcome came about in the futures of one request."""

    site: int
    ticket: int
    """Its number at the site."""
    day: float
    happened: tuple[int, int, int]
    """In the order of `OUTCOMES`."""
    branches: int


@dataclass(frozen=True)
class Choice:
    """Which requests are looked into, and how often."""

    share: float
    """Of the requests; drawn by a stream of its own."""
    first_day: float
    last_day: float
    branches: int


def true_probabilities(
    seed: str, sites: Iterable[int], choice: Choice, conditions: Conditions = USUAL, seconds: float = float("inf")
) -> Iterator[Truth]:
    """The chosen requests of these sites; stops early when `seconds` are over. Needs `os.fork`."""
    until = time.monotonic() + seconds
    for number in sites:
        found: list[Truth] = []
        pick = Random(f"truth:{seed}:{number}")

        def look(simulation: Simulation, ticket: Ticket, number: int = number) -> None:
            chosen = pick.random() < choice.share  # noqa: B023 - called within this round of the loop
            in_time = choice.first_day <= ticket.written < choice.last_day and time.monotonic() < until
            if chosen and in_time:
                _branch(simulation, ticket, f"{seed}:{number}", choice.branches, found, number)  # noqa: B023

        parent, nothing = os.getpid(), (math.inf, math.inf)
        try:
            Simulation(seed, number, conditions, nothing, look).run(choice.last_day + WINDOW_DAYS + 1.0)
        finally:
            if os.getpid() != parent:
                os._exit(1)  # A future that broke must not go on as its parent.
        yield from found


def _branch(simulation: Simulation, ticket: Ticket, seed: str, branches: int, found: list[Truth], number: int) -> None:
    counts = [0, 0, 0]
    for index in range(branches):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            # From here on this process is one future; it goes on where the simulation was and ends in `_report`.
            simulation.branch(f"{seed}:{ticket.number}:{index}")
            simulation.plan(ticket.written + WINDOW_DAYS + _JUST_AFTER, partial(_report, simulation, ticket, writing))
            return
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        if len(answer) != struct.calcsize("3?"):
            raise BrokenInvariant("A future ended without an outcome.")
        for place, happened in enumerate(struct.unpack("3?", answer)):
            counts[place] += happened
    found.append(Truth(number, ticket.number, ticket.written, (counts[0], counts[1], counts[2]), branches))


def _report(simulation: Simulation, ticket: Ticket, writing: int) -> None:
    with suppress(BaseException):
        os.write(writing, struct.pack("3?", *outcomes(ticket, simulation.register.tickets)))
    os._exit(0)  # Nothing of the parent's may run again in a future: no test, no atexit, no buffer.
