"""`cluster.yaml` is sound, and what is wrong in one like it is found where it is."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aam.configuration.cluster_config import check
from aam.configuration.documents import read_mapping
from core.settings import ROOT
from tests.aam.configuration.spoiled import Place, changed, keys, misspelled, without

FILE = ROOT / "cluster.yaml"
GOOD = read_mapping(FILE)
TYPES: Place = ("available_node_types",)
HEAD, SPOT, WORKER = (*TYPES, "head"), (*TYPES, "spot"), (*TYPES, "on_demand_a")
START = ("head_start_ray_commands", 1)
ODD: list[object] = [None, True, -1, 1.5, "x", [], {}, [None], {"x": 1}, {1: 2}]
NAMES = [place for place in keys(GOOD) if place[:-1] == TYPES]
"""The types' own names, which are free."""


def findings(document: Any) -> list[str]:
    return [str(each) for each in check(FILE, document)]


def test_what_is_in_the_tree_is_sound() -> None:
    assert findings(GOOD) == []


@pytest.mark.parametrize(
    "place", [place for place in keys(GOOD) if place not in NAMES], ids=lambda place: ".".join(map(str, place))
)
def test_every_key_that_is_misspelled_is_found_and_named(place: Place) -> None:
    found = findings(misspelled(GOOD, place))
    assert any(f"{place[-1]}x" in each for each in found), found


@settings(deadline=None, max_examples=60)
@given(place=st.sampled_from(list(keys(GOOD))), odd=st.sampled_from(ODD))
def test_no_value_breaks_the_check(place: Place, odd: object) -> None:
    for each in check(FILE, changed(GOOD, place, odd)):
        assert each.message


def start(old: str, new: str) -> str:
    command = GOOD[str(START[0])][START[1]]
    assert old in command
    return command.replace(old, new)


@pytest.mark.parametrize(
    ("place", "value", "at", "message"),
    [
        (("head_node_type",), "haed", "head_node_type", "did you mean 'head'"),
        (("max_workers",), 1, "max_workers", "below the sum of all min_workers (2)"),
        ((*WORKER, "min_workers"), 5, "on_demand_a.min_workers", "5 is above max_workers (4)"),
        ((*WORKER, "min_workers"), "two", "on_demand_a.min_workers", ""),
        ((*WORKER, "resources"), {"CPU": 4}, "resources.memory", "is missing"),
        ((*WORKER, "resources", "GUP"), 1, "resources.GUP", "did you mean 'GPU'"),
        ((*HEAD, "resources", "CPU"), 2, "head.resources.CPU", "must be 0"),
        ((*SPOT, "min_workers"), 1, "spot.min_workers", "must be 0 for spot"),
        ((*SPOT, "priority"), -1, "spot", "without a fall-back"),
        ((*HEAD, "node_config", "InstanceType"), "m7i.lage", "InstanceType", "did you mean 'm7i.large'"),
        ((*HEAD, "node_config", "ImageId"), "latest", "ImageId", "is not pinned"),
        ((*HEAD, "node_config", "SubnetIds"), "subnet-1", "SubnetIds", "must be a list"),
        ((*HEAD, "node_config", "SecurityGroupIds"), "sg-1", "node_config", "SecurityGroupIds"),
        ((*HEAD, "node_config", "MetadataOptions", "HttpTokens"), "optional", "HttpTokens", "must be required"),
        (
            (*HEAD, "node_config", "NetworkInterfaces"),
            [{"DeviceIndex": 0, "AssociatePublicIpAddress": True}],
            "AssociatePublicIpAddress",
            "must be false",
        ),
        (
            (*WORKER, "node_config", "BlockDeviceMappings", 0, "Ebs", "Encrypted"),
            False,
            "Ebs.Encrypted",
            "must be true",
        ),
        (
            (*HEAD, "node_config", "InstanceMarketOptions"),
            {"MarketType": "spot"},
            "InstanceMarketOptions",
            "the cluster is lost",
        ),
        (("provider", "region"), "us-esat-1", "provider.region", "unknown region"),
        (("provider", "use_internal_ips"), False, "use_internal_ips", "public addresses"),
        (("docker", "image"), "aam:latest", "docker.image", "is not pinned"),
        (("setup_commands",), [], "setup_commands", "asserts Ray none"),
        (("worker_start_ray_commands",), ["ray stop"], "worker_start_ray_commands", "has no `ray start`"),
        (START, start("RAY_AUTH_MODE=token", "RAY_AUTH_MOED=token"), "[1]", "sets no RAY_AUTH_MODE"),
        (START, start("RAY_USE_TLS=1", "RAY_USE_TLS=0"), "[1]", "RAY_USE_TLS is 0; it must be 1"),
        (START, start("RAY_SERVE_ENABLE_HA_PROXY=1", ""), "[1]", "sets no RAY_SERVE_ENABLE_HA_PROXY"),
        (START, start("127.0.0.1", "0.0.0.0"), "[1]", "shows the job interface to others"),
        (START, start("--dashboard-host=127.0.0.1", ""), "[1]", "says no --dashboard-host"),
        (START, start("RAY_enable_autoscaler_v2=1", ""), "[1]", "the older autoscaler knows no priority"),
    ],
)
def test_what_is_wrong_is_found_at_its_place(place: Place, value: object, at: str, message: str) -> None:
    found = findings(changed(GOOD, place, value))
    assert any(at in each and message in each for each in found), found


@pytest.mark.parametrize("name", ["InstanceType", "ImageId", "IamInstanceProfile", "SubnetIds", "SecurityGroupIds"])
def test_what_ray_would_choose_for_a_node_is_asked_for(name: str) -> None:
    found = findings(without(GOOD, (*HEAD, "node_config", name)))
    assert any(f"node_config.{name}: is missing" in each for each in found), found


def test_another_version_of_ray_than_the_one_pinned_is_found(tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("ray==2.61.0\n")
    found = [str(each) for each in check(tmp_path / "cluster.yaml", GOOD)]
    assert any("asserts Ray 2.60.0, and constraints.txt pins 2.61.0" in each for each in found), found
