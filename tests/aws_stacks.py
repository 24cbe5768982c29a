"""The stacks of `deploy/aws` in moto's server, less what moto's CloudFormation can't make."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import boto3

from aam.configuration.cloudformation_templates import read_template
from tests.aws_server import CREDENTIALS, endpoint

FOLDER = Path(__file__).parent.parent / "deploy" / "aws"
LEFT_OUT = {
    "AWS::Backup::BackupPlan": "moto's AWS Backup knows vaults and plans, but CloudFormation makes none of them",
    "AWS::Backup::BackupSelection": "as AWS::Backup::BackupPlan",
    "AWS::Backup::BackupVault": "as AWS::Backup::BackupPlan",
    "AWS::CloudWatch::Alarm": "moto makes alarms by PutMetricAlarm alone; test_aws_stacks sends them there",
    "AWS::S3::BucketPolicy": "moto makes them by PutBucketPolicy alone; test_aws_stacks sends them there",
    "AWS::SNS::Subscription": "moto makes them by Subscribe alone",
    "AWS::SQS::QueuePolicy": "moto makes them by SetQueueAttributes alone",
}
"""Types of resources that moto passes over with a warning, and why."""
LEFT_OUT_BY_NAME = {"Listener": "moto makes a listener that forwards to several target groups by CreateListener alone"}


def client(service: str) -> Any:
    """A client of one of the server's services."""
    with patch.dict(os.environ, CREDENTIALS):
        return cast(Any, boto3).client(service, region_name="us-east-1", endpoint_url=endpoint())


def deploy(template: str, stack: str, **parameters: str) -> dict[str, str]:
    """Make a stack of `deploy/aws/<template>.yaml` and return its outputs."""
    cloudformation = client("cloudformation")
    cloudformation.create_stack(
        StackName=stack,
        TemplateBody=_body(template),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    (made,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    assert made["StackStatus"] == "CREATE_COMPLETE", made
    cloudformation.close()
    return {output["OutputKey"]: output["OutputValue"] for output in made.get("Outputs", ())}


def is_left_out(name: str, resource: dict[str, Any]) -> bool:
    """Whether it is not deployed here."""
    return resource["Type"] in LEFT_OUT or name in LEFT_OUT_BY_NAME


@cache
def _body(template: str) -> str:
    """The template as JSON, which moto reads many times faster than YAML."""
    whole = read_template(FOLDER / f"{template}.yaml")
    kept = {name: each for name, each in whole["Resources"].items() if not is_left_out(name, each)}
    return json.dumps(whole | {"Resources": kept}, default=str)
