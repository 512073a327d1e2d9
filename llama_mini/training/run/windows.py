"""Which tokens an update sees: a pure function of the seed and the update's number."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Tokens(Protocol):
    """One split of a packed mix, as `llama_mini.data.shards.TokenShards` offers it."""

    vocab_size: int
    digest: str

    def __len__(self) -> int: ...

    def read(self, start: int, count: int) -> np.ndarray: ...


class Batches:
    """The training split cut into windows and dealt out like cards: each once, then shuffled anew.

    Nothing is remembered between updates, so the place in the data is the update's number alone
    and a resumed run sees what an uninterrupted one would have seen. Every pass over the data
    also cuts at another offset, so that a window never ends at the same token twice in a row.

    tokens: the split. batch_size: windows in an update. seq_len: tokens in a window.
    Raises ValueError if the split is shorter than one window.
    """

    def __init__(self, tokens: Tokens, batch_size: int, seq_len: int, seed: int) -> None:
        # A window needs one token more than it has inputs, and an offset moves it by < seq_len.
        self.n_windows = (len(tokens) - seq_len) // seq_len
        if self.n_windows < 1:
            raise ValueError(
                f"The training split has {len(tokens):,} tokens, too few for one sequence of "
                f"{seq_len}. Build a larger mix with `llama-mini data build`, or lower seq_len."
            )
        self._tokens, self._seed = tokens, seed
        self.batch_size, self.seq_len = batch_size, seq_len
        self._dealt: tuple[int, np.ndarray] | None = None

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of update `step`, each (batch, seq) int64; targets are one ahead."""
        first = step * self.batch_size
        windows = [self._window(n) for n in range(first, first + self.batch_size)]
        tokens = torch.from_numpy(np.stack(windows).astype(np.int64))  # (batch, seq + 1)
        return tokens[:, :-1], tokens[:, 1:]

    def _window(self, number: int) -> np.ndarray:
        epoch, place = divmod(number, self.n_windows)
        return self._tokens.read(int(self._starts(epoch)[place]), self.seq_len + 1)

    def _starts(self, epoch: int) -> np.ndarray:
        if self._dealt is None or self._dealt[0] != epoch:
            rng = np.random.default_rng([self._seed, epoch])
            offset = int(rng.integers(self.seq_len))
            self._dealt = epoch, offset + self.seq_len * rng.permutation(self.n_windows)
        return self._dealt[1]
