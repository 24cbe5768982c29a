"""Reads which outside systems there are from a YAML file, and their secrets from the environment."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from core.errors import ArtefactRefused
from core.systems import (
    AtlasSystem,
    ChatSystem,
    MailSystem,
    SmsSystem,
    SystemConfig,
    SystemsConfig,
    WebhookSystem,
)

_GAP = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{2,80}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,60}")
_OWN_HEADERS = frozenset(
    {
        "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "cookie", "host",
        "idempotency-key", "transfer-encoding", "webhook-id", "webhook-signature", "webhook-timestamp",
        "x-request-id",
    }
)  # fmt: skip
"""Headers that are written for each call."""


def read_systems(path: Path | None, environment: Mapping[str, str], *, production: bool) -> SystemsConfig:
    """What the file says; without one, no outside systems.

    Raises `ArtefactRefused` for a file that can't be read or says what it must not, for variables that are not set, and
    in production for mail without TLS and plain http.
    """
    if path is None:
        return SystemsConfig()
    config = _parse(path)
    missing = {name for system in config.systems for name in variables(system) if not environment.get(name)}
    if missing:
        raise ArtefactRefused(f"{path} needs the environment variables {', '.join(sorted(missing))}.")
    for system in config.systems:
        if isinstance(system, WebhookSystem):
            fill_headers(system, environment)
        if production:
            _require_safe(system, path)
    return config


def variables(system: SystemConfig) -> frozenset[str]:
    """The environment variables that it needs."""
    named = {value for name, value in system if name.endswith("_variable") and value is not None}
    if isinstance(system, WebhookSystem):
        named.update(gap for value in system.headers.values() for gap in _GAP.findall(value))
    return frozenset(named)


def fill_headers(system: WebhookSystem, environment: Mapping[str, str]) -> dict[str, str]:
    """Its fixed headers, with `${NAME}` taken from the environment.

    Raises `ArtefactRefused` for a header that is not free to choose, and for what no header can hold.
    """
    filled: dict[str, str] = {}
    for name, value in system.headers.items():
        where = f"the header {name} of {system.name}"
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise ArtefactRefused(f"{where} can't be set.")
        if not all(_VARIABLE.fullmatch(gap) for gap in _GAP.findall(value)):
            raise ArtefactRefused(f"{where} names no environment variable between its braces.")
        filled[name] = _GAP.sub(lambda gap: environment.get(gap[1], ""), value)
        if not (filled[name].isascii() and filled[name].isprintable()):
            raise ArtefactRefused(f"{where} holds what no header can.")
    return filled


def _parse(path: Path) -> SystemsConfig:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)
    except (OSError, UnicodeDecodeError) as problem:
        raise ArtefactRefused(f"{path} can't be read ({type(problem).__name__}).") from None
    except yaml.YAMLError as problem:
        raise ArtefactRefused(f"{path} is not valid YAML: {problem}") from None
    try:
        return SystemsConfig.model_validate(content if content is not None else {})
    except ValidationError as error:
        raise ArtefactRefused(f"{path}: {'; '.join(_complaints(error))}.") from None


def _complaints(error: ValidationError) -> Iterator[str]:
    for each in error.errors(include_url=False, include_context=False, include_input=False)[:5]:
        where = ".".join(str(part) for part in each["loc"])
        yield f"{where}: {each['msg']}" if where else each["msg"]


def _require_safe(system: SystemConfig, path: Path) -> None:
    match system:
        case MailSystem(security="none"):
            raise ArtefactRefused(f"{path}: in production {system.name} needs security tls or starttls.")
        case AtlasSystem(url=url) | WebhookSystem(url=url) | ChatSystem(url=url) | SmsSystem(endpoint_url=str(url)):
            if not url.startswith("https://"):
                raise ArtefactRefused(f"{path}: in production the url of {system.name} begins with https://.")
        case _:
            pass


class _StrictLoader(yaml.SafeLoader):
    """A name that stands twice would silently win over itself."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        twice = {str(name) for name in names if names.count(name) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"{', '.join(sorted(twice))} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep)
