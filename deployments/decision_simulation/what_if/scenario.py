"""Applies a manager's change to the rules, through the same checks that the documents pass."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from core.errors import ArtefactRefused, Invalid
from core.estate import Triangle, Vendor
from core.rules import (
    SINGLE_KEYS,
    BuildingOverride,
    CataloguedOption,
    CrewRules,
    DocumentRules,
    OptionTemplate,
    RuleBook,
)
from core.what_if import FigureValue, Scenario
from deployments.decision_simulation.duty import duty_clock
from deployments.decision_simulation.workforce import server_models

SHORT = {"weights": ("scoring", "weights")}
"""Paths that may begin in the middle."""
ROOTS = (*SINGLE_KEYS, "crews", "vendors", "parts", "options", *SHORT)
NAMED_AT_MOST = 40


def apply(rules: RuleBook, scenario: Scenario) -> RuleBook:
    """The rules as they would be. Raises `Invalid`, naming what is legal, for anything that is unknown or not allowed.

    A figure of the policy is changed in all buildings, also where one states its own; or, with the building's id in
    front (`A.entry.notice_hours`), in that building alone, which must state its own.
    """
    if scenario.empty:
        return rules
    changed = _with_figures(_with_vendors(rules, scenario), scenario.figures)
    _check_duty(changed)
    mark = hashlib.sha256(scenario.model_dump_json().encode()).hexdigest()[:6]
    return changed.model_copy(update={"policy_version": f"{rules.policy_version}+{mark}"})


def warnings(rules: RuleBook, scenario: Scenario, changed: RuleBook) -> tuple[str, ...]:
    """What a reader of the comparison must know about the change itself, as sentences."""
    lines = [
        f"Building {building} states its own {', '.join(touched)}; the change is applied there, too."
        for building, override in sorted(rules.overrides.items())
        if (touched := sorted(_own(override) & {_places(path)[0] for path in scenario.figures}))
    ]
    used = {entry.template.vendor for entry in _all_options(changed)}
    lines += [
        f"No option uses the vendor {vendor.vendor_id}; give it work with replace_vendors or options.<id>.vendor."
        for vendor in scenario.add_vendors
        if vendor.vendor_id not in used
    ]
    kept = {entry.template.option_id for entry in _all_options(changed)}
    gone = sorted({entry.template.option_id for entry in _all_options(rules)} - kept)
    if gone:
        lines.append(f"Without its vendor nobody holds the licence for: {', '.join(gone)}; withdrawn.")
    for name, usual in usual_utilisation(changed).items():
        if usual >= 1.0:
            lines.append(
                f"{name} would be asked for {usual:.0%} of what it can do with its usual jobs: its queue would grow."
            )
    return tuple(lines)


def usual_utilisation(rules: RuleBook) -> dict[str, float]:
    """Hands-on and travel time of the usual jobs of a week over the crew's or vendor's duty hours, by its name."""
    servers: dict[str, CrewRules | Vendor] = {**{str(crew): one for crew, one in rules.crews.items()}, **rules.vendors}
    return {
        name: sum(one.jobs_per_week.values())
        * (_mean(one.travel_hours) + _mean(one.job_hours))
        / (technicians_of(one) * duty_clock(one, rules.entry).weekly_hours)
        for name, one in servers.items()
    }


def technicians_of(rules: CrewRules | Vendor) -> int:
    """How many jobs it does at the same time."""
    return rules.technicians if isinstance(rules, CrewRules) else rules.teams


def _mean(triangle: Triangle) -> float:
    return (triangle.low + triangle.mode + triangle.high) / 3


def _places(path: str) -> tuple[str, ...]:
    first, *rest = path.split(".")
    return (*SHORT.get(first, (first,)), *rest)


def _with_figures(rules: RuleBook, figures: Mapping[str, FigureValue]) -> RuleBook:
    roots: dict[str, Any] = {}
    for path, value in figures.items():
        root, *rest = _places(path)
        if root in rules.overrides:
            _require_own(rules.overrides[root], path)
            continue
        if root not in ROOTS:
            raise Invalid(f"There is no rule {path}; it must begin with one of {', '.join(ROOTS)}.")
        if root == "crews" and "jobs_per_week" in rest:
            raise Invalid(f"{path}: the work is what is replayed; it can't be changed.")
        if root not in roots:
            roots[root] = _dumped(rules, root)
        _put(roots[root], root, rest, path, value)
    try:
        overrides = {name: _override(name, override, figures) for name, override in rules.overrides.items()}
        stated = {key: _undumped(rules, key, value) for key, value in roots.items()}
        return RuleBook.model_validate({**_fields(rules), "overrides": overrides, **stated})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Invalid(f"{place}: {first['msg'].removeprefix('Value error, ')}.") from None


def _own(override: BuildingOverride) -> set[str]:
    return {key for key in SINGLE_KEYS if getattr(override.rules, key) is not None}


def _require_own(override: BuildingOverride, path: str) -> None:
    building, _, inner = path.partition(".")
    if _places(inner)[0] not in _own(override):
        raise Invalid(f"There is no {path}; building {building} states its own {_named(_own(override))}.")


def _override(building: str, override: BuildingOverride, figures: Mapping[str, FigureValue]) -> BuildingOverride:
    """The building's own statements with the change in them."""
    roots: dict[str, Any] = {}
    for path, value in figures.items():
        root, *rest = _places(path.removeprefix(f"{building}."))
        if root in _own(override):
            roots.setdefault(root, _dumped_key(override.rules, root))
            _put(roots[root], root, rest, path, value)
    if not roots:
        return override
    stated = {name: getattr(override.rules, name) for name in DocumentRules.model_fields}
    return override.model_copy(update={"rules": DocumentRules.model_validate({**stated, **roots})})


