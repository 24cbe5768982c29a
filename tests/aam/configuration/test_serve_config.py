"""`serve_config.yaml` is sound, and what is wrong in one like it is found where it is."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aam.configuration import serve_models
from aam.configuration.documents import read_mapping
from aam.configuration.node_capacity import Capacity
from aam.configuration.serve_config import check, check_document
from core.settings import ROOT
from tests.aam.configuration.spoiled import Place, changed, keys, misspelled, without

FILE = ROOT / "serve_config.yaml"
GOOD = read_mapping(FILE)
CAPACITY = Capacity.of_cluster(read_mapping(ROOT / "cluster.yaml"))
D: Place = ("applications", 0, "deployments")
INGRESS, AI, DECISION, EXECUTION = ((*D, number) for number in range(4))
ODD: list[object] = [None, True, -1, 1.5, "x", [], {}, [None], {"x": 1}, {1: 2}]


@pytest.fixture(scope="module", autouse=True)
def models_on_this_machine() -> Any:
    """Whether models are built here is another test's concern, below."""

    def found(*_: object) -> None:
        return

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serve_models, "open_folder", found)
        yield


def findings(document: Any) -> list[str]:
    return [str(each) for each in check_document(FILE, document, CAPACITY)]


def test_what_is_in_the_tree_is_sound() -> None:
    assert findings(GOOD) == []


@pytest.mark.parametrize("place", list(keys(GOOD)), ids=lambda place: ".".join(map(str, place)))
def test_every_key_that_is_misspelled_is_found_and_named(place: Place) -> None:
    found = findings(misspelled(GOOD, place))
    # The misspelled key itself, and not only that another is missing.
    assert any(f"{place[-1]}x" in each for each in found), found


@settings(deadline=None, max_examples=60)
@given(place=st.sampled_from(list(keys(GOOD))), odd=st.sampled_from(ODD))
def test_no_value_breaks_the_check(place: Place, odd: object) -> None:
    for each in check_document(FILE, changed(GOOD, place, odd), CAPACITY):
        assert each.message


@pytest.mark.parametrize(
    ("place", "value", "at", "message"),
    [
        ((*AI, "ray_actor_options", "num_cpus"), 5, "num_cpus", "fit on no node of cluster.yaml (4)"),
        ((*AI, "ray_actor_options", "memory"), 64 * 2**30, "memory", "fit on no node"),
        ((*AI, "ray_actor_options", "memory"), 2, "memory", "is in bytes"),
        ((*AI, "ray_actor_options", "num_cpus"), 0, "num_cpus", "give more than 0"),
        ((*AI, "ray_actor_options", "num_gpus"), 1, "num_gpus", "allow GPU workers"),
        ((*AI, "autoscaling_config", "max_replicas"), 1, "min_replicas", "2 is above max_replicas (1)"),
        ((*AI, "autoscaling_config", "max_replicas"), 40, "max_replicas", "40 replicas need 40 CPUs"),
        ((*AI, "autoscaling_config", "max_replicas"), 20, "applications", "the upper bounds need 40 CPUs"),
        ((*AI, "autoscaling_config", "min_replicas"), 8, "applications", "the lower bounds need 13.5 CPUs"),
        ((*AI, "autoscaling_config", "min_replicas"), 0, "min_replicas", "give 1 or more"),
        ((*AI, "autoscaling_config", "min_replicas"), "two", "min_replicas", "valid integer"),
        ((*AI, "autoscaling_config", "initial_replicas"), 9, "initial_replicas", "outside min_replicas"),
        ((*AI, "autoscaling_config", "target_ongoing_requests"), 20, "target_ongoing", "never reached"),
        ((*AI, "autoscaling_config", "min_replicas"), True, "min_replicas", "truth value"),
        ((*AI, "max_queued_requests"), -1, "max_queued_requests", "must be finite"),
        ((*AI, "graceful_shutdown_timeout_s"), 8, "graceful_shutdown", "not above the longest request (8 s)"),
        ((*INGRESS, "graceful_shutdown_timeout_s"), 70, "graceful_shutdown", "not above the longest request (70 s)"),
        ((*EXECUTION, "graceful_shutdown_timeout_s"), 20, "graceful_shutdown", "not above the longest request (60 s)"),
        ((*AI, "health_check_timeout_s"), 5, "health_check_timeout_s", "a busy replica would be killed"),
        ((*INGRESS, "max_ongoing_requests"), 100, "max_ongoing_requests", "is below the 600 calls and streams"),
        (("http_options", "request_timeout_s"), 60, "http_options.request_timeout_s", "cuts off an erasure"),
        (("applications", 0, "import_path"), "graph:biuld", "import_path", "did you mean 'build'"),
        (("applications", 0, "route_prefix"), None, "route_prefix", "nobody reaches"),
        (("applications", 0, "args"), {"http_prt": 1}, "args.http_prt", "unknown key"),
        ((*AI, "name"), "AIProcesing", "[1].name", "did you mean 'AIProcessing'"),
        ((*AI, "name"), "Execution", "name", "stands twice"),
        ((*AI, "max_surge_percent"), 300, "max_surge_percent", ""),
        ((*INGRESS, "user_config"), {"text": "text"}, "user_config", "takes none"),
        ((*AI, "user_config", "shadow"), {"txt": "text"}, "user_config.shadow.txt", "did you mean 'text'"),
        ((*AI, "user_config", "text"), "s3://b", "user_config.text", "neither a folder nor s3://"),
        ((*EXECUTION, "autoscaling_config", "policy", "policy_function"), "x:Y", "policy_function", "module:function"),
        ((*EXECUTION, "autoscaling_config", "policy", "policy_kwargs"), {"per_replica": 0}, "kwargs", "at least 1"),
        ((*AI, "ray_actor_options", "runtime_env"), {"pips": []}, "runtime_env.pips", "did you mean 'pip'"),
        (
            (*AI, "ray_actor_options", "runtime_env"),
            {"env_vars": {"AAM_ASSESS_TIMEOUT": "8"}},
            "env_vars.AAM_ASSESS_TIMEOUT",
            "did you mean 'AAM_ASSESS_TIMEOUT_S'",
        ),
        (
            ("applications", 0, "runtime_env"),
            {"env_vars": {"AAM_STORE": 5}},
            "env_vars.AAM_STORE",
            "quote it",
        ),
        (("logging_config", "encoding"), "XML", "encoding", ""),
        (("proxy_location",), "EveryNod", "proxy_location", ""),
    ],
)
def test_what_is_wrong_is_found_at_its_place(place: Place, value: object, at: str, message: str) -> None:
    found = findings(changed(GOOD, place, value))
    assert any(at in each and message in each for each in found), found


