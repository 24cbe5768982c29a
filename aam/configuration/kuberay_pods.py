"""What every pod of the RayService must be: unprivileged, with bounded memory and with the variables that Ray needs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from aam.configuration.cluster_start import BEFORE_RAY
from aam.configuration.findings import within
from aam.configuration.schema_walk import Complaint

VARIABLES = {name: value for name, value in BEFORE_RAY.items() if value is not None and name != "RAY_USE_TLS"}
"""Of every node; here the token comes from a secret, and the network policy stands where TLS does elsewhere."""
_POD: Mapping[str, object] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
_CONTAINER: Mapping[str, object] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
}
_WRITTEN = ("/tmp", "/var/lib/aam")
_HOST = ("hostNetwork", "hostPID", "hostIPC")


def check_pod(
    pod: Mapping[str, Any], variables: Mapping[str, Mapping[str, Any]], place: str, *, calls_kubernetes: bool
) -> Iterator[Complaint]:
    """One template's `spec`; `variables` are the objects that `envFrom` may name, with their data."""
    yield from _holds(mapping(pod.get("securityContext")), _POD, within(place, "securityContext"))
    yield from (
        Complaint(within(place, key), "gives a pod the node's own; take it out") for key in _HOST if pod.get(key)
    )
    if not isinstance(mapping(pod.get("securityContext")).get("runAsUser"), int):
        yield Complaint(within(place, "securityContext.runAsUser"), "is missing; give the image's numeric user")
    if bool(pod.get("automountServiceAccountToken", True)) != calls_kubernetes:
        wanted = "true" if calls_kubernetes else "false"
        yield Complaint(
            within(place, "automountServiceAccountToken"), f"must be {wanted}; only the autoscaler needs it"
        )
    for number, container in enumerate(mappings(pod.get("containers"))):
        here = within(within(place, "containers"), number)
        yield from check_container(container, here)
        yield from _environment(container, variables, within(here, "envFrom"))
        written = [each.get("mountPath") for each in mappings(container.get("volumeMounts"))]
        for missing in (path for path in _WRITTEN if path not in written):
            yield Complaint(within(here, "volumeMounts"), f"{missing} is missing, where Ray and the services write")


def check_container(container: Mapping[str, Any], place: str) -> Iterator[Complaint]:
    """Privileges and memory of one container."""
    yield from _holds(mapping(container.get("securityContext")), _CONTAINER, within(place, "securityContext"))
    resources = mapping(container.get("resources"))
    requested, limit = (mapping(resources.get(name)).get("memory") for name in ("requests", "limits"))
    if requested is None or requested != limit:
        message = f"memory is {requested} as request and {limit} as limit; give both the same"
        yield Complaint(within(place, "resources"), message)


def _holds(given: Mapping[str, Any], wanted: Mapping[str, object], place: str) -> Iterator[Complaint]:
    for key, value in wanted.items():
        if given.get(key) != value:
            yield Complaint(within(place, key), f"is {given.get(key)!r}; it must be {value!r}")


def _environment(
    container: Mapping[str, Any], variables: Mapping[str, Mapping[str, Any]], place: str
) -> Iterator[Complaint]:
    given: dict[str, Any] = {}
    for number, source in enumerate(mappings(container.get("envFrom"))):
        reference = mapping(source.get("configMapRef"))
        if reference and reference.get("name") not in variables:
            yield Complaint(within(place, number), f"there is no ConfigMap {reference.get('name')!r}; name one that is")
        given |= variables.get(str(reference.get("name")), {})
    for name, value in VARIABLES.items():
        if given.get(name) != value:
            yield Complaint(place, f"{name} is {given.get(name)!r}; it must be {value!r} before Ray starts")


def mapping(value: object) -> Mapping[str, Any]:
    """The value where it is a mapping, else an empty one; the schema's own check tells of that."""
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def mappings(value: object) -> Sequence[Mapping[str, Any]]:
    """The entries of a list, those that are no mapping as empty ones, so that the numbers stay."""
    return [mapping(each) for each in cast(list[object], value)] if isinstance(value, list) else []
