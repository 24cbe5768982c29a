"""How many replicas of Execution the waiting commands need.

Serve pickles the policy by value and runs it in its controller, so it uses nothing but the standard library. Serve adds
the delays of `autoscaling_config`: a wish is followed once it has lasted for `upscale_delay_s` or `downscale_delay_s`.
"""

import math
from collections.abc import Mapping
from typing import Any


class QueueDepthPolicy:
    """A policy of Serve's autoscaling: replicas by how many commands wait, and one more while the oldest waits long.

    It scales up by as much as is needed, and down by one replica at a time. Every replica tells of the same queue, by
    `record_autoscaling_stats`, so that the largest of their figures counts, and not the sum.
    """

    def __init__(self, per_replica: int = 100, oldest_age_s: float = 30.0) -> None:
        """`per_replica`: commands that one replica may have before it; `oldest_age_s`: the age that is too old."""
        if per_replica < 1 or oldest_age_s <= 0:
            raise ValueError("per_replica must be at least 1, and oldest_age_s above 0")
        self.per_replica = per_replica
        self.oldest_age_s = oldest_age_s

    def __call__(self, ctx: Any) -> tuple[int, dict[str, Any]]:
        """The number of replicas, within the bounds of the deployment, and no state."""
        lowest, highest = ctx.capacity_adjusted_min_replicas, ctx.capacity_adjusted_max_replicas
        target: int = ctx.target_num_replicas
        metrics: Mapping[str, Mapping[Any, float]] = ctx.aggregated_metrics or {}
        # Nobody has told yet, as after a start: nothing is known to be wrong.
        wanted = self._wanted(metrics, target) if metrics.get("queue_depth") else target
        return min(max(wanted, lowest), highest), {}

    def _wanted(self, metrics: Mapping[str, Mapping[Any, float]], target: int) -> int:
        depth, age_s = _largest(metrics, "queue_depth"), _largest(metrics, "oldest_age_s")
        by_depth = math.ceil(depth / self.per_replica)
        if depth > 0 and age_s > self.oldest_age_s:
            return max(by_depth, target + 1)
        return max(by_depth, target - 1)


def _largest(metrics: Mapping[str, Mapping[Any, float]], name: str) -> float:
    return max((metrics.get(name) or {}).values(), default=0.0)
