"""The idempotency key of a form that is shown again: the same one where nobody knows what came of the first sending."""

from web.api_client import Problem

NOT_SENT = "not_sent"
"""The code of a refusal that the page decided on by itself, before anything was sent under the form's key."""
_KEPT = frozenset({"idempotency_in_flight", NOT_SENT})


def key_after(problem: Problem | None, key: str | None) -> str | None:
    """The key of a form that is shown again; None for a fresh one.

    A key stays with the first content that was sent under it, also where that was refused: what is mended is another
    call. Where the first one is still being worked on, or nobody knows whether it was done, it is the same call.
    """
    return key if problem is None or problem.code in _KEPT or problem.status >= 500 else None
