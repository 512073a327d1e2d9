"""What a model will take, in bytes and in time, before a byte of it is allocated."""

import math
from numbers import Real

from llama_mini import model as architecture
from llama_mini.config import ModelConfig


def kv_cache_bytes(config: ModelConfig, batch: int, seq: int, bytes_per_element: int = 2) -> int:
    """Bytes that the keys and values of `batch` sequences of `seq` positions take, in all layers.

    Each layer holds one key and one value of head_dim numbers for every sequence, position and
    key/value head (config.kv_heads of them). bytes_per_element is 2 for float16 and bfloat16, 4 for
    float32. Raises ValueError unless all three are whole numbers of at least 1. Source: the FAQ of
    Meta's llama repository, which has it for a key/value head to each query head, as in LLaMA 1.
    """
    for name, value in (("batch", batch), ("seq", seq), ("bytes_per_element", bytes_per_element)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1; got {value!r}.")
    elements = config.n_layers * batch * seq * config.kv_heads * config.head_dim
    return 2 * elements * bytes_per_element


def weight_bytes(config: ModelConfig, bits_per_weight: float = 16) -> int:
    """Bytes that all parameters of a model take at so many bits each, rounded up to whole bytes.

    16 bits are float16 and bfloat16. A quantised format has a fraction more than its name says,
    because each group of weights brings a scale: 4.5 bits in llama.cpp's Q4_0. The bits count for
    every parameter alike, norms and embeddings too; tied embeddings count once. Raises ValueError
    unless bits_per_weight is a finite number above 0.
    """
    if not isinstance(bits_per_weight, Real) or not 0 < bits_per_weight < math.inf:
        raise ValueError(
            f"bits_per_weight must be a finite number above 0; got {bits_per_weight!r}."
        )
    return math.ceil(architecture.parameter_count(config) * bits_per_weight / 8)


def decode_tokens_per_second(
    config: ModelConfig,
    bytes_per_second: float,
    bits_per_weight: float = 16,
    batch: int = 1,
    context: int = 0,
    bytes_per_element: int = 2,
) -> float:
    """The tokens per second, of all sequences together, that memory bandwidth allows in decoding.

    One step makes one token for each of `batch` sequences. For it, all weights pass from memory to
    the processor once, whatever the batch, and so do the keys and values of the `context` positions
    that each sequence has cached, bytes_per_element each number. A step cannot be quicker than
    these bytes divided by bytes_per_second. Every parameter is counted, as is usual when the
    bandwidth used is reported, though of the input embeddings a token reads one row alone. Raises
    ValueError unless bytes_per_second and bits_per_weight are above 0, batch and bytes_per_element
    at least 1, and context at least 0.
    """
    if not isinstance(bytes_per_second, Real) or not 0 < bytes_per_second < math.inf:
        raise ValueError(
            f"bytes_per_second must be a finite number above 0; got {bytes_per_second!r}."
        )
    for name, value, least in (("batch", batch, 1), ("context", context, 0)):
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}; got {value!r}.")
    weights = weight_bytes(config, bits_per_weight)
    cache = kv_cache_bytes(config, batch, context, bytes_per_element) if context else 0
    return batch * bytes_per_second / (weights + cache)
