"""Writes the encoder as an ONNX network, quantised to int8, beside its tokenizer."""

import shutil
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import torch

from adapters.message_encoder_onnx import ENCODER, TOKENIZER
from models.text.encoder import WEIGHTS, MessageEncoder

_quantization: Any = import_module("onnxruntime.quantization")


def export(encoder: MessageEncoder, folder: Path) -> None:
    """Write `encoder.onnx` and `tokenizer.json` for `OnnxMessageEncoder`; weights are quantised per channel."""
    folder.mkdir(parents=True, exist_ok=True)
    original = folder / "original.onnx"
    _trace(encoder, original)
    _quantization.quantize_dynamic(
        original, folder / ENCODER, per_channel=True, weight_type=_quantization.QuantType.QInt8
    )
    original.unlink()
    shutil.copyfile(WEIGHTS / "tokenizer.json", folder / TOKENIZER)


def _trace(encoder: MessageEncoder, path: Path) -> None:
    example = torch.arange(1000, 1024, dtype=torch.int64).reshape(2, 12)
    mask = torch.ones_like(example)
    mask[1, 8:] = 0
    shape = {0: "batch", 1: "length"}
    with warnings.catch_warnings():
        # The TorchScript exporter is marked as old, and gives the graph that onnxruntime fuses and quantises best.
        warnings.simplefilter("ignore")
        cast(Any, torch.onnx).export(
            encoder.eval(),
            (example, mask),
            path,
            input_names=["input_ids", "attention_mask"],
            output_names=["scores", "counts", "starts"],
            dynamic_axes={
                "input_ids": shape,
                "attention_mask": shape,
                "scores": {0: "batch"},
                "counts": {0: "batch"},
                "starts": shape,
            },
            opset_version=17,
            dynamo=False,
        )
