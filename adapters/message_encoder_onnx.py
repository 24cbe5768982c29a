"""Readings of messages by the exported encoder, on the CPU, each text in runs of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from adapters.onnx_session import open_session, open_tokenizer
from core.ports.intelligence import Reading

ENCODER, TOKENIZER = "encoder.onnx", "tokenizer.json"
WINDOW = 254
"""Tokens that are read at once, without the two that frame them."""
STRIDE = 200
"""A longer text is read in windows that begin so many tokens apart."""
MOST_WINDOWS = 12
_OUTPUTS = ("scores", "counts", "starts")


class OnnxMessageEncoder:
    """Reads each text by itself.

    The quantised network scales its activations by the largest one of a run, so a text would be read differently in
    different batches; one run for each makes its reading equal to the bit, and without padding it is faster, too.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """Open the encoder in `folder`, whose files have been verified. Raises `ArtefactRefused`."""
        self._tokenizer = open_tokenizer(folder / TOKENIZER)
        self._session = open_session(folder / ENCODER, threads)

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """A reading of each text, in order; of a long one, window by window, the most alarming counts."""
        return [self._read_one(text) for text in texts]

    def _read_one(self, text: str) -> Reading:
        encoding = cast(Encoding, cast(Any, self._tokenizer).encode(text))
        first, *tokens, last = encoding.ids
        begins = range(0, max(1, len(tokens) - WINDOW + STRIDE), STRIDE)[:MOST_WINDOWS]
        runs = [self._run([first, *tokens[begin : begin + WINDOW], last]) for begin in begins]
        scores, counts = (np.max([run[place] for run in runs], axis=0) for place in (0, 1))
        starts: dict[int, float] = {}
        for begin, run in zip(begins, runs, strict=True):
            for token, (place, word) in enumerate(_word_starts(encoding, begin)):
                if word:
                    starts[place] = max(starts.get(place, -np.inf), float(run[2][token + 1]))
        return Reading(tuple(scores.tolist()), tuple(counts.tolist()), tuple(sorted(starts.items())))

    def _run(self, ids: list[int]) -> list[NDArray[np.float32]]:
        row = np.array([ids], dtype=np.int64)
        found = self._session.run(_OUTPUTS, {"input_ids": row, "attention_mask": np.ones_like(row)})
        return [cast(NDArray[np.float32], each)[0] for each in found]


def _word_starts(encoding: Encoding, begin: int) -> list[tuple[int, bool]]:
    """For each token of the window that begins at `begin`: its place in the text, and whether it begins a word."""
    window = slice(begin + 1, min(begin + 1 + WINDOW, len(encoding.ids) - 1))
    words, offsets = encoding.word_ids, encoding.offsets
    return [(offsets[token][0], words[token] != words[token - 1]) for token in range(window.start, window.stop)]
