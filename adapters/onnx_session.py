"""Opens exported networks and their tokenizers, for the CPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import onnxruntime  # pyright: ignore[reportMissingTypeStubs]  it has none
from numpy.typing import NDArray
from tokenizers import Tokenizer

from core.errors import ArtefactRefused

_onnxruntime = cast(Any, onnxruntime)


class Session(Protocol):
    """What is used of an inference session."""

    def run(self, output_names: Sequence[str], input_feed: dict[str, NDArray[np.int64]]) -> list[Any]:
        """The named outputs."""
        ...


def open_session(model: Path, threads: int) -> Session:
    """The network in `model`; `threads` are used within one run. Raises `ArtefactRefused`."""
    options = _onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        return cast(Session, _onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"]))
    except Exception as problem:
        # onnxruntime raises its own classes, which have no common base of their own.
        raise ArtefactRefused(f"onnxruntime can't open {model}; run `python -m aam build`.") from problem


def open_tokenizer(file: Path) -> Tokenizer:
    """The tokenizer in `file`, which neither cuts nor pads. Raises `ArtefactRefused`."""
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as problem:
        # The library raises bare exceptions.
        raise ArtefactRefused(f"{file} is no tokenizer; run `python -m aam build`.") from problem
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