@pytest.mark.parametrize(
    "place",
    [
        (*AI, "user_config"),
        (*AI, "max_ongoing_requests"),
        (*AI, "max_queued_requests"),
        (*AI, "backpressure_config"),
        (*AI, "autoscaling_config"),
        (*AI, "ray_actor_options"),
        (*AI, "ray_actor_options", "memory"),
        ("http_options", "request_timeout_s"),
        AI,
    ],
    ids=lambda place: str(place[-1]),
)
def test_what_ray_would_fill_with_a_default_of_its_own_is_asked_for(place: Place) -> None:
    found = findings(without(GOOD, place))
    assert any("is missing" in each or "must be finite" in each or "needs min_replicas" in each for each in found)


def test_sizes_that_fit_only_on_different_nodes_fit_on_none() -> None:
    wide, tall = {"CPU": 8, "memory": 2**30}, {"CPU": 1, "memory": 64 * 2**30}
    types = {"wide": wide, "tall": tall}
    cluster = {
        "head_node_type": "head",
        "max_workers": 20,
        "available_node_types": {
            name: {"resources": resources, "min_workers": 10, "max_workers": 10} for name, resources in types.items()
        },
    }
    found = [str(each) for each in check_document(FILE, GOOD, Capacity.of_cluster(cluster))]
    assert any("are together on no node of cluster.yaml" in each for each in found), found


def test_a_resource_that_no_node_offers() -> None:
    found = [str(each) for each in check(FILE, changed(GOOD, (*AI, "ray_actor_options", "resources"), {"tpu": 1}))]
    assert any("deployments[1].ray_actor_options.resources.tpu: no node offers it" in each for each in found), found


def test_without_a_cluster_the_rest_is_still_checked() -> None:
    assert check_document(FILE, GOOD, None) == []
    assert check_document(FILE, misspelled(GOOD, (*AI, "name")), None)


def test_longer_calls_by_the_environment_need_a_longer_shutdown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAM_ASSESS_TIMEOUT_S", "30")
    assert any("longest request (30 s)" in each for each in findings(GOOD))


class TestModels:
    """With the real opening of folders."""

    @pytest.fixture(autouse=True)
    def real(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        from adapters.artefact_source import open_folder

        monkeypatch.setattr(serve_models, "open_folder", open_folder)
        monkeypatch.setenv("AAM_ARTEFACTS_DIR", str(tmp_path))

    def test_a_model_that_is_not_there(self) -> None:
        found = findings(GOOD)
        assert len([each for each in found if "python -m aam models list" in each]) == 2, found

    def test_a_version_that_does_not_exist(self, tmp_path: Path) -> None:
        built = ROOT / "var" / "artefacts" / "risk"
        if not (built / "manifest.json").exists():
            pytest.skip("no risk model is built here; python -m aam build makes one")
        shutil.copytree(built, tmp_path / "risk")
        version = json.loads((built / "manifest.json").read_text())["version"]
        place = (*AI, "user_config", "risk")
        assert not [each for each in findings(changed(GOOD, place, f"risk#{version}")) if "user_config.risk" in each]
        found = [each for each in findings(changed(GOOD, place, "risk#0123456789ab")) if "user_config.risk" in each]
        assert len(found) == 1
        assert "0123456789ab" in found[0]

    def test_a_canary_that_does_not_exist(self) -> None:
        found = findings(changed(GOOD, (*AI, "user_config", "canary"), {"risk": "candidate", "percent": 5}))
        assert any("user_config.canary.risk" in each for each in found), found
