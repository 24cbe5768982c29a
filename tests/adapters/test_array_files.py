"""Arrays of a trained model on disk."""

from pathlib import Path

import numpy as np
import pytest

from adapters.array_files import ARRAYS, read_arrays, write_arrays
from adapters.artefacts import BuildReport, build_once
from core.errors import ArtefactRefused


def build(folder: Path, **arrays: np.ndarray) -> None:
    def make(scratch: Path) -> BuildReport:
        write_arrays(scratch, arrays)
        return BuildReport(built_with={})

    build_once(folder, "heads", "inputs", make)


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    build(tmp_path / "a", weights=np.eye(3, dtype=np.float32), words=np.array(["añ", "b"]))
    found = read_arrays(tmp_path / "a", "heads")
    assert np.array_equal(found.arrays["weights"], np.eye(3))
    assert found.arrays["words"].tolist() == ["añ", "b"]
    assert len(found.version) == 12


def test_the_same_arrays_make_the_same_version(tmp_path: Path) -> None:
    build(tmp_path / "a", weights=np.ones(5))
    build(tmp_path / "b", weights=np.ones(5))
    build(tmp_path / "c", weights=np.zeros(5))
    versions = [read_arrays(tmp_path / name, "heads").version for name in "abc"]
    assert versions[0] == versions[1] != versions[2]


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    build(tmp_path / "a", weights=np.ones(5))
    (tmp_path / "a" / ARRAYS).write_bytes(b"damaged")
    with pytest.raises(ArtefactRefused):
        read_arrays(tmp_path / "a", "heads")


def test_pickles_are_never_read(tmp_path: Path) -> None:
    def make(scratch: Path) -> BuildReport:
        np.savez(scratch / ARRAYS, payload=np.array([{"a": 1}], dtype=object))
        return BuildReport(built_with={})

    build_once(tmp_path / "a", "heads", "inputs", make)
    with pytest.raises(ArtefactRefused):
        read_arrays(tmp_path / "a", "heads")
