"""DynamoDB's protocol over HTTP for tests: moto's server, with tables of each test's own."""

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from adapters.documents_dynamo import DynamoDocumentStore
from adapters.dynamo import Dynamo
from adapters.dynamo_tables import create_tables
from adapters.execution_log_dynamo import DynamoExecutionLog
from adapters.store_dynamo import DynamoRequestStore
from tests.aws_server import CREDENTIALS, endpoint

__all__ = ["CREDENTIALS", "connect", "endpoint", "open_documents_store", "open_requests_store"]

SHARDS = 3
"""Fewer than in earnest: moto goes through the whole table for each query."""


def connect(**options: Any) -> Dynamo:
    """A connection to the server."""
    with patch.dict(os.environ, CREDENTIALS):
        return Dynamo(**{"region": "us-east-1", "endpoint_url": endpoint(), "timeout_s": 60.0} | options)


def open_requests_store(folder: Path, **options: Any) -> DynamoRequestStore:
    """A store whose tables are this folder's own."""
    return DynamoRequestStore(connect(**options), _tables(folder), shards=SHARDS)


def open_documents_store(folder: Path, **options: Any) -> DynamoDocumentStore:
    """A store of documents whose table is this folder's own."""
    return DynamoDocumentStore(connect(**options), _tables(folder))


def open_execution_log(folder: Path, **options: Any) -> DynamoExecutionLog:
    """A log of executions whose tables are this folder's own."""
    return DynamoExecutionLog(connect(**options), _tables(folder))


@cache
def _tables(folder: Path) -> str:
    prefix = f"test_{hashlib.sha256(str(folder).encode()).hexdigest()[:20]}"
    dynamo = connect()
    create_tables(dynamo.client, prefix, recoverable=False)
    dynamo.client.close()
    return prefix
