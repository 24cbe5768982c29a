"""A folder copied for one process alone, and removed with it even when the process was killed."""

import fcntl
import shutil
import tempfile
import time
from pathlib import Path
from tempfile import TemporaryDirectory

_LOCK = "lock"
_STARTING_S = 60.0
"""A copy younger than this may belong to a process that has not locked it yet."""


class PrivateCopy:
    """A copy of `source` in the system's temporary folder, locked while this process lives.

    A killed process can't remove its copy; the next one that makes a copy with the same prefix does, as the lock went
    with the process. Raises `OSError` where there is no room or no source.
    """

    def __init__(self, source: Path, prefix: str) -> None:
        _remove_abandoned(prefix)
        self._folder = TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
        self._lock = (Path(self._folder.name) / _LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.path = Path(shutil.copytree(source, Path(self._folder.name) / source.name))

    def close(self) -> None:
        """Remove the copy."""
        self._folder.cleanup()
        self._lock.close()


def _remove_abandoned(prefix: str) -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        try:
            if time.time() - folder.stat().st_mtime < _STARTING_S:
                continue
            with (folder / _LOCK).open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            # It is in use, somebody else's, or was removed at this moment.
            continue
