"""The OpenTelemetry collector: known components with known settings, whole pipelines, and nothing of a span let
through that `core.tracing` does not allow."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from aam.configuration.documents import read_mapping
from aam.configuration.findings import Finding, unknown, within
from aam.configuration.kinds import ConfigurationKind
from aam.configuration.schema_walk import check_against
from core.tracing import ATTRIBUTES

RESOURCE_ATTRIBUTES = frozenset({"service.name", "service.version", "deployment.environment.name"})
"""What is known of the process itself, besides `ATTRIBUTES`."""
Duration = Annotated[str, StringConstraints(pattern=r"^[1-9]\d*(ms|s|m|h)$")]
Endpoint = Annotated[str, StringConstraints(pattern=r"^(\$\{env:[A-Z_]+(:-[^}]+)?\}|[A-Za-z0-9.-]+):\d{1,5}$")]
Text = Annotated[str, StringConstraints(min_length=1)]


def _refuse(value: bool) -> bool:
    if value:
        raise ValueError("must be false, so that nothing is let through or indexed that is not listed")
    return value


No = Annotated[bool, AfterValidator(_refuse)]
Share = Annotated[int, Field(ge=1, le=100)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Tls(_Strict):
    insecure: bool | None = None
    ca_file: Text | None = None
    cert_file: Text | None = None
    key_file: Text | None = None


class _Listener(_Strict):
    endpoint: Endpoint
    tls: _Tls | None = None
    max_request_body_size: int | None = Field(default=None, ge=1)


class _Protocols(_Strict):
    http: _Listener | None = None
    grpc: _Listener | None = None


class OtlpReceiver(_Strict):
    """`otlp`, taking."""

    protocols: _Protocols


class MemoryLimiter(_Strict):
    """`memory_limiter`: by a share of what the container may use."""

    check_interval: Duration
    limit_percentage: Share
    spike_limit_percentage: Share


class Batch(_Strict):
    """`batch`."""

    timeout: Duration
    send_batch_size: int = Field(ge=1)
    send_batch_max_size: int = Field(ge=1)


class Redaction(_Strict):
    """`redaction` (contrib), as an allow-list."""

    allow_all_keys: No
    allowed_keys: list[Text] = Field(min_length=1)
    blocked_values: list[Text] = Field(default_factory=list[str])
    summary: Literal["debug", "info", "silent"]


class _Retry(_Strict):
    enabled: bool = True
    initial_interval: Duration | None = None
    max_interval: Duration | None = None
    max_elapsed_time: Duration | None = None


class _Queue(_Strict):
    enabled: bool = True
    num_consumers: int | None = Field(default=None, ge=1)
    queue_size: int | None = Field(default=None, ge=1)


class AwsXray(_Strict):
    """`awsxray` (contrib)."""

    region: Text
    role_arn: Text | None = None
    local_mode: bool | None = None
    num_workers: int | None = Field(default=None, ge=1)
    request_timeout_seconds: int | None = Field(default=None, ge=1)
    max_retries: int | None = Field(default=None, ge=0)
    index_all_attributes: No = False
    indexed_attributes: list[Text] = Field(default_factory=list[str])


class OtlpExporter(_Strict):
    """`otlp`, sending by gRPC."""

    endpoint: Endpoint
    tls: _Tls | None = None
    timeout: Duration | None = None
    retry_on_failure: _Retry | None = None
    sending_queue: _Queue | None = None


class Debug(_Strict):
    """`debug`: to the collector's own log."""

    verbosity: Literal["basic", "normal", "detailed"]


class HealthCheck(_Strict):
    """`health_check`."""

    endpoint: Endpoint
    path: Text | None = None


class _Pipeline(_Strict):
    receivers: list[Text] = Field(min_length=1)
    processors: list[Text] = Field(min_length=1)
    exporters: list[Text] = Field(min_length=1)


class _OwnLogs(_Strict):
    level: Literal["debug", "info", "warn", "error"]


class _OwnTelemetry(_Strict):
    logs: _OwnLogs | None = None


class _Service(_Strict):
    extensions: list[Text] = Field(default_factory=list[str])
    pipelines: dict[Text, Any] = Field(min_length=1)
    telemetry: _OwnTelemetry | None = None


