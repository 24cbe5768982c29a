"""DynamoDB's protocol over HTTP for tests: moto's server, with tables of each test's own."""

import atexit
import hashlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any
from unittest.mock import patch

from moto.server import ThreadedMotoServer

from adapters.documents_dynamo import DynamoDocumentStore
from adapters.dynamo import Dynamo
from adapters.dynamo_tables import create_tables
from adapters.store_dynamo import DynamoRequestStore

SHARDS = 3
"""Fewer than in earnest: moto goes through the whole table for each query."""
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}

PARENT = os.getppid()

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@cache
def endpoint() -> str:
    """The server's address. It is started once, in a process of its own, so that no test's event loop slows it."""
    root = Path(__file__).parent.parent
    server = subprocess.Popen([sys.executable, "-m", "tests.dynamo_server"], cwd=root, stdout=subprocess.PIPE)
    assert server.stdout is not None
    address = server.stdout.readline().decode().strip()

    def stop() -> None:
        server.kill()
        server.communicate()

    atexit.register(stop)
    return address


def serve() -> None:
    """Print the address and answer one call after the other.

    DynamoDB's writes are serializable; moto's are not: threads meet between a condition and its write, and a refused
    transaction puts back the whole table as it was before.
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    inner: Any = server._server
    inner.app = _one_at_a_time(inner.app)
    host, port = server.get_host_and_port()
    sys.stdout.write(f"http://{host}:{port}\n")
    sys.stdout.flush()
    while os.getppid() == PARENT:
        time.sleep(1)


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


@cache
def _tables(folder: Path) -> str:
    prefix = f"test_{hashlib.sha256(str(folder).encode()).hexdigest()[:20]}"
    dynamo = connect()
    create_tables(dynamo.client, prefix, recoverable=False)
    dynamo.client.close()
    return prefix


def _one_at_a_time(application: Application) -> Application:
    lock = Lock()

    def answer(environment: dict[str, Any], respond: Callable[..., Any]) -> Iterable[bytes]:
        with lock:
            return application(environment, respond)

    return answer


if __name__ == "__main__":
    serve()
