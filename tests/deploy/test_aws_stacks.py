"""What the stacks of `deploy/aws` make is what the code's own commands make, and what production wants besides.

The contract suites of the stores and queues run on tables and queues that these stacks made (tests/dynamo_server.py,
tests/sqs_server.py), which costs nothing more than making them by the commands; here both are compared.
"""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from aam.configuration.cloudformation_templates import read_template
from adapters.dynamo_tables import TABLES, create_tables
from adapters.queue_sqs_setup import QUEUES, create_queues
from tests.aws_stacks import FOLDER, LEFT_OUT, LEFT_OUT_BY_NAME, client, deploy, is_left_out

TEMPLATES = ("data", "queues", "storage", "identity", "traffic", "watch")
NOT_DEPLOYED = {"backup": "of its resources moto's CloudFormation makes only the role"}
UNIQUE = {"CreationDateTime", "CreatedTimestamp", "LastModifiedTimestamp", "QueueArn", "TableArn", "TableName"}
BESIDES = {"DeletionProtectionEnabled", "SSEDescription"}
"""What the stack adds for production."""
NONE: Mapping[str, str] = MappingProxyType({})


@pytest.fixture(scope="module")
def network() -> dict[str, str]:
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{index}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for index, zone in enumerate(("us-east-1a", "us-east-1b"))
    ]
    group = ec2.create_security_group(GroupName="nodes", Description="nodes", VpcId=vpc)["GroupId"]
    return {"VpcId": vpc, "PublicSubnetIds": ",".join(subnets), "NodeSecurityGroupId": group}


@pytest.fixture(scope="module")
def parameters(network: dict[str, str]) -> dict[str, str]:
    """Those of staging, but for the network, which has to be there."""
    return json.loads((FOLDER / "parameters" / "staging.json").read_text())["Parameters"] | network


@pytest.fixture(scope="module")
def outputs(parameters: dict[str, str]) -> dict[str, dict[str, str]]:
    """All stacks deployed in order, each output by stack and name."""
    return {
        name: deploy(name, f"aam-staging-{name}", **_taken(read_template(FOLDER / f"{name}.yaml"), parameters))
        for name in TEMPLATES
    }


def test_every_template_is_deployed_or_said_not_to_be() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {*TEMPLATES, *NOT_DEPLOYED}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_stack_is_made_whole(name: str, outputs: Mapping[str, Mapping[str, str]]) -> None:
    resources = read_template(FOLDER / f"{name}.yaml")["Resources"]
    made = client("cloudformation").describe_stack_resources(StackName=f"aam-staging-{name}")["StackResources"]
    wanted = {
        logical
        for logical, resource in resources.items()
        if not is_left_out(logical, resource) and resource.get("Condition") != "WithSms"
    }
    # moto lists a resource whose condition does not hold without its name.
    assert {each["LogicalResourceId"] for each in made if "LogicalResourceId" in each} == wanted


def test_what_is_left_out_is_in_a_template() -> None:
    found = {
        (logical, resource["Type"])
        for path in FOLDER.glob("*.yaml")
        for logical, resource in read_template(path)["Resources"].items()
    }
    assert {kind for _, kind in found} >= set(LEFT_OUT)
    assert {logical for logical, _ in found} >= set(LEFT_OUT_BY_NAME)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name.format("requests"))
def test_a_table_is_what_the_command_makes(table: Any, outputs: Mapping[str, Mapping[str, str]]) -> None:
    dynamo = client("dynamodb")
    create_tables(dynamo, "compared", recoverable=False)
    by_command = _described(dynamo, table.name.format("compared"))
    by_stack = _described(dynamo, table.name.format("aam_staging_requests"))
    assert by_stack == by_command


