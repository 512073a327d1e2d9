"""Hugging Face's names and row order for LLaMA's parameters, and Meta's for the same ones."""

import re
from collections.abc import Callable

import torch
from torch import Tensor

from llama_mini import rope
from llama_mini.config import ModelConfig

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


Gather = Callable[[Tensor, Tensor], Tensor]


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


def _index_select(weight: Tensor, rows: Tensor) -> Tensor:
    return weight.index_select(0, rows.to(weight.device))


def to_meta(
    name: str, tensor: Tensor, config: ModelConfig, gather: Gather = _index_select
) -> Tensor:
    """A tensor of Hugging Face's with its rows in Meta's order; `name` is Meta's.

    Only the query and key projections differ; any other tensor is returned as it is. gather: how
    rows are picked, (weight, rows) → weight[rows].
    """
    heads = _rotated_heads(name, config)
    if heads is None:
        return tensor
    return gather(tensor, _row_order(rope.half_to_interleaved, len(tensor), heads))


def to_huggingface(name: str, tensor: Tensor, config: ModelConfig) -> Tensor:
    """A tensor of Meta's with its rows in Hugging Face's order, the inverse of `to_meta`."""
    heads = _rotated_heads(name, config)
    if heads is None:
        return tensor
    return _index_select(tensor, _row_order(rope.interleaved_to_half, len(tensor), heads))


def _rotated_heads(name: str, config: ModelConfig) -> int | None:
    """How many heads the rows of a projection that RoPE rotates make; None for other tensors."""
    if name.endswith(".attention.wq.weight"):
        return config.n_heads
    return config.kv_heads if name.endswith(".attention.wk.weight") else None


def _row_order(convert: Callable[[Tensor, int], Tensor], n_rows: int, n_heads: int) -> Tensor:
    # The conversions of `rope` only move rows, so one done to a column of row numbers (exact in
    # float32 up to 2^24) says it all. Whole rows are then gathered several times as fast as torch
    # copies along permuted axes.
    numbers = torch.arange(n_rows, dtype=torch.float32)[:, None]
    return convert(numbers, n_heads)[:, 0].long()
