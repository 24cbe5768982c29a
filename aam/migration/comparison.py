"""Old messages through the running graph: how far its labels agree with what the old system said."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import httpx

from aam.migration.items import Item
from aam.migration.mapping import number

CONCURRENT = 8
LABELS = ("category", "urgency", "intent")
EXAMPLES = 10


@dataclass
class Agreement:
    """Two labelers on the same messages."""

    pairs: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """Old label, new label."""

    @property
    def compared(self) -> int:
        """How many messages both have labelled."""
        return sum(self.pairs.values())

    @property
    def share(self) -> float:
        """The share on which both agree."""
        return sum(count for (old, new), count in self.pairs.items() if old == new) / max(1, self.compared)

    @property
    def kappa(self) -> float:
        """Cohen's kappa: agreement beyond what both labels' frequencies give by chance; 1 is perfect."""
        olds: Counter[str] = Counter()
        news: Counter[str] = Counter()
        for (old, new), count in self.pairs.items():
            olds[old] += count
            news[new] += count
        chance = sum(olds[label] * news[label] for label in olds) / max(1, self.compared) ** 2
        return 1.0 if chance >= 1.0 else (self.share - chance) / (1.0 - chance)


@dataclass
class Comparison:
    """How the two systems compare."""

    agreements: dict[str, Agreement] = field(default_factory=lambda: defaultdict[str, Agreement](Agreement))
    risk_differences: list[float] = field(default_factory=list[float])
    """New score less old forecast."""
    emergencies: list[str] = field(default_factory=list[str])
    """Ids of messages that are an Emergency here; the old system knew no such urgency."""
    failed: Counter[str] = field(default_factory=Counter[str])

    def lines(self) -> list[str]:
        """The comparison for people."""
        lines: list[str] = []
        for name in LABELS:
            agreement = self.agreements[name]
            lines.append(f"{name}: {agreement.share:.3f} of {agreement.compared} agree, kappa {agreement.kappa:.3f}")
            apart = [(pair, count) for pair, count in agreement.pairs.most_common() if pair[0] != pair[1]]
            lines += [f"  {old} became {new}: {count}" for (old, new), count in apart[:EXAMPLES]]
        if self.risk_differences:
            mean = sum(self.risk_differences) / len(self.risk_differences)
            apart = sum(map(abs, self.risk_differences)) / len(self.risk_differences)
            lines.append(f"risk: {len(self.risk_differences)} compared, {mean:+.3f} on average, {apart:.3f} apart")
        lines.append(f"Emergency here: {len(self.emergencies)} {' '.join(self.emergencies[:EXAMPLES])}".rstrip())
        lines += [f"failed {count}: {why}" for why, count in self.failed.most_common()]
        return lines


async def compare(items: Sequence[Item], base_url: str, token: str) -> Comparison:
    """Ask the graph at `base_url` (without `/api/v1`) about each message, a few at a time."""
    result, gate = Comparison(), asyncio.Semaphore(CONCURRENT)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"{base_url.rstrip('/')}/api/v1", headers=headers, timeout=30) as client:

        async def one(item: Item) -> None:
            async with gate:
                await _compare_one(client, item, result)

        await asyncio.gather(*(one(item) for item in items))
    return result


async def _compare_one(client: httpx.AsyncClient, item: Item, result: Comparison) -> None:
    message = {"message_text": str(item.get("message_text") or "")}
    try:
        labels, risk = await asyncio.gather(_ask(client, "/classify", message), _ask(client, "/predict-risk", message))
    except httpx.HTTPStatusError as error:
        result.failed[f"HTTP {error.response.status_code}"] += 1
        return
    except httpx.HTTPError as error:
        result.failed[type(error).__name__] += 1
        return
    for name in LABELS:
        old = item.get(name)
        if isinstance(old, str) and old.strip():
            result.agreements[name].pairs[old.strip().lower(), str(labels[name]).lower()] += 1
    forecast = number(item.get("risk_forecast"))
    if forecast is not None:
        result.risk_differences.append(float(risk["score"]) - forecast)
    if labels["emergency"]:
        result.emergencies.append(str(item.get("request_id", "")))


async def _ask(client: httpx.AsyncClient, path: str, body: dict[str, str]) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    answer.raise_for_status()
    return cast(dict[str, Any], answer.json())
