"""Holds a document to a pydantic model with no key more than the model has, at every level."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError

from aam.configuration.findings import unknown, within


@dataclass(frozen=True)
class Complaint:
    """A place within a document, and what to do there."""

    place: str
    message: str


def check_against(model: type[BaseModel], document: object, place: str = "") -> list[Complaint]:
    """Unknown keys, and what the model says of the values."""
    complaints = list(unknown_keys(model, document, place))
    told = {each.place for each in complaints}
    # Some models forbid unknown keys themselves: the place is told once, with the hint.
    complaints += [
        each for forbidden, each in _invalid(model, document, place) if not (forbidden and each.place in told)
    ]
    return list({(each.place, each.message): each for each in complaints}.values())


def unknown_keys(model: type[BaseModel], value: object, place: str = "") -> Iterator[Complaint]:
    """Keys that the model, or one within it, has no field for."""
    if not isinstance(value, Mapping):
        return
    fields = model.model_fields
    names = {field.alias or name: field.annotation for name, field in fields.items()}
    for key, inner in cast(Mapping[str, object], value).items():
        here = within(place, key)
        if key not in names:
            yield Complaint(here, unknown(key, names))
            continue
        if isinstance(inner, bool) and not _takes_truth(names[key]):
            yield Complaint(here, f"{str(inner).lower()} is a truth value; give a number or a text")
        for nested in _models(names[key]):
            yield from _unknown_within(nested, inner, here)
        for nested in _values(names[key]):
            for name, value in cast(Mapping[str, object], inner if isinstance(inner, Mapping) else {}).items():
                yield from unknown_keys(nested, value, within(here, name))


def _unknown_within(model: type[BaseModel], value: object, place: str) -> Iterator[Complaint]:
    if isinstance(value, list):
        for number, each in enumerate(cast(Sequence[object], value)):
            yield from unknown_keys(model, each, within(place, number))
        return
    yield from unknown_keys(model, value, place)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models within `list[Model]`, `Model | None` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType, list, tuple, Sequence):
        for inner in get_args(annotation):
            yield from _models(inner)


def _values(annotation: object) -> Iterator[type[BaseModel]]:
    """The models that are values of a `dict[str, Model]`, whose keys are free."""
    if get_origin(annotation) in (dict, Mapping) and get_args(annotation):
        yield from _models(get_args(annotation)[-1])


def _takes_truth(annotation: object) -> bool:
    """Whether a field may be true or false; pydantic would take them for 1 and 0 in one that holds numbers."""
    if any(annotation is each for each in (bool, Any, object)):
        return True
    return any(_takes_truth(inner) for inner in get_args(annotation))


def _invalid(model: type[BaseModel], document: object, place: str) -> Iterator[tuple[bool, Complaint]]:
    """Each with whether it is of a key that the model forbids."""
    try:
        model.model_validate(document)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_context=False, include_input=False):
            complaint = Complaint(_place(place, each["loc"], document), _message(each["msg"]))
            yield each["type"] == "extra_forbidden", complaint


def _place(place: str, location: Sequence[int | str], document: Any) -> str:
    """Where in the document; what pydantic names besides, such as the member of a union, is left out."""
    for number, key in enumerate(location):
        is_last = number == len(location) - 1
        if isinstance(document, list) and isinstance(key, int) and key < len(cast(list[object], document)):
            place, document = within(place, key), cast(Any, document[key])
        elif isinstance(document, Mapping) and (key in document or is_last):
            place, document = within(place, key), cast(Mapping[object, Any], document).get(key)
    return place


def _message(text: str) -> str:
    # Ray's own come as "Value error, Traceback ...".
    return text.removeprefix("Value error, ").strip().splitlines()[-1]
