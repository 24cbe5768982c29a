"""Looks for documents in force for the same building that state different numbers for the same thing."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, cast

from core.labels import Urgency
from core.rules import SINGLE_KEYS, DocumentRules
from kb.check.finding import Finding, error
from kb.check.library import Library
from kb.check.lines import key_line
from kb.reader import Document

_LISTS: dict[str, tuple[str, str]] = {
    "options": ("option_id", "duplicate_option"),
    "crews": ("crew", "duplicate_crew"),
    "vendors": ("vendor_id", "duplicate_vendor"),
    "parts": ("part_id", "duplicate_part"),
    "buildings": ("building_id", "duplicate_building"),
    "jurisdictions": ("code", "duplicate_jurisdiction"),
    "escalation_paths": ("path_id", "duplicate_path"),
    "forbidden_promises": ("promise_id", "duplicate_promise"),
    "plan_phases": ("phase_id", "duplicate_phase"),
    "shared_systems": ("system_id", "duplicate_system"),
}
"""The field that names an item, and the code of a second one of that name."""
_TIME = re.compile(r"\d\d:\d\d(?::\d\d)?")


def find(library: Library) -> Iterator[Finding]:
    """Keys, items and figures that are stated more than once and differently."""
    for documents, where in [
        (library.general, ""),
        *((library.own(each), f" for {each}") for each in library.buildings),
    ]:
        yield from _doubled_keys(documents, where)
        yield from _doubled_items(documents, where)
    yield from _doubled_paths(library)
    yield from _doubled_clocks(library)
    yield from _figures(library)
    yield from _restated_rules(library)


def _doubled_keys(documents: Sequence[Document], where: str) -> Iterator[Finding]:
    for key in SINGLE_KEYS:
        stating = [document for document in documents if getattr(document.front.rules, key) is not None]
        for second in stating[1:]:
            first = stating[0]
            # Two files with one id are two versions of one document, which is a fault of its own.
            if second.front.id != first.front.id:
                differences = _differences(key, first, second)
                message = f"{key} is stated by {first.front.id} too{where}; it must be one. {differences}"
                yield error("doubled_key", second.front.id, message, key_line(second.source, "rules", key))


def _differences(key: str, first: Document, second: Document) -> str:
    """Some of the places at which the two state different values."""
    stated = [dict(_leaves(document.front.rules.model_dump(mode="json")[key])) for document in (first, second)]
    differing = [place for place in stated[0] if stated[1].get(place) != stated[0][place]]
    if not differing:
        return "They agree now."
    shown = "; ".join(f"{place}: {stated[0][place]} and {stated[1].get(place)}" for place in differing[:3])
    return f"They differ in {len(differing)} places: {shown}."


def _leaves(tree: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for key, part in cast(dict[str, Any], tree).items():
            yield from _leaves(part, f"{place}.{key}" if place else key)
    else:
        yield place, tree


def _doubled_items(documents: Sequence[Document], where: str) -> Iterator[Finding]:
    for key, (field, code) in _LISTS.items():
        first: dict[str, Document] = {}
        for document in documents:
            for place, item in enumerate(getattr(document.front.rules, key)):
                name = str(getattr(item, field))
                known = first.setdefault(name, document)
                here = known is document
                if (here and _index(document, key, field, name) < place) or (
                    not here and known.front.id != document.front.id
                ):
                    message = f"{name} is stated twice{where}, by {known.front.id} and {document.front.id}."
                    yield error(code, document.front.id, message, key_line(document.source, "rules", key, place))


def _index(document: Document, key: str, field: str, name: str) -> int:
    return [str(getattr(item, field)) for item in getattr(document.front.rules, key)].index(name)


def _doubled_paths(library: Library) -> Iterator[Finding]:
    for (first, one), (second, two) in combinations(library.items(lambda rules: rules.escalation_paths), 2):
        categories = [category for category in one.categories if category in two.categories]
        urgencies = [urgency for urgency in one.urgencies if urgency in two.urgencies]
        if categories and urgencies and one.path_id != two.path_id and not _versions(first, second):
            place = second.front.rules.escalation_paths.index(two)
            message = (
                f"{two.path_id} and {one.path_id} of {first.front.id} both say who decides on "
                f"{', '.join(categories)} at {', '.join(urgencies)}."
            )
            line = key_line(second.source, "rules", "escalation_paths", place)
            yield error("overlapping_paths", second.front.id, message, line)


def _versions(first: Document, second: Document) -> bool:
    return first is not second and first.front.id == second.front.id


def _doubled_clocks(library: Library) -> Iterator[Finding]:
    seen: dict[str, Document] = {}
    for document, jurisdiction in library.items(lambda rules: rules.jurisdictions):
        for clock in jurisdiction.clocks:
            if clock.clock_id in seen and not _versions(seen[clock.clock_id], document):
                message = f"The clock {clock.clock_id} is stated twice."
                yield error("duplicate_clock", document.front.id, message, key_line(document.source, "rules"))
            seen.setdefault(clock.clock_id, document)


def _figures(library: Library) -> Iterator[Finding]:
    """Of documents that disagree, those that have another value than most; of equally many, the later ones."""
    for building in (None, *library.buildings):
        documents = library.general if building is None else library.read_in(building)
        for name, stated in _statements(documents).items():
            general = [document for document in stated if document.front.building == "all"]
            usual = _usual(name, general or stated)
            for document in stated:
                own = document.front.building == (building or "all")
                if own and _value(document, name) != _value(usual, name) and not _versions(usual, document):
                    value, other = (_shown(each.front.rules.figures[name]) for each in (document, usual))
                    message = f"{name} is {value}, and {other} in {usual.front.id}, in force too."
                    line = key_line(document.source, "rules", "figures", name)
                    yield error("conflicting_figure", document.front.id, message, line)


def _statements(documents: Sequence[Document]) -> dict[str, list[Document]]:
    """The documents that state each figure; those that restate a rule are compared with the rule."""
    stated: dict[str, list[Document]] = {}
    for document in documents:
        for name in document.front.rules.figures:
            if name.split(".")[0] not in DocumentRules.model_fields:
                stated.setdefault(name, []).append(document)
    return stated


def _usual(name: str, documents: Sequence[Document]) -> Document:
    counts = Counter(_value(document, name) for document in documents)
    return max(documents, key=lambda document: counts[_value(document, name)])


def _value(document: Document, name: str) -> Any:
    return _plain(document.front.rules.figures[name])


def _restated_rules(library: Library) -> Iterator[Finding]:
    general = _tree(library.general)
    trees = {"all": general} | {each: _merged(general, _tree(library.own(each))) for each in library.buildings}
    for document in library.held:
        tree = trees[document.front.building]
        for name, value in document.front.rules.figures.items():
            key, *place = name.split(".")
            if key not in DocumentRules.model_fields or key not in tree:
                continue
            line = key_line(document.source, "rules", "figures", name)
            stated = _at(tree[key], place)
            if stated is None or isinstance(stated, dict | list):
                # A target that is missing is reported itself, and not by everybody who restates it.
                absent = key == "response_targets" and place[:1] and place[0] in set(Urgency) - set(tree[key])
                if not library.may_state(key) and not absent:
                    yield error(
                        "unknown_figure", document.front.id, f"{name} is no number of the rules in force.", line
                    )
            elif _plain(stated) != _plain(value):
                message = f"{name} is {_shown(value)}, and {_shown(stated)} in the rules in force."
                yield error("conflicting_figure", document.front.id, message, line)


def _tree(documents: Sequence[Document]) -> dict[str, Any]:
    """What the documents state, by key; the items of a list by their names."""
    tree: dict[str, Any] = {}
    for document in documents:
        stated = document.front.rules.model_dump(mode="json")
        tree |= {key: stated[key] for key in SINGLE_KEYS if stated[key] is not None and key not in tree}
        for key, (field, _) in _LISTS.items():
            if stated[key]:
                tree[key] = {str(item[field]): _named(item) for item in stated[key]} | tree.get(key, {})
    return tree


def _named(item: dict[str, Any]) -> dict[str, Any]:
    clocks = item.get("clocks")
    return item | {"clocks": {clock["clock_id"]: clock for clock in clocks}} if clocks else item


def _merged(general: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    return general | {key: general.get(key, {}) | value if key in _LISTS else value for key, value in own.items()}


def _at(tree: Any, place: Sequence[str]) -> Any:
    for step in place:
        if isinstance(tree, list) and step.isdigit() and int(step) < len(cast(list[Any], tree)):
            tree = cast(list[Any], tree)[int(step)]
        elif isinstance(tree, dict):
            tree = cast(dict[str, Any], tree).get(step)
        else:
            return None
    return tree


def _plain(value: Any) -> Any:
    """As it is compared: numbers as such, times of day to the minute, words without case."""
    if isinstance(value, str):
        return value[:5] if _TIME.fullmatch(value) else " ".join(value.casefold().split())
    return value


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(_plain(value))
