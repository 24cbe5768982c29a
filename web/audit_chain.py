"""Whether the entries of an audit chain that a page shows follow from each other, worked out from what is shown."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

NO_HASH = "0" * 64
"""What the first entry of a chain holds in place of an earlier one's."""


def first_fault(entries: Sequence[Mapping[str, Any]]) -> int | None:
    """The lowest number among these neighbours, newest first, from which on they are not as they were written."""
    oldest_first = entries[::-1]
    for entry in oldest_first[:1]:
        if entry["hash"] != hash_of(entry) or (entry["seq"] == 1 and entry["prev_hash"] != NO_HASH):
            return int(entry["seq"])
    for before, entry in pairwise(oldest_first):
        follows = entry["seq"] == before["seq"] + 1 and entry["prev_hash"] == before["hash"]
        if not follows or entry["hash"] != hash_of(entry):
            return int(entry["seq"])
    return None


def hash_of(entry: Mapping[str, Any]) -> str:
    """SHA-256 of all but the hash, as JSON with sorted keys and no spaces."""
    rest = {name: value for name, value in entry.items() if name != "hash"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
