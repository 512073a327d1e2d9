"""The shape of every parameter of a model, without building it."""

from collections.abc import Iterator

from llama_mini import feedforward
from llama_mini.config import ModelConfig


def parameter_shapes(config: ModelConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of each parameter, in the order of `Transformer.named_parameters()`.

    Weights are (out, in). Tied embeddings come once, as tok_embeddings.weight.
    """
    dim, kv_width = config.dim, config.kv_heads * config.head_dim
    hidden = feedforward.hidden_width(config)
    in_a_layer = {
        "attention_norm": (dim,),
        "attention.wq": (dim, dim),
        "attention.wk": (kv_width, dim),
        "attention.wv": (kv_width, dim),
        "attention.wo": (dim, dim),
        "ffn_norm": (dim,),
        "feed_forward.w1": (hidden, dim),
        "feed_forward.w2": (dim, hidden),
        "feed_forward.w3": (hidden, dim),
    }
    yield "tok_embeddings.weight", (config.vocab_size, dim)
    for layer in range(config.n_layers):
        for name, shape in in_a_layer.items():
            yield f"layers.{layer}.{name}.weight", shape
    yield "norm.weight", (dim,)
    if not config.tied_embeddings:
        yield "output.weight", (config.vocab_size, dim)
