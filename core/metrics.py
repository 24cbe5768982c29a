"""Every metric that the product writes: its name, kind, labels, and what one value of it says."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, Protocol

Kind = Literal["counter", "gauge", "histogram"]

STAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
OUTSIDE_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
DIFFERENCES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)

EXPORT_PREFIX = "ray_"
SERVE_LABELS = ("deployment", "replica", "application")
"""Ray Serve adds these to every value that a replica gives; no metric has a label of its own by one of these names."""


@dataclass(frozen=True)
class Metric:
    """One metric. A counter's name ends in `_total`, and a time is in seconds, as Prometheus has it."""

    name: str
    kind: Kind
    description: str
    labels: tuple[str, ...] = ()
    """All of them are given with each value, and each has few values: never an id, never what somebody wrote."""
    bounds: tuple[float, ...] = ()
    """Upper ends of a histogram's buckets, ascending; the last bucket has no end."""


class Meter(Protocol):
    """Takes values. It never raises for what lies behind it, and takes microseconds."""

    def add(self, metric: Metric, amount: float = 1.0, **labels: str) -> None:
        """Count on. Raises `ValueError` for a metric that is no counter, and for labels that are not its own."""
        ...

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """What is so now. Raises `ValueError` as `add`, for what is no gauge."""
        ...

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """One more value of many. Raises `ValueError` as `add`, for what is no histogram."""
        ...


class Unmetered:
    """A `Meter` that keeps nothing, for where nobody looks; it refuses what every other one refuses."""

    def add(self, metric: Metric, amount: float = 1.0, **labels: str) -> None:
        """See `Meter`."""
        require_amount(metric, amount)
        require_fit(metric, "counter", labels)

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """See `Meter`."""
        require_fit(metric, "gauge", labels)

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """See `Meter`."""
        require_fit(metric, "histogram", labels)


UNMETERED: Meter = Unmetered()


def require_fit(metric: Metric, kind: Kind, labels: Mapping[str, str]) -> None:
    """Pass where a value with these labels may be given; else raise `ValueError`."""
    if metric.kind != kind:
        raise ValueError(f"{metric.name} is a {metric.kind} and no {kind}.")
    # Compared without their order, and quickly: this is on the path of every request.
    if len(labels) != len(metric.labels) or any(name not in labels for name in metric.labels):
        raise ValueError(f"{metric.name} has the labels {metric.labels}, not {tuple(labels)}.")


def require_amount(metric: Metric, amount: float) -> None:
    """Pass for what may be counted on; else raise `ValueError`: a counter never goes back."""
    if amount < 0:
        raise ValueError(f"{metric.name} can't be counted back by {amount}.")


@contextmanager
def timed(meter: Meter, metric: Metric, **labels: str) -> Generator[None]:
    """Observe the seconds that the block takes, also where it raises."""
    began = perf_counter()
    try:
        yield
    finally:
        meter.observe(metric, perf_counter() - began, **labels)


def exported_name(metric: Metric) -> str:
    """Its name at a node's Prometheus endpoint.

    Ray 2.60 puts `ray_` before the name (`NAMESPACE` of `ray/_private/telemetry/open_telemetry_metric_recorder.py`),
    and the exporter adds `_total` only to a counter that does not end in it. A histogram's series are this name with
    `_bucket`, `_count` and `_sum`, of which the sum is worked out from the middles of the buckets. Each series has the
    metric's labels and `SERVE_LABELS`, and those of the node and process, such as `WorkerId`.
    """
    return EXPORT_PREFIX + metric.name


REQUESTS = Metric(
    "aam_requests_total",
    "counter",
    "Requests that were judged for the first time, by the status that this gave.",
    ("category", "urgency", "intent", "status"),
)
STATUS_CHANGES = Metric("aam_status_changes_total", "counter", "Changes of a request's status.", ("status", "by"))
"""`status`: the new one; `by`: resident, staff or system."""
TARGETS = Metric(
    "aam_sla_targets_total",
    "counter",
    "Targets that were decided: met, or missed at the moment at which they were.",
    ("target", "urgency", "met"),
)
"""`target`: response or resolution; `met`: true or false. Each once for a request, unless corrected labels set it anew;
a reopened request keeps what was counted. A cancelled one has neither."""
STAGES = Metric(
    "aam_stage_seconds", "histogram", "How long a stage of a request took.", ("service", "stage"), STAGE_SECONDS
)
"""`service` and its stages: request_management (accept, history, assess, resolve, store, until_judged), ai_processing
(screen, text, second_opinion, risk), decision_simulation (look_up, answer, draft, settle), execution (wait, carry_out).

A stage of a batch is the batch's time, once for each batch; `until_judged` is the time from receipt to judgement."""
GATES = Metric("aam_gates_total", "counter", "Gates of policy that were asked for an option.", ("gate", "passed"))
"""`gate`: licence, approval, budget, entry_notice, quiet_hours, and for the recommended option autonomy; `passed`:
false where the gate withheld, delayed or bound the option."""
DECISIONS = Metric(
    "aam_decisions_total", "counter", "Recommended options, by whose approval they need.", ("category", "approval")
)
"""`approval`: none, or the tier."""
AUTOMATION = Metric(
    "aam_selections_total", "counter", "Options that were taken, by who took them.", ("category", "by", "recommended")
)
"""`by`: resident, staff or system, which is policy in the resident's place; `recommended`: true or false."""
CORRECTIONS = Metric("aam_corrections_total", "counter", "Labels that staff corrected.", ("label",))
"""`label`: category or urgency."""
REFUSALS = Metric(
    "aam_refusals_total", "counter", "Calls that were refused or failed, by the problem's type.", ("problem", "status")
)