def _fields(rules: RuleBook) -> dict[str, Any]:
    return {name: getattr(rules, name) for name in RuleBook.model_fields}


def _dumped(rules: RuleBook, root: str) -> dict[str, Any]:
    if root == "options":
        return {entry.template.option_id: entry.template.model_dump(mode="json") for entry in rules.options}
    return _dumped_key(rules, root)


def _dumped_key(rules: RuleBook | DocumentRules, root: str) -> dict[str, Any]:
    value = getattr(rules, root)
    if isinstance(value, Mapping):
        table = cast(Mapping[Any, BaseModel], value)
        return {str(name): item.model_dump(mode="json") for name, item in table.items()}
    return value.model_dump(mode="json")


def _undumped(rules: RuleBook, root: str, value: dict[str, Any]) -> Any:
    if root != "options":
        return value
    templates = {name: OptionTemplate.model_validate(one) for name, one in value.items()}
    for template in templates.values():
        if template.vendor is not None and template.vendor not in rules.vendors:
            raise Invalid(f"There is no vendor {template.vendor}; there are {_named(rules.vendors)}.")
    return tuple(entry.model_copy(update={"template": templates[entry.template.option_id]}) for entry in rules.options)


def _put(tree: dict[str, Any], root: str, rest: list[str], path: str, value: FigureValue) -> None:
    place: Any = tree
    for depth, key in enumerate(rest):
        if not isinstance(place, dict) or key not in place:
            above = ".".join([root, *rest[:depth]])
            legal = _named(cast(dict[str, Any], place)) if isinstance(place, dict) else "nothing below it"
            raise Invalid(f"There is no {path}; {above} has {legal}.")
        branch = cast(dict[str, Any], place)
        if depth == len(rest) - 1:
            _check_kind(path, branch[key], value)
            branch[key] = value
        place = branch[key]


