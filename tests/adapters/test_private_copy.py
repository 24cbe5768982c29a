import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from adapters.private_copy import PrivateCopy

DIE_WITH_A_COPY = """
import os, signal, sys
from pathlib import Path
from adapters.private_copy import PrivateCopy
copy = PrivateCopy(Path(sys.argv[1]), "test-")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    (folder / "data").write_text("vectors")
    return folder


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the test's own."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def age(folder: Path) -> None:
    an_hour_ago = time.time() - 3600
    os.utime(folder, (an_hour_ago, an_hour_ago))


def test_changes_to_the_copy_leave_the_source_alone(source: Path, room: Path):
    copy = PrivateCopy(source, "test-")
    (copy.path / "data").write_text("changed")
    assert (source / "data").read_text() == "vectors"
    copy.close()
    assert list(room.iterdir()) == []


def test_the_copy_of_a_killed_process_is_removed_by_the_next(source: Path, room: Path):
    root = Path(__file__).parents[2]
    environment = os.environ | {"TMPDIR": str(room), "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", DIE_WITH_A_COPY, str(source)], env=environment, check=False)
    (abandoned,) = room.iterdir()
    age(abandoned)
    copy = PrivateCopy(source, "test-")
    assert not abandoned.exists()
    copy.close()


def test_a_copy_in_use_stays(source: Path, room: Path):
    first = PrivateCopy(source, "test-")
    age(first.path.parent)
    second = PrivateCopy(source, "test-")
    assert (first.path / "data").read_text() == "vectors"
    first.close()
    second.close()
    assert list(room.iterdir()) == []
