"""The stacks and their parameters are in order, and a seeded typo in each is found and named."""

import builtins
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aam.configuration import cloudformation, cloudformation_parameters
from core.settings import ROOT

AWS = ROOT / "deploy" / "aws"
TYPOS = {
    "backup": ("DeleteAfterDays:", "DeleteAfterDay:", "Did you mean 'DeleteAfterDays'"),
    "data": ("BillingMode:", "BilingMode:", "Did you mean 'BillingMode'"),
    "identity": ("dynamodb:ConditionCheckItem", "dynamodb:ConditionChekItem", "conditionchekitem"),
    "queues": ("${AWS::StackName}-ExecutionsQueueName", "${AWS::StakName}-ExecutionsQueueName", "AWS::StakName"),
    "storage": ("ImageTagMutability: IMMUTABLE", "ImageTagMutability: IMUTABLE", "IMUTABLE"),
    "traffic": ("!Ref OldTargets", "!Ref OldTarget", "OldTarget"),
    "watch": ("GreaterThanThreshold", "GreaterThenThreshold", "GreaterThenThreshold"),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the stacks, to be spoilt."""
    return Path(shutil.copytree(AWS, tmp_path / "deploy" / "aws"))


@pytest.mark.parametrize("path", sorted(AWS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_template_is_in_order(path: Path) -> None:
    assert cloudformation.check(path) == []


@pytest.mark.parametrize("path", sorted((AWS / "parameters").glob("*.json")), ids=lambda path: path.stem)
def test_parameters_fit_the_templates(path: Path) -> None:
    assert cloudformation_parameters.check(path) == []


def test_every_template_has_a_typo_to_find() -> None:
    assert set(TYPOS) == {path.stem for path in AWS.glob("*.yaml")}


@pytest.mark.parametrize("name", sorted(TYPOS))
def test_a_typo_is_found(name: str, tree: Path) -> None:
    right, wrong, told = TYPOS[name]
    path = tree / f"{name}.yaml"
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong, 1))
    found = cloudformation.check(path)
    assert found
    assert any(told in finding.message for finding in found), [str(finding) for finding in found]
    assert all(finding.path == path and finding.place for finding in found)


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("${DataStack}-KeysTableName", "${DataStack}-KeyTableName", "did you mean 'KeysTableName'"),
        ("${QueuesStack}-OutcomesQueueName", "${QueueStack}-OutcomesQueueName", "did you mean 'QueuesStack'"),
    ],
)
def test_an_import_of_what_nobody_exports_is_found(right: str, wrong: str, told: str, tree: Path) -> None:
    path = tree / "watch.yaml"
    path.write_text(path.read_text().replace(right, wrong, 1))
    assert any(told in finding.message for finding in cloudformation.check(path))


def test_a_template_that_is_no_yaml_is_said(tree: Path) -> None:
    (tree / "data.yaml").write_text("Resources: [")
    (finding,) = cloudformation.check(tree / "data.yaml")
    assert "is no valid YAML" in finding.message


def test_a_missing_linter_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("cfnlint"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    (finding,) = cloudformation.check(AWS / "data.yaml")
    assert "pip install -c constraints.txt cfn-lint" in finding.message


@pytest.mark.parametrize(
    ("change", "place", "told"),
    [
        ({"NewShares": "10"}, "Parameters.NewShares", "did you mean 'NewShare'"),
        ({"NewShare": "11"}, "Parameters.NewShare", "must be one of 0, 1, 5, 10"),
        ({"NewShare": 10}, "Parameters.NewShare", "text in quotes"),
        ({"RequestTable": "a b"}, "Parameters.RequestTable", "does not match"),
        ({"KeepDays": "many"}, "Parameters.KeepDays", "is no number"),
        ({"StickySeconds": "0"}, "Parameters.StickySeconds", "between 1 and 604800"),
        ({"Environment": "production"}, "Parameters.Environment", "'staging'"),
        ({"VpcId": None}, "Parameters.VpcId", "is missing"),
    ],
)
def test_a_wrong_parameter_is_found(change: Mapping[str, Any], place: str, told: str, tree: Path) -> None:
    path = tree / "parameters" / "staging.json"
    given = json.loads(path.read_text())["Parameters"] | change
    kept = {name: value for name, value in given.items() if value is not None}
    path.write_text(json.dumps({"Parameters": kept}))
    found = cloudformation_parameters.check(path)
    assert [finding.place for finding in found] == [place]
    assert told in found[0].message


def test_parameters_of_another_form_are_refused(tree: Path) -> None:
    path = tree / "parameters" / "staging.json"
    path.write_text("[]")
    (finding,) = cloudformation_parameters.check(path)
    assert '{"Parameters": {...}}' in finding.message
