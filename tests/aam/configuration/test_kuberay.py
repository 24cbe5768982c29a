"""`deploy/kuberay` is sound, and a misspelled key anywhere in it is found."""

import copy
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from aam.configuration import kuberay, kuberay_keys, kuberay_schema
from aam.configuration.kuberay import check, check_objects
from aam.configuration.kuberay_groups import quantity
from aam.configuration.kuberay_serve import PATCH, patch_text, placed
from aam.configuration.kustomize import render
from core.settings import ROOT

BASE = ROOT / "deploy" / "kuberay" / "base" / "kustomization.yaml"
OVERLAYS = [
    ROOT / "deploy" / "kuberay" / "overlays" / name / "kustomization.yaml" for name in ("staging", "production")
]
Objects = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models on this machine are another check's."""
    monkeypatch.setattr("aam.configuration.serve_config.check_models", lambda *_: iter(()))


@pytest.fixture(scope="module")
def base() -> Objects:
    return render(BASE).objects


def _service(objects: Objects) -> dict[str, Any]:
    return next(each for each in objects if each["kind"] == "RayService")


def _one(objects: Objects, kind: str, name: str | None = None) -> dict[str, Any]:
    return next(each for each in objects if each["kind"] == kind and name in (None, each["metadata"]["name"]))


def _cluster(objects: Objects) -> dict[str, Any]:
    return _service(objects)["spec"]["rayClusterConfig"]


def _group(objects: Objects, number: int = 0) -> dict[str, Any]:
    return _cluster(objects)["workerGroupSpecs"][number]


def _pod(objects: Objects, number: int = 0) -> dict[str, Any]:
    return _group(objects, number)["template"]["spec"]


def _rename(holder: dict[str, Any], old: str, new: str) -> None:
    holder[new] = holder.pop(old)


@pytest.mark.parametrize("path", [BASE, *OVERLAYS], ids=["base", "staging", "production"])
def test_what_is_in_the_tree_is_sound(path: Path) -> None:
    assert [str(each) for each in check(path)] == []


SEEDED: dict[str, tuple[Callable[[Objects], None], str]] = {
    "key of the service": (
        lambda o: _rename(_service(o)["spec"], "upgradeStrategy", "upgradeStrtegy"),
        "upgradeStrtegy",
    ),
    "key of the cluster": (lambda o: _rename(_cluster(o), "autoscalerOptions", "autoscalerOption"), "autoscalerOption"),
    "key of a group": (lambda o: _rename(_group(o), "maxReplicas", "maxReplica"), "maxReplica"),
    "key of a pod": (lambda o: _rename(_pod(o), "serviceAccountName", "serviceAccount_"), "serviceAccount_"),
    "key of a container": (lambda o: _rename(_pod(o)["containers"][0], "envFrom", "envFrm"), "envFrm"),
    "key of the pods' labels": (lambda o: _rename(_group(o)["template"]["metadata"], "labels", "label"), "label"),
    "value of a choice": (lambda o: _cluster(o)["authOptions"].update(mode="tokens"), "authOptions.mode"),
    "type of a number": (lambda o: _group(o).update(minReplicas="two"), "minReplicas"),
    "apiVersion": (lambda o: _service(o).update(apiVersion="ray.io/v1beta1"), "ray.io/v1 RayService"),
    "key of a policy": (
        lambda o: _rename(_one(o, "NetworkPolicy")["spec"], "policyTypes", "policyTyps"),
        "policyTyps",
    ),
    "key of a budget": (
        lambda o: _rename(_one(o, "PodDisruptionBudget")["spec"], "minAvailable", "minAvailble"),
        "minAvailble",
    ),
    "key of the ingress": (lambda o: _rename(_one(o, "Ingress")["spec"], "tls", "tsl"), "tsl"),
    "version of the ingress": (lambda o: _one(o, "Ingress").update(apiVersion="networking.k8s.io/v1beta1"), "Ingress"),
    "name of a variable": (
        lambda o: _rename(_one(o, "ConfigMap", "aam-environment")["data"], "AAM_STORE", "AAM_STROE"),
        "did you mean 'AAM_STORE'",
    ),
    "Ray's variable is missing": (
        lambda o: _one(o, "ConfigMap", "ray-environment")["data"].pop("RAY_SERVE_ENABLE_HA_PROXY"),
        "RAY_SERVE_ENABLE_HA_PROXY",
    ),
    "name of a ConfigMap": (
        lambda o: _pod(o)["containers"][0]["envFrom"][0]["configMapRef"].update(name="ray-enviroment"),
        "ray-enviroment",
    ),
    "root": (lambda o: _pod(o)["securityContext"].update(runAsNonRoot=False), "runAsNonRoot"),
    "capabilities": (lambda o: _pod(o)["containers"][0]["securityContext"].pop("capabilities"), "capabilities"),
    "a root to write to": (
        lambda o: _cluster(o)["autoscalerOptions"]["securityContext"].update(readOnlyRootFilesystem=False),
        "readOnlyRootFilesystem",
    ),
    "the node's network": (lambda o: _pod(o).update(hostNetwork=True), "hostNetwork"),
    "a token nobody needs": (
        lambda o: _pod(o).update(automountServiceAccountToken=True),
        "automountServiceAccountToken",
    ),
    "no place to write": (
        lambda o: _pod(o)["containers"][0].update(volumeMounts=[{"name": "state", "mountPath": "/var/lib/aam"}]),
        "/tmp is missing",
    ),
    "memory without limit": (
        lambda o: _pod(o)["containers"][0]["resources"].pop("limits"),
        "memory is 3584Mi as request",
    ),
    "replicas on the head": (
        lambda o: _cluster(o)["headGroupSpec"]["rayStartParams"].update({"num-cpus": "2"}),
        "num-cpus",
    ),
    "autoscaler": (lambda o: _cluster(o)["autoscalerOptions"].update(version="v1"), "autoscalerOptions.version"),
    "Ray's version": (lambda o: _cluster(o).update(rayVersion="2.9.0"), "rayVersion"),
    "too few pods": (lambda o: _group(o, 1).update(maxReplicas=3), "max_replicas is 8"),
    "no group of a service": (
        lambda o: _group(o, 3)["rayStartParams"].update(resources='"{\\"executoin\\": 4}"'),
        "no group has the resource of Execution",
    ),
    "too little memory for Ray": (lambda o: _group(o)["rayStartParams"].update(memory="3758096384"), "leave 1 GiB"),
    "too little memory for replicas": (lambda o: _group(o)["rayStartParams"].update(memory="1073741824"), "raise them"),
    "another serve config": (
        lambda o: _service(o)["spec"].update(
            serveConfigV2=_service(o)["spec"]["serveConfigV2"].replace("max_replicas: 4", "max_replicas: 3")
        ),
        "run `python -m aam config kuberay`",
    ),
}


