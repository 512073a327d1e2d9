"""What a model will take, in bytes, before a byte of it is allocated."""

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
