"""The exported sentence model: unit vectors that depend on their text alone."""

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from adapters.embedder_onnx import OnnxEmbedder
from core.errors import ArtefactRefused
from core.settings import Settings

TEXTS = [
    "no hot water",
    "The radiator in the bedroom bangs every morning at four and I would like somebody to look at it.",
    "¿A qué hora abre la piscina?",
    "",
    "🫠",
    "water " * 400,
]


def vector(packed: bytes) -> np.ndarray:
    return np.frombuffer(packed, dtype="<f4")


def test_vectors_are_unit_vectors_of_the_stated_length(real_embedder: OnnxEmbedder) -> None:
    assert real_embedder.name == "all-MiniLM-L6-v2"
    for packed in real_embedder.embed(TEXTS):
        assert len(packed) == real_embedder.dimensions * 4
        assert np.linalg.norm(vector(packed)) == pytest.approx(1.0, abs=1e-5)


def test_nothing_in_gives_nothing_out(real_embedder: OnnxEmbedder) -> None:
    assert real_embedder.embed([]) == []


def test_a_text_has_the_same_bytes_in_any_batch(real_embedder: OnnxEmbedder) -> None:
    together = real_embedder.embed(TEXTS)
    assert together == [real_embedder.embed([text])[0] for text in TEXTS]
    assert together[::-1] == real_embedder.embed(TEXTS[::-1])


def test_near_meanings_are_near(real_embedder: OnnxEmbedder) -> None:
    leak, drip, invoice = map(
        vector, real_embedder.embed(["the tap is leaking", "my faucet drips", "I was charged twice for rent"])
    )
    assert leak @ drip > leak @ invoice + 0.3


def test_text_beyond_the_limit_is_cut(real_embedder: OnnxEmbedder) -> None:
    long, longer = real_embedder.embed(["water " * 300, "water " * 300 + "fire"])
    assert long == longer


def test_the_quantised_model_stays_close_to_the_original(built_settings: Settings) -> None:
    from adapters.artefacts import load

    metrics = load(built_settings.artefacts_dir / "embedder", "embedder").metrics
    assert metrics["cosine_mean"] > 0.99
    assert metrics["cosine_min"] > 0.97


@pytest.mark.parametrize("damage", ["missing", "changed", "not a model"])
def test_a_damaged_artefact_is_refused(built_settings: Settings, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "embedder"
    copytree(built_settings.artefacts_dir / "embedder", folder)
    model = folder / "model.onnx"
    if damage == "missing":
        model.unlink()
    else:
        model.write_bytes(b"x" if damage == "not a model" else model.read_bytes()[:-1])
    with pytest.raises(ArtefactRefused, match="aam build"):
        OnnxEmbedder(folder)
