"""`aam token`: a bearer token of mode `local`."""

import argparse
from datetime import timedelta

from adapters.tokens import LocalTokens
from core.errors import Forbidden
from core.labels import Role
from core.settings import load_settings, require_safe

NAME = "token"
HELP = "print a bearer token (mode local only)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--role", required=True, choices=[str(role) for role in Role])
    parser.add_argument("--sub", required=True, help="for a resident the resident id, such as RES_A_101")
    parser.add_argument("--buildings", help="comma-separated; all where it is left out")
    parser.add_argument("--days", type=float, default=30.0, help="how long it is valid")


def run(options: argparse.Namespace) -> int:
    """Print the token."""
    settings = load_settings()
    if settings.auth_mode != "local":
        raise Forbidden("Tokens are issued here in mode local only; ask the issuer for one.")
    require_safe(settings)
    buildings = options.buildings.split(",") if options.buildings else None
    tokens = LocalTokens(settings.local_key)
    print(tokens.issue(Role(options.role), options.sub, valid_for=timedelta(days=options.days), buildings=buildings))
    return 0
