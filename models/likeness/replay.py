"""Replays a scenario message by message, as it would happen, and gathers what each method proposes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from deployments.request_management.likeness import (
    LikenessModel,
    Matter,
    cosine,
    duplicate_matches,
    incident_match,
)
from models.likeness.scenarios import Pair, Scenario

Alike = Callable[[Matter, Matter], bool]


def propose(scenario: Scenario, model: LikenessModel) -> tuple[set[Pair], set[Pair]]:
    """Pairs that the served rule puts into one incident, and pairs that it holds for repeats."""
    incident_of: dict[str, str] = {}
    repeats: set[Pair] = set()
    for place, new in enumerate(scenario.matters):
        still_open = [old for old in scenario.matters[:place] if int(old.request_id) not in scenario.ended]
        found = incident_match(new, still_open, incident_of, model.incident)
        if found is not None:
            incident = found.incident_id or found.request_ids[0]
            incident_of |= {one: incident for one in (*found.request_ids, new.request_id)}
        repeats |= {(int(match.request_id), place) for match in duplicate_matches(new, still_open, model.duplicate)}
    together = {
        (old, new)
        for old, new in scenario.pairs(of_one_resident=False)
        if str(old) in incident_of and incident_of[str(old)] == incident_of.get(str(new))
    }
    return together, repeats


def linked(scenario: Scenario, alike: Alike, *, of_one_resident: bool) -> set[Pair]:
    """What a plain rule on two messages proposes; for incidents, whatever hangs together by it is one."""
    pairs = scenario.pairs(of_one_resident=of_one_resident)
    near = [(old, new) for old, new in pairs if alike(scenario.matters[new], scenario.matters[old])]
    if of_one_resident:
        return set(near)
    name = list(range(len(scenario.matters)))
    for old, new in near:
        name = [name[old] if one == name[new] else one for one in name]
    return {(old, new) for old, new in pairs if name[old] == name[new]}


def same_labels(new: Matter, old: Matter) -> bool:
    """The same category and trade within a day."""
    return (new.category, new.trade) == (old.category, old.trade) and abs(new.at - old.at) <= timedelta(days=1)


def cosine_above(least: float) -> Alike:
    """Vectors at least this near."""
    return lambda new, old: cosine(new.vector, old.vector) >= least


def without_labels(scenario: Scenario) -> Scenario:
    """The scenario as it is before anything has judged the messages."""
    bare = tuple(replace(matter, category=None, trade=None, urgency=None) for matter in scenario.matters)
    return replace(scenario, matters=bare)


def without_systems(scenario: Scenario) -> Scenario:
    """The scenario as if the list of systems knew none of its words, as it is with a fault that nobody thought of."""
    bare = tuple(
        replace(matter, mentions=matter.mentions and replace(matter.mentions, systems=frozenset()))
        for matter in scenario.matters
    )
    return replace(scenario, matters=bare)
