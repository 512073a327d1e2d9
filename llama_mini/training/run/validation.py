"""The validation loss of a model, and of the baseline on exactly the same tokens."""

from collections.abc import Iterator

import numpy as np
import torch

from llama_mini import model as architecture
from llama_mini.data.bigram import Bigram
from llama_mini.data.tokens import Tokens
from llama_mini.training.recipe import loss
from llama_mini.training.run.forward import Forward
from llama_mini.training.run.windows import masked, read_windows

MOST_WINDOWS = 16
MOST_LOGITS_BYTES = 1 << 28
"""What is read at once has so many windows, or logits of so many bytes; one window at least."""


class Validation:
    """The validation split in windows side by side, every token but the first a target once.

    tokens: the split. seq_len: tokens a window reads; the last window may be shorter.
    max_windows: take only so many, spread evenly, for a quick look; None takes all.
    document_mask: let no document see another, as in a training with that setting.
    Raises ValueError if the split has fewer than 2 tokens.
    """

    def __init__(
        self,
        tokens: Tokens,
        seq_len: int,
        max_windows: int | None = None,
        document_mask: bool = False,
    ) -> None:
        if len(tokens) < 2:
            raise ValueError(
                f"The validation split has {len(tokens)} tokens; predicting the next one needs 2. "
                "Build the mix again with `llama-mini data build`."
            )
        starts = np.arange(0, len(tokens) - 1, seq_len)
        if max_windows is not None and len(starts) > max_windows:
            starts = starts[np.linspace(0, len(starts) - 1, max_windows).astype(int)]
        self._tokens, self._document_mask = tokens, document_mask
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
        forward = Forward(model, dtype)
        was_training = model.training
        model.eval()
        total = 0.0
        for starts, length in self._batches():
            inputs, targets = read_windows(self._tokens, starts, length)
            if self._document_mask:
                inputs = masked(self._tokens, starts, inputs)
            logits = forward(inputs.to(device))
            total += loss.next_token_loss(logits, targets.to(device)).item() * targets.numel()
        model.train(was_training)
        return total / self.n_tokens

    def baseline_loss(self, bigram: Bigram) -> float:
        """Nats per token of a bigram model."""
        total = 0.0
        for start, length in self._windows:
            row = self._tokens.read(start, length + 1)
            total += bigram.surprise(row[:-1], row[1:]).sum()
        return float(total) / self.n_tokens

    def _batches(self) -> Iterator[tuple[list[int], int]]:
        """Windows of equal length that are read at once: where they begin, and their length."""
        full = max(length for _, length in self._windows)
        logits_bytes = 4 * full * self._tokens.vocab_size  # of one window
        at_once = max(1, min(MOST_WINDOWS, MOST_LOGITS_BYTES // logits_bytes))
        whole = [start for start, length in self._windows if length == full]
        for i in range(0, len(whole), at_once):
            yield whole[i : i + at_once], full
        for start, length in self._windows:
            if length < full:
                yield [start], length
