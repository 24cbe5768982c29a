"""`aam store`: the tables of the store."""

import argparse

from core.errors import ArtefactRefused, BrokenInvariant, StoreUnavailable
from core.settings import load_settings

NAME = "store"
HELP = "make the store's tables"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("action", choices=["create"], help="create: make the tables that are not there yet")
    parser.add_argument("--no-backups", action="store_true", help="without continuous backups")


def run(options: argparse.Namespace) -> int:
    """Make the tables and say which. A SQLite file needs no command: it is made when it is first opened."""
    settings = load_settings()
    if settings.store != "dynamodb":
        raise ArtefactRefused("AAM_STORE is sqlite, whose files are made by themselves; set it to dynamodb.")
    from botocore.exceptions import BotoCoreError, ClientError

    from adapters.dynamo import open_dynamo
    from adapters.dynamo_tables import create_tables

    try:
        made = create_tables(open_dynamo(settings).client, settings.dynamodb_table, recoverable=not options.no_backups)
    except BotoCoreError as error:
        raise StoreUnavailable(f"DynamoDB does not answer: {error}") from error
    except ClientError as error:
        raise BrokenInvariant(f"DynamoDB refused: {error}") from error
    print("\n".join(f"made {name}" for name in made) or "All tables are there.")
    return 0
