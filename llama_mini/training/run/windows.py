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
from llama_mini.training.scale import ranks


class DocumentTokens(Tokens, Protocol):
    """A split that knows where its documents begin: `documents["start"]`, rising."""

    documents: np.ndarray


class Batches:
    """The training split cut into windows and dealt out like cards: each once, then shuffled anew.

    Nothing is remembered between updates, so the place in the data is the update's number alone
    and a resumed run sees what an uninterrupted one would have seen. Every pass over the data
    also cuts at another offset, so that a window never ends at the same token twice in a row.

    tokens: the split. batch_size: windows in an update. seq_len: tokens in a window. rank,
    world_size: which process reads, of how many that share each update's windows.
    Raises ValueError if the split is shorter than one window, or the windows cannot be shared.
    """

    def __init__(
        self,
        tokens: Tokens,
        batch_size: int,
        seq_len: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        # A window needs one token more than it has inputs, and an offset moves it by < seq_len.
        self.n_windows = (len(tokens) - seq_len) // seq_len
        if self.n_windows < 1:
            raise ValueError(
                f"The training split has {len(tokens):,} tokens, too few for one sequence of "
                f"{seq_len}. Build a larger mix with `llama-mini data build`, or lower seq_len."
            )
        self._tokens, self._seed = tokens, seed
        self.batch_size, self.seq_len = batch_size, seq_len
        self._rank, self._world_size = rank, world_size
        self._numbers(0)  # raises here, not in the first update
        self._dealt: tuple[int, np.ndarray] | None = None

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """This process's inputs and targets of update `step`, each (batch, seq) int64.

        Targets are one ahead.
        """
        return read_windows(self._tokens, self.starts(step), self.seq_len)

    def starts(self, step: int) -> list[int]:
        """The first token of each window that this process reads in update `step`, in order."""
        return [self._start(number) for number in self._numbers(step)]

    def micro_batches(
        self, step: int, pieces: int = 1, document_mask: bool = False
    ) -> list[tuple[Tensor | MaskedWindows, Tensor]]:
        """The same windows in so many pieces, as even as they go, as (inputs, targets).

        No piece is empty: there are at most as many as windows.
        """
        inputs, targets = self.batch(step)
        pieces = min(pieces, len(inputs))
        starts = np.array_split(self.starts(step), pieces)
        parts = zip(starts, inputs.tensor_split(pieces), targets.tensor_split(pieces), strict=True)
        return [
            (masked(self._tokens, some, tokens) if document_mask else tokens, wanted)
            for some, tokens, wanted in parts
        ]

    def _numbers(self, step: int) -> list[int]:
        return ranks.windows_of_rank(step, self.batch_size, self._rank, self._world_size)

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
