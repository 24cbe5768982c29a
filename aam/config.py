"""`aam config`: strict checks of every configuration file, before anything is deployed by it."""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from core.settings import ROOT

NAME = "config"
HELP = "check the configuration files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="config_command", required=True)
    check = actions.add_parser("check", help="refuse unknown keys, impossible sizes and missing secrets")
    check.add_argument("files", nargs="*", type=Path, metavar="FILE", help="all of the tree by default")
    check.set_defaults(config_run=_check)
    fill = actions.add_parser("fill", help="print a file with its ${NAMES} taken from the environment")
    fill.add_argument("file", type=Path, metavar="FILE")
    fill.set_defaults(config_run=_fill)
    kuberay = actions.add_parser("kuberay", help="write serve_config.yaml anew into deploy/kuberay")
    kuberay.set_defaults(config_run=_kuberay)


def run(options: argparse.Namespace) -> int:
    """Check or fill; 1 where something is wrong."""
    return options.config_run(options)


def _check(options: argparse.Namespace) -> int:
    from aam.configuration.registry import check_files, check_tree

    findings = list(check_files(options.files) if options.files else check_tree())
    for finding in findings:
        print(replace(finding, path=_shown(finding.path)))
    if not findings:
        print("Nothing is wrong.")
    return 1 if findings else 0


def _fill(options: argparse.Namespace) -> int:
    from aam.configuration.findings import Unreadable
    from aam.configuration.gaps import fill

    try:
        print(fill(options.file, os.environ), end="")
    except Unreadable as problem:
        print(problem.finding, file=sys.stderr)
        return 1
    return 0


def _kuberay(options: argparse.Namespace) -> int:
    from aam.configuration.findings import Unreadable
    from aam.configuration.kuberay_serve import write_patch

    try:
        print(f"{_shown(write_patch())} is written")
    except Unreadable as problem:
        print(problem.finding, file=sys.stderr)
        return 1
    return 0


def _shown(path: Path) -> Path:
    """Relative to the tree where it is within."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
