"""SMS by Amazon SNS: boto3 is synchronous, so each call runs on a thread of a pool of its own.

SNS knows no idempotency key for SMS: a try whose answer was lost may bring the message a second time.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from pydantic import TypeAdapter, ValidationError

from adapters.call_tally import CallTally
from core import tracing
from core.errors import ActionRejected, SystemBusy, SystemUnavailable
from core.execution_labels import ChannelName
from core.notices import PhoneNumber
from core.ports.execution import Envelope, SystemState
from core.systems import SmsSystem

log = logging.getLogger(__name__)

BUSY_WAIT_S = 10.0
LONGEST_PLAIN = 700
"""Letters of the basic alphabet: five parts of 153, less what its extensions take."""
LONGEST_WIDE = 335
"""UTF-16 units where one letter is outside it: five parts of 67."""

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€"
)
"""GSM 03.38 with its extension table."""
_NUMBER = TypeAdapter[str](PhoneNumber)
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "ThrottledException", "Throttled", "TooManyRequests"})
_MISCONFIGURED = frozenset(
    {
        "AuthorizationError",
        "AuthorizationErrorException",
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


class SmsChannel:
    """A `Channel`."""

    name = ChannelName.SMS

    def __init__(self, config: SmsSystem) -> None:
        """Credentials are the environment's."""
        timeout_s, threads = config.policy.timeout_s, config.policy.concurrency
        options = Config(
            connect_timeout=timeout_s,
            read_timeout=timeout_s,
            max_pool_connections=threads,
            # A repetition may bring the message twice, so whoever calls decides on it.
            retries={"mode": "standard", "total_max_attempts": 1},
        )
        self._client: Any = cast(Any, boto3).client(
            "sns", region_name=config.region, endpoint_url=config.endpoint_url, config=options
        )
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="sns")
        self._tally = CallTally(config.name)
        self._attributes = {"AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"}}
        if config.sender_id is not None:
            self._attributes["AWS.SNS.SMS.SenderID"] = {"DataType": "String", "StringValue": config.sender_id}

    async def deliver(self, envelope: Envelope) -> str:
        """See the port. The id is SNS's `MessageId`; the subject is left out."""
        number, text = _number(envelope.address), shorten(envelope.body)
        with self._tally.call(), tracing.span("send sms", kind="client", attributes={"aam.channel": self.name}):
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._publish, number, text)

    def state(self) -> SystemState:
        return self._tally.state()

    async def close(self) -> None:
        """Finish the calls under way and give back the threads and connections."""
        await asyncio.to_thread(self._pool.shutdown)
        self._client.close()

    def _publish(self, number: str, text: str) -> str:
        try:
            answer = self._client.publish(PhoneNumber=number, Message=text, MessageAttributes=self._attributes)
            return str(answer["MessageId"])
        except ClientError as error:
            raise _translated(cast(dict[str, Any], error.response)) from None
        except (BotoCoreError, ResponseParserError, KeyError) as error:
            log.warning("SNS does not answer: %s", type(error).__name__)
            raise SystemUnavailable("The SMS service does not answer; the message may have been sent.") from None


def shorten(text: str) -> str:
    """The text in at most five parts, cut between words where it is longer. Raises `ActionRejected` for no text."""
    text = text.strip()
    if not text:
        raise ActionRejected("An SMS needs words.")
    is_plain = _BASIC.issuperset(text)
    longest, ending = (LONGEST_PLAIN, "...") if is_plain else (LONGEST_WIDE, "…")
    if _units(text, is_plain) <= longest:
        return text
    kept = _first(text, longest - len(ending), is_plain)
    between_words = kept.rsplit(None, 1)[0] if not text[len(kept)].isspace() else kept
    # A single word of such a length is cut within.
    return (between_words if len(between_words) > len(kept) // 2 else kept).rstrip() + ending


def _units(text: str, is_plain: bool) -> int:
    return len(text) if is_plain else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _first(text: str, units: int, is_plain: bool) -> str:
    if is_plain:
        return text[:units]
    # A letter of two units is left out rather than halved.
    return text.encode("utf-16-le", "surrogatepass")[: units * 2].decode("utf-16-le", "ignore")


def _number(address: str) -> str:
    try:
        number = _NUMBER.validate_python(address)
        # Other scripts have digits too.
        return number.encode("ascii").decode("ascii")
    except (ValidationError, UnicodeEncodeError):
        raise ActionRejected("The telephone number is none in the international form.") from None


def _translated(answer: dict[str, Any]) -> Exception:
    code = str(answer.get("Error", {}).get("Code"))
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _THROTTLED or status == 429:
        return SystemBusy("The SMS service asks for fewer messages.", BUSY_WAIT_S)
    if code in _MISCONFIGURED:
        log.error("SNS refuses us, which is a matter of its set-up: %s", code)
        return SystemUnavailable(f"The SMS service refuses us ({code}).")
    if not 400 <= status < 500:
        log.warning("SNS does not answer: %s (%d)", code, status)
        return SystemUnavailable("The SMS service does not answer; the message may have been sent.")
    # The remote's words are left out: they may repeat the number.
    return ActionRejected(f"The SMS service refused the message or its recipient ({code}).")
