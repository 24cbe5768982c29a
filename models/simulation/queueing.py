"""Exact results of queueing theory, which the simulation is held to.

Rates are per hour, times in hours, and every queue is stable: the servers could do more than what comes.
"""

import math
from collections.abc import Sequence
from itertools import accumulate


def erlang_c(servers: int, load: float) -> float:
    """The probability of waiting in an M/M/c queue; `load` is arrivals times mean service.

    Source: Erlang 1917; Kleinrock, Queueing Systems I (1975), 3.40.
    """
    waiting = load**servers / math.factorial(servers) / (1 - load / servers)
    return waiting / (sum(load**busy / math.factorial(busy) for busy in range(servers)) + waiting)


def mmc_wait(per_hour: float, service_hours: float, servers: int) -> float:
    """The mean wait in an M/M/c queue."""
    load = per_hour * service_hours
    return erlang_c(servers, load) * service_hours / (servers - load)


def mg1_wait(per_hour: float, mean_hours: float, mean_square: float) -> float:
    """The mean wait in an M/G/1 queue, from the first two moments of the service time.

    Source: Pollaczek 1930 and Khinchine 1932; Kleinrock, Queueing Systems I (1975), 5.69.
    """
    return per_hour * mean_square / 2 / (1 - per_hour * mean_hours)


def priority_waits(per_hour: Sequence[float], service_hours: float, servers: int) -> list[float]:
    """Mean waits in a non-preemptive M/M/c queue by class, the first served first; one service rate for all.

    Source: Cobham, Operations Research 2 (1954); Kella and Yechiali, Naval Research Logistics 32 (1985).
    """
    load = sum(per_hour) * service_hours
    base = erlang_c(servers, load) * service_hours / servers
    used = [0.0, *(share * service_hours / servers for share in accumulate(per_hour))]
    return [base / ((1 - used[place]) * (1 - used[place + 1])) for place in range(len(per_hour))]


def preemptive_hours(per_hour: Sequence[float], service_hours: float) -> list[float]:
    """Mean times from report until done in a preemptive-resume M/M/1 queue by class, the first served first.

    Source: White and Christie, Operations Research 6 (1958); Kleinrock, Queueing Systems II (1976), 3.4.
    """
    used = [0.0, *(share * service_hours for share in accumulate(per_hour))]
    return [service_hours / ((1 - used[place]) * (1 - used[place + 1])) for place in range(len(per_hour))]
