"""What parameters take at each precision that `load` knows, counted tensor by tensor."""

import math

import torch

from llama_mini.config import ModelConfig
from llama_mini.weights import meta
from llama_mini.weights.loading import PRECISIONS
from llama_mini.weights.shapes import parameter_shapes


def known() -> list[str]:
    """The names of the precisions, widest first."""
    return list(PRECISIONS)


def dtype_of(precision: str) -> torch.dtype:
    """What activations, cache and all that is not quantised have at a precision.

    Raises ValueError for a name that `load` does not know.
    """
    if precision not in known():
        raise ValueError(f"precision must be {', '.join(known())}; got {precision!r}.")
    return PRECISIONS.get(precision, torch.bfloat16)


def stored_bytes(config: ModelConfig, precision: str, n_devices: int = 1) -> int:
    """Bytes that the weights of one of n_devices take, scales included.

    The devices share what Meta cut over its shards; the norms are on each.
    """
    itemsize = dtype_of(precision).itemsize
    total = 0
    for name, shape in parameter_shapes(config):
        size = math.prod(shape) * itemsize
        total += size if meta.shard_axis(name) is None else size // n_devices
    return total


def name_of(dtype: torch.dtype) -> str:
    """The name of the precision that has this dtype. Raises ValueError if none has."""
    for name, known_dtype in PRECISIONS.items():
        if known_dtype == dtype:
            return name
    raise ValueError(f"Weights of {dtype} have no precision here; there are {', '.join(known())}.")
