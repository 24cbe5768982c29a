"""YAML is read strictly, and gaps in it are filled from the environment or refused."""

from pathlib import Path

import pytest

from aam.configuration.documents import read_documents, read_mapping
from aam.configuration.findings import Unreadable
from aam.configuration.gaps import fill


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: is no valid YAML: the key 'a' stands twice"),
        ("outer:\n  - {a: 1, a: 2}\n", "the key 'a' stands twice"),
        ("x: &x {a: 1}\ny: &y {b: 1}\nz:\n  <<: *x\n  <<: *y\n", "the key '<<' stands twice"),
        ("a: [1, 2\n", "is no valid YAML"),
        ("a: *nowhere\n", "undefined alias"),
        ("a: &a [*a]\n", "used within itself"),
        ("a: !!python/object:os.system x\n", "is no valid YAML"),
        ("- 1\n- 2\n", "must hold one YAML mapping"),
        ("", "must hold one YAML mapping"),
        ("a: 1\n---\nb: 1\n", "must hold one YAML mapping"),
    ],
)
def test_what_is_no_sound_mapping_is_refused(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(text)
    with pytest.raises(Unreadable) as refused:
        read_mapping(path)
    assert expected in str(refused.value.finding)
    assert str(path) in str(refused.value.finding)


def test_a_merge_may_be_overridden_and_an_anchor_used_twice(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: [*x, *x]\n---\n---\nlast: 1\n")
    assert read_documents(path) == [
        {"x": {"a": 1, "b": 2}, "y": {"a": 1, "b": 3}, "z": [{"a": 1, "b": 2}, {"a": 1, "b": 2}]},
        {"last": 1},
    ]


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_is_missing_or_no_text_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unreadable, match="can't be read"):
        read_mapping(path)


def test_gaps_are_filled_and_what_nobody_set_is_named(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text("image: ${NODE_IMAGE} # not ${NODE_OTHER}\nsubnet: ${NODE_SUBNET}\nshell: $HOME\n")
    filled = fill(path, {"NODE_IMAGE": "i", "NODE_SUBNET": "s"})
    assert "image: i" in filled
    assert "shell: $HOME" in filled
    with pytest.raises(Unreadable, match="needs the environment variables NODE_SUBNET; set them"):
        fill(path, {"NODE_IMAGE": "i", "NODE_SUBNET": ""})
