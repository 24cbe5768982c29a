"""SQS's protocol over HTTP for tests: moto's server, with queues of each test's own.

They are made by `deploy/aws/queues.yaml`, which is what production deploys; `tests/deploy/test_aws_stacks.py` holds
that to what `aam queue create` makes. Queues with names of a test's own are made by the latter.
"""

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from adapters import queue_sqs_walk
from adapters.queue_sqs import SqsQueue
from adapters.queue_sqs_connection import Sqs
from adapters.queue_sqs_setup import QUEUES, create_queues
from tests.aws_server import CREDENTIALS, endpoint
from tests.aws_stacks import deploy

# SQS is many servers, of which a poll that does not wait may overlook some; moto is one.
queue_sqs_walk.WAIT_S = 0


def connect(**options: Any) -> Sqs:
    """A connection to the server."""
    with patch.dict(os.environ, CREDENTIALS):
        return Sqs(**{"region": "us-east-1", "endpoint_url": endpoint(), "timeout_s": 30.0} | options)


def open_sqs_queue(folder: Path, name: str, **options: Any) -> SqsQueue:
    """A queue that is this folder's own."""
    return SqsQueue(connect(**options), f"{_queues(folder, name)}-{name}")


@cache
def _queues(folder: Path, name: str) -> str:
    prefix = f"test-{hashlib.sha256(str(folder).encode()).hexdigest()[:20]}"
    if name in QUEUES:
        return _deployed(prefix)
    create_queues(_client(), prefix, [name])
    return prefix


@cache
def _deployed(prefix: str) -> str:
    deploy("queues", f"{prefix}-queues", Environment="staging", QueuePrefix=prefix)
    return prefix


@cache
def _client() -> Any:
    return connect().client
