"""A service's policy allows the calls that its code makes on what the stacks made, and nothing else.

Each service's use of its ports is carried out here against moto, and each call is noted as the action and the resource
that IAM would ask about; the list of AWS's service authorization reference says which. Then both are compared.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aam.configuration.cloudformation_templates import read_template
from adapters import store_dynamo_attributes, store_dynamo_items
from adapters.artefact_s3 import S3Artefacts
from adapters.artefact_source import Expected
from adapters.artefacts import Manifest, version_of
from adapters.blobs_s3 import S3BlobStore
from adapters.documents_dynamo import DynamoDocumentStore
from adapters.execution_log_dynamo import DynamoExecutionLog
from adapters.queue_sqs import SqsQueue
from adapters.store_dynamo import DynamoRequestStore
from core.erasure import ErasureScope
from core.errors import ArtefactRefused
from core.execution import ActionCall, ExecutionCommand
from core.execution_labels import ActionKind, StepStatus
from core.labels import Role, Urgency
from core.models_config import Source
from core.ports.blobs import Blob
from core.ports.documents import Document
from core.ports.store import RequestFilter, StoredAnswer
from core.request import BuildingId, ExecutionId, ExecutionStep, RequestId, ResidentId
from tests.aws_server import CREDENTIALS, endpoint
from tests.aws_stacks import FOLDER, client, deploy
from tests.builders import NOON, build_event, build_full_record, build_message
from tests.dynamo_server import SHARDS
from tests.dynamo_server import connect as connect_dynamo
from tests.sqs_server import connect as connect_sqs

TABLE, PREFIX = "identity_requests", "identity"
LATER = NOON + timedelta(hours=1)
Call = tuple[str, str]
"""An action, and the end of the ARN that it is about."""
TRANSACTED = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}


class Calls:
    """The calls of one service."""

    def __init__(self) -> None:
        self.made: set[Call] = set()

    def watch(self, botocore_client: Any) -> Any:
        botocore_client.meta.events.register("before-parameter-build", self._note)
        return botocore_client

    def _note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        service = model.service_model.service_name
        noted = {"dynamodb": _of_dynamo, "sqs": _of_sqs, "s3": _of_s3}[service](model.name, params)
        self.made.update((f"{service}:{action}", resource) for action, resource in noted)


def _of_dynamo(operation: str, params: Mapping[str, Any]) -> Iterator[Call]:
    if operation == "TransactWriteItems":
        for action in params["TransactItems"]:
            ((kind, arguments),) = action.items()
            yield TRANSACTED[kind], f"table/{arguments['TableName']}"
    elif operation == "BatchGetItem":
        yield from (("BatchGetItem", f"table/{table}") for table in params["RequestItems"])
    else:
        index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
        yield operation, f"table/{params['TableName']}{index}"


def _of_sqs(operation: str, params: Mapping[str, Any]) -> Iterator[Call]:
    name = params.get("QueueName") or params["QueueUrl"].rpartition("/")[2]
    # A batch is allowed by the action of its entries.
    yield operation.removesuffix("Batch"), name


def _of_s3(operation: str, params: Mapping[str, Any]) -> Iterator[Call]:
    if operation == "ListObjectsV2":
        yield "ListBucket", params["Bucket"]
    else:
        yield operation, f"{params['Bucket']}/{params['Key']}"


@pytest.fixture(scope="module")
def granted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[str, str]]]:
    """What each service's policy allows: action and the end of the ARN, which may hold `*`."""
    deploy("data", "identity-data", Environment="staging", RequestTable=TABLE)
    deploy("queues", "identity-queues", Environment="staging", QueuePrefix=PREFIX)
    for name in ("Attachments", "Models"):
        client("s3").create_bucket(Bucket=f"identity-{name.lower()}")
    resources = read_template(FOLDER / "identity.yaml")["Resources"]
    services = ("RequestManagement", "AIProcessing", "Execution")
    return {name: list(_grants(resources[f"{name}Policy"]["Properties"]["PolicyDocument"])) for name in services}


