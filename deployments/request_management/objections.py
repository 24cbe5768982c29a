"""What a resident says against the labels of their request: kept and shown to staff, who alone change labels."""

from datetime import datetime

from core.errors import Invalid, WrongState
from core.labels import Category
from core.record import LabelObjection, RequestRecord
from core.status import ENDED
from deployments.request_management.change import Change, Draft, quoted
from deployments.request_management.commands import objection_notice
from deployments.request_management.lifecycle import require_judged

MOST_KEPT = 20
"""Of one request; the newest."""


def object_to_labels(
    record: RequestRecord, actor: str, category: Category | None, comment: str | None, now: datetime
) -> Change:
    """The resident says that the message is about something else. Raises `Invalid`, `WrongState`.

    A message that nothing could label may be given its category in the same way.
    """
    require_judged(record)
    if record.request.status in ENDED:
        raise WrongState(f"The request is {record.request.status}; reopen it where it is not done.")
    labels = record.request.classification
    before = labels.category if labels else None
    if category is not None and category == before and comment is None:
        raise Invalid(f"It is taken for {before} already; say in words what is wrong.")
    said = LabelObjection(
        at=now,
        by=actor,
        category=category,
        comment=comment,
        category_before=before,
        model_version=labels.model_version if labels else None,
        confidence=labels.confidence if labels else None,
    )
    draft = Draft(record, now, actor)
    draft.set(needs_attention=True)
    draft.record_fields["objections"] = (*record.objections, said)[-MOST_KEPT:]
    draft.tell("objected", _sentence(category, before, comment), category_said=category, category_before=before)
    draft.send((objection_notice(record),))
    return draft.done()


def _sentence(category: Category | None, before: Category | None, comment: str | None) -> str:
    if category is None or category == before:
        sentence = "The resident says that it was understood wrongly."
    elif before is None:
        sentence = f"The resident says that it is about {category}."
    else:
        sentence = f"The resident says that it is about {category} and not {before}."
    return sentence + quoted(comment)
