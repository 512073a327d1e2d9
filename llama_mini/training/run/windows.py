"""Which tokens an update sees: a pure function of the seed and the update's number."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from llama_mini.data.mixing import packing
from llama_mini.data.tokens import Tokens
from llama_mini.training.recipe import batches
from llama_mini.training.run.forward import MaskedWindows


class DocumentTokens(Tokens, Protocol):
    """A split that knows where its documents begin: `documents["start"]`, rising."""

    documents: np.ndarray


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
        return read_windows(self._tokens, self.starts(step), self.seq_len)

    def starts(self, step: int) -> list[int]:
        """The first token of each window of update `step`, in reading order."""
        first = step * self.batch_size
        return [self._start(number) for number in range(first, first + self.batch_size)]

    def micro_batches(
        self, step: int, pieces: int = 1, document_mask: bool = False
    ) -> list[tuple[Tensor | MaskedWindows, Tensor]]:
        """The same windows in so many pieces, as even as they go, as (inputs, targets)."""
        inputs, targets = self.batch(step)
        starts = np.array_split(self.starts(step), pieces)
        parts = zip(starts, inputs.tensor_split(pieces), targets.tensor_split(pieces), strict=True)
        return [
            (masked(self._tokens, some, tokens) if document_mask else tokens, wanted)
            for some, tokens, wanted in parts
        ]

    def _start(self, number: int) -> int:
        epoch, place = divmod(number, self.n_windows)
        if self._dealt is None or self._dealt[0] != epoch:
            starts = batches.window_starts(epoch, self.n_windows, self.seq_len, self._seed)
            self._dealt = epoch, starts
        return int(self._dealt[1][place])


def read_windows(tokens: Tokens, starts: Sequence[int], seq_len: int) -> tuple[Tensor, Tensor]:
    """The windows that begin at `starts` as inputs and targets, each (batch, seq) int64."""
    windows = [tokens.read(start, seq_len + 1) for start in starts]
    stacked = torch.from_numpy(np.stack(windows).astype(np.int64))  # (batch, seq + 1)
    return stacked[:, :-1], stacked[:, 1:]


def masked(split: DocumentTokens, starts: Iterable[int], tokens: Tensor) -> MaskedWindows:
    """Windows (batch, seq) that begin at `starts` of a split, with the masks of its documents."""
    seq = tokens.shape[1]
    begins = split.documents["start"]
    masks = []
    for start in starts:
        first, last = np.searchsorted(begins, [start, start + seq])
        masks.append(packing.document_mask(begins[first:last] - start, seq))
    return MaskedWindows(tokens, torch.from_numpy(np.stack(masks)))
