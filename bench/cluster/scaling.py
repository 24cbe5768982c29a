"""Each deployment scales out and in by itself under a load that presses it alone."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.cluster.pressure import Pressure
from bench.cluster.replicas import Spell, Watch

OUT_WITHIN_S = 120.0
IN_WITHIN_S = 180.0
HOLD_S = 6.0
REST_S = 5.0


@dataclass(frozen=True)
class Scaled:
    """What one load did."""

    deployment: str
    what: str
    before: int
    most: int
    out_s: float
    """From the load's begin until the most replicas ran."""
    in_s: float
    """From the load's end until there were as few as before."""
    others: dict[str, int]
    """The most replicas that each other deployment had meanwhile."""
    is_back: bool

    @property
    def is_good(self) -> bool:
        """Whether it grew, shrank again, and left the others as they were."""
        return self.is_back and self.most > self.before and all(count <= self.before for count in self.others.values())


async def scale(watch: Watch, pressures: Sequence[Pressure], least: dict[str, int]) -> list[Scaled]:
    """Press one after another; the watch must be running."""
    found: list[Scaled] = []
    for pressure in pressures:
        found.append(await _press(watch, pressure, least))
        print(f"  {found[-1]}", flush=True)
        await asyncio.sleep(REST_S)
    return found


async def _press(watch: Watch, pressure: Pressure, least: dict[str, int]) -> Scaled:
    name = pressure.deployment
    await _until(watch, lambda: watch.latest(name) == least[name], IN_WITHIN_S)
    before = watch.latest(name)
    async with pressure.press():
        began = watch.now_s()
        await _until(watch, lambda: watch.latest(name) > before, OUT_WITHIN_S)
        await asyncio.sleep(HOLD_S)
        ended = watch.now_s()
    spell = Spell(name, began, ended)
    watch.spells.append(spell)
    is_back = await _until(watch, lambda: watch.latest(name) <= least[name], IN_WITHIN_S)
    over = watch.now_s()
    most = watch.most(name, spell, over)
    reached = next((at for at, counts in watch.looks if at >= began and counts.get(name, 0) == most), ended)
    others = {other: watch.most(other, spell, over) for other in least if other != name}
    return Scaled(name, pressure.what, before, most, reached - began, over - ended, others, is_back)


async def _until(watch: Watch, reached: Callable[[], bool], within_s: float) -> bool:
    end = watch.now_s() + within_s
    while not reached():
        if watch.now_s() > end:
            return False
        await asyncio.sleep(0.5)
    return True


def table(found: Sequence[Scaled]) -> str:
    """As Markdown."""
    lines = [
        "| deployment | load | replicas | out after, s | in after, s | the others at most |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for each in found:
        others = ", ".join(f"{name} {count}" for name, count in each.others.items())
        back = f"{each.in_s:.0f}" if each.is_back else f"not within {IN_WITHIN_S:.0f}"
        replicas = f"{each.before} → {each.most} → {each.before if each.is_back else '?'}"
        lines.append(f"| {each.deployment} | {each.what} | {replicas} | {each.out_s:.0f} | {back} | {others} |")
    return "\n".join(lines)
