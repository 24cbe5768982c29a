"""What the deployment costs: `python -m bench.cost` prints the tables of docs/cost.md; `--write` puts them there.

From prices (deploy/prices.yaml), sizes (serve_config.yaml), nodes (cluster.yaml), alarms (deploy/aws/watch.yaml) and
what was measured (bench/results). Nothing is fetched.
"""

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aam.configuration.documents import read_mapping
from aam.configuration.prices_file import read_prices
from bench.cost_measured import Measured, graph_requests_per_s, read_measured
from bench.cost_model import PAYMENTS, Deployment, Sums
from core.settings import ROOT

PAGE = ROOT / "docs" / "cost.md"
BEGIN, END = "<!-- python -m bench.cost: begin -->", "<!-- python -m bench.cost: end -->"
VOLUMES = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
NAMES = {
    "on_demand": "all on-demand",
    "deployed": "as cluster.yaml: least on-demand, more on spot",
    "savings_plan": "least by a savings plan of one year, more on spot",
    "spot": "all workers on spot (refused by the checker)",
}


def tables() -> str:
    """All of them, as Markdown."""
    measured, sums = read_measured(), open_sums()
    parts = [_measured(measured), _standing(sums), _by_requests(sums), _by_volume(sums), _against(sums)]
    return "\n\n".join("\n".join(lines) for lines in parts)


def open_sums() -> Sums:
    """Everything that the sums are made of, from the tree's files."""
    cluster, serve = read_mapping(ROOT / "cluster.yaml"), read_mapping(ROOT / "serve_config.yaml")
    watch = (ROOT / "deploy" / "aws" / "watch.yaml").read_text(encoding="utf-8")
    deployment = Deployment(
        head=_type(cluster, cluster["head_node_type"]),
        worker=_type(cluster, "on_demand_a"),
        least_workers=sum(kind.get("min_workers", 0) for kind in cluster["available_node_types"].values()),
        most_workers=cluster["max_workers"],
        disk_gib=cluster["available_node_types"]["head"]["node_config"]["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"],
        replicas=min(each["autoscaling_config"]["min_replicas"] for each in _polling(serve)),
        alarms=len(re.findall(r"Type: AWS::CloudWatch::Alarm\b", watch)),
        dashboards=len(re.findall(r"Type: AWS::CloudWatch::Dashboard\b", watch)),
    )
    return Sums(read_prices(), deployment, read_measured())


def _type(cluster: Mapping[str, Any], name: str) -> str:
    return cluster["available_node_types"][name]["node_config"]["InstanceType"]


def _polling(serve: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The deployments whose replicas ask the store and the queues also while nothing happens."""
    deployments = serve["applications"][0]["deployments"]
    return [each for each in deployments if each["name"] in ("RequestManagement", "Execution")]


def _measured(measured: Measured) -> list[str]:
    each, idle = measured.per_request, measured.idle_per_second
    processors, rate, date = graph_requests_per_s()
    return [
        f"| measured for one request ({measured.date}, {measured.machine}) | |",
        "| --- | ---: |",
        f"| processor time of all four services in one process, submit to decision | {measured.processor_ms:.1f} ms |",
        f"| the graph on Ray, {rate:.1f} requests/s on {processors} processors ({date}): at most |"
        f" {1000 * processors / rate:.1f} ms |",
        f"| DynamoDB, write units, from submit to closed | {each['write_units']:.1f} |",
        f"| DynamoDB, read units | {each['read_units']:.1f} |",
        f"| DynamoDB, kept with its timeline, executions and entries of indexes | {each['stored_kib']:.1f} KiB |",
        f"| SQS, requests | {each['sqs_requests']:.1f} |",
        f"| idle, a second, one replica of each service: DynamoDB, read units | {idle['read_units']:.2f} |",
        f"| idle, as above: SQS, requests | {idle['sqs_requests']:.2f} |",
    ]


def _standing(sums: Sums) -> list[str]:
    columns = ("on_demand", "savings_plan", "spot")
    lines = [
        "| a month without any request, dollars | on-demand | savings plan, 1 year | workers on spot |",
        "| --- | ---: | ---: | ---: |",
    ]
    by_column = {column: sums.standing(column) for column in columns}
    for name in by_column["on_demand"]:
        lines.append(f"| {name} | " + " | ".join(f"{by_column[column][name]:.2f}" for column in columns) + " |")
    totals = " | ".join(f"**{sum(by_column[column].values()):.2f}**" for column in columns)
    return [*lines, f"| **sum** | {totals} |"]


def _by_requests(sums: Sums) -> list[str]:
    lines = ["| for each thousand requests besides, dollars | |", "| --- | ---: |"]
    found = sums.per_thousand()
    lines += [f"| {name} | {value:.4f} |" for name, value in found.items()]
    return [*lines, f"| **sum** | **{sum(found.values()):.4f}** |"]


def _by_volume(sums: Sums) -> list[str]:
    head = "".join(f" {NAMES[payment]} |" for payment in PAYMENTS)
    lines = [f"| requests a month | workers |{head}", "| ---: | ---: |" + " ---: |" * len(PAYMENTS)]
    for volume in VOLUMES:
        workers = sums.workers(volume)
        cells = [sums.month(volume, payment) for payment in PAYMENTS]
        shown = " | ".join(f"{cell:,.0f} ({1000 * cell / volume:.3f})" for cell in cells)
        over = "" if workers <= sums.deployment.most_workers else ", more than cluster.yaml allows"
        lines.append(f"| {volume:,} | {workers}{over} | {shown} |")
    return [*lines, "", "Dollars a month, and in brackets dollars for a thousand requests."]


def _against(sums: Sums) -> list[str]:
    plan = sums.prices.replaced_plan
    rows = {
        "the replaced plan, as it said": f"{plan.least_per_month:.0f} to {plan.most_per_month:.0f}",
        f"its containers alone ({plan.vcpus:g} vCPUs, {plan.memory_gib:g} GiB) on Fargate": f"{sums.fargate():.0f}",
        "this deployment's workers alone, on-demand": f"{sums.workers_alone('on_demand'):.0f}",
        "this deployment's workers alone, savings plan": f"{sums.workers_alone('savings_plan'):.0f}",
        "all of this deployment, on-demand": f"{sums.month(0, 'on_demand'):.0f}",
        "all of this deployment, savings plan": f"{sums.month(0, 'savings_plan'):.0f}",
    }
    lines = ["| against the replaced plan, dollars a month | |", "| --- | ---: |"]
    return lines + [f"| {name} | {value} |" for name, value in rows.items()]


def page_with(text: str, shown: str) -> str:
    """The page's text with these tables between its two marks. Raises `ValueError` where a mark is missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page needs the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{shown}\n\n{END}{after}"


def main() -> int:
    """Print the tables, or put them into the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.cost", description="what the deployment costs")
    parser.add_argument("--write", nargs="?", type=Path, const=PAGE, metavar="FILE", help=f"into {PAGE.name}")
    options = parser.parse_args()
    if options.write is None:
        print(tables())
        return 0
    options.write.write_text(page_with(options.write.read_text(encoding="utf-8"), tables()), encoding="utf-8")
    print(f"written to {options.write}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
