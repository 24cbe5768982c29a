"""What the models say, how sure they are, whether the world has moved, and what the language model costs."""

from aam.observability.expressions import DAY, grown, highest, quantile, selected, share, summed, total
from aam.observability.panels import Dashboard, Panel, Query, Row
from core import metrics as m

UNSURE = "0.6"
"""A bound of the confidence's buckets, the first above the floor below which the language model is asked."""


def _unsure() -> str:
    below = grown(selected(m.CONFIDENCE, "_bucket", le=UNSURE))
    every = grown(selected(m.CONFIDENCE, "_count"))
    return f"sum by (label) ({below}) / (sum by (label) ({every}) > 0)"


_IN_SERVICE = Row(
    "In service",
    (
        Panel(
            "Messages an hour, by models",
            "Which models answered, as active ones or as a canary.",
            "short",
            (Query(total(m.MODEL_MESSAGES, "models", "arm"), "{{models}} ({{arm}})"),),
            "stacked",
            12,
        ),
        Panel(
            "Replicas whose wanted models were refused",
            "Others serve there; /health says why they were refused.",
            "short",
            (Query(summed(m.MODELS_REFUSED), "replicas"),),
            "number",
            6,
        ),
        Panel(
            "Highest drift",
            "Above 0.2, residents write about other things than the models were tested on.",
            "short",
            (Query(highest(m.DRIFT), "any label"),),
            "number",
            6,
            limit=0.2,
        ),
    ),
)

_CONFIDENCE = Row(
    "Confidence and drift",
    (
        Panel(
            "Confidence, half of the labels",
            "The median of the calibrated probability that a label is right.",
            "percentunit",
            (Query(quantile(m.CONFIDENCE, 0.5, "label"), "{{label}}"),),
            top=1.0,
        ),
        Panel(
            f"Labels with a confidence up to {UNSURE}",
            "Their share; when it grows, messages have changed or the models are the wrong ones.",
            "percentunit",
            (Query(_unsure(), "{{label}}"),),
            top=1.0,
        ),
        Panel(
            "Drift",
            "Population stability index against the models' own test data.",
            "short",
            (Query(highest(m.DRIFT, "label", "models"), "{{label}} ({{models}})"),),
            limit=0.2,
        ),
        Panel(
            "Category, an hour",
            "As the models label it.",
            "short",
            (Query(total(m.LABELS, "value", label="category"), "{{value}}"),),
            "stacked",
        ),
        Panel(
            "Urgency, an hour",
            "As the models label it.",
            "short",
            (Query(total(m.LABELS, "value", label="urgency"), "{{value}}"),),
            "stacked",
        ),
        Panel(
            "Corrected by staff, an hour",
            "Labels that staff changed, by what was changed.",
            "short",
            (Query(total(m.CORRECTIONS, "label"), "{{label}}"),),
        ),
    ),
)

_SHADOW = Row(
    "The shadow",
    (
        Panel(
            "Agreement with the shadow",
            "Share of the labels that both gave alike.",
            "percentunit",
            (Query(share(m.SHADOW_LABELS, "head", "models", agreed="true"), "{{head}} ({{models}})"),),
            top=1.0,
        ),
        Panel(
            "Difference of risk",
            "Mean absolute difference of a message: half of them, and all but one in twenty.",
            "short",
            tuple(
                Query(quantile(m.SHADOW_DIFFERENCE, at, "models"), name)
                for at, name in ((0.5, "half ({{models}})"), (0.95, "95 % ({{models}})"))
            ),
        ),
        Panel(
            "Not compared, an hour",
            "Messages that the shadow was not asked about, and why.",
            "short",
            (Query(total(m.SHADOW_SKIPPED, "reason"), "{{reason}}"),),
            "stacked",
        ),
    ),
)

_LANGUAGE_MODEL = Row(
    "The language model",
    (
        Panel(
            "Second opinions an hour",
            "Messages sent on since the models were not sure, by what came of it.",
            "short",
            (Query(total(m.SECOND_OPINIONS, "outcome"), "{{outcome}}"),),
            "stacked",
        ),
        Panel(
            "Calls an hour",
            "By purpose and outcome.",
            "short",
            (Query(total(m.LANGUAGE_MODEL_CALLS, "purpose", "outcome"), "{{purpose}} {{outcome}}"),),
            "stacked",
        ),
        Panel(
            "How long a call takes",
            "All but one in twenty.",
            "s",
            (Query(quantile(m.LANGUAGE_MODEL_SECONDS, 0.95, "purpose"), "{{purpose}}"),),
        ),
        Panel(
            "Tokens an hour",
            "Read and written.",
            "short",
            (Query(total(m.LANGUAGE_MODEL_TOKENS, "direction"), "{{direction}}"),),
            "stacked",
        ),
        Panel(
            "Dollars an hour",
            "By the configured prices.",
            "currencyUSD",
            (Query(total(m.LANGUAGE_MODEL_COST, "model"), "{{model}}"),),
        ),
        Panel(
            "Dollars, last day",
            "By the configured prices.",
            "currencyUSD",
            (Query(total(m.LANGUAGE_MODEL_COST, window=DAY), "dollars"),),
            "number",
        ),
    ),
)

MODELS = Dashboard(
    "aam-models",
    "Models",
    "What the models say, and how sure they are.",
    (_IN_SERVICE, _CONFIDENCE, _SHADOW, _LANGUAGE_MODEL),
)
