"""Sentence vectors from the exported model, on the CPU, each text in a run of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from adapters.artefacts import load
from adapters.onnx_session import open_session, open_tokenizer
from adapters.spanish import in_english

ARTEFACT = "embedder"


class OnnxEmbedder:
    """Vectors that depend on their text alone.

    The quantised model scales its activations by the largest one of a whole run, so the same text in two batches would
    get two vectors (cosine down to 0.985). One run for each text makes them equal to the bit; without padding it is
    faster, too: 32 messages of a resident's usual length take half the time of one padded batch.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """Load the artefact in `folder`; `threads` are used within one run. Raises `ArtefactRefused`."""
        manifest = load(folder, ARTEFACT)
        self.version = manifest.version
        self.name = str(manifest.details["model"])
        self.dimensions = int(manifest.details["dimensions"])
        self._tokenizer = open_tokenizer(folder / "tokenizer.json")
        cast(Any, self._tokenizer).enable_truncation(int(manifest.details["max_tokens"]))
        self._session = open_session(folder / "model.onnx", threads)

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        """A unit vector for each text: `dimensions` float32, little-endian. Text beyond 256 tokens is cut.

        The model knows English alone, so a Spanish text is put into English words first.
        """
        return [self._embed_one(text) for text in texts]

    def _embed_one(self, text: str) -> bytes:
        ids = np.array([self._tokenizer.encode(in_english(text)).ids], dtype=np.int64)
        vectors = self._session.run(["embedding"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
        return cast(NDArray[np.float32], vectors)[0].astype("<f4").tobytes()
