"""Mail by SMTP (RFC 5321), one connection for each message.

A connection that breaks after the text was handed over leaves open whether the message arrived. The next try carries
the same `Message-ID`, by which mail systems and readers know a repetition.
"""

import asyncio
import hashlib
import logging
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

import aiosmtplib
from pydantic import TypeAdapter, ValidationError

from adapters.call_tally import CallTally
from core import tracing
from core.errors import ActionRejected, SystemBusy, SystemUnavailable
from core.execution_labels import ChannelName
from core.notices import EmailAddress
from core.ports.execution import Envelope, SystemState
from core.systems import MailSystem

log = logging.getLogger(__name__)

BUSY_WAIT_S = 60.0
GOODBYE_TIMEOUT_S = 0.5
LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
LONGEST_LINE = 998
"""RFC 5322, section 2.1.1. Shorter ones would split a long url of List-Unsubscribe into encoded words."""

_POLICY = policy.SMTP.clone(max_line_length=LONGEST_LINE)
_ADDRESS = TypeAdapter[str](EmailAddress)
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,120}")
_SPECIAL = frozenset("()[]\\")
_AUTHENTICATION_REPLIES = frozenset({530, 534, 535, 538})
_TOO_FAST = re.compile(r"\b4\.7\.28\b|rate.?limit|too (many|fast)", re.IGNORECASE)


class MailChannel:
    """A `Channel`."""

    name = ChannelName.EMAIL

    def __init__(
        self,
        config: MailSystem,
        password: str | None,
        *,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`tls` says which certificates are trusted; by default the machine's authorities."""
        self._config, self._password, self._clock = config, password, clock
        self._tls = None if config.security == "none" else tls or ssl.create_default_context()
        self._tally = CallTally(config.name)

    async def deliver(self, envelope: Envelope) -> str:
        """See the port. The id is the message's `Message-ID`, the same at each try."""
        message = write_mail(envelope, sender=self._config.sender, at=self._clock())
        client = self._client()
        try:
            with self._tally.call(), tracing.span("send mail", kind="client", attributes=self._told()):
                await self._send(client, message, _ascii_domain(envelope.address))
            # The message is the server's now, whatever becomes of the connection.
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=GOODBYE_TIMEOUT_S)
        finally:
            client.close()
        return str(message["Message-ID"])

    def state(self) -> SystemState:
        return self._tally.state()

    async def close(self) -> None:
        """Nothing is held between messages."""

    async def _send(self, client: aiosmtplib.SMTP, message: EmailMessage, address: str) -> None:
        try:
            async with asyncio.timeout(self._config.policy.timeout_s):
                await self._enter(client)
                await _hand_over(client, message, address)
        except TimeoutError:
            raise SystemUnavailable("The mail server did not answer in time.") from None

    def _told(self) -> dict[str, tracing.Value]:
        return {"aam.channel": self.name, "server.address": self._config.host, "server.port": self._config.port}

    def _client(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self._config.host,
            port=self._config.port,
            use_tls=self._config.security == "tls",
            start_tls=self._config.security == "starttls",
            tls_context=self._tls,
            timeout=self._config.policy.timeout_s,
        )

    async def _enter(self, client: aiosmtplib.SMTP) -> None:
        try:
            await client.connect()
            if self._config.username is not None:
                await client.login(self._config.username, self._password or "")
        except aiosmtplib.SMTPResponseException as refused:
            raise _closed_door(refused.code, refused.message) from None
        except ssl.SSLError as problem:
            log.error("the mail server's certificate is not trusted: %s", problem.reason)
            raise SystemUnavailable("The mail server's certificate is not trusted.") from None
        except (aiosmtplib.SMTPException, OSError) as problem:
            log.warning("the mail server can't be reached: %s", type(problem).__name__)
            raise SystemUnavailable("The mail server can't be reached.") from None


