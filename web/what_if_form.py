"""The form of a what-if question: the figures that may be changed with what was typed, and the question it makes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core.contract import rfc3339
from web.forms import Form
from web.language import Words
from web.wording import N_, label

FIGURE_NAMES: Mapping[str, str] = {
    "technicians": N_("Technicians: %(subject)s"),
    "teams": N_("Teams of %(subject)s"),
    "weight": N_("Weight of %(subject)s, %(situation)s"),
    "response_hours": N_("Hours until somebody must act: %(subject)s"),
    "resolution_hours": N_("Hours until it must be done: %(subject)s"),
}
SITUATIONS: Mapping[str, str] = {
    "standard": N_("usually"),
    "emergency": N_("in an emergency"),
    "extreme_weather": N_("in extreme weather"),
    "active_water": N_("while water is running"),
    "security_breach": N_("after a break-in"),
}
GROUPS: Sequence[tuple[str, str, bool]] = (
    ("technicians", N_("People in each crew"), True),
    ("weight:standard", N_("What a decision goes by, usually"), True),
    ("response_hours", N_("How soon somebody must act"), True),
    ("resolution_hours", N_("How soon it must be done"), True),
    ("teams", N_("Teams of the vendors"), False),
    ("weight:emergency", N_("What a decision goes by, in an emergency"), False),
    ("weight:extreme_weather", N_("What a decision goes by, in extreme weather"), False),
    ("weight:active_water", N_("What a decision goes by, while water is running"), False),
    ("weight:security_breach", N_("What a decision goes by, after a break-in"), False),
)
"""Kind (and situation) of the figures, the group's name, and whether it is open from the start."""
WEIGHT_DIGITS = 4
OTHERS: Mapping[str, str] = {
    "source": "backlog",
    "synthetic_days": "14",
    "begin": "",
    "end": "",
    "vendor": "",
    "heir": "",
    "replications": "100",
    "seed": "0",
}
"""The fields beside the figures, as they are at first."""


@dataclass(frozen=True)
class FigureField:
    """One figure as a field of the form."""

    path: str
    subject: str
    """In words of the reader's language."""
    unit: str
    present: float
    low: float
    high: float
    step: float
    text: str
    """What stands in the field."""

    @property
    def is_changed(self) -> bool:
        """Whether what stands there is another value than the present one."""
        return bool(self.text) and as_number(self.text) != self.present


@dataclass(frozen=True)
class FigureGroup:
    """Figures of one kind."""

    key: str
    title: str
    is_open: bool
    fields: tuple[FigureField, ...]

    @property
    def are_weights(self) -> bool:
        """Whether they must sum to 1."""
        return self.key.startswith("weight:")


def groups_of(figures: Mapping[str, Any], typed: Mapping[str, str], words: Words) -> list[FigureGroup]:
    """The figures of `GET /what-if/figures` in groups; one in which something is changed is open."""
    found: dict[str, list[FigureField]] = {}
    for figure in figures["figures"]:
        found.setdefault(_group_of(figure), []).append(_field(figure, figures, typed, words))
    return [
        FigureGroup(key, words.gettext(title), is_open or any(one.is_changed for one in found[key]), tuple(found[key]))
        for key, title, is_open in GROUPS
        if key in found
    ]


def _group_of(figure: Mapping[str, Any]) -> str:
    return f"weight:{figure['situation']}" if figure["situation"] else str(figure["kind"])


def _field(
    figure: Mapping[str, Any], figures: Mapping[str, Any], typed: Mapping[str, str], words: Words
) -> FigureField:
    return FigureField(
        path=figure["path"],
        subject=subject_of(figure, figures, words),
        unit=figure["unit"],
        present=figure["present"],
        low=figure["range"]["low"],
        high=figure["range"]["high"],
        step=figure["range"]["step"],
        text=typed.get(figure["path"], as_text(figure["present"])),
    )


def subject_of(figure: Mapping[str, Any], figures: Mapping[str, Any], words: Words) -> str:
    """Whose figure it is: a vendor by name, all others by their label."""
    names = {one["vendor_id"]: one["name"] for one in figures["vendors"]}
    subject = figure["subject"]
    return names.get(subject, subject) if figure["kind"] == "teams" else words.gettext(label(subject))


def name_of(path: str, figures: Mapping[str, Any], words: Words) -> str:
    """A figure in words; its place in the rules where it is none that the form offers."""
    figure = next((one for one in figures["figures"] if one["path"] == path), None)
    if figure is None:
        return path
    situation = words.gettext(SITUATIONS[figure["situation"]]) if figure["situation"] else ""
    subject = subject_of(figure, figures, words)
    return words.gettext(FIGURE_NAMES[figure["kind"]]) % {"subject": subject, "situation": situation}


