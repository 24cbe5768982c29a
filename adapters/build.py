"""Makes each adapter from the settings: the only place that knows which implementation stands behind a port.

Imports are inside the functions, so that a replica loads only the libraries of what it uses.
"""

import atexit
from collections.abc import Mapping
from importlib.metadata import version as package_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.execution_labels import ActionKind, ChannelName
from core.metrics import UNMETERED, Meter
from core.ports.blobs import BlobStore
from core.ports.documents import DocumentStore
from core.ports.execution import CallbackReader, Channel, CompletionSource, ExecutionLog, OperationsDesk, OutsideSystem
from core.ports.identity import TokenVerifier
from core.ports.intelligence import LanguageModel
from core.ports.queue import Queue
from core.ports.rate_limits import RateLimits
from core.ports.record_keeping import RecordKeeping
from core.ports.store import RequestStore
from core.ports.webhooks import WebhookSender
from core.settings import Settings, require_safe

if TYPE_CHECKING:
    from adapters.array_files import ModelArrays
    from adapters.artefact_source import ArtefactSource
    from adapters.embedder_onnx import OnnxEmbedder
    from adapters.knowledge_chroma import ChromaKnowledge
    from adapters.llm_gemini import GeminiLanguageModel
    from adapters.message_encoder_onnx import OnnxMessageEncoder
    from adapters.message_templates import JinjaTemplates
    from adapters.notify_inbox import InboxNotifier
    from adapters.risk_artefact import RiskArtefact
    from adapters.rules_archive import RulesArchive
    from adapters.rules_in_force import RulesInForce
    from adapters.system_operations_desk import SqliteOperationsDesk


def version() -> str:
    """The version of this software."""
    return package_version("agentic-apartment-manager")


def start_tracing(settings: Settings, service: str) -> None:
    """Have this process's spans sent on as those of `service`, where the settings say so; once for each process."""
    from core import tracing

    if settings.otlp_endpoint is None or tracing.is_traced():
        return
    from adapters.tracing_otel import open_tracer

    tracer = open_tracer(
        settings.otlp_endpoint,
        service=service,
        version=version(),
        environment=settings.environment,
        sampling_ratio=settings.traced_share,
    )
    tracing.install(tracer)
    atexit.register(tracer.shutdown)


def meter() -> Meter:
    """Where values of metrics go: to Ray Serve."""
    from adapters.metrics_serve import ServeMeter

    return ServeMeter()


def request_store(settings: Settings) -> RequestStore:
    """The system of record."""
    from core import tracing

    if not tracing.is_traced():
        return _request_store(settings)
    from adapters.traced_ports import traced_store

    return traced_store(_request_store(settings), "aws.dynamodb" if settings.store == "dynamodb" else "sqlite")


def _request_store(settings: Settings) -> RequestStore:
    if settings.store == "dynamodb":
        from adapters.dynamo import open_dynamo
        from adapters.store_dynamo import DynamoRequestStore

        return DynamoRequestStore(open_dynamo(settings), settings.dynamodb_table)
    from adapters.store_sqlite import SqliteRequestStore

    return SqliteRequestStore(settings.database)


def document_store(settings: Settings) -> DocumentStore:
    """Small documents beside the requests."""
    if settings.store == "dynamodb":
        from adapters.documents_dynamo import DynamoDocumentStore
        from adapters.dynamo import open_dynamo

        return DynamoDocumentStore(open_dynamo(settings), settings.dynamodb_table)
    from adapters.documents_sqlite import SqliteDocumentStore

    return SqliteDocumentStore(settings.documents_database)


def blob_store(settings: Settings) -> BlobStore:
    """Residents' files: in the bucket, where there is one."""
    if settings.attachments_bucket is not None:
        from adapters.blobs_s3 import S3BlobStore

        return S3BlobStore(
            settings.attachments_bucket, region=settings.aws_region, endpoint_url=settings.s3_endpoint_url
        )
    from adapters.blobs_folder import FolderBlobStore

    return FolderBlobStore(settings.attachments_folder)


def record_keeping(settings: Settings) -> RecordKeeping:
    """Everything that RequestManagement keeps records in or asks."""
    from adapters.file_inspection import ContentInspector
    from adapters.key_files import read_or_make_key

    return RecordKeeping(
        store=request_store(settings),
        documents=document_store(settings),
        blobs=blob_store(settings),
        inspector=ContentInspector(),
        executions=execution_queue(settings),
        outcomes=outcome_queue(settings),
        webhooks=webhook_queue(settings),
        sender=webhook_sender(settings),
        tokens=token_verifier(settings),
        limits=rate_limits(settings),
        url_key=read_or_make_key(settings.url_key),
    )


def execution_queue(settings: Settings) -> Queue:
    """Commands to Execution."""
    return _queue(settings, "executions")


