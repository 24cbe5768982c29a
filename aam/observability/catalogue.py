"""The dashboards, and what is wrong with them."""

import re
from collections.abc import Iterable, Iterator

from aam.observability.models import MODELS
from aam.observability.panels import Dashboard, Panel, Query
from aam.observability.platform import PLATFORM
from aam.observability.product import PRODUCT
from aam.observability.promql import read
from aam.observability.promql_tokens import PromqlError

DASHBOARDS = (PRODUCT, MODELS, PLATFORM)
_LABEL = re.compile(r"\{\{(\w+)\}\}")


def problems(dashboards: Iterable[Dashboard] = DASHBOARDS) -> Iterator[str]:
    """Expressions that ask for what does not exist, and legends that name labels which the answer has not."""
    for dashboard in dashboards:
        for panel in dashboard.panels():
            yield from (f"{dashboard.title}, {panel.title}: {each}" for each in _of_panel(panel))


def _of_panel(panel: Panel) -> Iterator[str]:
    for query in panel.queries:
        try:
            answer = read(query.expression)
        except PromqlError as problem:
            yield f"{query.expression} {problem}"
            continue
        for label in sorted(labels_of(query) ^ answer.labels):
            yield f"the label {label} is in the legend or in the answer, and must be in both"


def labels_of(query: Query) -> frozenset[str]:
    """The labels that a legend names."""
    return frozenset(_LABEL.findall(query.legend))


def asked_series() -> frozenset[str]:
    """All series that the dashboards ask for."""
    queries = (query for dashboard in DASHBOARDS for panel in dashboard.panels() for query in panel.queries)
    return frozenset(name for query in queries for name in read(query.expression).asked)
