"""The section on retrieval: as shipped, by meaning alone and by words alone, against its targets."""

from collections.abc import Sequence

from kb.evaluate_retrieval import SHIPPED, RetrievalFigures
from models.report.document import Block, Heading, Paragraph, Table
from models.report.targets import Target

RECALL_AT_5, RECIPROCAL_RANK, SHOWN_BY_MISTAKE = 0.95, 0.85, 0.10


def retrieval(found: Sequence[RetrievalFigures]) -> list[Block]:
    """How well each way finds the gold section, and what a minimum score keeps and lets through."""
    return [
        Heading(2, "Retrieval"),
        Paragraph(
            "Hand-written questions in residents' words, each with its gold sections; `test` is by writers on whom "
            "nothing was fitted, and `fit` is what the weights were fitted on. A gold section counts for the query's "
            "building and today. The mean reciprocal rank is over the first ten."
        ),
        Table(
            ["way", "part", "answerable", "recall@1", "recall@5", "MRR"],
            [(e.way, e.part, str(e.answerable), str(e.first), str(e.among_top), str(e.reciprocal_rank)) for e in found],
        ),
        Paragraph(
            "What a minimum score does. The lenient one is shipped for passages: it hides a twentieth of the right "
            "ones. The strict one lets a tenth of the unanswerable questions of `fit` through."
        ),
        Table(
            ["way", "part", "minimum", "recall@5 above it", "unanswerable", "something is shown for"],
            [
                (
                    e.way,
                    e.part,
                    f"{name}: {at.minimum:.3f}",
                    str(at.among_top),
                    str(e.unanswerable),
                    str(at.shown_by_mistake),
                )
                for e in found
                for name, at in (("lenient", e.lenient), ("strict", e.strict))
                if at is not None
            ],
        ),
    ]


def retrieval_targets(found: Sequence[RetrievalFigures]) -> tuple[Target, ...]:
    """The targets of retrieval as shipped, on the test part and on all questions."""
    shipped = [each for each in found if each.way == SHIPPED and each.part != "fit"]
    return tuple(
        target
        for each in shipped
        for target in (
            Target(f"retrieval, {each.part}: recall@5", "at least", RECALL_AT_5, each.among_top),
            Target(f"retrieval, {each.part}: mean reciprocal rank", "at least", RECIPROCAL_RANK, each.reciprocal_rank),
            Target(
                f"retrieval, {each.part}: unanswerable shown above the strict minimum",
                "at most",
                SHOWN_BY_MISTAKE,
                each.strict.shown_by_mistake,
            ),
        )
    )