class Collector(_Strict):
    """The whole file."""

    extensions: dict[Text, Any] = Field(default_factory=dict[str, Any])
    receivers: dict[Text, Any]
    processors: dict[Text, Any]
    exporters: dict[Text, Any]
    service: _Service


COMPONENTS: Mapping[str, Mapping[str, type[BaseModel]]] = {
    "receivers": {"otlp": OtlpReceiver},
    "processors": {"memory_limiter": MemoryLimiter, "batch": Batch, "redaction": Redaction},
    "exporters": {"awsxray": AwsXray, "otlp": OtlpExporter, "debug": Debug},
    "extensions": {"health_check": HealthCheck},
}
ORDER = ("memory_limiter", "redaction", "batch")
"""What each pipeline needs: refuse before memory is short, take out what must not leave, then gather."""


def check_collector(path: Path, document: dict[str, Any]) -> list[Finding]:
    """What is wrong with a collector's configuration."""
    complaints = check_against(Collector, document)
    if complaints:
        return [Finding(path, each.place, each.message) for each in complaints]
    return [
        Finding(path, place, message)
        for place, message in (*_components(document), *_pipelines(document), *_unused(document), *_keys(document))
    ]


def _components(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each component's kind and settings; `otlp/jaeger` is of the kind `otlp`."""
    for section, known in COMPONENTS.items():
        for name, settings in document.get(section, {}).items():
            place, kind = within(section, name), _kind(name)
            if kind not in known:
                yield place, unknown(kind, known, "component")
                continue
            for each in check_against(known[kind], {} if settings is None else settings, place):
                yield each.place, each.message


def _pipelines(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    service = document["service"]
    yield from _defined(service.get("extensions", []), document.get("extensions", {}), "service.extensions")
    for name, pipeline in service["pipelines"].items():
        place = within("service.pipelines", name)
        if _kind(name) != "traces":
            yield place, unknown(_kind(name), ["traces"], "signal")
        complaints = check_against(_Pipeline, pipeline, place)
        yield from ((each.place, each.message) for each in complaints)
        if not complaints:
            for section in ("receivers", "processors", "exporters"):
                yield from _defined(pipeline[section], document[section], within(place, section))
            order = tuple(map(_kind, cast(Sequence[str], pipeline["processors"])))
            if order != ORDER:
                yield within(place, "processors"), f"must be {', '.join(ORDER)}, in this order"


def _defined(names: Sequence[str], there: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    for number, name in enumerate(names):
        if name not in there:
            yield within(place, number), unknown(name, there, "component")


def _unused(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    service = document["service"]
    pipelines = [cast(Mapping[str, Any], each) for each in service["pipelines"].values() if isinstance(each, Mapping)]
    for section in COMPONENTS:
        named: list[Sequence[str]] = [each.get(section, []) for each in pipelines] + [service.get(section, [])]
        for name in document.get(section, {}):
            if not any(name in names for names in named):
                yield within(section, name), "is part of no pipeline; name it there, or take it out"


def _keys(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is let through, and what is indexed, against what spans tell."""
    told = ATTRIBUTES | RESOURCE_ATTRIBUTES
    for name, settings in document["processors"].items():
        if _kind(name) != "redaction":
            continue
        place = within(within("processors", name), "allowed_keys")
        allowed = _list(settings, "allowed_keys")
        yield from ((place, unknown(key, told, "attribute")) for key in allowed if key not in told)
        if missing := sorted(told - set(allowed)):
            yield place, f"would take out {', '.join(missing)}; add them"
    for name, settings in document["exporters"].items():
        indexed = _list(settings, "indexed_attributes")
        place = within(within("exporters", name), "indexed_attributes")
        yield from ((place, unknown(key, ATTRIBUTES, "attribute")) for key in indexed if key not in ATTRIBUTES)


def _list(settings: object, key: str) -> list[str]:
    """A list of texts among the settings; empty where there is none."""
    found = cast(Mapping[str, object], settings).get(key) if isinstance(settings, Mapping) else None
    return [str(each) for each in cast(list[object], found)] if isinstance(found, list) else []


def _kind(name: str) -> str:
    return name.partition("/")[0]


KINDS = (
    ConfigurationKind(
        name="OpenTelemetry collector",
        patterns=("deploy/observability/collector*.yaml",),
        read=read_mapping,
        check=check_collector,
        required=True,
    ),
)
