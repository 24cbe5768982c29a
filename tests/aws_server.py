"""AWS's protocols over HTTP for tests: moto's server, in a process of its own."""

import atexit
import io
import json
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

from moto.server import ThreadedMotoServer

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
PARENT = os.getppid()
POLL_S = 0.02

Environment = dict[str, Any]
Application = Callable[[Environment, Callable[..., Any]], Iterable[bytes]]


@cache
def endpoint() -> str:
    """The server's address. It is started once, in a process of its own, so that no test's event loop slows it."""
    root = Path(__file__).parent.parent
    server = subprocess.Popen([sys.executable, "-m", "tests.aws_server"], cwd=root, stdout=subprocess.PIPE)
    assert server.stdout is not None
    address = server.stdout.readline().decode().strip()

    def stop() -> None:
        server.kill()
        server.communicate()

    atexit.register(stop)
    return address


def serve() -> None:
    """Print the address and answer one call after the other, but for polls, which wait beside the others.

    AWS's services are safe under concurrent calls; moto's are not: threads meet between a condition and its write, a
    refused transaction puts back the whole table as it was before, and a message goes to two receivers.
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


def _one_at_a_time(application: Application) -> Application:
    lock = Lock()

    def answer(environment: Environment, respond: Callable[..., Any]) -> Iterable[bytes]:
        if environment.get("HTTP_X_AMZ_TARGET") == "AmazonSQS.ReceiveMessage":
            return _poll(application, lock, environment, respond)
        with lock:
            return application(environment, respond)

    return answer


def _poll(application: Application, lock: Lock, environment: Environment, respond: Callable[..., Any]) -> list[bytes]:
    """Ask without waiting, again and again for the time that the caller would wait."""
    asked = json.loads(environment["wsgi.input"].read(int(environment["CONTENT_LENGTH"])))
    deadline = time.monotonic() + asked.get("WaitTimeSeconds", 0)
    body = json.dumps(asked | {"WaitTimeSeconds": 0}).encode()
    while True:
        head: list[Any] = []
        again = environment | {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        with lock:
            content = list(application(again, lambda *given, into=head: into.extend(given)))
        if b'"Messages"' in b"".join(content) or not head[0].startswith("200") or time.monotonic() >= deadline:
            respond(*head[:2])
            return content
        time.sleep(POLL_S)


if __name__ == "__main__":
    serve()
