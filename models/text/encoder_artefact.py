"""Makes the encoder: fine-tunes it on the training voices, exports it and measures what quantising costs."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

import core.labels
import models.corpus_reader
from adapters.artefacts import BuildReport, files_hash
from adapters.message_encoder_onnx import OnnxMessageEncoder
from deployments.ai_processing.text import HEADS, HeadName
from models.corpus_reader import CORPUS, Message, split
from models.text.encoder import WEIGHTS, MessageEncoder
from models.text.examples import GLOSSARY, Example, for_learning, from_messages
from models.text.export import export
from models.text.heads import head_columns, known_labels
from models.text.measures import Floats, macro_f1
from models.text.tuning import Recipe, fine_tune, make_batch, open_tokenizer

ARTEFACT = "encoder"
LIBRARIES = ("onnx", "onnxruntime", "tokenizers", "torch", "transformers")
MODULES = ("encoder", "encoder_artefact", "examples", "export", "tuning")
MOST_TOKENS = 256


def inputs_hash() -> str:
    """Hash of the corpus, the glossary, the first weights, the labels and the code that trains."""
    code = [Path(__file__).with_name(f"{name}.py") for name in MODULES]
    used = [Path(str(module.__file__)) for module in (core.labels, models.corpus_reader)]
    return files_hash([*corpus_files(), GLOSSARY, WEIGHTS / "model.safetensors", *code, *used])


def corpus_files() -> list[Path]:
    """The files of all voices."""
    return sorted(CORPUS.glob("*.jsonl"))


def build(
    corpus: Sequence[Message], folder: Path, recipe: Recipe | None = None, tell: Callable[[str], None] = print
) -> BuildReport:
    """Write `encoder.onnx` and `tokenizer.json`; some minutes on two cores.

    The metrics are macro-F1 of the encoder's scores alone on the voices of validation, before and after quantising.
    """
    splits = split(corpus)
    examples = for_learning(splits.training)
    tuned = fine_tune(examples, recipe or Recipe(), tell)
    export(tuned, folder)
    judged = from_messages(splits.validation)
    quantised = np.array([reading.scores for reading in OnnxMessageEncoder(folder).read([e.text for e in judged])])
    original = unquantised_scores(tuned, judged)
    return BuildReport(
        built_with={name: version(name) for name in LIBRARIES},
        metrics={
            **{f"original.{head}_macro_f1": _f1(head, judged, original) for head in HEADS},
            **{f"int8.{head}_macro_f1": _f1(head, judged, quantised) for head in HEADS},
        },
        details={"from": "all-MiniLM-L6-v2", "learned_from": len(splits.training), "examples": len(examples)},
        corpus_hash=files_hash(corpus_files()),
        labels={str(head): labels for head, labels in HEADS.items()},
    )


def unquantised_scores(encoder: MessageEncoder, examples: Sequence[Example]) -> Floats:
    """Scores of shape (n, labels of all heads) in the precision of training."""
    tokenizer = open_tokenizer(MOST_TOKENS)
    rows: list[Floats] = []
    with torch.no_grad():
        for example in examples:
            batch = make_batch([(tokenizer.encode(example.text), example)])
            rows.append(encoder(batch.input_ids, batch.attention_mask).scores.double().numpy())
    return np.concatenate(rows)


def _f1(head: HeadName, examples: Sequence[Example], scores: Floats) -> float:
    rows, labels = known_labels(head, examples)
    return round(macro_f1(labels, scores[rows, head_columns(head)].argmax(axis=1)), 4)
