"""Reading the file of safety rules."""

from pathlib import Path

import pytest

from adapters.safety_rules import read_safety_rules
from core.errors import ArtefactRefused


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactRefused, match="no safety rules"):
        read_safety_rules(tmp_path / "none.yaml")


@pytest.mark.parametrize("content", ["- a list", "rules: [unclosed", "word"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(content)
    with pytest.raises(ArtefactRefused):
        read_safety_rules(path)


def test_the_content_comes_back_as_plain_data(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("rules:\n  - id: gas\n    any_of: ['\\bgas\\b']\n")
    assert read_safety_rules(path) == {"rules": [{"id": "gas", "any_of": [r"\bgas\b"]}]}
