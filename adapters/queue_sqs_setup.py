"""Making the queues in SQS."""

import json
from collections.abc import Sequence
from typing import Any

QUEUES = ("executions", "outcomes", "webhooks")
RETENTION_S = 14 * 24 * 3600
"""The longest that SQS keeps a message."""
RECEIPTS = 1000
"""After so many receipts, the most that SQS can count to, it moves a message to the dead letters by itself.

A net for what ends its consumer each time; everything else is set aside with a reason long before, or sent anew while
it is put off. Fewer would be reached while a store is down for some hours.
"""
_ALL = {
    "MessageRetentionPeriod": str(RETENTION_S),
    "MaximumMessageSize": str(256 * 1024),
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}
_TAGS = {"application": "agentic-apartment-manager"}


def create_queues(client: Any, prefix: str, names: Sequence[str] = QUEUES) -> list[str]:
    """Make what is not there, `<prefix>-<name>` and `<prefix>-<name>-dead`; returns what was made.

    What is there stays as it is, also where an operator changed it.
    """
    made: list[str] = []
    for name in names:
        queue, dead = f"{prefix}-{name}", f"{prefix}-{name}-dead"
        if not _exists(client, dead):
            client.create_queue(QueueName=dead, Attributes=_ALL, tags=_TAGS)
            made.append(dead)
        if not _exists(client, queue):
            client.create_queue(QueueName=queue, Attributes=_ALL | _redrive_policy(client, dead), tags=_TAGS)
            made.append(queue)
    return made


def _exists(client: Any, queue: str) -> bool:
    try:
        client.get_queue_url(QueueName=queue)
    except client.exceptions.QueueDoesNotExist:
        return False
    return True


def _redrive_policy(client: Any, dead: str) -> dict[str, str]:
    url = client.get_queue_url(QueueName=dead)["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": RECEIPTS})}
