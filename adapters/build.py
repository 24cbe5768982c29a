"""Makes each adapter from the settings: the only place that knows which implementation stands behind a port.

Imports are inside the functions, so that a replica loads only the libraries of what it uses.
"""

from collections.abc import Mapping
from importlib.metadata import version as package_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ArtefactRefused
from core.ports.execution import ExecutionLog
from core.ports.identity import TokenVerifier
from core.ports.intelligence import LanguageModel
from core.ports.queue import Queue
from core.ports.store import RequestStore
from core.settings import Settings

if TYPE_CHECKING:
    from adapters.array_files import ModelArrays
    from adapters.embedder_onnx import OnnxEmbedder
    from adapters.knowledge_chroma import ChromaKnowledge
    from adapters.notify_inbox import InboxNotifier
    from adapters.risk_artefact import RiskArtefact
    from adapters.system_operations_desk import SqliteOperationsDesk


def version() -> str:
    """The version of this software."""
    return package_version("agentic-apartment-manager")


def request_store(settings: Settings) -> RequestStore:
    """The system of record."""
    from adapters.store_sqlite import SqliteRequestStore

    return SqliteRequestStore(settings.database)


def execution_queue(settings: Settings) -> Queue:
    """Commands to Execution."""
    from adapters.queue_sqlite import SqliteQueue

    return SqliteQueue(settings.queue_database, "executions")


def outcome_queue(settings: Settings) -> Queue:
    """News of executions for RequestManagement."""
    from adapters.queue_sqlite import SqliteQueue

    return SqliteQueue(settings.queue_database, "outcomes")


def execution_log(settings: Settings) -> ExecutionLog:
    """What was carried out."""
    from adapters.execution_log_sqlite import SqliteExecutionLog

    return SqliteExecutionLog(settings.execution_database)


def operations_desk(settings: Settings) -> "tuple[SqliteOperationsDesk, InboxNotifier]":
    """The built-in outside system with its inbox, which share a database."""
    from adapters.desk_database import open_desk_database
    from adapters.notify_inbox import InboxNotifier
    from adapters.system_operations_desk import SqliteOperationsDesk

    database = open_desk_database(settings.desk_database)
    return SqliteOperationsDesk(database), InboxNotifier(database)


def token_verifier(settings: Settings) -> TokenVerifier:
    """Who may call. Raises `ArtefactRefused` where mode `oidc` lacks a setting."""
    from adapters.tokens import LocalTokens, OidcTokens

    if settings.auth_mode == "local":
        return LocalTokens(settings.local_key)
    issuer, audience, keys = settings.oidc_issuer, settings.oidc_audience, settings.oidc_jwks_url
    if not (issuer and audience and keys):
        raise ArtefactRefused("Mode oidc needs AAM_OIDC_ISSUER, AAM_OIDC_AUDIENCE and AAM_OIDC_JWKS_URL.")
    return OidcTokens(issuer, audience, keys)


def embedder(settings: Settings) -> "OnnxEmbedder":
    """The exported sentence model."""
    from adapters.embedder_onnx import OnnxEmbedder

    return OnnxEmbedder(settings.artefacts_dir / "embedder")


def text_arrays(settings: Settings) -> "ModelArrays":
    """The trained text heads."""
    from adapters.array_files import read_arrays

    return read_arrays(settings.artefacts_dir / "text", "text")


def risk_artefact(settings: Settings) -> "RiskArtefact":
    """The trained risk model."""
    from adapters.risk_artefact import read_risk_artefact

    return read_risk_artefact(settings.artefacts_dir / "risk")


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

    return ChromaKnowledge(settings.artefacts_dir / "kb")


def language_model(settings: Settings) -> LanguageModel:
    """The offline implementation, which answers by quoting and says so."""
    from adapters.llm_offline import OfflineLanguageModel

    return OfflineLanguageModel.open(settings.artefacts_dir / "kb")
