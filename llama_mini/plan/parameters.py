"""What parameters take at each precision that `load` knows, counted tensor by tensor."""

import math

from llama_mini.config import ModelConfig
from llama_mini.precisions import dtype_of
from llama_mini.weights import meta
from llama_mini.weights.filling import becomes_quantized
from llama_mini.weights.quantized.linear import quantized_bytes
from llama_mini.weights.shapes import parameter_shapes


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
