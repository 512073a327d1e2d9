"""The validation loss of a model, and of the baseline on exactly the same tokens."""

import numpy as np
import torch

from llama_mini import model as architecture
from llama_mini.training import precision
from llama_mini.training.baseline import Bigram
from llama_mini.training.recipe import loss
from llama_mini.training.run.windows import Tokens

_WINDOWS_AT_ONCE = 16


class Validation:
    """The validation split in windows side by side, every token but the first a target once.

    tokens: the split. seq_len: tokens a window reads; the last window may be shorter.
    max_windows: take only so many, spread evenly, for a quick look; None takes all.
    Raises ValueError if the split has fewer than 2 tokens.
    """

    def __init__(self, tokens: Tokens, seq_len: int, max_windows: int | None = None) -> None:
        if len(tokens) < 2:
            raise ValueError(
                f"The validation split has {len(tokens)} tokens; predicting the next one needs 2. "
                "Build the mix again with `llama-mini data build`."
            )
        starts = np.arange(0, len(tokens) - 1, seq_len)
        if max_windows is not None and len(starts) > max_windows:
            starts = starts[np.linspace(0, len(starts) - 1, max_windows).astype(int)]
        self._tokens = tokens
        self._windows = [(int(s), min(seq_len, len(tokens) - 1 - int(s))) for s in starts]

    @property
    def n_tokens(self) -> int:
        """How many tokens are predicted."""
        return sum(length for _, length in self._windows)

    @torch.no_grad()
    def model_loss(
        self, model: architecture.Transformer, dtype: torch.dtype = torch.float32
    ) -> float:
        """Nats per token of `model`, computed in `dtype` as in training."""
        device = next(model.parameters()).device
        was_training = model.training
        model.eval()
        total = 0.0
        for rows in self._batches():
            tokens = torch.from_numpy(rows.astype(np.int64)).to(device)  # (batch, seq + 1)
            inputs, targets = tokens[:, :-1], tokens[:, 1:]
            with precision.autocast(device, dtype):
                logits = model(inputs)
            total += loss.next_token_loss(logits, targets).item() * targets.numel()
        model.train(was_training)
        return total / self.n_tokens

    def baseline_loss(self, bigram: Bigram) -> float:
        """Nats per token of a bigram model."""
        total = 0.0
        for rows in self._batches():
            total += bigram.surprise(rows[:, :-1].ravel(), rows[:, 1:].ravel()).sum()
        return float(total) / self.n_tokens

    def _batches(self):
        """Windows of equal length, stacked: arrays (batch, seq + 1)."""
        full = max(length for _, length in self._windows)
        whole = [start for start, length in self._windows if length == full]
        for i in range(0, len(whole), _WINDOWS_AT_ONCE):
            chunk = whole[i : i + _WINDOWS_AT_ONCE]
            yield np.stack([self._tokens.read(start, full + 1) for start in chunk])
        for start, length in self._windows:
            if length < full:
                yield self._tokens.read(start, length + 1)[None]