def outcome_queue(settings: Settings) -> Queue:
    """News of executions for RequestManagement."""
    return _queue(settings, "outcomes")


def webhook_queue(settings: Settings) -> Queue:
    """Events on their way to the systems of others."""
    return _queue(settings, "webhooks")


def _queue(settings: Settings, name: str) -> Queue:
    from core import tracing

    if not tracing.is_traced():
        return _untraced_queue(settings, name)
    from adapters.traced_ports import traced_queue

    return traced_queue(_untraced_queue(settings, name), name, "aws_sqs" if settings.queue == "sqs" else settings.queue)


def _untraced_queue(settings: Settings, name: str) -> Queue:
    if settings.queue == "sqs":
        from adapters.queue_sqs import SqsQueue
        from adapters.queue_sqs_connection import open_sqs

        return SqsQueue(open_sqs(settings), f"{settings.sqs_queue_prefix}-{name}")
    from adapters.queue_sqlite import SqliteQueue

    return SqliteQueue(settings.queue_database, name)


def webhook_sender(settings: Settings) -> WebhookSender:
    """Posts events to addresses of the public network; in development to this machine, too."""
    from adapters.webhook_sender import HttpWebhookSender

    return HttpWebhookSender(allow_loopback=settings.environment == "development")


def execution_log(settings: Settings) -> ExecutionLog:
    """What was carried out."""
    if settings.store == "dynamodb":
        from adapters.dynamo import open_dynamo
        from adapters.execution_log_dynamo import DynamoExecutionLog

        return DynamoExecutionLog(open_dynamo(settings), settings.dynamodb_table)
    from adapters.execution_log_sqlite import SqliteExecutionLog

    return SqliteExecutionLog(settings.execution_database)


def operations_desk(settings: Settings) -> "tuple[SqliteOperationsDesk, InboxNotifier]":
    """The built-in outside system with its inbox, which share a database."""
    from adapters.desk_database import open_desk_database
    from adapters.notify_inbox import InboxNotifier
    from adapters.system_operations_desk import SqliteOperationsDesk

    database = open_desk_database(settings.desk_database)
    return SqliteOperationsDesk(database, time_zone=settings.time_zone), InboxNotifier(database)


def message_templates() -> "JinjaTemplates":
    """The words of every event in every language. Raises `ArtefactRefused` where some are missing."""
    from adapters.message_templates import JinjaTemplates

    return JinjaTemplates()


def notice_key(settings: Settings) -> bytes:
    """The key that signs links in mails."""
    from adapters.key_files import read_or_make_key

    return read_or_make_key(settings.notice_key)


def rules_in_force(settings: Settings) -> "RulesInForce":
    """The rules as the knowledge base states them; asked at each call, they follow its newest version."""
    from adapters.rules_in_force import RulesInForce

    return RulesInForce(settings.artefacts_dir / "kb")


def outside_systems(
    settings: Settings, desk: OperationsDesk, meter: Meter = UNMETERED
) -> tuple[Mapping[str, OutsideSystem], Mapping[ActionKind, str], Mapping[str, CallbackReader]]:
    """The outside systems by name, the one for each action, and the readers of their callbacks.

    Raises `ArtefactRefused` for a configuration that is not whole or not safe.
    """
    from adapters.system_assembly import assemble_callbacks, assemble_routes, assemble_systems, read_world

    world = read_world(settings, meter=meter)
    return assemble_systems(world, desk), assemble_routes(world), assemble_callbacks(world)


def completion_sources(settings: Settings, meter: Meter = UNMETERED) -> "Mapping[str, CompletionSource]":
    """The outside systems that are asked for what has ended. Raises as `outside_systems`."""
    from adapters.system_assembly import assemble_sources, read_world

    return assemble_sources(read_world(settings, meter=meter))


def call_limits(settings: Settings) -> Mapping[str, float]:
    """The seconds that one call of each outside system can take. Raises as `outside_systems`."""
    from adapters.system_assembly import assemble_limits, read_world

    return assemble_limits(read_world(settings))


def channels(settings: Settings, meter: Meter = UNMETERED) -> Mapping[ChannelName, Channel]:
    """How messages are pushed to people, as far as that is configured. Raises as `outside_systems`."""
    from adapters.system_assembly import assemble_channels, read_world

    return assemble_channels(read_world(settings, meter=meter))


def rate_limits(settings: Settings) -> RateLimits:
    """The limits of the HTTP interface, shared in Redis where there is one. Raises `ArtefactRefused` for no rate."""
    from adapters.rate_limits import open_rate_limiters

    rates = {"person": settings.rate_limit_resident, "address": settings.rate_limit_address}
    return RateLimits(**open_rate_limiters(rates, settings.redis_url))


