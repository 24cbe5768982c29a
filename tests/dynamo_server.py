"""DynamoDB's protocol over HTTP for tests: moto's server, with tables of each test's own.

They are made by `deploy/aws/data.yaml`, so that every suite on DynamoDB passes against what production deploys;
`tests/deploy/test_aws_stacks.py` holds that to what `aam store create` makes.
"""

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from adapters.documents_dynamo import DynamoDocumentStore
from adapters.dynamo import Dynamo
from adapters.execution_log_dynamo import DynamoExecutionLog
from adapters.store_dynamo import DynamoRequestStore
from tests.aws_server import CREDENTIALS, endpoint
from tests.aws_stacks import deploy

__all__ = ["CREDENTIALS", "connect", "endpoint", "open_documents_store", "open_requests_store", "tables_of"]

SHARDS = 3
"""Fewer than in earnest: moto goes through the whole table for each query."""


def connect(**options: Any) -> Dynamo:
    """A connection to the server."""
    with patch.dict(os.environ, CREDENTIALS):
        return Dynamo(**{"region": "us-east-1", "endpoint_url": endpoint(), "timeout_s": 60.0} | options)


def open_requests_store(folder: Path, **options: Any) -> DynamoRequestStore:
    """A store whose tables are this folder's own."""
    return DynamoRequestStore(connect(**options), tables_of(folder), shards=SHARDS)


def open_documents_store(folder: Path, **options: Any) -> DynamoDocumentStore:
    """A store of documents whose table is this folder's own."""
    return DynamoDocumentStore(connect(**options), tables_of(folder))


def open_execution_log(folder: Path, **options: Any) -> DynamoExecutionLog:
    """A log of executions whose tables are this folder's own."""
    return DynamoExecutionLog(connect(**options), tables_of(folder))


@cache
def tables_of(folder: Path) -> str:
    """The prefix of this folder's tables."""
    prefix = f"test_{hashlib.sha256(str(folder).encode()).hexdigest()[:20]}"
    deploy("data", prefix.replace("_", "-"), Environment="staging", RequestTable=prefix)
    return prefix
