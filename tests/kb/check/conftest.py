"""An empty shelf for each test."""

from pathlib import Path

import pytest

from tests.kb.check.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """Where a test puts its documents."""
    return Shelf(tmp_path)
