"""One small tree of errors: rejected (4xx), unavailable (503), broken invariant (500).

Each carries a stable `code` and a `detail` that may be shown to whoever called. All arguments go to
`Exception.__init__` positionally, so that an error keeps its type when it is pickled between replicas.
"""

import math
from typing import ClassVar, Literal


class AppError(Exception):
    """The root. `detail` is one sentence for the caller, free of internal names."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    code: ClassVar[str] = "internal_error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def members(self) -> dict[str, object]:
        """Further members of the problem document."""
        return {}


class Rejected(AppError):
    """The call can't be carried out as it stands; repeating it won't help."""

    status = 400
    title = "Bad request"
    code = "bad_request"


class Unauthenticated(Rejected):
    """No valid token."""

    status = 401
    title = "Authentication required"
    code = "unauthenticated"


class Forbidden(Rejected):
    """A valid token that may not do this."""

    status = 403
    title = "Not allowed"
    code = "forbidden"


class NotFound(Rejected):
    """It does not exist, or the caller may not know that it does."""

    status = 404
    title = "Not found"
    code = "not_found"


class Invalid(Rejected):
    """Well-formed, but it means nothing here."""

    status = 422
    title = "Not valid"
    code = "invalid"


class UnknownOption(Invalid):
    """The option id is not among the request's options."""

    code = "unknown_option"


class InvalidCursor(Invalid):
    """The cursor is not one that this list gave."""

    code = "invalid_cursor"


class IdempotencyKeyReused(Invalid):
    """The same idempotency key came with another body."""

    code = "idempotency_key_reused"


class Conflict(Rejected):
    """The request is in a state that does not allow this."""

    status = 409
    title = "Conflict"
    code = "conflict"


class IdempotencyInFlight(Conflict):
    """The first call with this idempotency key is still running."""

    code = "idempotency_in_flight"


class WrongState(Conflict):
    """The action needs the request in another status."""

    code = "wrong_state"


class IllegalTransition(Conflict):
    """The status machine has no such step."""

    code = "illegal_transition"

    def __init__(self, current: str, wanted: str, legal: tuple[str, ...]) -> None:
        Exception.__init__(self, current, wanted, legal)
        self.current, self.wanted, self.legal = current, wanted, legal
        names = ", ".join(legal) or "none"
        self.detail = f"A request that is {current} can't become {wanted}; legal next statuses: {names}."

    def members(self) -> dict[str, object]:
        return {"current_status": str(self.current), "legal": [str(status) for status in self.legal]}


class StaleVersion(Rejected):
    """Somebody else changed the request since the caller read it."""

    status = 412
    title = "Precondition failed"
    code = "stale_version"


class TooLarge(Rejected):
    """The body is over the limit."""

    status = 413
    title = "Too large"
    code = "too_large"


class Overloaded(AppError):
    """Too much work is waiting; the caller should come back later."""

    status = 429
    title = "Too many requests"
    code = "overloaded"
    retry_after_s: int = 1


class RateLimited(Overloaded):
    """This caller has asked for more than their share."""

    code = "rate_limited"

    def __init__(self, detail: str, reset_s: float = 1.0) -> None:
        Exception.__init__(self, detail, reset_s)
        self.detail = detail
        self.retry_after_s = max(1, math.ceil(reset_s))


class Unavailable(AppError):
    """Something that is needed is down; trying later may help."""

    status = 503
    title = "Service unavailable"
    code = "unavailable"
    retry_after_s: ClassVar[int] = 5


class StoreUnavailable(Unavailable):
    """The store does not answer."""

    code = "store_unavailable"


class QueueUnavailable(Unavailable):
    """The queue does not answer."""

    code = "queue_unavailable"


class ServiceUnavailable(Unavailable):
    """One of the services does not answer."""

    code = "service_unavailable"


class SystemUnavailable(Unavailable):
    """An outside system does not answer; the call may be repeated."""

    code = "system_unavailable"


class SystemBusy(SystemUnavailable):
    """An outside system was not called: its circuit is open, it has no room, or its rate is used up."""

    code = "system_busy"

    def __init__(self, detail: str, wait_s: float = 5.0) -> None:
        Exception.__init__(self, detail, wait_s)
        self.detail = detail
        self.wait_s = wait_s
        """After so long a call may be worth while."""


LanguageModelFailure = Literal["timed_out", "failed", "over_budget", "circuit_open", "refused", "invalid"]


class LanguageModelUnavailable(Unavailable):
    """The language model gave nothing that can be used; `reason` says why."""

    code = "language_model_unavailable"

    def __init__(self, detail: str, reason: LanguageModelFailure = "failed") -> None:
        Exception.__init__(self, detail, reason)
        self.detail = detail
        self.reason: LanguageModelFailure = reason


class ActionRejected(AppError):
    """An outside system understood the action and refused it; repeating won't help."""

    status = 422
    title = "Action refused"
    code = "action_rejected"


class VersionConflict(AppError):
    """A conditional write lost against another one; the caller reads again."""

    status = 409
    title = "Conflict"
    code = "version_conflict"


class ArtefactRefused(AppError):
    """A model, index or configuration is missing, damaged or does not fit; the text says what to do."""

    code = "artefact_refused"


class BrokenInvariant(AppError):
    """Something that can't be has happened."""

    code = "broken_invariant"
