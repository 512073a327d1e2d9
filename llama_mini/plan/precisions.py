"""What parameters take at each precision that `load` knows, counted tensor by tensor."""

import math

import torch

from llama_mini.config import ModelConfig
from llama_mini.weights import meta
from llama_mini.weights.filling import PRECISIONS, becomes_quantized
from llama_mini.weights.quantized_linear import quantized_bytes
from llama_mini.weights.shapes import parameter_shapes


def dtype_of(precision: str) -> torch.dtype:
    """What activations, cache and all that is not quantised have at a precision.

    Raises ValueError for a name that `load` does not know.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be {', '.join(PRECISIONS)}; got {precision!r}.")
    return PRECISIONS[precision]


def name_of(dtype: torch.dtype) -> str:
    """The name of the precision that has this dtype. Raises ValueError if none has."""
    for name, known in PRECISIONS.items():
        if known == dtype:
            return name
    raise ValueError(f"No precision is {dtype}; there are {', '.join(PRECISIONS)}.")


def stored_bytes(config: ModelConfig, precision: str, n_devices: int = 1) -> int:
    """Bytes that the weights of one of n_devices take, scales included.

    The devices share what Meta cut over its shards; the norms are on each.
    """
    dtype, total = dtype_of(precision), 0
    for name, shape in parameter_shapes(config):
        size = math.prod(shape) * dtype.itemsize
        if becomes_quantized(name, len(shape), precision):
            size = quantized_bytes(shape, precision, dtype=dtype)
        total += size if meta.shard_axis(name) is None else size // n_devices
    return total
