"""Backups of the state directory and their restoring, and the point-in-time recovery of the tables in DynamoDB."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path

from adapters import build
from adapters.state_archive import Manifest, Staging, StateFolder, place, read_archive, write_archive
from core.errors import ArtefactRefused, BrokenInvariant, Invalid, StoreUnavailable
from core.settings import Settings, load_settings
from deployments.request_management.audit import Verdict, verify_all


def back_up(archive: Path) -> int:
    """Write the state directory into one archive, while it is in use, and say what it holds."""
    settings = load_settings()
    manifest = write_archive(_state(settings), archive, program=build.version())
    print(f"{archive} holds {_told(manifest)}, as of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC.")
    if settings.store == "dynamodb":
        print("AAM_STORE is dynamodb: requests and documents are in its tables, which are not in this archive.")
    print("It holds residents' data and the keys of this installation: keep it encrypted, and elsewhere.")
    return 0


def restore(archive: Path, *, despite_audit: bool = False) -> int:
    """Bring an archive back into an empty state directory, once all of it was verified.

    With `despite_audit` also one whose audit log was broken already when it was made; it is said.
    """
    settings = load_settings()
    state = _state(settings)
    with Staging(state).make() as folder:
        unpacked = Path(folder)
        manifest = read_archive(archive, unpacked)
        verdicts = asyncio.run(_verify(settings, unpacked))
        broken = [verdict for verdict in verdicts if verdict.broken_at is not None]
        if broken and not despite_audit:
            raise ArtefactRefused(
                f"The audit chain {broken[0].chain} in {archive} is broken at entry {broken[0].broken_at}: "
                f"{broken[0].reason}. It was so when the backup was made: take an earlier one, or --despite-audit."
            )
        place(unpacked, state, manifest)
    print(f"{settings.state_dir} holds {_told(manifest)}, as of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC.")
    for verdict in verdicts:
        whole = f"{verdict.entries} entries in order, head {verdict.head}"
        broken_at = f"BROKEN at entry {verdict.broken_at}: {verdict.reason}"
        print(f"audit chain {verdict.chain}: {whole if verdict.broken_at is None else broken_at}")
    return 0


def restore_tables(moment: str, table: str) -> int:
    """Restore the tables in DynamoDB as they were at a moment, under names that begin with `table`."""
    settings = load_settings()
    if settings.store != "dynamodb":
        raise ArtefactRefused(
            "AAM_STORE is sqlite, which knows no point in time; restore a FILE of `aam store backup`."
        )
    if re.fullmatch(r"[A-Za-z0-9_.-]{3,200}", table) is None:
        raise Invalid("A table's name has 3 to 200 letters, digits, underscores, points and hyphens.")
    at = _moment(moment)
    from botocore.exceptions import BotoCoreError, ClientError

    from adapters.dynamo import open_dynamo
    from adapters.dynamo_recovery import restore_tables as restore_all

    try:
        made = restore_all(open_dynamo(settings).client, settings.dynamodb_table, table, at)
    except BotoCoreError as error:
        raise StoreUnavailable(f"DynamoDB does not answer: {error}") from error
    except ClientError as error:
        raise BrokenInvariant(f"DynamoDB refused: {error}") from error
    print("\n".join(f"restored {name}" for name in made))
    print(f"Have everything use them with AAM_DYNAMODB_TABLE={table}.")
    return 0


def _state(settings: Settings) -> StateFolder:
    can_be_made_again = {settings.artefacts_dir, settings.artefact_cache, settings.state_dir / "reports"}
    return StateFolder(settings.state_dir, frozenset(can_be_made_again))


async def _verify(settings: Settings, unpacked: Path) -> tuple[Verdict, ...]:
    """The audit log's chains; none where the documents are elsewhere."""
    embedded = settings.model_copy(update={"store": "sqlite", "state_dir": unpacked})
    if not embedded.documents_database.exists():
        return ()
    documents = build.document_store(embedded)
    try:
        return await verify_all(documents)
    finally:
        await documents.close()


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{text!r} is no time; give one such as 2026-11-24T09:30:00Z.") from None
    if moment.tzinfo is None:
        raise Invalid("A time needs its zone, such as the Z of 2026-11-24T09:30:00Z.")
    if moment > datetime.now(UTC):
        raise Invalid("The time lies ahead.")
    return moment


def _told(manifest: Manifest) -> str:
    databases = sum(entry.is_database for entry in manifest.files.values())
    total = sum(entry.bytes for entry in manifest.files.values())
    return f"{databases} databases and {len(manifest.files) - databases} files ({total:,} bytes)"
