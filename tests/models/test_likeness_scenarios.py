"""The written scenarios: enough of them, consistent, and none in two parts."""

from collections.abc import Sequence
from typing import get_args

from models.likeness.measures import Tally, f1, measured, tally
from models.likeness.scenarios import Part, Scenario, read


class NoVectors:
    """Texts without vectors: what is read here is the gold."""

    name, version, dimensions = "none", "0", 0

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        return [b"" for _ in texts]


def all_scenarios() -> dict[str, list[Scenario]]:
    return {part: read(part, NoVectors()) for part in get_args(Part)}


def test_there_are_enough_and_no_message_stands_in_two_parts() -> None:
    parts = all_scenarios()
    assert all(len(scenarios) >= 45 for scenarios in parts.values())
    texts = [{text for one in scenarios for text in one.texts} for scenarios in parts.values()]
    assert not texts[-1] & (texts[0] | texts[1])


def test_the_gold_is_of_the_right_residents() -> None:
    for scenario in (one for scenarios in all_scenarios().values() for one in scenarios):
        assert scenario.same_fault <= set(scenario.pairs(of_one_resident=False))
        assert scenario.repeats <= set(scenario.pairs(of_one_resident=True))


def test_pairs_are_counted() -> None:
    counts = [tally({(0, 1), (0, 2)}, {(0, 1), (1, 2)}), Tally(1, 0, 0)]
    assert counts[0] == Tally(1, 1, 1)
    assert f1(counts) == 2 / 3
    assert measured(counts)["precision"].low <= 2 / 3 <= measured(counts)["precision"].high
