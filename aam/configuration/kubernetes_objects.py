"""Holds plain Kubernetes objects to Kubernetes' own schemas, with no key more than these have."""

from collections.abc import Iterator, Mapping
from typing import Any

from aam.configuration.findings import within
from aam.configuration.schema_walk import Complaint

VERSION = "1.33"
"""Of Kubernetes; the oldest that the clusters may have."""
MISSING = "can't be checked without kubernetes-validate; `pip install -c constraints.txt kubernetes-validate` brings it"


def check_object(document: Mapping[str, Any], place: str = "") -> Iterator[Complaint]:
    """What Kubernetes refuses of one object; its first complaint alone."""
    try:
        import kubernetes_validate
    except ImportError:
        yield Complaint(place, MISSING)
        return
    try:
        kubernetes_validate.validate(dict(document), VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        for part in getattr(error, "path", ()):
            place = within(place, part)
        yield Complaint(place, f"{getattr(error, 'message', error)}; give what Kubernetes {VERSION} takes")
    except (kubernetes_validate.InvalidSchemaError, kubernetes_validate.SchemaNotFoundError):
        kind = f"{document.get('apiVersion')} {document.get('kind')}"
        yield Complaint(place, f"Kubernetes {VERSION} has no {kind}; correct apiVersion and kind")


def check_pod_template(template: Mapping[str, Any], place: str) -> Iterator[Complaint]:
    """A template of pods within another object."""
    holder = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "template"}, "template": dict(template)}
    for complaint in check_object(holder):
        inner = complaint.place.removeprefix("template").removeprefix(".")
        yield Complaint(within(place, inner) if inner else place, complaint.message)
