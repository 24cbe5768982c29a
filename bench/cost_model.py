"""The arithmetic of what the deployment costs in a month and for a thousand requests."""

import math
from dataclasses import dataclass
from typing import Literal

from aam.configuration.prices_file import Prices
from bench.cost_measured import Measured

Payment = Literal["on_demand", "deployed", "savings_plan", "spot"]
PAYMENTS: tuple[Payment, ...] = ("on_demand", "deployed", "savings_plan", "spot")
MILLION = 1_000_000
KIB_OF_GIB = 2**20


@dataclass(frozen=True)
class Deployment:
    """What the tree's files say of the deployment."""

    head: str
    worker: str
    """Instance types."""
    least_workers: int
    most_workers: int
    disk_gib: int
    """Of each node."""
    replicas: int
    """Of each service that asks the store and the queues by itself."""
    alarms: int
    dashboards: int


@dataclass(frozen=True)
class Sums:
    """Dollars, unless a name says otherwise."""

    prices: Prices
    deployment: Deployment
    measured: Measured

    def standing(self, payment: Payment) -> dict[str, float]:
        """A month in which nothing happens, by what is paid for."""
        hours, services, assumed = self.prices.hours_per_month, self.prices.services, self.prices.assumed
        made, idle = self.deployment, self.measured.idle_per_second
        seconds = hours * 3600 * made.replicas
        # To lose the head is to lose the cluster, so it is never on spot.
        head: Payment = "savings_plan" if payment == "savings_plan" else "on_demand"
        return {
            f"head, {made.head}": self._node_month(made.head, head),
            f"{made.least_workers} workers, {made.worker}": self.workers_alone(payment),
            "disks": (1 + made.least_workers) * made.disk_gib * services.ebs_gp3_gib_month,
            "load balancer": hours
            * (
                services.load_balancer_hour
                + assumed.load_balancer_capacity_units * services.load_balancer_capacity_unit_hour
            ),
            "public addresses": hours * assumed.public_addresses * services.public_address_hour,
            "NAT gateways": hours * assumed.nat_gateways * services.nat_gateway_hour
            + assumed.nat_gib_month * services.nat_gateway_gib,
            "alarms and dashboard": made.alarms * services.alarm_month + made.dashboards * services.dashboard_month,
            "logs besides requests": assumed.log_gib_month_besides
            * (services.log_gib_taken_in + services.log_gib_month * assumed.log_kept_months),
            "secrets and image": assumed.secrets * services.secret_month + assumed.image_gib * services.image_gib_month,
            "DynamoDB, asked while idle": seconds * idle["read_units"] / MILLION * services.dynamodb_million_read_units,
            "SQS, asked while idle": seconds * idle["sqs_requests"] / MILLION * services.sqs_million_requests,
        }

    def per_thousand(self) -> dict[str, float]:
        """What a thousand requests add beside nodes."""
        services, assumed, each = self.prices.services, self.prices.assumed, self.measured.per_request
        stored_gib = 1000 * each["stored_kib"] / KIB_OF_GIB
        logged_gib = 1000 * assumed.log_kib_per_request / KIB_OF_GIB
        kept = services.dynamodb_gib_month + services.dynamodb_recovery_gib_month
        return {
            "DynamoDB, writes": 1000 * each["write_units"] / MILLION * services.dynamodb_million_write_units,
            "DynamoDB, reads": 1000 * each["read_units"] / MILLION * services.dynamodb_million_read_units,
            f"DynamoDB, kept for {assumed.stored_months:g} months": stored_gib * assumed.stored_months * kept,
            "SQS": 1000 * each["sqs_requests"] / MILLION * services.sqs_million_requests,
            "logs": logged_gib * (services.log_gib_taken_in + services.log_gib_month * assumed.log_kept_months),
        }

    def workers(self, requests_per_month: int) -> int:
        """How many are needed in the busiest hour, and at least those that always run."""
        mean_per_s = requests_per_month / (self.prices.hours_per_month * 3600)
        needed = mean_per_s * self.prices.assumed.peak_to_mean / self.worker_requests_per_s()
        return max(self.deployment.least_workers, math.ceil(needed))

    def worker_requests_per_s(self) -> float:
        """What one worker is given at most."""
        vcpus = self.prices.instances[self.deployment.worker].vcpus
        return vcpus * 1000 / self.measured.processor_ms * self.prices.assumed.used_share

    def month(self, requests: int, payment: Payment) -> float:
        """All of it; workers beside the least count for the whole month, though they run in busy hours alone."""
        more = self.workers(requests) - self.deployment.least_workers
        price = "on_demand" if payment == "on_demand" else "spot"
        beside = self._node_month(self.deployment.worker, price)
        beside += self.deployment.disk_gib * self.prices.services.ebs_gp3_gib_month
        return (
            sum(self.standing(payment).values()) + more * beside + requests / 1000 * sum(self.per_thousand().values())
        )

    def workers_alone(self, payment: Payment) -> float:
        """The least workers, without disks."""
        return self.deployment.least_workers * self._node_month(self.deployment.worker, payment)

    def fargate(self) -> float:
        """The replaced plan's containers at this price list."""
        plan, price = self.prices.replaced_plan, self.prices.fargate
        return self.prices.hours_per_month * (plan.vcpus * price.vcpu_hour + plan.memory_gib * price.gib_hour)

    def _node_month(self, kind: str, payment: Payment) -> float:
        asked = self.prices.instances[kind]
        price = {"savings_plan": asked.savings_plan, "spot": asked.spot}.get(payment, asked.on_demand)
        return self.prices.hours_per_month * price
