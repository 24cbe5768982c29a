"""A billing service: credits on residents' accounts by HTTP, in the way that such services are built."""

from collections import Counter
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.outside.faults import Fault
from tests.outside.faulty_server import Call, FaultyServer, Reply

SECRET = "whsec_" + "QUFNIHRlc3Qgc2VjcmV0IG9mIHRoZSBiaWxsaW5nIHNlcnZpY2U="


class BillingServer(FaultyServer):
    """`POST /credits`, `GET /credits?key=…`, `DELETE /credits/{id}`; every call has to be signed.

    Where it is not `idempotent`, two calls with one key make two credits: a caller has to ask first.
    """

    def __init__(self, *, idempotent: bool = True, secret: str = SECRET) -> None:
        super().__init__()
        self.idempotent, self.secret = idempotent, secret
        self.spare_reads = False
        """Whether only what changes something meets faults."""
        self.credits: dict[str, dict[str, Any]] = {}
        """By id."""
        self.effects: Counter[str] = Counter()
        """How often each key took effect."""
        self.unsigned = 0

    def fault_for(self, call: Call) -> Fault | None:
        return None if self.spare_reads and call.method == "GET" else super().fault_for(call)

    def reply(self, call: Call) -> Reply:
        try:
            Webhook(self.secret).verify(call.body, call.headers, json_parse=False)
        except WebhookVerificationError:
            self.unsigned += 1
            return Reply(401)
        match call.method, call.path.strip("/").split("/"):
            case "POST", ["credits"]:
                return self._credit(call.headers.get("idempotency-key", ""), call.json())
            case "GET", ["credits"]:
                found = [credit for credit in self.credits.values() if credit["key"] == call.query.get("key")]
                return Reply(200, {"credits": found})
            case "DELETE", ["credits", credit_id]:
                return Reply(204 if self.credits.pop(credit_id, None) else 404)
            case _:
                return Reply(404)

    def _credit(self, key: str, body: dict[str, Any]) -> Reply:
        if not body.get("account"):
            return Reply(422, {"error": "no such account: somebody's name"})
        known = [credit for credit in self.credits.values() if credit["key"] == key]
        if known and self.idempotent:
            return Reply(200, known[0])
        self.effects[key] += 1
        credit = {"id": f"CR-{self.effects.total()}", "key": key, **body}
        self.credits[credit["id"]] = credit
        return Reply(201, credit)
