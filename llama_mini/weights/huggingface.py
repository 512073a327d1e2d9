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


def to_meta(name: str, tensor: Tensor, config: ModelConfig) -> Tensor:
    """Hugging Face's tensor of the parameter that Meta calls `name`, with Meta's order of rows.

    Query and key projections are new tensors; all else is the tensor itself.
    """
    return _reorder(rope.half_to_interleaved, name, tensor, config)


def to_huggingface(name: str, tensor: Tensor, config: ModelConfig) -> Tensor:
    """Meta's tensor with Hugging Face's order of rows, the inverse of `to_meta`."""
    return _reorder(rope.interleaved_to_half, name, tensor, config)


def is_moved(name: str) -> bool:
    """Whether the rows of a parameter, by Meta's name, stand in another order at Hugging Face's."""
    return name.endswith((".attention.wq.weight", ".attention.wk.weight"))


def _reorder(
    convert: Callable[[Tensor, int], Tensor], name: str, tensor: Tensor, config: ModelConfig
) -> Tensor:
    if not is_moved(name):
        return tensor
    n_heads = config.n_heads if name.endswith(".wq.weight") else config.kv_heads
    if tensor.device.type != "cpu":
        return convert(tensor, n_heads)
    # The conversions of `rope` only move rows, so one done to a column of row numbers (exact in
    # float32 up to 2^24) says it all. numpy then copies whole rows, on one thread: torch's several
    # are quicker on an idle machine, and wait for one another ten times as long on a busy one.
    order = convert(torch.arange(len(tensor), dtype=torch.float32)[:, None], n_heads)[:, 0].long()
    moved = torch.empty_like(tensor, memory_format=torch.contiguous_format)
    source, target = (t.view(torch.uint8).numpy() for t in (tensor.contiguous(), moved))
    # Clipping, which has nothing to clip, is what lets numpy write into its target itself.
    source.take(order.numpy(), axis=0, out=target, mode="clip")
    return moved
