"""Fine-tunes the encoder on the labelled messages, on the CPU."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from deployments.ai_processing.text import HEADS, MOST_ISSUES
from models.text.encoder import WEIGHTS, MessageEncoder, Reading
from models.text.examples import Example

MOST_TOKENS = 192
"""Longer messages are cut while learning; hardly any is."""
UNKNOWN = -100
"""Marks a label that an example doesn't have."""


@dataclass(frozen=True)
class Recipe:
    """How long and how strongly to learn."""

    epochs: int = 3
    batch: int = 32
    rate: float = 3e-4
    new_rate: float = 2e-3
    """For the layers that are new."""
    warmup: float = 0.1
    smoothing: float = 0.05
    decay: float = 0.01
    averaging: float = 0.99
    """Of the running mean over the weights that is kept in the end."""
    frozen_layers: int = 0
    start_weight: float = 6.0
    """How many tokens that begin nothing one token that begins an issue counts for."""
    starts_share: float = 4.0
    """What the mean loss over the tokens counts for beside the loss of one head."""
    counts_share: float = 2.0
    """What the loss of the number of issues counts for beside that of one head."""
    seed: int = 7


@dataclass(frozen=True)
class Batch:
    """Tokens with their labels."""

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    """(batch, heads)."""
    counts: Tensor
    starts: Tensor
    """(batch, n): 1 where an issue begins."""


def fine_tune(examples: Sequence[Example], recipe: Recipe, tell: Callable[[str], None] = print) -> MessageEncoder:
    """An encoder that learned from these examples; the same examples and recipe on the same machine give the same."""
    cast(Any, torch).manual_seed(recipe.seed)
    chosen = random.Random(recipe.seed)
    model = MessageEncoder(recipe.frozen_layers)
    average = AveragedModel(model, multi_avg_fn=cast(Any, get_ema_multi_avg_fn)(recipe.averaging))
    tokenizer = open_tokenizer(MOST_TOKENS)
    encoded = [cast(Encoding, cast(Any, tokenizer).encode(example.text)) for example in examples]
    steps = recipe.epochs * math.ceil(len(examples) / recipe.batch)
    optimiser, schedule = _optimiser(model, recipe, steps)
    model.train()
    for epoch in range(recipe.epochs):
        losses = [
            _learn(model, average, optimiser, schedule, make_batch([(encoded[p], examples[p]) for p in places]), recipe)
            for places in _deal([len(each.ids) for each in encoded], recipe.batch, chosen)
        ]
        tell(f"    epoch {epoch + 1} of {recipe.epochs}: loss {sum(losses) / len(losses):.3f}")
    return cast(MessageEncoder, average.module).eval()


def open_tokenizer(most_tokens: int) -> Tokenizer:
    """The tokenizer of the weights, which cuts at `most_tokens` and pads nothing."""
    tokenizer = Tokenizer.from_file(str(WEIGHTS / "tokenizer.json"))
    cast(Any, tokenizer).enable_truncation(most_tokens)
    tokenizer.no_padding()
    return tokenizer


def make_batch(pairs: Sequence[tuple[Encoding, Example]]) -> Batch:
    """Padded tensors of encoded examples."""
    longest = max(len(encoded.ids) for encoded, _ in pairs)
    ids = torch.zeros(len(pairs), longest, dtype=torch.long)
    mask, starts = torch.zeros_like(ids), torch.zeros(len(pairs), longest)
    for row, (encoded, example) in enumerate(pairs):
        ids[row, : len(encoded.ids)] = torch.tensor(encoded.ids)
        mask[row, : len(encoded.ids)] = 1
        starts[row, start_tokens(encoded.offsets, example.starts)] = 1.0
    labels = torch.tensor([_labels(example) for _, example in pairs])
    counts = torch.tensor([min(max(1, len(example.starts)), MOST_ISSUES) - 1 for _, example in pairs])
    return Batch(ids, mask, labels, counts, starts)


def start_tokens(offsets: Sequence[tuple[int, int]], starts: Sequence[int]) -> list[int]:
    """The tokens that hold these places of the text; places beyond the last token have none."""
    return [
        token
        for place in starts
        for token, (first, end) in enumerate(offsets)
        if end > first and (first <= place < end or (place < first and offsets[token - 1][1] <= place))
    ]


def loss_of(reading: Reading, batch: Batch, recipe: Recipe) -> Tensor:
    """The sum over the heads of their mean cross-entropy, where the label is known, and the issues' losses."""
    entropy = nn.CrossEntropyLoss(label_smoothing=recipe.smoothing)
    total = recipe.counts_share * entropy(reading.counts, batch.counts) + _starts_loss(reading, batch, recipe)
    first = 0
    for place, labels in enumerate(HEADS.values()):
        known = batch.labels[:, place] != UNKNOWN
        if bool(known.any()):
            total = total + entropy(reading.scores[known, first : first + len(labels)], batch.labels[known, place])
        first += len(labels)
    return total


def _starts_loss(reading: Reading, batch: Batch, recipe: Recipe) -> Tensor:
    weight = torch.tensor(recipe.start_weight)
    losses = nn.functional.binary_cross_entropy_with_logits(
        reading.starts, batch.starts, pos_weight=weight, reduction="none"
    )
    mask = batch.attention_mask
    return recipe.starts_share * (losses * mask).sum() / mask.sum()


def _optimiser(model: MessageEncoder, recipe: Recipe, steps: int) -> tuple[Any, Any]:
    before, new = model.groups()
    groups = [{"params": before, "lr": recipe.rate}, {"params": new, "lr": recipe.new_rate}]
    optimiser = torch.optim.AdamW(groups, weight_decay=recipe.decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=[recipe.rate, recipe.new_rate], total_steps=steps + 1, pct_start=recipe.warmup
    )
    return optimiser, schedule


def _learn(
    model: MessageEncoder, average: AveragedModel, optimiser: Any, schedule: Any, batch: Batch, recipe: Recipe
) -> float:
    loss = loss_of(model(batch.input_ids, batch.attention_mask), batch, recipe)
    optimiser.zero_grad()
    cast(Any, loss).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    schedule.step()
    average.update_parameters(model)
    return loss.item()


def _deal(lengths: Sequence[int], size: int, chosen: random.Random) -> list[list[int]]:
    """Batches of texts of about the same length, in random order, so that little is padded."""
    order = sorted(range(len(lengths)), key=lambda place: lengths[place] + chosen.random() * 12)
    batches = [order[first : first + size] for first in range(0, len(order), size)]
    chosen.shuffle(batches)
    return batches


def _labels(example: Example) -> list[int]:
    known = {"category": example.category, "urgency": example.urgency, "intent": example.intent, "trade": example.trade}
    return [labels.index(label) if (label := known[head]) is not None else UNKNOWN for head, labels in HEADS.items()]
