"""What the law's erasure of one resident's data replaces, the same in every service that holds some of it."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import Unavailable
from core.execution import ActionCall, ExecutionCommand, Notification
from core.request import ResidentId

ERASED = "[erased]"
"""Stands where words were."""
_PREFIX = "RES_ERASED_"
_PLAIN_PARAMETERS = frozenset(
    {
        "amount_usd",
        "building_id",
        "category",
        "channel",
        "charged_usd",
        "correct_usd",
        "cost_limit_usd",
        "crew",
        "duration_hours",
        "event",
        "kind",
        "quantity",
        "recipient_kind",
        "role",
    }
)
_PERSONS = ("recipient", "resident_id")
"""Parameters that say whom it is for."""
_WORDS = frozenset({"title", "subject", "body"})


class StillAtWork(Unavailable):
    """Something is still being carried out for the resident, and would write what was just erased."""

    code = "still_at_work"


@dataclass(frozen=True)
class ErasureScope:
    """Whose data are erased."""

    resident_id: str
    pseudonym: ResidentId
    """Takes the place of the resident's id, so that their requests can still be counted as one home's."""
    request_ids: frozenset[str]
    """The resident's requests that are erased."""

    @property
    def needles(self) -> tuple[str, ...]:
        """What JSON text about the resident contains one of."""
        return tuple(json.dumps(name) for name in (self.resident_id, *sorted(self.request_ids)))

    def renamed(self, person: str | None) -> str | None:
        """The pseudonym for the resident; anybody else as they are."""
        return self.pseudonym if person == self.resident_id else person

    def command(self, command: ExecutionCommand) -> ExecutionCommand:
        """The command without words about the resident; of one for others, too, only the resident's own part."""
        is_whole = command.request_id in self.request_ids
        changes: dict[str, Any] = {
            "actions": tuple(self._call(call, is_whole=is_whole) for call in command.actions),
            "requested_by": self.renamed(command.requested_by),
            "correlation_id": ERASED,
        }
        return command.model_copy(update=changes)

    def concerns(self, recipient: str, request_id: str | None) -> bool:
        """Whether a message to this recipient about this request is to the resident or about one of the requests."""
        return request_id in self.request_ids or recipient in (self.resident_id, self.pseudonym)

    def notification(self, sent: Notification) -> Notification:
        """The message without its words."""
        return sent.model_copy(
            update={
                "recipient": self.renamed(sent.recipient),
                "subject": ERASED,
                "body": ERASED,
                "fields": {},
                "channel": None,
            }
        )

    def _call(self, call: ActionCall, *, is_whole: bool) -> ActionCall:
        if not is_whole and self.resident_id not in [call.parameters.get(name) for name in _PERSONS]:
            return call
        return call.model_copy(update={"parameters": self._parameters(call.parameters)})

    def _parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """What is no person's; what must be there as a marker; nothing else."""
        plain = {name: value for name, value in parameters.items() if name in _PLAIN_PARAMETERS}
        words = {name: ERASED for name, value in parameters.items() if name in _WORDS and value is not None}
        persons = {name: self.renamed(parameters[name]) for name in _PERSONS if name in parameters}
        return {**plain, **words, **persons}


def new_pseudonym() -> ResidentId:
    """`RES_ERASED_<16 random characters>`: nothing of the resident can be told from it."""
    return ResidentId(f"{_PREFIX}{secrets.token_hex(8)}")


def is_pseudonym(resident_id: str) -> bool:
    """Whether the resident's data were erased."""
    return resident_id.startswith(_PREFIX)
