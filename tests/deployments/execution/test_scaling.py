import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ray.serve._private.autoscaling_state import _resolve_policy_callable
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import ServeDeploySchema

from deployments.execution.scaling import QueueDepthPolicy

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Context:
    target_num_replicas: int = 1
    capacity_adjusted_min_replicas: int = 1
    capacity_adjusted_max_replicas: int = 4
    aggregated_metrics: Any = field(default_factory=dict[str, Any])


def told(*replicas: tuple[float, float], target: int = 1, lowest: int = 1, highest: int = 4) -> Context:
    metrics = {
        "queue_depth": {f"replica-{n}": depth for n, (depth, _) in enumerate(replicas)},
        "oldest_age_s": {f"replica-{n}": age for n, (_, age) in enumerate(replicas)},
    }
    return Context(target, lowest, highest, metrics)


POLICY = QueueDepthPolicy(per_replica=100, oldest_age_s=30)


@pytest.mark.parametrize(
    ("context", "replicas"),
    [
        (told((0, 0)), 1),
        (told((100, 5)), 1),
        (told((101, 5)), 2),
        (told((350, 5)), 4),
        (told((90_000, 5)), 4),
        (told((10, 31)), 2),
        (told((10, 31), target=3), 4),
        (told((10, 31), target=4), 4),
        (told((0, 0), target=4), 3),
        (told((150, 0), target=4), 3),
        # Two replicas that tell of one queue: 150 wait, not 300.
        (told((150, 1), (150, 1), target=2), 2),
        (Context(target_num_replicas=3), 3),
        (Context(target_num_replicas=3, aggregated_metrics=None), 3),
        (Context(target_num_replicas=3, aggregated_metrics={"queue_depth": {}}), 3),
    ],
)
def test_replicas_follow_what_waits(context: Context, replicas: int) -> None:
    assert POLICY(context) == (replicas, {})


depths = st.floats(0, 1e6)
ages = st.floats(0, 1e5)


@given(
    replicas=st.lists(st.tuples(depths, ages), max_size=6),
    lowest=st.integers(0, 5),
    span=st.integers(0, 20),
    above=st.integers(0, 20),
)
def test_it_stays_within_bounds_and_goes_down_by_one(
    replicas: list[tuple[float, float]], lowest: int, span: int, above: int
) -> None:
    target = lowest + min(above, span)
    wanted, state = POLICY(told(*replicas, target=target, lowest=lowest, highest=lowest + span))
    assert lowest <= wanted <= lowest + span
    assert wanted >= target - 1
    assert state == {}


@given(depth=depths, more=depths, age=ages, target=st.integers(1, 50))
def test_more_waiting_never_means_fewer_replicas(depth: float, more: float, age: float, target: int) -> None:
    def wanted(waiting: float) -> int:
        return POLICY(told((waiting, age), target=target, highest=50))[0]

    assert wanted(depth) <= wanted(depth + more)


@pytest.mark.parametrize("wrong", [{"per_replica": 0}, {"oldest_age_s": 0}, {"oldest_age_s": -1.0}])
def test_a_policy_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        QueueDepthPolicy(**wrong)


def execution_autoscaling() -> dict[str, Any]:
    parsed = ServeDeploySchema.model_validate(yaml.safe_load((ROOT / "serve_config.yaml").read_text()))
    (execution,) = [each for each in parsed.applications[0].deployments if each.name == "Execution"]
    assert isinstance(execution.autoscaling_config, dict)
    return execution.autoscaling_config


def test_serve_takes_the_policy_of_the_configuration() -> None:
    config = AutoscalingConfig.model_validate(execution_autoscaling())
    made = _resolve_policy_callable(config.policy)
    assert (made.per_replica, made.oldest_age_s) == (100, 30)  # type: ignore[attr-defined]
    assert made(told((250, 1))) == (3, {})


def test_the_pickled_policy_needs_no_module_of_this_project(tmp_path: Path) -> None:
    config = AutoscalingConfig.model_validate(execution_autoscaling())
    pickled = tmp_path / "policy"
    pickled.write_bytes(config.policy.get_serialized_policy_def() or b"")
    code = (
        "import pickle, sys, types\n"
        "policy = pickle.load(open(sys.argv[1], 'rb'))(per_replica=10, oldest_age_s=1.0)\n"
        "assert 'deployments' not in sys.modules\n"
        "metrics = {'queue_depth': {'a': 25.0}, 'oldest_age_s': {'a': 0.0}}\n"
        "print(policy(types.SimpleNamespace(target_num_replicas=1, capacity_adjusted_min_replicas=1,"
        " capacity_adjusted_max_replicas=9, aggregated_metrics=metrics))[0])\n"
    )
    # In another folder, where this project can't be imported from.
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(pickled)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "3"), done.stderr
