"""`aam history import`: an operator's own export into the history that models are trained on."""

import argparse
from pathlib import Path

from core.settings import load_settings

NAME = "history"
HELP = "import an export of earlier requests"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="action", required=True)
    importing = actions.add_parser(
        "import", help="check a CSV file and merge it into the history of the mapping's name"
    )
    importing.add_argument("file", type=Path, metavar="FILE.csv")
    importing.add_argument("--mapping", type=Path, required=True, help="YAML; see models/operator/README.md")
    importing.add_argument("--max-bad-share", type=_share, default=0.02, help="refuse where more rows are bad")


def run(options: argparse.Namespace) -> int:
    """Import, and tell what became of the rows."""
    # Only this command reads exports; the others start faster without.
    from models.operator.importer import import_csv
    from models.operator.mapping import read_mapping

    mapping = read_mapping(options.mapping)
    report = import_csv(options.file, mapping, load_settings().state_dir / NAME, options.max_bad_share)
    print("\n".join(report.lines()))
    return 0


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError("must be from 0 to 1")
    return value
