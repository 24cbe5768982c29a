"""The `AAM_` variables of the environment: known, valid, safe for production, and with every secret that they need."""

import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import SettingsError

from aam.configuration.findings import Finding, unknown
from adapters.system_config import read_systems
from core.errors import AppError
from core.settings import ROOT, Settings, load_settings, require_safe

PREFIX = "AAM_"
PATH = Path("environment")
OF_THE_TESTS = frozenset({"AAM_CHROMIUM", "AAM_SHARED_DATA"})
"""Read by tests alone."""


def check_environment() -> list[Finding]:
    """What is wrong with the variables of this process."""
    known, secrets = names() | OF_THE_TESTS, _of_the_systems_file()
    unknowns = [
        name
        for name in sorted(os.environ)
        # `Settings` reads them in small letters, too.
        if name.upper().startswith(PREFIX) and name.upper() not in known and name not in secrets
    ]
    return [Finding(PATH, name, unknown(name, known, "variable")) for name in unknowns] + list(_check_values())


def check_names(path: Path, place: str, variables: Mapping[str, object]) -> Iterator[Finding]:
    """Findings for names of variables, given in a file, that begin with the prefix and that no setting has."""
    for name, value in variables.items():
        if str(name).startswith(PREFIX) and name not in names() | OF_THE_TESTS:
            yield Finding(path, f"{place}.{name}", unknown(name, names(), "variable"))
        if not isinstance(value, str):
            yield Finding(path, f"{place}.{name}", f"{value!r} is no text, as a variable must be; quote it")


def names() -> frozenset[str]:
    """The variables that `Settings` reads."""
    return frozenset(PREFIX + name.upper() for name in Settings.model_fields)


def _check_values() -> Iterator[Finding]:
    try:
        settings = load_settings()
    except ValidationError as error:
        for each in error.errors(include_url=False, include_context=False, include_input=False):
            field = str(each["loc"][0]) if each["loc"] else ""
            yield Finding(PATH, PREFIX + field.upper().removeprefix(PREFIX), f"{each['msg']}; set it to such a value")
        return
    except SettingsError as error:
        yield Finding(PATH, "", f"{error}; write a list as JSON")
        return
    try:
        require_safe(settings)
    except AppError as problem:
        yield Finding(PATH, "", problem.detail)
    yield from _check_secrets(settings)


def _check_secrets(settings: Settings) -> Iterator[Finding]:
    """What outside systems need and nobody set."""
    if settings.systems_file is None:
        return
    try:
        read_systems(ROOT / settings.systems_file, os.environ, production=settings.environment == "production")
    except AppError as problem:
        yield Finding(PATH, "AAM_SYSTEMS_FILE", problem.detail)


def _of_the_systems_file() -> frozenset[str]:
    """The words of the file in which secrets are named by their variables."""
    named = os.environ.get("AAM_SYSTEMS_FILE")
    try:
        text = (ROOT / named).read_text(encoding="utf-8") if named else ""
    except (OSError, UnicodeDecodeError):
        # `read_systems` says so.
        text = ""
    return frozenset(re.findall(r"\w+", text))


def settings_or_defaults() -> Settings:
    """The environment's settings, or the defaults where those are invalid, of which `check_environment` tells."""
    return _settings(tuple(sorted(item for item in os.environ.items() if item[0].upper().startswith(PREFIX))))


@lru_cache(maxsize=8)
def _settings(_: tuple[tuple[str, str], ...]) -> Settings:
    """Of these variables, which are the environment's; a file's check asks several times."""
    try:
        return load_settings()
    except (ValidationError, SettingsError):
        defaults = Settings.model_construct()
        return defaults.model_copy(update={"artefacts_dir": ROOT / defaults.artefacts_dir})
