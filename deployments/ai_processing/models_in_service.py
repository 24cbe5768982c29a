"""Changes the models while they serve: the wanted ones are loaded and tried beside the old, then take their place."""

import asyncio
import contextvars
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from core.errors import AppError, ArtefactRefused, ServiceUnavailable
from core.messages import AssessItem, Assessment, ItemFailure
from core.models_config import Alternative, ModelsConfig
from deployments.ai_processing.model_set import ModelFactory, ModelSet, probe
from deployments.ai_processing.served import Meter, Served
from deployments.ai_processing.shadow import Shadow

_log = logging.getLogger(__name__)


class ModelsInService:
    """Holds what serves. A change that is refused leaves it as it is.

    While models serve, a change is made in the background: Serve sends no calls to a replica that is still changing.
    """

    def __init__(self, factory: ModelFactory, meter: Meter) -> None:
        self._factory = factory
        self._meter = meter
        self._served: Served | None = None
        self._refusal: str | None = None
        self._turn = 0
        self._one_at_a_time = asyncio.Lock()
        self._changes: set[asyncio.Task[None]] = set()

    async def assess(self, items: Sequence[AssessItem]) -> list[Assessment | ItemFailure]:
        """One result for each item, in order. Raises `ServiceUnavailable` before the first models."""
        return await self.served.assess(items)

    @property
    def served(self) -> Served:
        """What serves. Raises `ServiceUnavailable` before the first models."""
        if self._served is None:
            raise ServiceUnavailable("No models are loaded.")
        return self._served

    @property
    def refusal(self) -> str | None:
        """Why what was last asked for does not serve; None where it does."""
        return self._refusal

    async def configure(self, wanted: Mapping[str, Any]) -> None:
        """Serve by this `ModelsConfig`: the first one before this returns, a later one when it is ready.

        Raises `ArtefactRefused` and `Unavailable` for the first one alone; later, `refusal` tells.
        """
        self._turn += 1
        if self._served is None:
            self._swap(*await asyncio.to_thread(self._load_first, wanted))
            return
        change = asyncio.get_running_loop().create_task(self._change(wanted, self._turn), context=contextvars.Context())
        self._changes.add(change)
        change.add_done_callback(self._changes.discard)

    def start(self, config: ModelsConfig) -> None:
        """As the first `configure`, for where no loop runs yet or may be blocked."""
        with ThreadPoolExecutor(1) as thread:
            self._swap(*thread.submit(self._load_first, config.model_dump()).result())

    async def settled(self) -> None:
        """Return when no change is under way."""
        while self._changes:
            await asyncio.gather(*self._changes)

    def describe(self) -> str:
        """What serves, what is on its way and what was refused."""
        parts = [self.served.describe()]
        if self._changes:
            parts.append("other models are being loaded")
        if self._refusal:
            parts.append(f"refused: {self._refusal}")
        return "; ".join(parts)

    async def _change(self, wanted: Mapping[str, Any], turn: int) -> None:
        async with self._one_at_a_time:
            if turn != self._turn:
                return
            try:
                loaded = await asyncio.to_thread(self._load, wanted)
            except Exception as problem:
                self._refuse(problem)
                return
            self._swap(loaded, None)

    def _load_first(self, wanted: Mapping[str, Any]) -> tuple[Served, str | None]:
        """With the reason where a canary or shadow had to be left out, which is no cause to serve nobody."""
        try:
            return self._load(wanted), None
        except Exception as problem:
            config = parse(wanted)
            if config == config.serving_alone():
                raise
            _log.exception("a canary or shadow is refused; the serving models start alone")
            return self._load(config.serving_alone().model_dump()), _reason(problem)

    def _load(self, wanted: Mapping[str, Any]) -> Served:
        config = parse(wanted)
        current = self._make(config, None)
        canary = self._make(config, config.canary) if config.canary else None
        shadow = Shadow(self._make(config, config.shadow), self._meter) if config.shadow else None
        return Served(config, current, canary, shadow, self._meter)

    def _make(self, config: ModelsConfig, alternative: Alternative | None) -> ModelSet:
        models = self._factory.make(config.source("text", alternative), config.source("risk", alternative))
        probe(models)
        return models

    def _swap(self, served: Served, refusal: str | None) -> None:
        before, self._served = self._served, _with_shadow_of(self._served, served)
        if before and before.shadow is not self._served.shadow:
            before.close()
        self._refusal = refusal
        self._meter.refused(refusal is not None)
        _log.info("models in service: %s", self._served.describe())

    def restate(self) -> None:
        """Say again whether the wanted models were refused: Ray forgets a gauge that nobody repeats."""
        self._meter.refused(self._refusal is not None)

    def _refuse(self, problem: Exception) -> None:
        self._refusal = _reason(problem)
        self._meter.refused(True)
        _log.error("models are refused, %s stay: %s", self.served.current.name, self._refusal, exc_info=problem)


def parse(wanted: Mapping[str, Any]) -> ModelsConfig:
    """The configuration in this mapping. Raises `ArtefactRefused` with what is wrong."""
    try:
        return ModelsConfig.model_validate(wanted)
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "user_config"
        raise ArtefactRefused(f"The configuration of the models is wrong at {place}: {first['msg']}.") from None


def _with_shadow_of(before: Served | None, served: Served) -> Served:
    """With the shadow that was there, and its counts, where neither it nor what it is compared with has changed."""
    if not (before and before.shadow and served.shadow):
        return served
    pairs = ((before.current, served.current), (before.shadow.models, served.shadow.models))
    same = all(one.name == other.name for one, other in pairs)
    return replace(served, shadow=before.shadow) if same else served


def _reason(problem: Exception) -> str:
    return problem.detail if isinstance(problem, AppError) else f"they can't be loaded ({type(problem).__name__})."
