"""Units of DynamoDB are counted as its rules say, of real calls of boto3 against moto."""

import os
from collections.abc import Iterator
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

from adapters.dynamo_tables import create_tables
from bench.billed_calls import BilledCalls

TABLE = "billed"


@pytest.fixture
def billed(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[BilledCalls, Any]]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", os.environ.get("AWS_DEFAULT_REGION", "us-east-1"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with mock_aws():
        found = BilledCalls(TABLE)
        found.watch()
        client = cast(Any, boto3).client("dynamodb", region_name="us-east-1")
        create_tables(client, TABLE, recoverable=False)
        found.reset()
        yield found, client


def test_a_write_counts_steps_and_each_index_that_changes(billed: tuple[BilledCalls, Any]) -> None:
    found, client = billed
    item = {"request_id": {"S": "r"}, "note": {"S": "x" * 1500}}
    client.put_item(TableName=TABLE, Item=item)
    assert found.write_units == 2
    # `building` and `made` bring it into one index, by_building.
    client.put_item(TableName=TABLE, Item={**item, "building": {"S": "b"}, "made": {"S": "1"}})
    assert found.write_units == 2 + 2 + 1
    # Nothing that an index holds changed.
    client.put_item(TableName=TABLE, Item={**item, "building": {"S": "b"}, "made": {"S": "1"}, "other": {"S": "o"}})
    assert found.write_units == 5 + 2
    # Its place in the index moved: one entry goes, one comes.
    client.put_item(TableName=TABLE, Item={**item, "building": {"S": "b"}, "made": {"S": "2"}})
    assert found.write_units == 7 + 2 + 2


def test_a_transaction_counts_twice(billed: tuple[BilledCalls, Any]) -> None:
    found, client = billed
    put = {"Put": {"TableName": f"{TABLE}_events", "Item": {"request_id": {"S": "r"}, "sequence": {"N": "1"}}}}
    client.transact_write_items(TransactItems=[put])
    assert found.write_units == 2


def test_a_read_counts_steps_of_what_it_returns(billed: tuple[BilledCalls, Any]) -> None:
    found, client = billed
    client.put_item(TableName=TABLE, Item={"request_id": {"S": "r"}, "note": {"S": "x" * 5000}})
    client.get_item(TableName=TABLE, Key={"request_id": {"S": "r"}}, ConsistentRead=True)
    assert found.read_units == 2
    assert found.stored_bytes() > 5000
    assert found.calls == {"dynamodb.PutItem": 1, "dynamodb.GetItem": 1}