def test_tables_expire_recover_and_are_protected_and_encrypted() -> None:
    resources = read_template(FOLDER / "data.yaml")["Resources"].values()
    expiring = {table.expires for table in TABLES if table.expires}
    assert len(resources) == len(TABLES)
    found = [resource["Properties"].get("TimeToLiveSpecification", {}).get("AttributeName") for resource in resources]
    assert [name for name in found if name] == sorted(expiring)
    for resource in resources:
        assert resource["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert resource["Properties"]["SSESpecification"] == {"SSEEnabled": True}
        assert resource["Properties"]["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("queue", [*QUEUES, *(f"{name}-dead" for name in QUEUES)])
def test_a_queue_is_what_the_command_makes(queue: str, outputs: Mapping[str, Mapping[str, str]]) -> None:
    sqs = client("sqs")
    create_queues(sqs, "compared")
    by_command, by_stack = _attributes(sqs, f"compared-{queue}"), _attributes(sqs, f"aam-staging-{queue}")
    assert by_stack == by_command
    assert ("RedrivePolicy" in by_stack) is not queue.endswith("-dead")


@pytest.mark.parametrize("share", [0, 10, 50, 100])
def test_callers_are_shared_between_the_systems(
    share: int, outputs: Mapping[str, Mapping[str, str]], parameters: Mapping[str, str]
) -> None:
    template = read_template(FOLDER / "traffic.yaml")
    names = {"NewTargets": outputs["traffic"]["NewTargetsArn"], "OldTargets": outputs["traffic"]["OldTargetsArn"]}
    listener = _resolve(
        template["Resources"]["Listener"]["Properties"],
        names | {"LoadBalancer": _balancer()} | parameters | {"NewShare": str(share)},
        template["Mappings"],
    )
    forward = listener["DefaultActions"][0]["ForwardConfig"]
    weights = {group["TargetGroupArn"]: int(group["Weight"]) for group in forward["TargetGroups"]}
    assert weights == {names["OldTargets"]: 100 - share, names["NewTargets"]: share}
    assert forward["TargetGroupStickinessConfig"]["Enabled"] is True
    assert (listener["Port"], listener["Protocol"]) == (443, "HTTPS")


def test_every_share_has_its_rest() -> None:
    template = read_template(FOLDER / "traffic.yaml")
    rests = {new: int(old["Weight"]) for new, old in template["Mappings"]["OldShare"].items()}
    assert list(rests) == template["Parameters"]["NewShare"]["AllowedValues"]
    assert all(int(new) + old == 100 for new, old in rests.items())


def test_the_new_targets_are_asked_for_their_health(outputs: Mapping[str, Mapping[str, str]]) -> None:
    arn = outputs["traffic"]["NewTargetsArn"]
    (group,) = client("elbv2").describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
    assert (group["HealthCheckPath"], group["Matcher"]["HttpCode"]) == ("/api/v1/health", "200")
    assert arn.endswith(outputs["traffic"]["NewTargetsFullName"])


def test_alarms_are_taken_and_watch_what_is_there(
    outputs: Mapping[str, Mapping[str, str]], parameters: Mapping[str, str]
) -> None:
    resources = read_template(FOLDER / "watch.yaml")["Resources"]
    topic = outputs["watch"]["AlarmTopicArn"]
    alarms = [
        _resolve(each["Properties"], {**parameters, "AlarmTopic": topic}, {}, _exports(outputs))
        for each in resources.values()
        if each["Type"] == "AWS::CloudWatch::Alarm"
    ]
    cloudwatch = client("cloudwatch")
    for alarm in alarms:
        numbers = {key: float(alarm[key]) for key in ("Threshold",) if key in alarm}
        cloudwatch.put_metric_alarm(**alarm | numbers)
    text = json.dumps(alarms)
    for name in (*outputs["queues"].values(), *outputs["data"].values()):
        assert name in text or name.startswith("arn:")
    assert outputs["traffic"]["LoadBalancerFullName"] in text
    assert not re.search(r"Fn::|\$\{", text)


def test_the_dashboard_is_json_without_a_gap(outputs: Mapping[str, Mapping[str, str]]) -> None:
    body = client("cloudwatch").get_dashboard(DashboardName="aam-staging")["DashboardBody"]
    titles = {widget["properties"]["title"] for widget in json.loads(body)["widgets"]}
    assert {"Calls", "Seconds to answer", "Set aside", "Put off by DynamoDB"} <= titles
    assert "${" not in body
    assert outputs["traffic"]["NewTargetsFullName"] in body


@pytest.mark.parametrize("bucket", ["Attachments", "Models", "Logs"])
def test_a_bucket_is_private_and_refuses_calls_without_tls(
    bucket: str, outputs: Mapping[str, Mapping[str, str]], parameters: Mapping[str, str]
) -> None:
    resources = read_template(FOLDER / "storage.yaml")["Resources"]
    properties = resources[f"{bucket}Bucket"]["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    name = outputs["storage"][f"{bucket}BucketName"]
    names = {f"{bucket}Bucket": name, f"{bucket}Bucket.Arn": f"arn:aws:s3:::{name}", "AWS::AccountId": "123456789012"}
    policy = _resolve(resources[f"{bucket}Policy"]["Properties"], {**parameters, **names}, {})
    s3 = client("s3")
    s3.put_bucket_policy(Bucket=policy["Bucket"], Policy=json.dumps(policy["PolicyDocument"]))
    (statement, *_) = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert statement["Resource"] == [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]


def test_images_are_scanned_and_their_tags_stay(outputs: Mapping[str, Mapping[str, str]]) -> None:
    (images,) = client("ecr").describe_repositories(repositoryNames=["aam-staging"])["repositories"]
    assert images["imageTagMutability"] == "IMMUTABLE"
    # moto's CloudFormation passes over the scanning.
    properties = read_template(FOLDER / "storage.yaml")["Resources"]["Images"]["Properties"]
    assert properties["ImageScanningConfiguration"] == {"ScanOnPush": True}


def test_logs_end(outputs: Mapping[str, Mapping[str, str]]) -> None:
    groups = client("logs").describe_log_groups(logGroupNamePrefix="/aam/staging/")["logGroups"]
    assert {group["logGroupName"].rpartition("/")[2] for group in groups} >= {"request-management", "execution", "ray"}
    assert {group["retentionInDays"] for group in groups} == {14}


def _taken(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if name in template["Parameters"]}


def _described(dynamo: Any, name: str) -> dict[str, Any]:
    table = dynamo.describe_table(TableName=name)["Table"]
    kept = {key: value for key, value in table.items() if key not in UNIQUE | BESIDES}
    return kept | {"AttributeDefinitions": sorted(table["AttributeDefinitions"], key=json.dumps)}


def _attributes(sqs: Any, name: str) -> dict[str, str]:
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    kept = {key: value for key, value in found.items() if key not in UNIQUE}
    if "RedrivePolicy" in kept:
        policy = json.loads(kept["RedrivePolicy"])
        kept["RedrivePolicy"] = policy | {"deadLetterTargetArn": policy["deadLetterTargetArn"].rpartition("-")[2]}
    return kept


def _balancer() -> str:
    (found,) = client("elbv2").describe_load_balancers(Names=["aam-staging"])["LoadBalancers"]
    return found["LoadBalancerArn"]


def _exports(outputs: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {f"aam-staging-{stack}-{name}": value for stack, each in outputs.items() for name, value in each.items()}


def _resolve(
    node: Any, names: Mapping[str, str], mappings: Mapping[str, Any], exports: Mapping[str, str] = NONE
) -> Any:
    """What CloudFormation would make of a part of a template, as far as these templates go."""
    if isinstance(node, list):
        return [_resolve(each, names, mappings, exports) for each in node]
    if not isinstance(node, dict):
        return node
    resolved = {key: _resolve(value, names, mappings, exports) for key, value in node.items()}
    if len(resolved) != 1:
        return resolved
    ((key, value),) = resolved.items()
    if key == "Ref":
        return names[value]
    if key == "Fn::GetAtt":
        return names[".".join(value)]
    if key == "Fn::ImportValue":
        return exports[value]
    if key == "Fn::FindInMap":
        return mappings[value[0]][value[1]][value[2]]
    if key == "Fn::Sub":
        text, more = (value, {}) if isinstance(value, str) else value
        return re.sub(r"\$\{([\w:.]+)\}", lambda found: {**names, **more}[found[1]], text)
    return resolved