def token_verifier(settings: Settings) -> TokenVerifier:
    """Who may call. Raises `ArtefactRefused` for settings that are not safe: see `core.settings.require_safe`."""
    from adapters.tokens import LocalTokens, OidcTokens

    require_safe(settings)
    if settings.oidc_issuer is None or settings.oidc_audience is None or settings.auth_mode == "local":
        return LocalTokens(settings.local_key)
    return OidcTokens(settings.oidc_issuer, settings.oidc_audience, settings.oidc_jwks_url)


def embedder(settings: Settings) -> "OnnxEmbedder":
    """The exported sentence model."""
    from adapters.embedder_onnx import OnnxEmbedder

    return OnnxEmbedder(settings.artefacts_dir / "embedder")


def rules_archive(settings: Settings) -> "RulesArchive":
    """The rules of every decision that was made here."""
    from adapters.rules_archive import RulesArchive

    return RulesArchive(settings.state_dir)


def artefact_source(settings: Settings) -> "ArtefactSource":
    """Where models come from: folders, and S3."""
    from adapters.artefact_s3 import S3Artefacts
    from adapters.artefact_source import ArtefactSource

    objects = S3Artefacts(settings.artefact_cache, endpoint_url=settings.s3_endpoint_url)
    return ArtefactSource(settings.artefacts_dir, objects)


def text_arrays(folder: Path) -> "ModelArrays":
    """The trained text heads."""
    from adapters.array_files import read_arrays

    return read_arrays(folder, "text")


def message_encoder(folder: Path) -> "OnnxMessageEncoder":
    """The encoder of the text model in this folder, whose files have been verified."""
    from adapters.message_encoder_onnx import OnnxMessageEncoder

    return OnnxMessageEncoder(folder)


def risk_artefact(folder: Path) -> "RiskArtefact":
    """The trained risk model."""
    from adapters.risk_artefact import read_risk_artefact

    return read_risk_artefact(folder)


def safety_rules(path: Path) -> dict[str, Any]:
    """The life-safety rules as plain data."""
    from adapters.safety_rules import read_safety_rules

    return read_safety_rules(path)


def safety_advice(settings: Settings) -> Mapping[str, str]:
    """What residents are told to do at once, by safety rule, as the knowledge base states it."""
    from adapters.knowledge_files import read_rules

    return read_rules(settings.artefacts_dir / "kb").emergency.advice


def knowledge(settings: Settings) -> "ChromaKnowledge":
    """The knowledge base as it was indexed."""
    from adapters.knowledge_chroma import ChromaKnowledge

    return ChromaKnowledge(settings.artefacts_dir / "kb", chroma_url=settings.chroma_url)


def knowledge_version(settings: Settings) -> str:
    """The version of the knowledge base that was built last. Raises `ArtefactRefused`."""
    from adapters.artefacts import stated_version

    return stated_version(settings.artefacts_dir / "kb", "kb")


def language_model(settings: Settings, meter: Meter = UNMETERED) -> LanguageModel:
    """Gemini where there is a key for it; else the offline implementation, which answers by quoting and says so."""
    from adapters.llm_offline import OfflineLanguageModel

    quoting = OfflineLanguageModel.open(settings.artefacts_dir / "kb")
    if settings.gemini_api_key is None:
        return quoting
    return gemini(settings, settings.gemini_api_key.get_secret_value(), quoting, meter)


def gemini(settings: Settings, api_key: str, quoting: LanguageModel, meter: Meter = UNMETERED) -> "GeminiLanguageModel":
    """Gemini within its budget; `quoting` answers where it can't."""
    from adapters.circuit import Circuit
    from adapters.gemini_client import GeminiClient
    from adapters.llm_gemini import GeminiLanguageModel
    from adapters.spending import Allowance, Budget, Prices, open_limiter

    limiter = open_limiter(settings.redis_url)
    prices = Prices(settings.gemini_usd_per_million_input_tokens, settings.gemini_usd_per_million_output_tokens)
    budget = Budget(
        Allowance("gemini-tokens", settings.gemini_tokens_per_hour, limiter),
        Allowance("gemini-micro-usd", int(settings.gemini_usd_per_hour * 1_000_000), limiter),
        prices,
    )
    client = GeminiClient(
        api_key,
        settings.gemini_model,
        budget,
        Circuit("gemini", settings.gemini_breaker_failures, settings.gemini_breaker_reset_s, meter=meter),
        attempts=settings.gemini_attempts,
        meter=meter,
        base_url=settings.gemini_base_url,
    )
    return GeminiLanguageModel(
        client,
        quoting,
        opinion_deadline_s=settings.opinion_deadline_s,
        answer_deadline_s=settings.answer_deadline_s,
    )
