"""Keeps every version of the rules that decisions were made with, so that they can be replayed after a change."""

import hashlib
import os
import tempfile
from pathlib import Path

from pydantic import ValidationError

from core.errors import ArtefactRefused
from core.rules import RuleBook, rules_hash

FOLDER = "rules"
"""Below the state folder."""


class RulesArchive:
    """One JSON file for each version of the rules, `<kb_version>-<policy_version>-<rules_hash>.json`; none is changed.

    The hash is of what was compiled, so that a compiler which makes other rules of the same documents has a file of its
    own. Older files lack it.
    """

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / FOLDER

    def keep(self, rules: RuleBook) -> Path:
        """Write the rules, unless their version is there. Several processes may do so at the same moment."""
        path = self._path(rules.kb_version, rules.policy_version, rules_hash(rules))
        if path.exists():
            return path
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self._folder, suffix=".part", encoding="utf-8", delete=False) as part:
            part.write(rules.model_dump_json())
            part.flush()
            os.fsync(part.fileno())
        os.replace(part.name, path)
        return path

    def read(self, kb_version: str, policy_version: str, hashed: str = "") -> RuleBook:
        """The rules of one version; `hashed` is their hash, empty where a trace is older than it.

        Raises `ArtefactRefused` where they were not kept, or are of another make.
        """
        path = self._path(kb_version, policy_version, hashed)
        try:
            content = path.read_bytes()
            rules = RuleBook.model_validate_json(content)
        except FileNotFoundError:
            raise ArtefactRefused(
                f"The rules of knowledge base {kb_version} and policy {policy_version} were not kept in {self._folder}."
            ) from None
        except (OSError, ValidationError) as problem:
            raise ArtefactRefused(f"The rules in {path} can't be read by this version of the software.") from problem
        if (rules.kb_version, rules.policy_version) != (kb_version, policy_version):
            raise ArtefactRefused(f"The rules in {path} are not those of its name.")
        if hashed and hashlib.sha256(content).hexdigest()[: len(hashed)] != hashed:
            raise ArtefactRefused(f"The rules in {path} are not those of its name.")
        return rules

    def _path(self, kb_version: str, policy_version: str, hashed: str) -> Path:
        names = [kb_version, policy_version, *([hashed] if hashed else [])]
        for name in names:
            if not name.replace("-", "").isalnum():
                raise ArtefactRefused(f"{name[:40]!r} is no version of the rules.")
        return self._folder / f"{'-'.join(names)}.json"
