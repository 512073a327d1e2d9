"""Where a model looks: the attention weights of every layer and head on a text."""

from typing import Any

import ipywidgets as widgets
import torch
from einops import rearrange
from matplotlib.figure import Figure
from torch import Tensor

from llama_mini import attention, rope
from llama_mini import model as architecture
from llama_mini.visualization import figures
from llama_mini.visualization.explore import Explorer


@torch.no_grad()
def attention_weights(model: architecture.Transformer, tokens: Tensor) -> Tensor:
    """How much each position looks at each other one.

    tokens (seq,) int64 → (layers, heads, seq, seq) float32; row q holds the weights of query q and
    adds up to 1. They are computed by the functions that fill the slots, so they are those of the
    learner's code when that is what runs.
    """
    if tokens.ndim != 1:
        raise ValueError(f"One text at a time: tokens must be (seq,); got {tuple(tokens.shape)}.")
    inputs: list[Tensor] = []

    def remember(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        inputs.append(args[0] if args else kwargs["x"])

    hooks = [
        layer.attention.register_forward_pre_hook(remember, with_kwargs=True)
        for layer in model.layers
    ]
    try:
        model(tokens[None])
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack([_weights(model, i, x) for i, x in enumerate(inputs)]).float().cpu()


def _weights(model: architecture.Transformer, index: int, x: Tensor) -> Tensor:
    config, layer = model.config, model.layers[index].attention
    seq = x.shape[1]
    table = rope.rope_table(config.head_dim, seq, config.rope_theta).to(x.device)

    def heads(projection: torch.nn.Module, count: int) -> Tensor:
        split = "batch seq (heads head_dim) -> batch seq heads head_dim"
        return rope.apply_rotary_emb(rearrange(projection(x), split, heads=count), table)

    q = heads(layer.wq, config.n_heads).transpose(1, 2)
    k = attention.repeat_kv(heads(layer.wk, config.kv_heads), config.n_heads // config.kv_heads)
    # With the identity for values, the average of the values is the weights themselves.
    identity = torch.eye(seq, dtype=q.dtype, device=q.device).expand(*q.shape[:2], seq, seq)
    with x.device:
        mask = attention.causal_mask(seq, seq).to(x.device)
    return attention.scaled_dot_product_attention(q, k.transpose(1, 2), identity, mask)[0]


def draw_head(weights: Tensor, pieces: list[str], layer: int, head: int) -> tuple[Figure, str]:
    """One head's weights (layers, heads, seq, seq) as a square: queries down, keys across."""
    square = weights[layer, head]
    seq = len(pieces)
    figure, axes = figures.subplots(width=6.4, height=5.6)
    image = axes.imshow(square.numpy(), vmin=0, vmax=1)
    axes.grid(False)
    step = -(-seq // 40)
    axes.set_xticks(range(0, seq, step), pieces[::step], rotation=90, fontsize=8)
    axes.set_yticks(range(0, seq, step), pieces[::step], fontsize=8)
    axes.set_xlabel("looks at (key)")
    axes.set_ylabel("token (query)")
    axes.set_title(f"Layer {layer}, head {head}")
    figure.colorbar(image, label="attention weight", shrink=0.8)
    return figure, _in_words(square, pieces, layer, head)


def _in_words(square: Tensor, pieces: list[str], layer: int, head: int) -> str:
    positions = torch.arange(len(pieces))
    own = square.diagonal().mean().item()
    first = square[:, 0].mean().item()
    before = square.diagonal(-1).mean().item() if len(pieces) > 1 else 0.0
    distance = (square * (positions[:, None] - positions[None, :])).sum(-1).mean().item()
    return (
        f"Attention of layer {layer}, head {head} over {len(pieces)} tokens: on average {own:.0%} "
        f"on the token itself, {before:.0%} on the one before, {first:.0%} on the first; "
        f"mean distance {distance:.1f} tokens."
    )


def explore_attention(model: architecture.Transformer, tokenizer: Any, text: str) -> Explorer:
    """The attention of a model on a text, with a slider for the layer and one for the head.

    tokenizer needs `encode(text)` and `id_to_piece(id)`. Raises ValueError if the text is longer
    than the model's max_seq_len.
    """
    ids = tokenizer.encode(text)
    weights = attention_weights(model, torch.tensor(ids, device=next(model.parameters()).device))
    # A dollar sign would start mathematics in matplotlib.
    pieces = [tokenizer.id_to_piece(i).replace("$", r"\$") for i in ids]
    return Explorer(
        lambda layer, head: draw_head(weights, pieces, layer, head),
        layer=widgets.IntSlider(0, 0, model.config.n_layers - 1),
        head=widgets.IntSlider(0, 0, model.config.n_heads - 1),
    )
