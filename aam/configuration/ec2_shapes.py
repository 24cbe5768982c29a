"""Holds a node's configuration to EC2's own description of `RunInstances`, as botocore brings it; nothing is called."""

# botocore is typed in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

from botocore.session import Session
from botocore.validate import ParamValidator

from aam.configuration.findings import unknown, within
from aam.configuration.schema_walk import Complaint


def check_run_instances(node: Mapping[str, Any], place: str) -> Iterator[Complaint]:
    """Unknown members, unknown words of an enumeration, and what botocore says of types."""
    # Ray's own key; it makes one SubnetId of it for each launch.
    given = {key: value for key, value in node.items() if key != "SubnetIds"}
    shape = run_instances_shape()
    found = list(_walk(shape, given, place))
    yield from found
    if not found:
        report = ParamValidator().validate({**given, "MinCount": 1, "MaxCount": 1}, shape).generate_report()
        yield from (Complaint(place, line) for line in report.splitlines())


@cache
def run_instances_shape() -> Any:
    """What `RunInstances` takes."""
    return Session().get_service_model("ec2").operation_model("RunInstances").input_shape


@cache
def regions() -> frozenset[str]:
    """Where there is EC2, as botocore knows it."""
    return frozenset(cast(list[str], Session().get_available_regions("ec2")))


def _walk(shape: Any, value: object, place: str) -> Iterator[Complaint]:
    if shape.type_name == "structure" and isinstance(value, Mapping):
        for key, inner in cast(Mapping[str, object], value).items():
            here = within(place, key)
            if key in shape.members:
                yield from _walk(shape.members[key], inner, here)
            else:
                yield Complaint(here, unknown(key, shape.members))
    elif shape.type_name == "list" and isinstance(value, list):
        for number, inner in enumerate(cast(list[object], value)):
            yield from _walk(shape.member, inner, within(place, number))
    elif shape.type_name == "string" and isinstance(value, str) and _is_unlisted(value, shape):
        yield Complaint(place, unknown(value, shape.enum, "value"))


def _is_unlisted(value: str, shape: Any) -> bool:
    return bool(shape.enum) and value not in shape.enum