def changes_of(scenario: Mapping[str, Any], figures: Mapping[str, Any], words: Words) -> list[str]:
    """What a scenario changes, a line each."""
    names = {one["vendor_id"]: one["name"] for one in figures["vendors"]}
    lines = [
        words.gettext("%(figure)s → %(value)s")
        % {
            "figure": name_of(path, figures, words),
            "value": words.number(value, 4) if isinstance(value, int | float) else value,
        }
        for path, value in scenario["figures"].items()
    ]
    lines += [words.gettext("%(vendor)s goes") % {"vendor": names.get(one, one)} for one in scenario["remove_vendors"]]
    lines += [
        words.gettext("%(vendor)s goes, %(heir)s takes over")
        % {"vendor": names.get(gone, gone), "heir": names.get(heir, heir)}
        for gone, heir in scenario["replace_vendors"].items()
    ]
    lines += [words.gettext("%(vendor)s is added") % {"vendor": one["name"]} for one in scenario["add_vendors"]]
    return lines or [words.gettext("Nothing is changed")]


def typed_of(form: Form, figures: Mapping[str, Any]) -> dict[str, str]:
    """Everything that was typed, as it was."""
    return {name: form.text(name) for name in (*OTHERS, *(one["path"] for one in figures["figures"]))}


def typed_again(run: Mapping[str, Any]) -> dict[str, str]:
    """What has to be typed to ask the same change once more."""
    scenario = run["scenario"]
    gone = [*scenario["remove_vendors"], *scenario["replace_vendors"]]
    return {
        **OTHERS,
        **{path: as_text(value) for path, value in scenario["figures"].items()},
        "source": run["source"],
        "vendor": gone[0] if gone else "",
        "heir": scenario["replace_vendors"].get(gone[0], "") if gone else "",
    }


def question_of(typed: Mapping[str, str], figures: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """The body of `POST /what-if`. What is no number goes as it was typed: the interface says what is wrong with it."""
    changes: dict[str, Any] = {"figures": dict(_changed(typed, figures["figures"]))}
    if typed["vendor"] and typed["heir"]:
        changes["replace_vendors"] = {typed["vendor"]: typed["heir"]}
    elif typed["vendor"]:
        changes["remove_vendors"] = [typed["vendor"]]
    return {
        "changes": changes,
        **_source(typed, zone),
        "replications": _value(typed["replications"]),
        "seed": _value(typed["seed"]),
    }


def _source(typed: Mapping[str, str], zone: ZoneInfo) -> dict[str, Any]:
    if typed["source"] == "period":
        after = timedelta(days=1)
        return {"period": {"from": _midnight(typed["begin"], zone), "to": _midnight(typed["end"], zone, after)}}
    if typed["source"] == "synthetic":
        return {"synthetic_days": _value(typed["synthetic_days"])}
    return {"backlog": True}


def _midnight(text: str, zone: ZoneInfo, later: timedelta = timedelta()) -> str:
    try:
        return rfc3339(datetime.combine(date.fromisoformat(text) + later, time(), zone))
    except (ValueError, OverflowError):
        return text


def _changed(typed: Mapping[str, str], figures: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float | str]]:
    """The figures that are others than now, by their place; of weights all of a situation, scaled to sum to 1."""
    by_situation: dict[str, dict[str, tuple[float, str]]] = {}
    for figure in figures:
        path, present = str(figure["path"]), float(figure["present"])
        text = typed.get(path, "") or as_text(present)
        if figure["situation"]:
            by_situation.setdefault(figure["situation"], {})[path] = (present, text)
        elif as_number(text) != present:
            yield path, _value(text)
    for weights in by_situation.values():
        if any(as_number(text) != present for present, text in weights.values()):
            yield from normalised({path: text for path, (_, text) in weights.items()}).items()


def normalised(weights: Mapping[str, str]) -> Mapping[str, float | str]:
    """The weights scaled to sum to exactly 1; as they were typed where they can't be."""
    numbers = {path: as_number(text) for path, text in weights.items()}
    given = [number for number in numbers.values() if number is not None and number >= 0]
    total = sum(given)
    if len(given) < len(weights) or not 0 < total < float("inf"):
        return {path: _value(text) for path, text in weights.items()}
    unit = 10**WEIGHT_DIGITS
    parts = {path: round((number or 0.0) / total * unit) for path, number in numbers.items()}
    largest = max(parts, key=lambda path: parts[path])
    parts[largest] += unit - sum(parts.values())
    return {path: part / unit for path, part in parts.items()}


def _value(text: str) -> float | int | str:
    number = as_number(text)
    if number is None or number != number or abs(number) == float("inf"):
        return text
    return int(number) if number == int(number) else number


def as_number(text: str) -> float | None:
    """What was typed as a number; None where it is none."""
    try:
        return float(text)
    except ValueError:
        return None


def as_text(value: object) -> str:
    """A value as it stands in a field: `3`, `0.25`."""
    return f"{value:.10g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
