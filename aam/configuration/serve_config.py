"""Checks `serve_config.yaml`: Ray's own schema held strictly, and all that the schema can't know of this graph."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ray.runtime_env import RuntimeEnv
from ray.serve.config import AutoscalingConfig, RequestRouterConfig
from ray.serve.schema import ServeDeploySchema

from aam.configuration.documents import read_mapping
from aam.configuration.environment import check_names, settings_or_defaults
from aam.configuration.findings import Finding, Unreadable, unknown, within
from aam.configuration.graph_facts import examine_graph, load
from aam.configuration.kinds import ConfigurationKind
from aam.configuration.node_capacity import Capacity
from aam.configuration.schema_walk import Complaint, check_against
from aam.configuration.serve_models import check_models
from aam.configuration.serve_sizes import check_cluster, check_resources, check_sizes
from aam.configuration.serve_times import check_http, check_times
from core.models_config import ModelsConfig

USER_CONFIGS = {"AIProcessing": ModelsConfig}
"""The deployments that take one; Serve stops the replicas of any other that is given one."""
_IMPORTS_ON_VALIDATION = ("autoscaling_config", "request_router_config")


def check(path: Path, document: Mapping[str, Any]) -> list[Finding]:
    """What is wrong with a file of `serve deploy`, placed on the nodes of the `cluster.yaml` beside it."""
    findings = check_document(path, document, _capacity_beside(path))
    for number, application in enumerate(_mappings(document.get("applications"))):
        for index, deployment in enumerate(_mappings(application.get("deployments"))):
            complaints = check_resources(deployment, f"applications[{number}].deployments[{index}]")
            findings += [Finding(path, each.place, each.message) for each in complaints]
    return findings


def check_document(
    path: Path, document: Mapping[str, Any], capacity: Capacity | None, place: str = ""
) -> list[Finding]:
    """As `check`, for a configuration within another file: `place` is where it is, `capacity` what runs it."""
    complaints = [*_schema(document, place), *check_http(document, place)]
    deployments: list[Mapping[str, Any]] = []
    for number, application in enumerate(_mappings(document.get("applications"))):
        here = within(within(place, "applications"), number)
        complaints += _application(application, here, document, capacity)
        deployments += _mappings(application.get("deployments"))
    if capacity:
        complaints += check_cluster(deployments, capacity, within(place, "applications"))
    findings = [Finding(path, each.place, each.message) for each in complaints]
    return findings + list(_environment_names(path, document, place))


def _schema(document: Mapping[str, Any], place: str) -> list[Complaint]:
    # Ray imports what these name while it validates them; each has a check of its own.
    applications = [
        {**application, "deployments": [_without_imports(each) for each in _mappings(application.get("deployments"))]}
        if isinstance(application.get("deployments"), list)
        else application
        for application in _mappings(document.get("applications"))
    ]
    shown = {**document, "applications": applications} if isinstance(document.get("applications"), list) else document
    return check_against(ServeDeploySchema, shown, place)


def _without_imports(deployment: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in deployment.items() if key not in _IMPORTS_ON_VALIDATION}


def _application(
    application: Mapping[str, Any], place: str, document: Mapping[str, Any], capacity: Capacity | None
) -> Iterator[Complaint]:
    facts = examine_graph(application, place)
    yield from facts.complaints
    yield from _runtime_env(application, place)
    if "route_prefix" in application and application["route_prefix"] is None:
        yield Complaint(within(place, "route_prefix"), "must be a path, or nobody reaches the application; give /")
    named: list[str] = []
    for number, deployment in enumerate(_mappings(application.get("deployments"))):
        here = within(within(place, "deployments"), number)
        name = str(deployment.get("name"))
        if facts.deployments and name not in facts.deployments:
            yield Complaint(within(here, "name"), unknown(name, facts.deployments, "deployment"))
        if name in named:
            yield Complaint(within(here, "name"), f"{name!r} stands twice; take one out")
        named.append(name)
        yield from _deployment(deployment, here)
        yield from check_sizes(deployment, capacity, here)
        yield from check_times(deployment, document, here)
    for missing in sorted(facts.deployments.difference(named)):
        yield Complaint(within(place, "deployments"), f"{missing} is missing; give it its bounds and sizes")


def _deployment(deployment: Mapping[str, Any], place: str) -> Iterator[Complaint]:
    yield from _runtime_env(_mapping(deployment.get("ray_actor_options")), within(place, "ray_actor_options"))
    yield from _user_config(deployment, place)
    if "autoscaling_config" in deployment:
        here = within(place, "autoscaling_config")
        scaling = _mapping(deployment["autoscaling_config"])
        yield from check_against(AutoscalingConfig, {k: v for k, v in scaling.items() if k != "policy"}, here)
        yield from _policy(scaling, here)
    if "request_router_config" in deployment:
        here = within(place, "request_router_config")
        try:
            yield from check_against(RequestRouterConfig, deployment["request_router_config"], here)
        except (ImportError, AttributeError, ValueError) as problem:
            yield Complaint(here, f"{problem}; name a class as module:class")


def _policy(scaling: Mapping[str, Any], place: str) -> Iterator[Complaint]:
    policy, here = scaling.get("policy"), within(place, "policy")
    if policy is None:
        return
    if not isinstance(policy, Mapping):
        yield Complaint(here, "must be a mapping of policy_function and policy_kwargs")
        return
    known = ("policy_function", "policy_kwargs")
    given = cast(Mapping[str, Any], policy)
    yield from (Complaint(within(here, key), unknown(key, known)) for key in given if key not in known)
    at = within(here, "policy_function")
    try:
        function = load(str(given.get("policy_function")))
    except (ImportError, AttributeError, ValueError) as problem:
        yield Complaint(at, f"{problem}; name it as module:function, as the nodes can import it")
        return
    if inspect.isclass(function):
        yield from _policy_arguments(function, _mapping(given.get("policy_kwargs")), within(here, "policy_kwargs"))


def _policy_arguments(policy: type[Any], given: Mapping[str, Any], place: str) -> Iterator[Complaint]:
    known = [name for name in inspect.signature(policy).parameters]
    wrong = [key for key in given if key not in known]
    yield from (Complaint(within(place, key), unknown(key, known)) for key in wrong)
    if wrong:
        return
    try:
        policy(**given)
    except (TypeError, ValueError) as problem:
        yield Complaint(place, f"{policy.__name__} refuses these: {problem}")


def _user_config(deployment: Mapping[str, Any], place: str) -> Iterator[Complaint]:
    given, here = deployment.get("user_config"), within(place, "user_config")
    model = USER_CONFIGS.get(str(deployment.get("name")))
    if given is None and model is not None:
        yield Complaint(here, "is missing; name the models, or the replicas have none to start with")
    elif given is not None and model is None:
        yield Complaint(here, f"{deployment.get('name')} takes none; take it out")
    elif model is not None:
        found = check_against(model, given, here)
        yield from found
        if not found:
            yield from check_models(ModelsConfig.model_validate(given), settings_or_defaults(), here)


def _runtime_env(holder: Mapping[str, Any], place: str) -> Iterator[Complaint]:
    here, known = within(place, "runtime_env"), RuntimeEnv.known_fields
    for key in _mapping(holder.get("runtime_env")):
        if key not in known or key.startswith("_"):
            yield Complaint(within(here, key), unknown(key, [name for name in known if not name.startswith("_")]))


def _environment_names(path: Path, document: Mapping[str, Any], place: str) -> Iterator[Finding]:
    for number, application in enumerate(_mappings(document.get("applications"))):
        here = within(within(place, "applications"), number)
        holders = {here: application}
        for index, deployment in enumerate(_mappings(application.get("deployments"))):
            inner = within(within(within(here, "deployments"), index), "ray_actor_options")
            holders[inner] = _mapping(deployment.get("ray_actor_options"))
        for at, holder in holders.items():
            variables = _mapping(_mapping(holder.get("runtime_env")).get("env_vars"))
            yield from check_names(path, f"{at}.runtime_env.env_vars", variables)


def _capacity_beside(path: Path) -> Capacity | None:
    cluster = path.parent / "cluster.yaml"
    try:
        return Capacity.of_cluster(read_mapping(cluster)) if cluster.exists() else None
    except Unreadable:
        # The cluster file's own check says so.
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def _mappings(value: object) -> Sequence[Mapping[str, Any]]:
    """The entries of a list, those that are no mapping as empty ones, so that the numbers stay."""
    return [_mapping(each) for each in cast(list[object], value)] if isinstance(value, list) else []


KINDS = (ConfigurationKind("configuration of Ray Serve", ("serve_config*.yaml",), read_mapping, check, required=True),)