def write_mail(envelope: Envelope, *, sender: str, at: datetime) -> EmailMessage:
    """The message as it is sent.

    Raises `ActionRejected` for an address or a text that can't be written. No text of the envelope can add a header:
    the address is checked, a subject is one line, and the library refuses line breaks in headers.
    """
    _require_address(envelope.address)
    message = EmailMessage(policy=_POLICY)
    try:
        message["From"] = sender
        message["To"] = _ascii_domain(envelope.address)
        message["Subject"] = _one_line(envelope.subject)
        message["Date"] = format_datetime(at)
        message["Message-ID"] = f"<{_local_id(envelope.message_id)}@{parseaddr(sender)[1].rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        if envelope.unsubscribe_url is not None:
            _offer_unsubscribing(message, envelope.unsubscribe_url)
        message.set_content(envelope.body)
        # Setting the text takes such headers off.
        if LANGUAGE_TAG.fullmatch(envelope.language):
            message["Content-Language"] = envelope.language
    except (ValueError, MessageError):
        raise ActionRejected("The message can't be written as a mail.") from None
    return message


def _offer_unsubscribing(message: EmailMessage, url: str) -> None:
    if not url.isascii() or not url.isprintable() or set(url) & set("<> ") or len(url) > LONGEST_LINE - 30:
        raise ValueError("no url")
    message["List-Unsubscribe"] = f"<{url}>"
    # RFC 8058, section 3.1: one click is only for https.
    if url.startswith("https://"):
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"


async def _hand_over(client: aiosmtplib.SMTP, message: EmailMessage, address: str) -> None:
    try:
        await client.send_message(message, sender=parseaddr(str(message["From"]))[1], recipients=[address])
    except aiosmtplib.SMTPRecipientsRefused as refused:
        raise _refusal(refused.recipients[0].code, refused.recipients[0].message) from None
    except aiosmtplib.SMTPResponseException as refused:
        raise _refusal(refused.code, refused.message) from None
    except (aiosmtplib.SMTPNotSupported, ValueError):
        raise ActionRejected("The mail server can't send to such an address.") from None
    except (aiosmtplib.SMTPException, OSError) as problem:
        log.warning("the connection to the mail server broke: %s", type(problem).__name__)
        raise SystemUnavailable("The connection to the mail server broke; the message may have arrived.") from None


def _closed_door(code: int, text: str) -> Exception:
    if code == 421:
        return SystemBusy("The mail server takes no messages at the moment (421).", BUSY_WAIT_S)
    log.error("the mail server refuses us (%d), which is a matter of its set-up", code)
    log.debug("the mail server said: %s", text)
    return SystemUnavailable(f"The mail server refuses us ({code}).")


def _refusal(code: int, text: str) -> Exception:
    log.debug("the mail server refused a message: %d %s", code, text)
    if code in _AUTHENTICATION_REPLIES:
        return _closed_door(code, text)
    if code == 421 or (400 <= code < 500 and _TOO_FAST.search(text)):
        return SystemBusy(f"The mail server asks for fewer messages ({code}).", BUSY_WAIT_S)
    if 500 <= code < 600:
        return ActionRejected(f"The mail server refused the message or its recipient ({code}).")
    return SystemUnavailable(f"The mail server can't take the message at the moment ({code}).")


def _require_address(address: str) -> None:
    try:
        _ADDRESS.validate_python(address)
    except ValidationError:
        raise ActionRejected("The mail address is none.") from None
    if not address.isprintable() or set(address) & _SPECIAL:
        raise ActionRejected("The mail address is none that can be written to.")


def _ascii_domain(address: str) -> str:
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode('ascii')}"
    except UnicodeError:
        raise ActionRejected("The mail address has no valid domain.") from None


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _local_id(message_id: str) -> str:
    if _ATOM.fullmatch(message_id) and ".." not in message_id.strip("."):
        return message_id.strip(".") or "message"
    return hashlib.sha256(message_id.encode()).hexdigest()[:40]
