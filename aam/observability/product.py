"""What residents and staff get: requests, targets met, who decided, what policy withheld, and what was carried out."""

from aam.observability.expressions import DAY, quantile, share, total
from aam.observability.panels import Dashboard, Panel, Query, Row
from core import metrics as m

_TODAY = Row(
    "The last day",
    (
        Panel(
            "Requests",
            "Judged for the first time.",
            "short",
            (Query(total(m.REQUESTS, window=DAY), "requests"),),
            "number",
            6,
        ),
        Panel(
            "Targets met",
            "Of the targets that were decided; below 95 % somebody answers or ends too late.",
            "percentunit",
            (Query(share(m.TARGETS, "target", window=DAY, met="true"), "{{target}}"),),
            "number",
            6,
        ),
        Panel(
            "Taken as recommended",
            "Of the options that were taken; what is refused often is recommended wrongly.",
            "percentunit",
            (Query(share(m.AUTOMATION, window=DAY, recommended="true"), "as recommended"),),
            "number",
            6,
        ),
        Panel(
            "Taken by policy",
            "Of the options that were taken: without anybody having to choose.",
            "percentunit",
            (Query(share(m.AUTOMATION, window=DAY, by="system"), "by policy"),),
            "number",
            6,
        ),
    ),
)

_REQUESTS = Row(
    "Requests an hour",
    (
        Panel(
            "By category",
            "What residents write about.",
            "short",
            (Query(total(m.REQUESTS, "category"), "{{category}}"),),
            "stacked",
        ),
        Panel(
            "By urgency",
            "Many emergencies at once are an incident, or a model that errs.",
            "short",
            (Query(total(m.REQUESTS, "urgency"), "{{urgency}}"),),
            "stacked",
        ),
        Panel(
            "By what came of it",
            "The first status after judgement; NeedsReview is what the pipeline gave up on.",
            "short",
            (Query(total(m.REQUESTS, "status"), "{{status}}"),),
            "stacked",
        ),
        Panel(
            "By intent",
            "What the writer wants.",
            "short",
            (Query(total(m.REQUESTS, "intent"), "{{intent}}"),),
            "stacked",
        ),
        Panel(
            "Changes of status",
            "Each step of each request.",
            "short",
            (Query(total(m.STATUS_CHANGES, "status"), "{{status}}"),),
            "stacked",
        ),
        Panel(
            "Who changed it",
            "Residents, staff, or the system.",
            "short",
            (Query(total(m.STATUS_CHANGES, "by"), "{{by}}"),),
            "stacked",
        ),
    ),
)

_TARGETS = Row(
    "Targets",
    (
        Panel(
            "Response targets missed, by urgency",
            "An hour. The system's own first action counts as a response; who is called is below.",
            "short",
            (Query(total(m.TARGETS, "urgency", target="response", met="false"), "{{urgency}}"),),
            "stacked",
        ),
        Panel(
            "Resolution targets missed, by urgency",
            "An hour.",
            "short",
            (Query(total(m.TARGETS, "urgency", target="resolution", met="false"), "{{urgency}}"),),
            "stacked",
        ),
        Panel(
            "Until judged",
            "From receipt to judgement: half of the requests, and all but one in twenty.",
            "s",
            tuple(
                Query(quantile(m.STAGES, at, stage="until_judged"), name)
                for at, name in ((0.5, "half"), (0.95, "95 %"))
            ),
        ),
    ),
)

_DECISIONS = Row(
    "Decisions an hour",
    (
        Panel(
            "Recommended, by whose approval",
            "Who must agree before money is spent.",
            "short",
            (Query(total(m.DECISIONS, "approval"), "{{approval}}"),),
            "stacked",
        ),
        Panel(
            "Taken, by whom", "Policy is the system.", "short", (Query(total(m.AUTOMATION, "by"), "{{by}}"),), "stacked"
        ),
        Panel(
            "Gates that withheld",
            "Options that policy withheld, delayed or bound.",
            "short",
            (Query(total(m.GATES, "gate", passed="false"), "{{gate}}"),),
            "stacked",
        ),
        Panel(
            "Gates: share that passed",
            "A gate that lets nothing pass is set wrongly.",
            "percentunit",
            (Query(share(m.GATES, "gate", passed="true"), "{{gate}}"),),
            top=1.0,
        ),
        Panel(
            "Corrections by staff",
            "Labels that the models got wrong, as far as somebody noticed.",
            "short",
            (Query(total(m.CORRECTIONS, "label"), "{{label}}"),),
            "stacked",
        ),
        Panel(
            "Refused or failed calls",
            "By the problem's type: many of one kind are one caller, or a fault of ours.",
            "short",
            (Query(total(m.REFUSALS, "problem", "status"), "{{status}} {{problem}}"),),
            "stacked",
        ),
    ),
)

_CARRIED_OUT = Row(
    "Carried out, an hour",
    (
        Panel(
            "Executions that ended",
            "DeadLettered ones wait for a person.",
            "short",
            (Query(total(m.EXECUTIONS, "status"), "{{status}}"),),
            "stacked",
        ),
        Panel(
            "Messages to people",
            "By channel, and what came of them.",
            "short",
            (Query(total(m.NOTICES, "channel", "outcome"), "{{channel}} {{outcome}}"),),
            "stacked",
        ),
        Panel(
            "Turns of the on-call ladder",
            "Next: the one before did not answer. Again: nobody of the whole ladder did.",
            "short",
            (Query(total(m.ALERT_TURNS, "turn"), "{{turn}}"),),
            "stacked",
        ),
        Panel(
            "Due work begun",
            "Reminders, escalations and what else has a time.",
            "short",
            (Query(total(m.DUE_WORK, "action"), "{{action}}"),),
            "stacked",
        ),
    ),
)

PRODUCT = Dashboard(
    "aam-product",
    "Product",
    "What residents and staff get.",
    (_TODAY, _REQUESTS, _TARGETS, _DECISIONS, _CARRIED_OUT),
)
