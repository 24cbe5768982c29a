"""`aam audit`: verify the audit log's chains, and print a head to keep elsewhere."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable

from adapters import build
from core.errors import Invalid
from core.ports.documents import DocumentStore
from core.settings import load_settings
from deployments.request_management.audit import Verdict, verify_all, verify_chain

NAME = "audit"
HELP = "verify the audit log"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="action", required=True)
    verify = actions.add_parser("verify", help="compute the chains again; names the first broken entry")
    verify.add_argument("--chain", help="a building's, or portfolio; all of them where it is left out")
    verify.add_argument("--noted", metavar="SEQ:HASH", help="a head of that chain that was noted before")
    head = actions.add_parser("head", help="print the last entry's number and hash, to keep them elsewhere")
    head.add_argument("--chain", help="as above")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 where every chain is in order, 1 where one is not."""
    noted = getattr(options, "noted", None)
    if noted is not None and options.chain is None:
        raise Invalid("A noted head belongs to one chain; name it with --chain.")
    anchors = _read_anchor(noted) if noted else {}

    async def verify(documents: DocumentStore) -> tuple[Verdict, ...]:
        if options.chain is None:
            return await verify_all(documents)
        return (await verify_chain(documents, options.chain, anchors),)

    verdicts = asyncio.run(_with_documents(verify))
    for verdict in verdicts:
        print(_head(verdict) if options.action == "head" and verdict.broken_at is None else _told(verdict))
    return 0 if all(verdict.broken_at is None for verdict in verdicts) else 1


async def _with_documents(
    work: Callable[[DocumentStore], Awaitable[tuple[Verdict, ...]]],
) -> tuple[Verdict, ...]:
    documents = build.document_store(load_settings())
    try:
        return await work(documents)
    finally:
        await documents.close()


def _read_anchor(noted: str) -> dict[int, str]:
    seq, _, digest = noted.partition(":")
    if not seq.isdecimal() or len(digest) != 64:
        raise Invalid("A noted head is SEQ:HASH, as `aam audit head` prints them.")
    return {int(seq): digest}


def _head(verdict: Verdict) -> str:
    return f"{verdict.chain} {verdict.entries} {verdict.head}"


def _told(verdict: Verdict) -> str:
    if verdict.broken_at is None:
        return f"{verdict.chain}: {verdict.entries} entries in order"
    return f"{verdict.chain}: BROKEN at entry {verdict.broken_at}: {verdict.reason}"
