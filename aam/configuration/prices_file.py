"""Checks `deploy/prices.yaml`, from which the page on cost is worked out: every price there, none beside, all sane."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from aam.configuration.cluster_nodes import mapping
from aam.configuration.documents import read_mapping
from aam.configuration.ec2_shapes import regions
from aam.configuration.findings import Finding, Unreadable, unknown
from aam.configuration.kinds import ConfigurationKind
from aam.configuration.schema_walk import Complaint, check_against
from core.contract import Contract
from core.settings import ROOT

FILE = ROOT / "deploy" / "prices.yaml"
Dollars = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1000)]
Size = Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]


class InstancePrices(Contract):
    """One type of EC2 instance, in dollars per hour."""

    vcpus: Size
    memory_gib: Size
    on_demand: Dollars
    savings_plan: Dollars
    """A compute savings plan of one year, nothing in advance."""
    spot: Dollars

    @model_validator(mode="after")
    def _cheaper_than_on_demand(self) -> Self:
        if max(self.savings_plan, self.spot) >= self.on_demand:
            raise ValueError("savings_plan and spot cost less than on_demand; look them up again")
        return self


class ReplacedPlan(Contract):
    """What the plan of four microservices said, and what it ran."""

    least_per_month: Dollars
    most_per_month: Dollars
    vcpus: Size
    memory_gib: Size


class FargatePrices(Contract):
    """Dollars for containers without instances."""

    vcpu_hour: Dollars
    gib_hour: Dollars


class ServicePrices(Contract):
    """Dollars for what the deployment uses beside instances."""

    ebs_gp3_gib_month: Dollars
    load_balancer_hour: Dollars
    load_balancer_capacity_unit_hour: Dollars
    public_address_hour: Dollars
    nat_gateway_hour: Dollars
    nat_gateway_gib: Dollars
    dynamodb_million_write_units: Dollars
    dynamodb_million_read_units: Dollars
    dynamodb_gib_month: Dollars
    dynamodb_recovery_gib_month: Dollars
    sqs_million_requests: Dollars
    log_gib_taken_in: Dollars
    log_gib_month: Dollars
    alarm_month: Dollars
    dashboard_month: Dollars
    secret_month: Dollars
    image_gib_month: Dollars


class Assumptions(Contract):
    """What the sums assume and nobody measured."""

    used_share: Annotated[float, Field(gt=0, le=1)]
    """Of what the nodes could do."""
    peak_to_mean: Annotated[float, Field(ge=1, le=100)]
    """The busiest hour against the mean of the month."""
    nat_gateways: Count
    public_addresses: Count
    load_balancer_capacity_units: Size
    nat_gib_month: Size
    image_gib: Size
    secrets: Count
    stored_months: Size
    log_kib_per_request: Size
    log_kept_months: Size
    log_gib_month_besides: Size


class Prices(Contract):
    """The whole file."""

    source: str = Field(min_length=1)
    region: str
    month: str = Field(pattern=r"^20\d\d-(0[1-9]|1[0-2])$")
    """When somebody last looked."""
    entered_by_hand: bool
    currency: Literal["USD"]
    hours_per_month: Annotated[int, Field(ge=672, le=744)]
    instances: dict[str, InstancePrices] = Field(min_length=1)
    replaced_plan: ReplacedPlan
    fargate: FargatePrices
    services: ServicePrices
    assumed: Assumptions


def check(path: Path, document: Mapping[str, Any]) -> list[Finding]:
    """What is wrong with the prices, and which node type of the `cluster.yaml` in the folder above has none."""
    complaints = check_against(Prices, document)
    region = document.get("region")
    if isinstance(region, str) and region not in regions():
        complaints.append(Complaint("region", unknown(region, regions(), "region")))
    given = document.get("instances")
    if isinstance(given, Mapping):
        complaints += [
            Complaint(f"instances.{name}", "is missing; cluster.yaml starts such nodes")
            for name in sorted(_types_in_use(path.parent.parent / "cluster.yaml"))
            if name not in given
        ]
    return [Finding(path, each.place, each.message) for each in complaints]


def read_prices(path: Path = FILE) -> Prices:
    """The file's content. Raises `Unreadable`."""
    document = read_mapping(path)
    try:
        return Prices.model_validate(document)
    except ValidationError:
        raise Unreadable(check(path, document)[0]) from None


def _types_in_use(cluster: Path) -> set[str]:
    """Of the groups that may have a node."""
    try:
        document = read_mapping(cluster) if cluster.exists() else {}
    except Unreadable:
        # The cluster file's own check says so.
        return set()
    head = document.get("head_node_type")
    used = [
        mapping(mapping(kind).get("node_config")).get("InstanceType")
        for name, kind in mapping(document.get("available_node_types")).items()
        if name == head or mapping(kind).get("max_workers")
    ]
    return {each for each in used if isinstance(each, str)}


KINDS = (ConfigurationKind("prices", ("deploy/prices.yaml",), read_mapping, check, required=True),)
