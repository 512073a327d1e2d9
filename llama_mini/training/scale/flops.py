"""How much work training is, and how much of a device's speed it uses."""

from llama_mini import feedforward
from llama_mini.config import ModelConfig


def flops_per_token(config: ModelConfig, seq_len: int) -> int:
    """The floating-point operations of one token in training: 6 · matrices + 12 · L · dim · seq.

    matrices: the weights of wq, wk, wv, wo, w1, w2 and w3 of every layer, and of the output head,
    also where it shares the embeddings' matrix. Each meets each token in one multiplication and one
    addition on the way forward, and in twice as many on the way back. Embeddings count nothing,
    for they are looked up; nor do norms, rotations, softmax and the optimizer.

    12 · n_layers · n_heads · head_dim · seq_len is attention in sequences of seq_len tokens: scores
    and mixing, each 2 · head_dim operations a head and key, forward once and back twice. All
    seq_len keys count, though a token may look at half of them on average: that is what the matrix
    products compute before the mask. Shared key/value heads save none of it.

    Raises ValueError if seq_len is below 1. Source: PaLM (Chowdhery et al. 2022), appendix B.
    """
    if seq_len < 1:
        raise ValueError(f"A sequence has 1 token at least; got seq_len {seq_len}.")
    hidden = feedforward.hidden_width(config)
    kv_width = config.kv_heads * config.head_dim
    layer = 2 * config.dim**2 + 2 * config.dim * kv_width + 3 * config.dim * hidden
    matrices = config.n_layers * layer + config.vocab_size * config.dim
    return 6 * matrices + 12 * config.n_layers * config.n_heads * config.head_dim * seq_len


def mfu(
    tokens_per_second: float, flops_per_token: float, peak_flops: float, n_devices: int = 1
) -> float:
    """Model FLOPs utilisation: the share of the devices' peak that the model's own operations take.

    tokens_per_second: of all devices together. flops_per_token: what the model needs, which leaves
    out what is computed twice to save memory. peak_flops: operations a second of one device, dense,
    in the number format that the products run in. → 1.0 at the peak; above it, one of the numbers
    is wrong. Raises ValueError unless all are above 0, tokens_per_second of 0 aside.
    Source: PaLM (Chowdhery et al. 2022), §4.1.
    """
    if tokens_per_second < 0 or min(flops_per_token, peak_flops, n_devices) <= 0:
        raise ValueError(
            "A share of the peak needs operations, a peak and devices above 0; got "
            f"tokens_per_second {tokens_per_second}, flops_per_token {flops_per_token}, "
            f"peak_flops {peak_flops}, n_devices {n_devices}."
        )
    return tokens_per_second * flops_per_token / (peak_flops * n_devices)