def _check_kind(path: str, present: Any, value: FigureValue) -> None:
    """A number takes the place of a number, yes or no of yes or no."""
    if isinstance(present, dict):
        raise Invalid(f"{path} is no single figure; it has {_named(cast(dict[str, Any], present))}.")
    if isinstance(present, list):
        raise Invalid(f"{path} is a list; only single figures can be changed.")
    if isinstance(present, bool) is not isinstance(value, bool) and present is not None:
        raise Invalid(f"{path} is {'true or false' if isinstance(present, bool) else 'not true or false'}.")
    if isinstance(present, int | float) and isinstance(value, str):
        raise Invalid(f"{path} is a number.")


def _named(names: Iterable[str]) -> str:
    """The legal names, as many as a sentence holds."""
    ordered = sorted(str(name) for name in names)
    more = f" and {len(ordered) - NAMED_AT_MOST} more" if len(ordered) > NAMED_AT_MOST else ""
    return ", ".join(ordered[:NAMED_AT_MOST]) + more if ordered else "none"


def _with_vendors(rules: RuleBook, scenario: Scenario) -> RuleBook:
    vendors = dict(rules.vendors)
    for vendor in scenario.add_vendors:
        if vendor.vendor_id in vendors:
            raise Invalid(f"There is a vendor {vendor.vendor_id} already; change its figures instead.")
        vendors[vendor.vendor_id] = vendor
    gone = [*scenario.remove_vendors, *scenario.replace_vendors]
    for name in [*gone, *scenario.replace_vendors.values()]:
        if name not in vendors:
            raise Invalid(f"There is no vendor {name}; there are {_named(vendors)}.")
    heirs = {**dict.fromkeys(scenario.remove_vendors), **scenario.replace_vendors}
    if circular := sorted({heir for heir in scenario.replace_vendors.values() if heir in gone}):
        raise Invalid(f"{', '.join(circular)} can't both go and take over work.")
    left = {name: vendor for name, vendor in vendors.items() if name not in gone}
    overrides = {
        building: override.model_copy(update={"options": _reassigned(override.options, heirs, left, rules)})
        for building, override in rules.overrides.items()
    }
    options = _reassigned(rules.options, heirs, left, rules)
    _require_emergency_options(rules, options, overrides)
    return rules.model_copy(update={"vendors": left, "options": options, "overrides": overrides})


def _reassigned(
    options: tuple[CataloguedOption, ...],
    heirs: Mapping[str, str | None],
    vendors: Mapping[str, Vendor],
    rules: RuleBook,
) -> tuple[CataloguedOption, ...]:
    kept: list[CataloguedOption] = []
    for entry in options:
        template = entry.template
        if template.vendor is None or template.vendor not in heirs:
            kept.append(entry)
            continue
        heir = heirs[template.vendor]
        licences = vendors[heir].licences if heir else rules.crews[template.crew].licences
        if template.licence is None or template.licence in licences:
            update = {"template": template.model_copy(update={"vendor": heir})}
            kept.append(entry.model_copy(update=update))
        elif heir:
            raise Invalid(f"{heir} does not hold the licence {template.licence} that {template.option_id} needs.")
    return tuple(kept)


def _require_emergency_options(
    rules: RuleBook, options: tuple[CataloguedOption, ...], overrides: Mapping[str, BuildingOverride]
) -> None:
    offered = {entry.template.option_id for entry in options}
    offered |= {entry.template.option_id for override in overrides.values() for entry in override.options}
    needed = {rules.emergency.default_option, *rules.emergency.options.values()}
    if missing := sorted(needed - offered):
        raise Invalid(f"Nobody would be left for the emergency options {', '.join(missing)}.")


def _all_options(rules: RuleBook) -> list[CataloguedOption]:
    return [*rules.options, *(entry for override in rules.overrides.values() for entry in override.options)]


def _check_duty(rules: RuleBook) -> None:
    """Every crew and vendor must be known and have an hour to work in. Raises `Invalid`."""
    try:
        server_models(rules)
    except ArtefactRefused as error:
        raise Invalid(error.detail) from None
