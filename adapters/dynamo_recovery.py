"""Point-in-time recovery of the tables in DynamoDB: under new names, beside those that are there."""

from datetime import datetime
from typing import Any

from adapters.dynamo_tables import TABLES, Table
from core.errors import Conflict

POLL_S = 30
LONGEST_S = 6 * 3600
"""AWS restores most tables within minutes and some within hours."""


def restore_tables(client: Any, source: str, target: str, at: datetime, *, poll_s: int = POLL_S) -> list[str]:
    """Restore every table as it was at `at` under names that begin with `target`; the new names.

    They can be used when this returns, with expiry, point-in-time recovery, protection and tags, which DynamoDB does
    not bring back. What is there under a new name already is left as it is: a call that was cut off may be repeated.
    Raises `Conflict` where both names are the same.
    """
    if source == target:
        raise Conflict("DynamoDB restores under new names; give another name than the one in use.")
    for table in TABLES:
        _start(client, table, source, target, at)
    for table in TABLES:
        _finish(client, table, table.name.format(target), poll_s)
    return [table.name.format(target) for table in TABLES]


def _start(client: Any, table: Table, source: str, target: str, at: datetime) -> None:
    try:
        client.restore_table_to_point_in_time(
            SourceTableName=table.name.format(source), TargetTableName=table.name.format(target), RestoreDateTime=at
        )
    except (client.exceptions.TableAlreadyExistsException, client.exceptions.TableInUseException):
        return


def _finish(client: Any, table: Table, name: str, poll_s: int) -> None:
    attempts = {"Delay": poll_s, "MaxAttempts": LONGEST_S // poll_s}
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig=attempts)
    if table.expires:
        _expire(client, name, table.expires)
    client.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    client.update_table(TableName=name, DeletionProtectionEnabled=True)
    arn = client.describe_table(TableName=name)["Table"]["TableArn"]
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": key, "Value": value} for key, value in table.tags.items()])


def _expire(client: Any, name: str, attribute: str) -> None:
    # It refuses to turn on what is on.
    status = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"].get("TimeToLiveStatus")
    if status not in ("ENABLED", "ENABLING"):
        client.update_time_to_live(
            TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute}
        )
