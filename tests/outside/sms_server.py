"""Amazon SNS's Query protocol, as far as one SMS goes: it refuses, throttles and fails as the service does."""

from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from tests.outside.faults import Fault
from tests.outside.faulty_server import Call, FaultyServer, Reply

NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"


class SmsServer(FaultyServer):
    """What was sent lies in `sent`: the call's parameters by their names."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[dict[str, str]] = []
        self.refusal: tuple[int, str] | None = None
        """Status and code of an error that every call meets."""

    def reply(self, call: Call) -> Reply:
        parameters = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        if self.refusal is not None:
            status, code = self.refusal
            fault = "Sender" if status < 500 else "Receiver"
            words = f"no such luck with {parameters['PhoneNumber']}"
            error = f"<Error><Type>{fault}</Type><Code>{code}</Code><Message>{escape(words)}</Message></Error>"
            return Reply(status, f'<ErrorResponse xmlns="{NAMESPACE}">{error}</ErrorResponse>')
        self.sent.append(parameters)
        result = f"<PublishResult><MessageId>sms-{len(self.sent)}</MessageId></PublishResult>"
        return Reply(200, f'<PublishResponse xmlns="{NAMESPACE}">{result}</PublishResponse>')

    def _spoilt(self, fault: Fault | None, reply: Reply) -> tuple[int, dict[str, str], bytes]:
        if fault is None and reply.content is not None:
            return reply.status, {"Content-Type": "text/xml"}, reply.content.encode()
        return super()._spoilt(fault, reply)

    def attributes(self, number: int) -> dict[str, Any]:
        """The message attributes of one message, by name."""
        fields, found = self.sent[number], {}
        place = 1
        while (name := fields.get(f"MessageAttributes.entry.{place}.Name")) is not None:
            found[name] = fields[f"MessageAttributes.entry.{place}.Value.StringValue"]
            place += 1
        return found
