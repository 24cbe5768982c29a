"""A head without replicas and a few workers, each a raylet of its own on this machine, and Serve upon them."""

# Ray's functions are typed in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import contextlib
import logging
import os
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from aam.cluster import prepare_environment
from bench.cluster.shape import Config, deployments_of, lower_bounds, shape
from bench.running_graph import Graph, GraphFailed
from core.settings import Settings

if TYPE_CHECKING:
    from ray.serve.schema import DeploymentStatusOverview

WORKERS = 4
CPUS = 4
MEMORY = 16 * 1024**3
"""As a worker of cluster.yaml has; a place for so much, and no more than this machine's real cores."""
DEPLOYED_WITHIN_S = 240.0
UNLIMITED = "1000000/minute"


class ClusterGraph(Graph):
    """The graph on several nodes. What kills or starts "everything" for a fault run kills a node of them, and waits."""

    config: Config
    cluster: Any = None
    dead_node: str | None = None

    def start(self) -> None:
        """Start the nodes and deploy, or, where they run, wait until all is as it should be again."""
        if self.cluster is None:
            self._start_nodes()
            self.deploy(self.config)
        self.wait_until_deployed()

    def stop(self) -> list[Any]:
        """Stop the nodes, and only these."""
        import ray
        from ray import serve

        with contextlib.suppress(Exception):
            serve.shutdown()
        ray.shutdown()
        self.cluster.shutdown()
        self.cluster = None
        return []

    def kill(self) -> None:
        """As when a machine dies: every process of the worker with the most replicas, at once."""
        by_node = Counter(actor["node_id"] for actor in self.living_replicas())
        dying = by_node.most_common(1)[0][0]
        node = next(each for each in self.cluster.worker_nodes if each.node_id == dying)
        print(f"       a node with {by_node[dying]} of {by_node.total()} replicas dies", flush=True)
        self.cluster.remove_node(node, allow_graceful=False)
        self.dead_node = dying

    def deploy(self, config: Config) -> None:
        """What `serve deploy` does."""
        from ray.dashboard.modules.serve.sdk import ServeSubmissionClient

        self.config = config
        ServeSubmissionClient(self.dashboard_url).deploy_applications(config)

    def wait_until_deployed(self) -> None:
        """Until each deployment has its replicas and all services are healthy. Raises `GraphFailed`."""
        end = time.monotonic() + DEPLOYED_WITHIN_S
        while not (self._is_settled() and self._has_noticed() and self.is_healthy()):
            if time.monotonic() > end:
                raise GraphFailed(f"not as it should be after {DEPLOYED_WITHIN_S:.0f} s: {self.running()}")
            time.sleep(0.3)

    def running(self) -> dict[str, int]:
        """How many replicas of each deployment run."""
        from ray import serve

        found = serve.status().applications.get("aam")
        return {name: _counts(each).get("RUNNING", 0) for name, each in (found.deployments if found else {}).items()}

    def replica_ids(self, deployment: str) -> set[str]:
        """The living replicas of one deployment, by their actors."""
        prefix = f"SERVE_REPLICA::aam#{deployment}#"
        return {actor["actor_id"] for actor in self.living_replicas() if actor["name"].startswith(prefix)}

    def living_replicas(self) -> list[dict[str, Any]]:
        """Every replica's actor: its id, name and node."""
        from ray.util.state import list_actors

        found: list[Any] = list_actors(address=self.dashboard_url, filters=[("state", "=", "ALIVE")], limit=1000)
        return [
            {"actor_id": actor.actor_id, "name": actor.name, "node_id": actor.node_id}
            for actor in found
            if (actor.name or "").startswith("SERVE_REPLICA::")
        ]

    @property
    def dashboard_url(self) -> str:
        """Where Ray's dashboard and job interface are."""
        return f"http://127.0.0.1:{self.dashboard_port}"

    def _is_settled(self) -> bool:
        from ray import serve

        found = serve.status().applications.get("aam")
        if found is None or found.status != "RUNNING":
            return False
        states = {name: _counts(each) for name, each in found.deployments.items()}
        least = lower_bounds(self.config)
        return all(states[name].get("RUNNING", 0) >= least[name] and len(states[name]) == 1 for name in least)

    def _has_noticed(self) -> bool:
        """Whether nothing is taken for alive on the node that died last, and enough lives elsewhere."""
        living = self.living_replicas()
        enough = len(living) >= sum(lower_bounds(self.config).values())
        return enough and all(actor["node_id"] != self.dead_node for actor in living)

    def _start_nodes(self) -> None:
        import ray
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": True, "dashboard_host": "127.0.0.1"}
        self.cluster = Cluster(initialize_head=True, head_node_args={**head, "dashboard_port": self.dashboard_port})
        for _ in range(WORKERS):
            self.cluster.add_node(num_cpus=CPUS, memory=MEMORY)
        ray.init(address=self.cluster.address, namespace="serve", log_to_driver=False, logging_level=logging.WARNING)
        self._wait_for_dashboard()

    def _wait_for_dashboard(self) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"{self.dashboard_url}/api/version", timeout=5)
                return
            time.sleep(0.3)
        raise GraphFailed("the dashboard does not answer")


@contextmanager
def cluster_of_nodes(settings: Settings, folder: Path, **environment: str) -> Generator[ClusterGraph]:
    """The graph on its nodes, deployed and healthy, with a state folder below `folder`.

    Everything is set in this process's environment, which the nodes inherit; Ray must not have been imported before.
    """
    prepare_environment()
    fresh = settings.model_copy(update={"state_dir": folder / "state"})
    os.environ.update(
        AAM_STATE_DIR=str(fresh.state_dir),
        AAM_ARTEFACTS_DIR=str(fresh.artefacts_dir),
        AAM_RATE_LIMIT_RESIDENT=UNLIMITED,
        AAM_RATE_LIMIT_ADDRESS=UNLIMITED,
        **environment,
    )
    graph = ClusterGraph(fresh, folder / "graph.log", {})
    graph.config = shape(graph.http_port)
    try:
        graph.start()
        yield graph
    finally:
        if graph.cluster is not None:
            graph.stop()


def _counts(deployment: "DeploymentStatusOverview") -> dict[str, int]:
    """Replicas by their state, such as RUNNING; a state that none is in is left out."""
    # Typed as an enumeration, and given as plain words.
    states = deployment.replica_states.items()
    return {str(getattr(state, "value", state)): count for state, count in states if count}


def names_of(config: Config) -> list[str]:
    """The deployments' names."""
    return [each["name"] for each in deployments_of(config)]
