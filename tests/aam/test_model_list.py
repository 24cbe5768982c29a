"""The list of the artefacts on this machine."""

from pathlib import Path

from aam.model_list import describe_models
from adapters.artefacts import MANIFEST, BuildReport, build_once


def make(folder: Path) -> str:
    def write(scratch: Path) -> BuildReport:
        (scratch / "weights").write_text(folder.name)
        return BuildReport(
            built_with={"numpy": "2.4"},
            metrics={"auc": 0.75},
            corpus_hash="c" * 64,
            features=("words", "hour"),
            labels={"category": ("Billing", "Other")},
        )

    return build_once(folder, folder.name, "i" * 64, write).version


def test_each_artefact_says_what_it_is(tmp_path: Path) -> None:
    version = make(tmp_path / "risk")
    assert list(describe_models(tmp_path)) == [
        f"risk           risk {version}",
        f"  made from  inputs {'i' * 12}, corpus {'c' * 12}",
        "  made with  numpy 2.4",
        "  features   2; labels category 2",
        "  metrics    auc 0.75",
    ]


def test_one_that_was_altered_is_told(tmp_path: Path) -> None:
    make(tmp_path / "risk")
    make(tmp_path / "text")
    (tmp_path / "risk" / "weights").write_text("other")
    (tmp_path / "text" / MANIFEST).write_text("{")
    assert list(describe_models(tmp_path)) == [
        "risk           refused: weights at risk is missing, altered or not in the manifest.",
        "text           refused: Its manifest can't be read.",
    ]


def test_nothing_is_listed_where_nothing_is(tmp_path: Path) -> None:
    assert list(describe_models(tmp_path)) == []
