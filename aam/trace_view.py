"""One trace as a tree of text: what lay within what, when it began and how long it took."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from aam.trace_receiver import SeenSpan

_SHOWN = ("http.response.status_code", "error.type", "aam.system", "aam.batch.size", "messaging.batch.message_count")


def draw(spans: Sequence[SeenSpan]) -> str:
    """The tree of one trace's spans. A span whose parent has not arrived stands beside the first."""
    if not spans:
        return "no spans"
    known = {span.span_id for span in spans}
    children: defaultdict[str, list[SeenSpan]] = defaultdict(list)
    for span in sorted(spans, key=lambda each: each.start_s):
        children[span.parent_id if span.parent_id in known else ""].append(span)
    began = min(span.start_s for span in spans)
    rows = [row for top in children[""] for row in _rows(top, children, began, "", "")]
    width = max(len(label) for label, _ in rows)
    told = spans[0].attributes.get("aam.correlation_id")
    head = f"trace {spans[0].trace_id}" + (f"  correlation id {told}" if told else "")
    return "\n".join([head, *(f"{label:<{width}}  {rest}" for label, rest in rows)])


def _rows(
    span: SeenSpan, children: dict[str, list[SeenSpan]], began: float, branch: str, indent: str
) -> Iterator[tuple[str, str]]:
    told = [f"{name.rpartition('.')[2]}={span.attributes[name]}" for name in _SHOWN if name in span.attributes]
    told += [f"links={len(span.links)}"] if span.links else []
    told += ["FAILED"] if span.failed else []
    times = f"{(span.start_s - began) * 1000:8.1f} ms  {(span.end_s - span.start_s) * 1000:8.1f} ms"
    yield f"{branch}{span.name}", f"{times}  {span.service}  {' '.join(told)}".rstrip()
    inner = children.get(span.span_id, [])
    for number, child in enumerate(inner):
        is_last = number == len(inner) - 1
        yield from _rows(
            child, children, began, indent + ("└─ " if is_last else "├─ "), indent + ("   " if is_last else "│  ")
        )
