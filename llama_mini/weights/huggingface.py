"""Hugging Face's names and row order for LLaMA's parameters, and Meta's for the same ones."""

import re

import torch
from torch import Tensor

from llama_mini import rope

# What Hugging Face calls the layers around the blocks, and those of a block.
_AROUND = ("model.embed_tokens", "model.norm", "lm_head")
_WITHIN = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
    "input_layernorm",
    "post_attention_layernorm",
)


def meta_name(name: str) -> str:
    """Meta's name of the parameter that Hugging Face calls `name`.

    `model.layers.3.self_attn.q_proj.weight` → `layers.3.attention.wq.weight`. Within a block,
    self_attn's q_proj, k_proj, v_proj and o_proj are attention's wq, wk, wv and wo; mlp's
    gate_proj, up_proj and down_proj are feed_forward's w1, w3 and w2; input_layernorm is
    attention_norm, post_attention_layernorm is ffn_norm. Around the blocks, model.embed_tokens is
    tok_embeddings, model.norm is norm, lm_head is output. Every parameter is a `.weight`. Raises
    ValueError, with the name in it, for any other: LLaMA has no such parameter. Source:
    transformers' convert_llama_weights_to_hf.py.
    """
    around = {"model.embed_tokens": "tok_embeddings", "model.norm": "norm", "lm_head": "output"}
    within = {
        "self_attn.q_proj": "attention.wq",
        "self_attn.k_proj": "attention.wk",
        "self_attn.v_proj": "attention.wv",
        "self_attn.o_proj": "attention.wo",
        "mlp.gate_proj": "feed_forward.w1",
        "mlp.down_proj": "feed_forward.w2",
        "mlp.up_proj": "feed_forward.w3",
        "input_layernorm": "attention_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    if found := re.fullmatch(r"(?:model\.(layers\.[0-9]+\.))?(.+)\.weight", name):
        block, layer = found.groups()
        if block and layer in within:
            return f"{block}{within[layer]}.weight"
        if not block and layer in around:
            return f"{around[layer]}.weight"
    raise ValueError(
        f"LLaMA has no parameter {name!r}. Its parameters in Hugging Face's files are named like "
        "model.layers.0.self_attn.q_proj.weight, model.embed_tokens.weight or lm_head.weight."
    )


def huggingface_name(name: str) -> str:
    """Hugging Face's name of the parameter that Meta calls `name`: the inverse of `meta_name`.

    Raises ValueError for a name that is no parameter of the model.
    """
    block = re.match(r"layers\.[0-9]+\.", name)
    layers = [f"model.{block[0]}{layer}" for layer in _WITHIN] if block else _AROUND
    for layer in layers:
        if meta_name(f"{layer}.weight") == name:
            return f"{layer}.weight"
    raise ValueError(f"The model has no parameter {name!r}, so Hugging Face has no name for it.")


def meta_rows(n_rows: int, n_heads: int) -> Tensor:
    """Which row of Hugging Face's query or key projection each row of Meta's is.

    → (n_rows,) int64, for `weight.index_select(0, rows)`. The conversion of `rope` only moves rows,
    so that where it moves row numbers says it all; they are exact in float32 up to 2^24.
    """
    return _numbers(rope.half_to_interleaved(_column(n_rows), n_heads))


def huggingface_rows(n_rows: int, n_heads: int) -> Tensor:
    """Which row of Meta's query or key projection each row of Hugging Face's is, as `meta_rows`."""
    return _numbers(rope.interleaved_to_half(_column(n_rows), n_heads))


def _column(n_rows: int) -> Tensor:
    return torch.arange(n_rows, dtype=torch.float32)[:, None]


def _numbers(column: Tensor) -> Tensor:
    return column[:, 0].long()