MODEL_MESSAGES = Metric("aam_model_messages_total", "counter", "Messages answered, by models.", ("arm", "models"))
CONFIDENCE = Metric(
    "aam_model_confidence",
    "histogram",
    "Probability that a label is right, as calibrated.",
    ("label", "models"),
    SHARES,
)
LABELS = Metric("aam_model_labels_total", "counter", "Labels given by the models.", ("label", "value", "models"))
DRIFT = Metric(
    "aam_model_drift",
    "gauge",
    "Population stability index of a label's newest 500 values against what the models give on their own test data, "
    "or, for models without such figures, against the first 500 since they were loaded; above 0.2 is a shift.",
    ("label", "models"),
)
"""From 100 values on."""
SECOND_OPINIONS = Metric(
    "aam_second_opinions_total", "counter", "Messages sent on to a language model, by what came of it.", ("outcome",)
)
SHADOW_LABELS = Metric(
    "aam_shadow_labels_total", "counter", "Labels compared with the shadow's.", ("models", "head", "agreed")
)
SHADOW_DIFFERENCE = Metric(
    "aam_shadow_risk_difference", "histogram", "Mean absolute difference of risk.", ("models",), DIFFERENCES
)
SHADOW_SKIPPED = Metric("aam_shadow_skipped_total", "counter", "Messages not compared.", ("models", "reason"))
MODELS_REFUSED = Metric("aam_models_refused", "gauge", "1 where the wanted models were refused and others serve.")

DUE_WORK_LAG = Metric("aam_due_work_lag_seconds", "gauge", "How long the oldest due item has waited, unclaimed.")
DUE_WORK = Metric("aam_due_work_total", "counter", "Due actions that were begun.", ("action",))
QUEUE_DEPTH = Metric("aam_queue_depth", "gauge", "Commands that wait to be carried out.")
QUEUE_AGE = Metric("aam_queue_age_seconds", "gauge", "How long the oldest waiting command has waited.")
DEAD_LETTERS = Metric("aam_dead_letters", "gauge", "Messages that nobody could carry out and nobody has looked at.")
EXECUTIONS = Metric("aam_executions_total", "counter", "Executions that ended.", ("status",))
ALERT_TURNS = Metric(
    "aam_alert_turns_total", "counter", "People on call who were told of an alert, by which turn it was.", ("turn",)
)
"""`turn`: first; next, where nobody before has taken it; again, where the whole ladder has not."""
NOTICES = Metric("aam_notices_total", "counter", "Messages to people, by channel.", ("channel", "outcome"))

LANGUAGE_MODEL_CALLS = Metric(
    "aam_language_model_calls_total", "counter", "Calls of the language model.", ("model", "purpose", "outcome")
)
LANGUAGE_MODEL_SECONDS = Metric(
    "aam_language_model_seconds", "histogram", "How long a call of it took.", ("model", "purpose"), OUTSIDE_SECONDS
)
LANGUAGE_MODEL_TOKENS = Metric(
    "aam_language_model_tokens_total", "counter", "Tokens that it read and wrote.", ("model", "direction")
)
LANGUAGE_MODEL_COST = Metric(
    "aam_language_model_cost_usd_total", "counter", "What they cost, by the configured prices.", ("model",)
)
OUTSIDE_CALLS = Metric("aam_outside_calls_total", "counter", "Calls of outside systems.", ("system", "outcome"))
OUTSIDE_TIME = Metric(
    "aam_outside_seconds", "histogram", "How long a call of an outside system took.", ("system",), OUTSIDE_SECONDS
)
CIRCUITS = Metric(
    "aam_circuit_state", "gauge", "0 where calls pass, 1 where one is tried, 2 where none passes.", ("system",)
)

CATALOGUE: Sequence[Metric] = tuple(value for value in dict(globals()).values() if isinstance(value, Metric))
