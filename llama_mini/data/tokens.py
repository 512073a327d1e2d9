"""What a split of a packed mix offers to those who count, train or measure."""

from typing import Protocol

import numpy as np


class Tokens(Protocol):
    """One split of a packed mix, as `llama_mini.data.shards.TokenShards` offers it."""

    vocab_size: int
    digest: str

    def __len__(self) -> int: ...

    def read(self, start: int, count: int) -> np.ndarray: ...
