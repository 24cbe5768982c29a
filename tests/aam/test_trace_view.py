"""A trace as text."""

from aam.trace_receiver import SeenSpan
from aam.trace_view import draw


def span(span_id: str, parent: str, name: str, start_s: float, end_s: float, **more: object) -> SeenSpan:
    return SeenSpan("t" * 32, span_id, parent, name, "internal", "Here", start_s, end_s, **more)  # type: ignore[arg-type]


def test_spans_stand_below_what_they_lie_within_in_the_order_of_time() -> None:
    shown = draw(
        [
            span("c", "a", "second", 10.020, 10.030, failed=True, attributes={"error.type": "Boom"}),
            span("b", "a", "first", 10.001, 10.011, links=(("x", "y"),)),
            span("d", "b", "inner", 10.002, 10.003),
            span("a", "", "call", 10.0, 10.05, attributes={"aam.correlation_id": "call-1"}),
        ]
    )
    assert shown.splitlines() == [
        f"trace {'t' * 32}",
        "call              0.0 ms      50.0 ms  Here",
        "├─ first          1.0 ms      10.0 ms  Here  links=1",
        "│  └─ inner       2.0 ms       1.0 ms  Here",
        "└─ second        20.0 ms      10.0 ms  Here  type=Boom FAILED",
    ]


def test_a_span_whose_parent_is_missing_is_shown() -> None:
    assert "orphan" in draw([span("b", "gone", "orphan", 0.0, 1.0)])
    assert draw([]) == "no spans"
