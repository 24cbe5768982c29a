"""`aam trace`: look at traces on this machine, without any other software."""

import argparse
import time

NAME = "trace"
HELP = "receive traces and print each as a tree"
QUIET_S = 3.0
"""A trace of which nothing has arrived for so long is printed; what comes later is printed by itself."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--trace-port", dest="port", type=int, default=4318, help="where spans arrive (OTLP over HTTP)")
    parser.add_argument("--name", default="", help="only traces with a span whose name holds this")


def run(options: argparse.Namespace) -> int:
    """Until Ctrl-C."""
    from aam.cluster import require_free_port
    from aam.trace_receiver import TraceReceiver
    from aam.trace_view import draw

    require_free_port(options.port, "trace")
    with TraceReceiver(options.port) as receiver:
        print(f"AAM_OTLP_ENDPOINT={receiver.url}   (Ctrl-C ends)", flush=True)
        try:
            while True:
                receiver.wait(QUIET_S / 3)
                for trace_id, spans in receiver.traces().items():
                    if time.time() - max(span.end_s for span in spans) > QUIET_S:
                        receiver.forget(trace_id)
                        if any(options.name in span.name for span in spans):
                            print(f"\n{draw(spans)}", flush=True)
        except KeyboardInterrupt:
            return 0
