"""`aam observability`: writes Grafana's dashboards, and checks what they ask for."""

import argparse

NAME = "observability"
HELP = "write the dashboards of deploy/observability"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="observability_command", required=True)
    write = actions.add_parser("write", help="write deploy/observability/dashboards anew")
    write.set_defaults(observability_run=_write)


def run(options: argparse.Namespace) -> int:
    """Write; 1 where a panel asks for what does not exist."""
    return options.observability_run(options)


def _write(options: argparse.Namespace) -> int:
    from aam.observability.catalogue import problems
    from core.errors import ArtefactRefused
    from core.settings import ROOT

    try:
        from aam.observability.grafana import write_files
    except ImportError:
        raise ArtefactRefused(
            "Grafana's SDK is missing; `pip install -c constraints.txt grafana-foundation-sdk` brings it."
        ) from None
    found = list(problems())
    for each in found:
        print(each)
    if not found:
        for path in write_files():
            print(f"{path.relative_to(ROOT)} is written")
    return 1 if found else 0