@pytest.mark.parametrize("name", SEEDED)
def test_what_is_wrong_is_found(name: str, base: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    # serve_config.yaml's own check takes most of the time, and is another test's.
    monkeypatch.setattr(kuberay, "check_document", lambda *_: [])
    spoil, expected = SEEDED[name]
    objects = copy.deepcopy(base)
    spoil(objects)
    # Kubernetes' schemas are read anew for each object: those that are as they were are left out.
    kept = [each for each in objects if each not in base or each["kind"] in ("ConfigMap", "RayService")]
    findings = [str(each) for each in check_objects(BASE, kept)]
    assert any(expected in each for each in findings), findings


@pytest.mark.parametrize("name", [name for name in SEEDED if name.startswith(("key of", "apiVersion"))])
def test_typos_are_found_without_the_operators_schema_too(
    name: str, base: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kuberay, "schema_file", lambda: None)
    test_what_is_wrong_is_found(name, base, monkeypatch)


def test_sizes_that_serve_refuses_are_found_in_the_service(base: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = copy.deepcopy(base)
    held = yaml.safe_load(_service(objects)["spec"]["serveConfigV2"])
    held["applications"][0]["deployments"][0]["max_queued_requests"] = -1
    held["applications"][0]["deployments"][0]["max_ongoing_reqests"] = 4
    _service(objects)["spec"]["serveConfigV2"] = yaml.safe_dump(held)
    monkeypatch.setattr(kuberay, "placed", lambda _: held)
    findings = [str(each) for each in check_objects(BASE, objects)]
    assert any("serveConfigV2.applications[0].deployments[0].max_queued_requests" in each for each in findings)
    assert any("did you mean 'max_ongoing_requests'" in each for each in findings)


def test_the_known_keys_are_the_operators() -> None:
    file = kuberay_schema.schema_file()
    if file is None:
        pytest.skip("the operator's definition is not beside this tree")
    spec = kuberay_schema.strict_schema(file)["properties"]["spec"]["properties"]
    cluster = spec["rayClusterConfig"]["properties"]
    assert sorted(spec) == sorted(kuberay_keys.SERVICE)
    assert sorted(cluster) == sorted(kuberay_keys.CLUSTER)
    assert sorted(cluster["headGroupSpec"]["properties"]) == sorted(kuberay_keys.HEAD)
    assert sorted(cluster["workerGroupSpecs"]["items"]["properties"]) == sorted(kuberay_keys.GROUP)


@pytest.mark.parametrize("path", [BASE, *OVERLAYS], ids=["base", "staging", "production"])
def test_kubectl_renders_the_same(path: Path) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run([kubectl, "kustomize", str(path.parent)], capture_output=True, text=True, check=True)
    theirs = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(done.stdout)}
    ours = {(each["kind"], each["metadata"]["name"]): each for each in render(path).objects}
    assert ours == theirs


def test_the_serve_config_is_the_written_one() -> None:
    original = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    assert (ROOT / PATCH).read_text() == patch_text(original)


def test_placing_changes_nothing_but_the_resources() -> None:
    original = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    copied = placed(original)
    for deployment in copied["applications"][0]["deployments"]:
        assert deployment["ray_actor_options"].pop("resources")
    assert copied == original


BAD_PATCHES = {
    "object": ({"target": {"kind": "Ingress", "name": "amm"}}, None, "did you mean 'Ingress aam'"),
    "key of the patch": ({"paht": "x.yaml"}, None, "paht"),
    "key of the target": ({"target": {"knd": "Ingress"}}, None, "knd"),
    "file": ({"path": "no_such.yaml"}, None, "can't be read"),
    "path": ({}, "- {op: replace, path: /spec/tls/0/host, value: x}", "the patch names nothing"),
    "operation": ({}, "- {op: repalce, path: /spec/tls, value: x}", "op must be one of"),
    "key of the operation": ({}, "- {op: replace, path: /spec/tls, valeu: x}", "did you mean 'value'"),
}


@pytest.mark.parametrize("name", BAD_PATCHES)
def test_a_patch_that_names_nothing_is_found(name: str, tmp_path: Path) -> None:
    change, operations, expected = BAD_PATCHES[name]
    shutil.copytree(BASE.parent, tmp_path / "base")
    (tmp_path / "patch.yaml").write_text(operations or "- {op: replace, path: /spec/ingressClassName, value: alb}")
    patch = {"path": "patch.yaml", "target": {"kind": "Ingress", "name": "aam"}} | change
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["base"], "patches": [patch]}))
    findings = [str(each) for each in render(tmp_path / "kustomization.yaml").findings]
    assert any(expected in each for each in findings), findings


