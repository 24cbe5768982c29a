"""A Ray cluster of one's own on this machine, with Serve's fast proxy, for development, tests and benchmarks.

Every port and file that Ray's proxy would share between two clusters of one machine is chosen anew here.
"""

# Ray's functions are typed in part only.
# pyright: reportUnknownMemberType=false

import logging
import os
import socket
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import ArtefactRefused


def prepare_environment(*, fast_proxy: bool = True) -> None:
    """Set what must be set before Ray is imported.

    `fast_proxy` turns on HAProxy and the throughput-optimised mode, which only pay together.
    """
    folder = Path(tempfile.mkdtemp(prefix="aam-proxy-"))
    flag = "1" if fast_proxy else "0"
    os.environ.update(
        RAY_SERVE_ENABLE_HA_PROXY=flag,
        RAY_SERVE_THROUGHPUT_OPTIMIZED=flag,
        RAY_SERVE_HAPROXY_NBTHREAD="1",
        RAY_SERVE_HAPROXY_CONFIG_FILE_LOC=str(folder / "haproxy.cfg"),
        RAY_SERVE_HAPROXY_SOCKET_PATH=str(folder / "admin.sock"),
        RAY_SERVE_HAPROXY_SERVER_STATE_BASE=str(folder),
        RAY_SERVE_HAPROXY_SERVER_STATE_FILE=str(folder / "server-state"),
        RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S="5",
        # There is no load balancer in front that would have to take notice first.
        RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S="1",
        RAY_SERVE_HAPROXY_METRICS_PORT=str(free_port()),
        RAY_SERVE_HAPROXY_STATS_PORT=str(free_port()),
        RAY_SERVE_FALLBACK_PROXY_HTTP_PORT=str(free_port()),
        RAY_SERVE_FALLBACK_PROXY_GRPC_PORT=str(free_port()),
        # Replicas share the cores; a library that starts a thread for each core only makes them wait.
        OMP_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
        TOKENIZERS_PARALLELISM="false",
        RAY_USAGE_STATS_ENABLED="0",
        ANONYMIZED_TELEMETRY="False",
    )


def free_port() -> int:
    """A port of the loopback interface that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def require_free_port(port: int, what: str) -> None:
    """Pass if nobody listens on the port; else raise `ArtefactRefused` with what to do."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            option = f"--{what}-port"
            raise ArtefactRefused(
                f"Port {port}, meant for the {what}, is taken; stop what listens there or give another with {option}."
            ) from None


@contextmanager
def local_cluster(*, http_port: int, dashboard_port: int, cpus: int | None = None) -> Generator[None]:
    """Start Ray and Serve on the loopback interface; stop them, and only them, at the end."""
    import ray
    from ray import serve

    ray.init(
        address="local",
        num_cpus=cpus or max(2, os.cpu_count() or 2),
        include_dashboard=True,
        dashboard_host="127.0.0.1",
        dashboard_port=dashboard_port,
        log_to_driver=False,
        configure_logging=True,
        logging_level=logging.WARNING,
    )
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": http_port})
        yield
    finally:
        with suppress(Exception):
            serve.shutdown()
        ray.shutdown()
