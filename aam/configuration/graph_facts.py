"""What the graph's own code says: its builder's arguments and its deployments' names."""

# Ray's functions are typed in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from aam.configuration.findings import unknown
from aam.configuration.schema_walk import Complaint, check_against, within


@dataclass(frozen=True)
class GraphFacts:
    """What was found out, and what stood in the way."""

    complaints: tuple[Complaint, ...] = ()
    deployments: frozenset[str] = frozenset()
    """Empty where the graph could not be built."""


def examine_graph(application: Mapping[str, Any], place: str) -> GraphFacts:
    """Build the graph as Serve does, without starting anything."""
    import_path = application.get("import_path")
    if not isinstance(import_path, str):
        return GraphFacts()
    try:
        builder = load(import_path)
    except (ImportError, AttributeError, ValueError) as problem:
        return GraphFacts((Complaint(within(place, "import_path"), f"{problem}; name a builder as module:function"),))
    arguments = cast(Mapping[str, Any], application.get("args") or {})
    model = _arguments_of(builder)
    if model is None:
        return GraphFacts()
    complaints = tuple(check_against(model, arguments, within(place, "args")))
    return GraphFacts(complaints, frozenset() if complaints else _names(builder, model, arguments))


def load(import_path: str) -> Any:
    """What `module:name` or `module.name` means. Raises `ImportError`, `AttributeError`, `ValueError`."""
    module, separator, name = import_path.partition(":") if ":" in import_path else import_path.rpartition(".")
    if not (module and separator and name):
        raise ValueError(f"{import_path!r} has no module and name")
    loaded = importlib.import_module(module)
    if not hasattr(loaded, name):
        raise AttributeError(f"{module}: {unknown(name, _public(loaded), 'name')}")
    return getattr(loaded, name)


def _public(module: object) -> list[str]:
    return [name for name in vars(module) if not name.startswith("_")]


def _arguments_of(builder: object) -> type[BaseModel] | None:
    if not inspect.isfunction(builder):
        return None
    annotations = [each.annotation for each in inspect.signature(builder).parameters.values()]
    models = [each for each in annotations if isinstance(each, type) and issubclass(each, BaseModel)]
    return models[0] if models else None


def _names(builder: Callable[[Any], Any], model: type[BaseModel], arguments: object) -> frozenset[str]:
    try:
        return _built_names(builder, model, json.dumps(arguments, sort_keys=True))
    except ValidationError:
        # The environment's settings, which are told by their own check.
        return frozenset()


@lru_cache(maxsize=8)
def _built_names(builder: Callable[[Any], Any], model: type[BaseModel], arguments: str) -> frozenset[str]:
    from ray.serve._private.build_app import build_app

    built = build_app(builder(model.model_validate_json(arguments)), name="checked")
    return frozenset(deployment.name for deployment in built.deployments)