def test_unknown_keys_and_files_of_a_kustomization_are_found(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resorces: []\nresources: [gone.yaml]\n")
    found = [str(each) for each in render(tmp_path / "kustomization.yaml").findings]
    assert any("did you mean 'resources'" in each for each in found)
    assert any("gone.yaml" in each for each in found)


@pytest.mark.parametrize(("text", "number"), [("1250m", 1.25), ("2Gi", 2**31), ("3", 3.0), ("x", 0.0), (None, 0.0)])
def test_quantities(text: str | None, number: float) -> None:
    assert quantity(text) == pytest.approx(number)


@pytest.mark.parametrize("path", OVERLAYS, ids=["staging", "production"])
def test_names_are_those_of_the_stacks(path: Path) -> None:
    parameters = yaml.safe_load((ROOT / f"deploy/aws/parameters/{path.parent.name}.json").read_text())["Parameters"]
    data = _one(render(path).objects, "ConfigMap", "aam-environment")["data"]
    assert data["AAM_DYNAMODB_TABLE"] == parameters["RequestTable"]
    assert data["AAM_SQS_QUEUE_PREFIX"] == parameters["QueuePrefix"]
    assert _service(render(path).objects)["metadata"]["namespace"] == parameters["KubernetesNamespace"]


@pytest.mark.parametrize("path", OVERLAYS, ids=["staging", "production"])
def test_accounts_have_the_roles_that_trust_them(path: Path) -> None:
    identity = (ROOT / "deploy/aws/identity.yaml").read_text()
    accounts = [each for each in render(path).objects if each["kind"] == "ServiceAccount"]
    roles = {each["metadata"]["name"]: each["metadata"].get("annotations", {}) for each in accounts}
    assert roles.pop("head") == {}
    for name, annotations in roles.items():
        assert f"serviceaccount:${{KubernetesNamespace}}:{name}" in identity
        assert f"aam-${{Environment}}-{name}" in identity
        arn = annotations["eks.amazonaws.com/role-arn"]
        assert arn == f"arn:aws:iam::${{AWS_ACCOUNT_ID}}:role/aam-{path.parent.name}-{name}"


def test_the_example_of_secrets_holds_none() -> None:
    text = (ROOT / "deploy/kuberay/secrets.example.yaml").read_text()
    secrets = list(yaml.safe_load_all(text))
    assert {name for each in secrets for name in each["stringData"].values()} <= {""}
    service = _service(render(BASE).objects)
    named = {each["metadata"]["name"] for each in secrets}
    pods = [_group([service], number)["template"]["spec"] for number in range(5)]
    used = {
        source["secretRef"]["name"]
        for pod in pods
        for source in pod["containers"][0]["envFrom"]
        if "secretRef" in source
    }
    assert used | {"ray-auth-token", "ray-redis"} == named


def test_every_pod_is_denied_what_no_policy_allows(base: Objects) -> None:
    policies = [each for each in base if each["kind"] == "NetworkPolicy"]
    default = next(each for each in policies if each["metadata"]["name"] == "deny-by-default")
    assert default["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for each in policies:
        for rule in each["spec"].get("egress", []):
            for peer in rule["to"]:
                block = peer.get("ipBlock", {"cidr": "10.0.0.0/8"})
                assert block["cidr"] != "0.0.0.0/0" or "169.254.169.254/32" in block["except"]
