"""A KV cache whose shapes never change, so that one compiled program serves every position."""

import torch
from torch import Tensor

from llama_mini.cache import KVCache
from llama_mini.config import ModelConfig


class StaticCache(KVCache):
    """A KVCache in which each layer's keys and values are tensors of their own.

    The prompt goes through it as through any cache. `StaticLayerCache` takes the same memory, with
    a position that is a tensor. Arguments and errors are KVCache's.
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
        super().__init__(config, batch_size, max_seq_len, device=device, dtype=dtype)
        # Written to as views of one tensor, the whole of it would be copied by the compiler.
        self.keys = [keys.clone() for keys in self.keys]
        self.values = [values.clone() for values in self.values]

    @property
    def max_seq_len(self) -> int:
        """Positions there is room for."""
        return self.keys[0].shape[1]


class StaticLayerCache:
    """One layer's keys and values, each (batch, max_seq_len, kv_heads, head_dim), at a position.

    `update` does what LayerCache's does for one new position, but returns all max_seq_len: a mask
    must hide those past `position`, an int64 tensor (1,).
    """

    def __init__(self, keys: Tensor, values: Tensor, position: Tensor) -> None:
        self.keys, self.values, self.position = keys, values, position

    def update(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write k and v (batch, 1, kv_heads, head_dim) at the position; return all positions."""
        self.keys.index_copy_(1, self.position, k)
        self.values.index_copy_(1, self.position, v)
        return self.keys, self.values
