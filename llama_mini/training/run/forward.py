"""How a run's model reads its windows: in which number format, and which documents see which."""

from dataclasses import dataclass

import torch
from torch import Tensor

from llama_mini import model as architecture
from llama_mini import precisions, rope


@dataclass(frozen=True)
class MaskedWindows:
    """Windows in which documents do not see each other.

    tokens: (batch, seq) int64. masks: (batch, seq, seq) bool, True where a query may look.
    """

    tokens: Tensor
    masks: Tensor

    def to(self, device: torch.device) -> "MaskedWindows":
        """The same on another device."""
        return MaskedWindows(self.tokens.to(device), self.masks.to(device))


@dataclass
class Forward:
    """Windows → logits (batch, seq, vocab), matrix products in `dtype`.

    Plain tokens go through the model as they are. Masked windows go through its parts in their
    order, one window at a time: a layer takes one mask (seq, seq), and each window has another.
    """

    model: architecture.Transformer
    dtype: torch.dtype = torch.float32

    def __call__(self, inputs: Tensor | MaskedWindows) -> Tensor:
        tokens = inputs.tokens if isinstance(inputs, MaskedWindows) else inputs
        with precisions.autocast(tokens.device, self.dtype):
            if tokens is inputs:
                return self.model(tokens)
            table = self._rotations(tokens)
            windows = zip(tokens.split(1), inputs.masks, strict=True)
            return torch.cat([self._read(window, table, mask) for window, mask in windows])

    def _read(self, tokens: Tensor, table: Tensor, mask: Tensor) -> Tensor:
        x = self.model.tok_embeddings(tokens)  # (1, seq, dim)
        for layer in self.model.layers:
            x = layer(x, table, mask)
        return self.model.output(self.model.norm(x)).float()  # (1, seq, vocab)

    def _rotations(self, tokens: Tensor) -> Tensor:
        config = self.model.config
        table = rope.rope_table(config.head_dim, tokens.shape[1], config.rope_theta)
        return table.to(tokens.device)  # (seq, head_dim/2)
