"""`serve_config.yaml`'s shape for nodes that are processes of one machine."""

from pathlib import Path
from typing import Any, cast

import yaml

from core.settings import ROOT

MOST_REPLICAS = 4
UPSCALE_DELAY_S = 2.0
DOWNSCALE_DELAY_S = 8.0
LOOK_BACK_S = 12.0
"""Serve takes no less than the ten seconds at which replicas tell of themselves."""
OLDEST_AGE_S = 10.0

Config = dict[str, Any]


def shape(http_port: int, path: Path = ROOT / "serve_config.yaml") -> Config:
    """The file, but for what a machine of two cores can't show within minutes.

    Changed: bounds above, so that a few processes suffice; the delays of autoscaling, seconds for minutes; the address;
    and one proxy, since all nodes here share the ports of one machine. Sizes, lower bounds, targets, queues, health
    checks, graceful shutdown and surge are the file's own.
    """
    config = cast(Config, yaml.safe_load(path.read_text(encoding="utf-8")))
    config["proxy_location"] = "HeadOnly"
    config["http_options"] |= {"host": "127.0.0.1", "port": http_port}
    for deployment in deployments_of(config):
        scaling = deployment["autoscaling_config"]
        scaling["max_replicas"] = min(MOST_REPLICAS, scaling["max_replicas"])
        scaling |= {"upscale_delay_s": UPSCALE_DELAY_S, "downscale_delay_s": DOWNSCALE_DELAY_S}
        if "policy" in scaling:
            scaling["policy"]["policy_kwargs"]["oldest_age_s"] = OLDEST_AGE_S
        else:
            scaling["look_back_period_s"] = LOOK_BACK_S
    return config


def deployments_of(config: Config) -> list[Config]:
    """The deployments of the one application."""
    return cast(list[Config], config["applications"][0]["deployments"])


def lower_bounds(config: Config) -> dict[str, int]:
    """How many replicas each deployment has at rest."""
    return {each["name"]: each["autoscaling_config"]["min_replicas"] for each in deployments_of(config)}


def with_new_replicas(config: Config, name: str) -> Config:
    """The same, with one MiB more for a deployment: enough that each of its replicas must be another."""
    changed = cast(Config, yaml.safe_load(yaml.safe_dump(config)))
    for deployment in deployments_of(changed):
        if deployment["name"] == name:
            deployment["ray_actor_options"]["memory"] += 1024 * 1024
    return changed
