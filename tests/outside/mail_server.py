"""A real SMTP server on this machine, in a thread of its own, that misbehaves as told."""

import asyncio
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Trouble = Literal["slow", "greylist", "unknown_user", "rate", "closing", "drop_before", "drop_after", "bad_content"]
USER, PASSWORD = "postman", "a secret of the test's"


@dataclass
class MailServer:
    """Used as a context. What arrived lies in `arrived`; `trouble` is what the next messages meet."""

    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    needs_login: bool = False
    """After STARTTLS."""
    utf8_addresses: bool = False
    trouble: Trouble | None = None
    arrived: list[EmailMessage] = field(default_factory=list[EmailMessage])
    recipients: list[str] = field(default_factory=list[str])
    secured: list[bool] = field(default_factory=list[bool])
    """Whether each message came through TLS."""
    port: int = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(self._listen())
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> asyncio.Server:
        implicit = self.tls if self.implicit_tls else None
        return await self._loop.create_server(self._protocol, "127.0.0.1", 0, ssl=implicit)

    def _protocol(self) -> SMTP:
        return SMTP(
            self,
            hostname="mail.test",
            tls_context=None if self.implicit_tls else self.tls,
            enable_SMTPUTF8=self.utf8_addresses,
            auth_required=self.needs_login,
            auth_require_tls=self.needs_login,
            authenticator=self._authenticate,
            loop=self._loop,
        )

    def _authenticate(self, *arguments: Any) -> AuthResult:
        given = arguments[-1]
        is_right = isinstance(given, LoginPassword) and given == LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_right, handled=is_right)

    async def _stop(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        match self.trouble:
            case "slow":
                await asyncio.sleep(5)
            case "greylist":
                return "450 4.2.0 Greylisted, come again in five minutes"
            case "unknown_user":
                return "550 5.1.1 No such user"
            case "rate":
                return "451 4.7.28 Too many messages from you"
            case "closing":
                return "421 4.3.2 Closing, come again"
            case "drop_before":
                server.transport.close()
            case _:
                pass
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.trouble == "bad_content":
            return "554 5.7.1 Content refused"
        message = message_from_bytes(bytes(envelope.content or b""), _class=EmailMessage, policy=policy.default)
        self.arrived.append(message)
        self.recipients += envelope.rcpt_tos
        self.secured.append(session.ssl is not None or self.implicit_tls)
        if self.trouble == "drop_after":
            server.transport.close()
        return "250 OK"


def make_certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of 127.0.0.1, signed by itself: what a server shows, and what a client trusts that knows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(file)
    return shown, ssl.create_default_context(cafile=str(file))
