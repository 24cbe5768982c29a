"""Puts the configured outside systems and channels together, each behind a guard of its own.

Imports are inside the functions, so that a replica loads only the libraries of what it uses.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from adapters.call_guard import CallGuard, GuardedChannel, GuardedSystem
from adapters.outbound_http import OutboundHttp
from adapters.rate_limits import open_rate_limiters
from adapters.signatures import parse_secrets
from adapters.system_config import fill_headers, read_systems
from core.execution_labels import MESSAGES, ActionKind, ChannelName
from core.metrics import UNMETERED, Meter
from core.ports.execution import (
    CallbackReader,
    Channel,
    Completion,
    CompletionSource,
    OperationsDesk,
    OutsideSystem,
)
from core.settings import ROOT, Settings
from core.systems import (
    DESK,
    AtlasSystem,
    CallbackMapping,
    CallPolicy,
    ChatSystem,
    MailSystem,
    SmsSystem,
    SystemConfig,
    SystemsConfig,
    WebhookSystem,
)

DESK_POLICY = CallPolicy(concurrency=64, timeout_s=8.0, attempts=1)
"""The desk is a database of our own, so that it may take more at once than the systems of others."""

LOOK_POLICY: Mapping[str, object] = {"timeout_s": 60.0, "attempts": 1, "concurrency": 1}
"""A look for what has ended is many calls, one after the other, and is made again a minute later in any case."""


class GuardedSource:
    """A `CompletionSource` behind its guard."""

    def __init__(self, inner: CompletionSource, guard: CallGuard) -> None:
        self._inner, self._guard = inner, guard

    async def completions(self, *, since: datetime, known: frozenset[str]) -> tuple[Completion, ...]:
        """See the port."""
        return await self._guard.call(lambda: self._inner.completions(since=since, known=known), may_repeat=False)


@dataclass(frozen=True)
class OutsideWorld:
    """What there is to assemble from."""

    config: SystemsConfig
    environment: Mapping[str, str]
    allow_loopback: bool
    guard: Callable[[str, CallPolicy], CallGuard]


def read_world(
    settings: Settings, environment: Mapping[str, str] = os.environ, *, meter: Meter = UNMETERED
) -> OutsideWorld:
    """The configuration of the outside systems. Raises `ArtefactRefused`; see `system_config.read_systems`."""
    path = None if settings.systems_file is None else ROOT / settings.systems_file
    config = read_systems(path, environment, production=settings.environment == "production")
    rates = {system.name: system.policy.rate for system in config.systems if system.policy.rate is not None}
    limiters = open_rate_limiters(rates, settings.redis_url) if rates else {}
    return OutsideWorld(
        config,
        environment,
        settings.environment == "development",
        lambda name, policy: CallGuard(name, policy, limiter=limiters.get(name), meter=meter),
    )


def assemble_systems(world: OutsideWorld, desk: OperationsDesk) -> dict[str, OutsideSystem]:
    """The desk and all other outside systems, by name, guarded."""
    systems: dict[str, OutsideSystem] = {DESK: GuardedSystem(desk, world.guard(DESK, DESK_POLICY))}
    for config in world.config.systems:
        connector = _connector(world, config)
        if connector is not None:
            systems[config.name] = GuardedSystem(connector, world.guard(config.name, config.policy))
    return systems


def assemble_limits(world: OutsideWorld) -> dict[str, float]:
    """The seconds that a call of each system can take with its own repetitions, by name."""
    return {DESK: DESK_POLICY.longest_s, **{each.name: each.policy.longest_s for each in world.config.systems}}


def assemble_routes(world: OutsideWorld) -> dict[ActionKind, str]:
    """The name of the system that carries out each action; messages have none."""
    return {kind: world.config.routes.get(kind, DESK) for kind in ActionKind if kind not in MESSAGES}


def assemble_callbacks(world: OutsideWorld) -> dict[str, CallbackReader]:
    """The readers of callbacks, by system; those that have none are not in it."""
    readers = {config.name: _callback_reader(world, config) for config in world.config.systems}
    return {name: reader for name, reader in readers.items() if reader is not None}


def assemble_sources(world: OutsideWorld) -> dict[str, CompletionSource]:
    """The systems that have to be asked what has ended, guarded, by name.

    Callbacks of Atlas CMMS may be lost and tell no cost, so that it is asked in any case.
    """
    from adapters.system_atlas import AtlasCmms

    return {
        config.name: GuardedSource(
            AtlasCmms(config, world.environment[config.password_variable], _http(world, config)),
            world.guard(config.name, config.policy.model_copy(update=LOOK_POLICY)),
        )
        for config in world.config.systems
        if isinstance(config, AtlasSystem)
    }


def assemble_channels(world: OutsideWorld) -> dict[ChannelName, Channel]:
    """The channels that are configured, guarded."""
    channels: dict[ChannelName, Channel] = {}
    for config in world.config.systems:
        channel = _channel(world, config)
        if channel is not None:
            channels[channel.name] = GuardedChannel(channel, world.guard(config.name, config.policy))
    return channels


def _connector(world: OutsideWorld, config: SystemConfig) -> OutsideSystem | None:
    match config:
        case AtlasSystem():
            from adapters.system_atlas import AtlasCmms

            return AtlasCmms(config, world.environment[config.password_variable], _http(world, config))
        case WebhookSystem():
            from adapters.system_webhook import SignedWebhookSystem

            return SignedWebhookSystem(
                config,
                _http(world, config),
                secrets=_secrets(world, config.secret_variable),
                headers=fill_headers(config, world.environment),
            )
        case _:
            return None


def _callback_reader(world: OutsideWorld, config: SystemConfig) -> CallbackReader | None:
    match config:
        case AtlasSystem(callback_secret_variable=str(variable)):
            from adapters.callbacks_atlas import AtlasCallbackReader

            return AtlasCallbackReader(world.environment[variable])
        case WebhookSystem(callback_secret_variable=str(variable), callback=CallbackMapping() as mapping):
            from adapters.callbacks import SignedCallbackReader

            return SignedCallbackReader(_secrets(world, variable), mapping, name=config.name)
        case _:
            return None


def _channel(world: OutsideWorld, config: SystemConfig) -> Channel | None:
    match config:
        case MailSystem():
            from adapters.channel_mail import MailChannel

            variable = config.password_variable
            return MailChannel(config, None if variable is None else world.environment[variable])
        case SmsSystem():
            from adapters.channel_sms import SmsChannel

            return SmsChannel(config)
        case ChatSystem():
            from adapters.channel_chat import ChatChannel

            return ChatChannel(config, " ".join(_secrets(world, config.secret_variable)), _http(world, config))
        case _:
            return None


def _http(world: OutsideWorld, config: AtlasSystem | WebhookSystem | ChatSystem) -> OutboundHttp:
    return OutboundHttp(
        config.url,
        network=config.network,
        allow_loopback=world.allow_loopback,
        timeout_s=config.policy.timeout_s,
        response_limit_bytes=config.policy.response_limit_bytes,
        send_traceparent=config.send_traceparent,
    )


def _secrets(world: OutsideWorld, variable: str) -> tuple[str, ...]:
    return parse_secrets(world.environment[variable], variable)
