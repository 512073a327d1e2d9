"""Meta's layout: which way each tensor is cut over the shards, and how the cuts become whole."""

import re

import torch
from torch import Tensor


def shard_axis(name: str) -> int | None:
    """The axis along which Meta cut a parameter over its shards; None if every shard has it whole.

    Weights are (out, in). Layers that are cut by their outputs, axis 0: wq, wk, wv, w1, w3 and the
    output head. Layers that are cut by their inputs, axis 1: wo and w2, which read what those
    made; and the embeddings (vocab, dim), which are cut along dim. Norms are not cut. Names are
    those of `Transformer.named_parameters()`: "layers.0.attention.wq.weight". Raises ValueError
    for a name that is no parameter of the model. Source: the parallel layers that Meta's model.py
    is built from (fairscale).
    """
    around = {"tok_embeddings": 1, "norm": None, "output": 0}
    in_a_layer = {
        "attention.wq": 0,
        "attention.wk": 0,
        "attention.wv": 0,
        "attention.wo": 1,
        "feed_forward.w1": 0,
        "feed_forward.w2": 1,
        "feed_forward.w3": 0,
        "attention_norm": None,
        "ffn_norm": None,
    }
    match = re.fullmatch(r"(layers\.[0-9]+\.)?(.+)\.weight", name)
    axes = in_a_layer if match and match[1] else around
    if match is None or match[2] not in axes:
        raise ValueError(
            f"The model has no parameter {name!r}. Its names are such as tok_embeddings.weight, "
            "layers.0.attention.wq.weight and norm.weight."
        )
    return axes[match[2]]


def merge_shards(name: str, shards: list[Tensor]) -> Tensor:
    """Make one parameter whole from its part in each shard, in the order of the shards.

    shards: at least one tensor, all of one shape → the parts joined along `shard_axis(name)`; what
    is not cut, or lies in one shard, is that shard's tensor itself and not a copy. Raises
    ValueError if the shapes differ, the tensor lacks the axis, or there is no shard.
    """
    axis = shard_axis(name)
    shapes = [tuple(shard.shape) for shard in shards]
    if not shapes or len(set(shapes)) > 1:
        raise ValueError(
            f"{name} needs parts of one shape, one from each shard; got {shapes or 'none'}. "
            "Do the shards belong together?"
        )
    if axis is not None and axis >= len(shapes[0]):
        raise ValueError(f"{name} is cut along axis {axis}, which {shapes[0]} does not have.")
    return shards[0] if axis is None or len(shards) == 1 else torch.cat(shards, dim=axis)
