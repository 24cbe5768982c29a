"""Checks that the models named in a `user_config` exist on this machine, whole and of the version wanted."""

from collections.abc import Iterator
from itertools import product

from aam.configuration.findings import within
from aam.configuration.schema_walk import Complaint
from adapters.artefact_source import Expected, open_folder
from core.errors import ArtefactRefused
from core.models_config import Alternative, ModelName, ModelsConfig, Source
from core.settings import Settings

NAMES: tuple[ModelName, ...] = ("text", "risk")


def check_models(models: ModelsConfig, settings: Settings, place: str) -> Iterator[Complaint]:
    """Every model in a folder is opened as a replica would; one in S3 is not fetched, only its address is checked."""
    beside: dict[str, Alternative | None] = {"": None, "shadow": models.shadow, "canary": models.canary}
    for (where, alternative), name in product(beside.items(), NAMES):
        if where and (alternative is None or alternative.source(name) is None):
            continue
        source = models.source(name, alternative)
        problem = None if source.s3 else _refusal(source, name, settings)
        if problem:
            yield Complaint(within(within(place, where) if where else place, name), problem)


def _refusal(source: Source, name: ModelName, settings: Settings) -> str | None:
    try:
        open_folder(settings.artefacts_dir / source.location, source, Expected(name))
    except ArtefactRefused as problem:
        return f"{problem.detail} Name one that `python -m aam models list` shows, or run `python -m aam build`"
    return None
