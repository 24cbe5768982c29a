"""What the entries of the audit trail say was done, in plain words."""

import re
from collections.abc import Mapping

from web.language import Words
from web.wording import N_

ACTIONS: Mapping[str, str] = {
    "accept_incident": N_("Accepted an incident"),
    "acknowledge": N_("Took an alert"),
    "amend": N_("Corrected a request"),
    "amend_in_bulk": N_("Changed several requests at once"),
    "approve": N_("Approved a cost"),
    "attach": N_("Attached a request to an earlier one"),
    "cancel": N_("Cancelled a request"),
    "cancel_what_if": N_("Cancelled a what-if run"),
    "change_members": N_("Changed which requests belong to an incident"),
    "choose_own_preferences": N_("Chose how they are told themselves"),
    "choose_resident_preferences": N_("Changed how a resident is told"),
    "comment": N_("Wrote a comment"),
    "complete_work_order": N_("Closed a job"),
    "confirm": N_("Closed a request"),
    "create_template": N_("Saved a reply"),
    "delete_template": N_("Removed a saved reply"),
    "delete_webhook": N_("Removed a webhook"),
    "dismiss_incident": N_("Dismissed an incident"),
    "erase_resident": N_("Erased a resident's personal data"),
    "escalate": N_("Asked a person to take over"),
    "execute": N_("Ordered an action"),
    "export_requests": N_("Took requests out as a file"),
    "export_resident": N_("Took a resident's data out as a file"),
    "give_feedback": N_("Rated a request"),
    "notify": N_("Sent a message"),
    "object_to_labels": N_("Said that a request was understood wrongly"),
    "open_audit_chain": N_("Began a building's log"),
    "pause_webhook": N_("Paused a webhook"),
    "plan_work_order": N_("Planned a job"),
    "redeliver_webhook": N_("Had a webhook's event sent again"),
    "register_webhook": N_("Registered a webhook"),
    "reject": N_("Refused a cost"),
    "remove_attachment": N_("Removed a file"),
    "reopen": N_("Reopened a request"),
    "replace_template": N_("Changed a saved reply"),
    "resolve": N_("Marked a request as done"),
    "resume_webhook": N_("Let a webhook go on"),
    "retry_execution": N_("Had work tried again that had been given up"),
    "rotate_webhook_secret": N_("Changed a webhook's secret"),
    "select_option": N_("Chose an option"),
    "start_what_if": N_("Started a what-if run"),
    "submit": N_("Wrote down a request"),
    "subscribe": N_("Followed an incident"),
    "unsubscribe": N_("Stopped following an incident"),
    "upload_attachment": N_("Added a file"),
}
"""By the name that the interface's operation has in the log."""
TARGETS: Mapping[str, str] = {
    "attachment_id": N_("File"),
    "delivery_id": N_("Delivery"),
    "endpoint_id": N_("Webhook"),
    "execution_id": N_("Execution"),
    "incident_id": N_("Incident"),
    "notification_id": N_("Message"),
    "request_id": N_("Request"),
    "resident_id": N_("Resident"),
    "run_id": N_("What-if run"),
    "template_id": N_("Saved reply"),
    "work_order_id": N_("Work order"),
}
"""What something is, by the name of its id."""
_READABLE = re.compile(r"[._-]+")


def action_words(action: str, words: Words) -> str:
    """What was done; a name that is newer than this page with its words set apart."""
    named = ACTIONS.get(action) or ACTIONS.get(action.rpartition(".")[2])
    return words.gettext(named) if named else _READABLE.sub(" ", action).strip().capitalize()


def target_words(target: str | None, words: Words) -> tuple[tuple[str, str], ...]:
    """What it was done to: what it is, or an empty text, and its id."""
    pairs = (part.partition("=") for part in (target or "").split())
    return tuple(
        (words.gettext(TARGETS[name]), said) if name in TARGETS else ("", said or name) for name, _, said in pairs
    )
