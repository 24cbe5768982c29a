"""`aam image`: locks the image's packages, and rehearses its Dockerfile where there is no Docker."""

import argparse
import tempfile
from pathlib import Path

from core.settings import ROOT

NAME = "image"
HELP = "lock the image's packages; rehearse its Dockerfile"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="image_command", required=True)
    lock = actions.add_parser("lock", help="write deploy/requirements.txt anew")
    lock.set_defaults(image_run=_lock)
    rehearse = actions.add_parser("rehearse", help="carry out deploy/Dockerfile's steps in a clean folder (minutes)")
    rehearse.add_argument("--stage", action="append", help="only this one, and it may be given again; all by default")
    rehearse.add_argument("--folder", type=Path, help="an empty folder to keep; a temporary one by default")
    rehearse.set_defaults(image_run=_rehearse)


def run(options: argparse.Namespace) -> int:
    """Lock or rehearse."""
    return options.image_run(options)


def _lock(options: argparse.Namespace) -> int:
    from aam.image_lock import write_lock

    print(f"{write_lock().relative_to(ROOT)} is written")
    return 0


def _rehearse(options: argparse.Namespace) -> int:
    if options.folder:
        return _carry_out(options.folder, options.stage)
    with tempfile.TemporaryDirectory(prefix="aam-image-") as folder:
        return _carry_out(Path(folder), options.stage)


def _carry_out(folder: Path, wanted: list[str] | None) -> int:
    from aam.dockerfile import read_stages
    from aam.image_rehearsal import Rehearsal, read_rules

    rehearsal = Rehearsal(folder.resolve(), ROOT, ignored=read_rules(ROOT / ".dockerignore"))
    for stage in read_stages(DOCKERFILE):
        if wanted is None or stage.name in wanted:
            print(f"{stage.name}:")
            rehearsal.carry_out(stage)
    return 0