def _grants(policy: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        for action in statement["Action"]:
            yield from ((action, _arn(resource)) for resource in statement["Resource"])


def _arn(node: Any) -> str:
    """The end of the ARN, as the stacks of this test made it."""
    if "Fn::Join" in node:
        separator, parts = node["Fn::Join"]
        return separator.join(each if isinstance(each, str) else _arn(each) for each in parts)
    stack, _, name = node["Fn::ImportValue"]["Fn::Sub"].partition("-")
    if stack == "${StorageStack}":
        return f"identity-{name.removesuffix('BucketArn').lower()}"
    made = {"${DataStack}": "identity-data", "${QueuesStack}": "identity-queues"}[stack]
    (found,) = client("cloudformation").describe_stacks(StackName=made)["Stacks"]
    return next(output["OutputValue"] for output in found["Outputs"] if output["OutputKey"] == name).split(":", 5)[5]


def _covers(grant: tuple[str, str], call: Call) -> bool:
    pattern, resource = grant[1], call[1]
    fits = resource.startswith(pattern[:-1]) if pattern.endswith("*") else resource == pattern
    return grant[0] == call[0] and fits


def _compare(granted: list[tuple[str, str]], calls: Calls) -> None:
    refused = {call for call in calls.made if not any(_covers(grant, call) for grant in granted)}
    idle = {grant for grant in granted if not any(_covers(grant, call) for call in calls.made)}
    assert refused == set(), "calls that the policy does not allow"
    # S3 makes no call for an object that is not there; see the policy's comment.
    assert idle - {("s3:ListBucket", "identity-attachments")} == set(), "what the policy allows and nobody calls"


async def test_request_management(
    granted: Mapping[str, list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls()
    await _use_requests(calls, monkeypatch)
    await _use_documents(calls)
    await _send(calls, "executions")
    for name in ("outcomes", "webhooks"):
        await _consume(calls, name)
    await _send(calls, "webhooks")
    await _use_files(calls)
    _compare(granted["RequestManagement"], calls)


async def test_execution(granted: Mapping[str, list[tuple[str, str]]]) -> None:
    calls = Calls()
    await _use_documents(calls)
    await _use_log(calls)
    queue = _queue(calls, "executions")
    assert await queue.redrive(await _consume(calls, "executions"))
    await _consume(calls, "executions")
    await queue.dead_letters(5)
    await queue.depth(now=datetime.now(UTC))
    await queue.erase(['"'])
    await queue.close()
    await _send(calls, "outcomes")
    # RequestManagement sets letters aside; Execution looks through them to erase what they say of a resident.
    outcomes = _queue(calls, "outcomes")
    for needle in ('"', "what no message holds"):
        await _consume(Calls(), "outcomes")
        await outcomes.erase([needle])
    await outcomes.close()
    _compare(granted["Execution"], calls)


async def test_ai_processing(
    granted: Mapping[str, list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in (CREDENTIALS | {"AWS_DEFAULT_REGION": "us-east-1"}).items():
        monkeypatch.setenv(name, value)
    calls, artefacts = Calls(), S3Artefacts(tmp_path, endpoint_url=endpoint())
    calls.watch(artefacts._client())
    source = Source("s3://identity-models/text/candidate")
    files = {"weights": "0" * 64}
    manifest = Manifest(name="text", version=version_of(files), inputs_hash="0", files=files, built_with={})
    s3 = client("s3")
    s3.put_object(Bucket="identity-models", Key="text/candidate/manifest.json", Body=manifest.model_dump_json())
    with pytest.raises(ArtefactRefused, match="lacks weights"):
        await asyncio.to_thread(artefacts.fetch, source, Expected("text"))
    _compare(granted["AIProcessing"], calls)


def test_decision_simulation_may_do_nothing() -> None:
    assert (
        "ManagedPolicyArns"
        not in read_template(FOLDER / "identity.yaml")["Resources"]["DecisionSimulationRole"]["Properties"]
    )


def test_a_node_may_do_what_all_its_services_may() -> None:
    resources = read_template(FOLDER / "identity.yaml")["Resources"]
    attached = json.dumps(resources["WorkerRole"]["Properties"]["ManagedPolicyArns"])
    for name in ("RequestManagementPolicy", "AIProcessingPolicy", "ExecutionPolicy", "SmsPolicy", "NodePolicy"):
        assert f'"{name}"' in attached
    assert "AutoscalerPolicy" not in attached


@pytest.mark.parametrize("service", ["RequestManagement", "AIProcessing", "DecisionSimulation", "Execution"])
def test_a_role_is_its_service_accounts_alone(service: str) -> None:
    text = read_template(FOLDER / "identity.yaml")["Resources"][f"{service}Role"]["Properties"][
        "AssumeRolePolicyDocument"
    ]
    (statement,) = json.loads(text["Fn::Sub"])["Statement"]
    account = {"RequestManagement": "request-management", "AIProcessing": "ai-processing"}.get(service)
    account = account or {"DecisionSimulation": "decision-simulation", "Execution": "execution"}[service]
    assert statement["Condition"]["StringEquals"] == {
        "${OidcProvider}:aud": "sts.amazonaws.com",
        "${OidcProvider}:sub": "system:serviceaccount:${KubernetesNamespace}:" + account,
    }


async def _use_requests(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    # As a record that is too large for one item, and a timeline that is too long for one transaction.
    monkeypatch.setattr(store_dynamo_attributes, "INLINE_BYTES", 100)
    monkeypatch.setattr(store_dynamo_attributes, "PART_BYTES", 500)
    monkeypatch.setattr(store_dynamo_items, "EVENT_ROWS", 1)
    dynamo = connect_dynamo()
    calls.watch(dynamo.client)
    store = DynamoRequestStore(dynamo, TABLE, shards=SHARDS)
    record = build_full_record(request_id="REQ_1", version=1)
    later = record.model_copy(update={"request": record.request.model_copy(update={"version": 2})})
    request = record.request
    await store.create(record, [build_event(1)])
    monkeypatch.setattr(store_dynamo_attributes, "PART_BYTES", 100_000)
    await store.save(later, expected_version=1, events=[build_event(2)])
    await store.rewrite(
        later.model_copy(update={"request": later.request.model_copy(update={"version": 3})}),
        expected_version=2,
        events=[build_event(1), build_event(2)],
    )
    await store.get(RequestId("REQ_1"))
    await store.events(RequestId("REQ_1"))
    for where in (RequestFilter(), RequestFilter(building_id=request.building_id)):
        await store.list_requests(where, limit=5, cursor=None)
    await store.list_by_resident(request.resident_id, limit=5, cursor=None)
    await store.history(request.resident_id, request.building_id, since=NOON, before=LATER)
    await store.workload()
    await store.backlog()
    await store.spent(BuildingId("A"), since=NOON, before=LATER)
    await store.open_requests(BuildingId("A"), since=NOON, limit=5)
    _ = [each async for each in store.outcomes(None, since=NOON, before=LATER)]
    await store.oldest_due(LATER + timedelta(days=900))
    await store.claim_due(now=LATER + timedelta(days=900), lease_s=1, limit=5)
    claim = partial(store.claim_key, "KEY_1", fingerprint="f", resource_id="REQ_1", lease_s=5, ttl_s=600)
    await claim(now=NOON)
    await store.renew_key("KEY_1", leased_until=NOON + timedelta(seconds=5), until=NOON + timedelta(seconds=9))
    await store.finish_key("KEY_1", StoredAnswer(201, {}, b"{}"))
    await store.forget_answers(["REQ_1"])
    await store.close()


async def _use_documents(calls: Calls) -> None:
    dynamo = connect_dynamo()
    calls.watch(dynamo.client)
    documents = DynamoDocumentStore(dynamo, TABLE)
    await documents.delete("kind", "key")
    for version in (1, 2):
        await documents.put(Document("kind", "key", "A", "1", version, {"version": version}))
    await documents.get("kind", "key")
    await documents.list("kind", "A", limit=5)
    await documents.delete("kind", "key")
    await documents.close()


async def _use_log(calls: Calls) -> None:
    dynamo = connect_dynamo()
    calls.watch(dynamo.client)
    log = DynamoExecutionLog(dynamo, TABLE)
    call = ActionCall(
        action=ActionKind.NOTIFY,
        parameters={"recipient_kind": "staff_role", "recipient": Role.STAFF, "subject": "s", "body": "b"},
    )
    command = ExecutionCommand(
        execution_id=ExecutionId("EXE_1"),
        request_id=RequestId("REQ_1"),
        urgency=Urgency.HIGH,
        actions=(call,),
        correlation_id="c",
        requested_by="system",
    )
    step = ExecutionStep(action=ActionKind.NOTIFY, system="notifier", status=StepStatus.QUEUED)
    await log.open(command, [step], now=NOON)
    await log.claim_step(command.execution_id, 0, now=NOON, lease_s=5)
    done = step.model_copy(update={"status": StepStatus.SUCCEEDED, "attempts": 1, "external_id": "EXT_1"})
    await log.record_step(command.execution_id, 0, done, now=NOON)
    await log.find_step("notifier", "EXT_1")
    await log.dead_lettered(limit=5, cursor=None)
    await log.unfinished(ErasureScope("RES_1", ResidentId("RES_ERASED_1"), frozenset({"REQ_1"})))
    await log.close()


def _queue(calls: Calls, name: str) -> SqsQueue:
    sqs = connect_sqs()
    calls.watch(sqs.client)
    calls.watch(sqs._poller)
    return SqsQueue(sqs, f"{PREFIX}-{name}")


async def _send(calls: Calls, name: str) -> None:
    queue = _queue(calls, name)
    await queue.send([build_message("MSG_SENT")])
    await queue.close()


async def _consume(calls: Calls, name: str) -> str:
    """Take messages: one is done, one put off, one set aside, whose id is returned. Another service sent them."""
    sender = _queue(Calls(), name)
    await sender.send([build_message() for _ in range(3)])
    await sender.close()
    queue = _queue(calls, name)
    done, late, dead, *_ = await queue.receive(max_messages=10, wait_s=1, visibility_s=30)
    await queue.delete(done)
    await queue.retry_later(late, delay_s=0)
    await queue.dead_letter(dead, reason="tried")
    await queue.close()
    return dead.message.message_id


async def _use_files(calls: Calls) -> None:
    files = S3BlobStore("identity-attachments", region="us-east-1", endpoint_url=endpoint())
    calls.watch(files._client)
    await files.put("ATT_1", Blob(b"x", "image/png"))
    await files.get("ATT_1")
    await files.delete("ATT_1")
    await files.close()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
