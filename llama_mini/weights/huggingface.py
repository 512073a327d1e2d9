"""Hugging Face's names for LLaMA's parameters, and Meta's for the same ones."""

import re

# What Hugging Face calls the layers of a block, in the order of Meta's files.
_LAYERS_OF_A_BLOCK = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.down_proj",
    "mlp.up_proj",
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


def huggingface_names(n_layers: int, tied_embeddings: bool = False) -> dict[str, str]:
    """Every parameter of a LLaMA: Hugging Face's name by Meta's, the inverse of `meta_name`.

    In the order of Meta's files; tied embeddings have no head of their own.
    """
    layers = [
        "model.embed_tokens",
        *(
            f"model.layers.{block}.{layer}"
            for block in range(n_layers)
            for layer in _LAYERS_OF_A_BLOCK
        ),
        "model.norm",
        *([] if tied_embeddings else ["lm_head"]),
    ]
    return {meta_name(f"{layer}.weight"): f"{layer}.weight" for layer in layers}
