"""An HTTP server on this machine, in threads of its own, that speaks a real protocol and misbehaves as planned."""

import gzip
import json
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.outside.faults import WITHOUT_EFFECT, Fault, FaultPlan

HUGE_BYTES = 10 * 1024 * 1024
METADATA_URL = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"


@dataclass(frozen=True)
class Call:
    """One call that came."""

    method: str
    path: str
    """Without the query, decoded."""
    raw_path: str
    """As it was sent."""
    query: dict[str, str]
    headers: dict[str, str]
    """Names are in lower case."""
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What is answered where nothing goes wrong."""

    status: int = 200
    content: Any = None
    """Sent as JSON; nothing is sent for None."""
    headers: dict[str, str] = field(default_factory=dict[str, str])


class FaultyServer:
    """A subclass says in `reply` what the protocol does; all else, and what goes wrong, is here.

    Used as a context: `with BillingServer() as server: … server.url …`.
    """

    def __init__(self) -> None:
        self.faults = FaultPlan()
        self.calls: list[Call] = []
        self.slow_s = 5.0
        self.retry_after = "7"
        self.elsewhere = "http://127.0.0.1:9/elsewhere"
        """Where REDIRECT_AWAY leads."""
        self.lock = threading.RLock()
        """Held while `reply` runs: one call at a time sees and changes the world."""
        self._stopping = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._port = 0

    def reply(self, call: Call) -> Reply:
        """What the protocol answers, with its effect. Called with the lock held."""
        raise NotImplementedError

    def fault_for(self, call: Call) -> Fault | None:
        """What goes wrong with this call; a subclass may spare some calls."""
        return self.faults.draw()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.die()

    def start(self) -> None:
        """Listen; again on the same port after `die`."""
        self._server = _Listener(("127.0.0.1", self._port), _handler(self))
        self._port = int(self._server.server_address[1])
        # Polled often, so that `die` does not take half a second.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def die(self) -> None:
        """From now on connections are refused, until `start`."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
        self._server = self._thread = None

    def handle(self, call: Call, handler: "_Handler") -> None:
        fault = self.fault_for(call)
        with self.lock:
            self.calls.append(call)
            reply = Reply() if fault in WITHOUT_EFFECT else self.reply(call)
        if fault is Fault.SLOW:
            self._stopping.wait(self.slow_s)
        if fault in (Fault.HALF_OPEN, Fault.DROPPED):
            handler.hang_up()
            return
        handler.send(*self._spoilt(fault, reply))

    def _spoilt(self, fault: Fault | None, reply: Reply) -> tuple[int, dict[str, str], bytes]:
        match fault:
            case Fault.GARBAGE:
                return 200, {"Content-Type": "application/json"}, b"<html>]]{not json \xff"
            case Fault.MISSING_FIELDS:
                return 200, {"Content-Type": "application/json"}, b'{"note": "thanks"}'
            case Fault.RATE_LIMITED:
                return 429, {"Retry-After": self.retry_after}, b""
            case Fault.ERROR_BEFORE | Fault.ERROR_AFTER:
                return 500, {}, b"a trace with the words of a resident"
            case Fault.REDIRECT_AWAY:
                return 307, {"Location": self.elsewhere}, b""
            case Fault.REDIRECT_METADATA:
                return 302, {"Location": METADATA_URL}, b""
            case Fault.HUGE:
                return 200, {"Content-Type": "application/json"}, b'{"pad": "' + b"x" * HUGE_BYTES + b'"}'
            case Fault.PACKED:
                packed = gzip.compress(b'{"pad": "' + b"x" * HUGE_BYTES + b'"}')
                return 200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, packed
            case _:
                body = b"" if reply.content is None else json.dumps(reply.content).encode()
                return reply.status, {"Content-Type": "application/json", **reply.headers}, body


class _Listener(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The client left in the middle, as it does after its time limit."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: FaultyServer

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.owner.handle(Call(self.command, unquote(parts.path), self.path, query, headers, body), self)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test says what it needs."""


def _handler(owner: FaultyServer) -> type[_Handler]:
    return type("Handler", (_Handler,), {"owner": owner})
