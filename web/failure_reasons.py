"""What went wrong, in words that tell people what to do now."""

from web.wording import N_

REASONS = {
    400: (N_("That can't be read"), N_("Please go back and try again.")),
    403: (N_("Not for you"), N_("This page is for others. If you should have it, ask your manager.")),
    404: (N_("There is no such page"), N_("It may have been removed, or the address may be wrong.")),
    409: (N_("That is no longer possible"), N_("Somebody may have changed it in the meantime. Look at it once more.")),
    412: (N_("It has changed in the meantime"), N_("Look at what is new, then decide again.")),
    413: (N_("Too large"), N_("A photo or PDF may have 10 MB at most.")),
    422: (N_("That is not valid"), N_("Please go back and check what you entered.")),
    429: (N_("Too much at once"), N_("Please wait a moment and try again. Nothing was lost.")),
    500: (N_("Something went wrong"), N_("It was not your fault. Please try again; if it stays, call the office.")),
    503: (
        N_("Just now something does not answer"),
        N_("Please try again in a moment. What you sent before is safe. In danger, call 911."),
    ),
}


def reason_of(status: int) -> tuple[str, str]:
    """A title and an advice, in English, for a status."""
    return REASONS.get(status, REASONS[500 if status >= 500 else 400])
