"""`python -m aam <command>`."""

import argparse
import sys
from collections.abc import Sequence

from aam import (
    artefacts,
    audit,
    config,
    decision,
    history,
    image,
    kb,
    labels,
    migrate,
    models_command,
    node,
    observability_command,
    observe,
    on_call,
    queue,
    run,
    store,
    token,
    trace,
    whatif,
)
from core.errors import AppError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="aam", description="Agentic Apartment Manager")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (
        audit,
        run,
        artefacts,
        token,
        history,
        models_command,
        kb,
        labels,
        decision,
        whatif,
        migrate,
        store,
        queue,
        on_call,
        config,
        node,
        image,
        trace,
        observability_command,
        observe,
    ):
        parser_of_command = commands.add_parser(command.NAME, help=command.HELP)
        command.add_arguments(parser_of_command)
        parser_of_command.set_defaults(run=command.run)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except AppError as error:
        print(f"aam: {error.detail}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
