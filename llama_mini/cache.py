"""The KV cache: what a decoder keeps, so that each token is computed once."""

import torch
from torch import Tensor

from llama_mini.config import ModelConfig


class KVCache:
    """Keys and values of all positions so far, for every layer; an argument, never hidden state.

    Holds 2 · n_layers · batch_size · max_seq_len · kv_heads · head_dim numbers of `dtype`,
    allocated at once. `length` counts the positions that every layer has written. Raises ValueError
    if max_seq_len is more than the model was built for.
    """

    def __init__(
        self,
        config: ModelConfig,
        batch_size: int,
        max_seq_len: int,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if batch_size < 1 or max_seq_len < 1:
            raise ValueError(
                "A cache holds at least 1 sequence of 1 position; "
                f"got {batch_size} of {max_seq_len}."
            )
        if max_seq_len > config.max_seq_len:
            raise ValueError(
                f"A cache of {max_seq_len} positions is longer than the model's max_seq_len "
                f"of {config.max_seq_len}."
            )
        shape = (config.n_layers, batch_size, max_seq_len, config.kv_heads, config.head_dim)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        self.length = 0

    @property
    def max_seq_len(self) -> int:
        """Positions there is room for."""
        return self.keys.shape[2]

    def layer(self, index: int) -> "LayerCache":
        """One layer's share, as `Attention` takes it."""
        return LayerCache(self.keys[index], self.values[index], self.length)

    def advance(self, n_positions: int) -> None:
        """Count positions that all layers have written."""
        self.length += n_positions


class LayerCache:
    """One layer's keys and values, each (batch, max_seq_len, kv_heads, head_dim)."""

    def __init__(self, keys: Tensor, values: Tensor, length: int) -> None:
        self.keys, self.values, self.length = keys, values, length

    def update(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write the new positions behind the old ones; return all keys and values so far.

        k and v (batch, seq, kv_heads, head_dim) → two of (batch, length + seq, kv_heads, head_dim),
        which are views. Raises ValueError if they do not fit.
        """
        batch, seq = k.shape[:2]
        end = self.length + seq
        if batch != self.keys.shape[0] or end > self.keys.shape[1]:
            raise ValueError(
                f"The cache has room for {self.keys.shape[0]} sequences of {self.keys.shape[1]} "
                f"positions and holds {self.length}; {batch} sequences of {seq} more do not fit. "
                "Make a larger KVCache."
            )
        self.keys[:, self.length : end] = k
        self.values[:, self.length : end] = v
        return self.keys[:, :end], self.values[:, :end]
