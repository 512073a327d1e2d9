"""SwiGLU: a feed-forward layer whose gate decides what passes (Shazeer 2020, arXiv 2002.05202)."""

import torch
from torch import Tensor, nn

from llama_mini.config import ModelConfig


def silu(x: Tensor) -> Tensor:
    """The sigmoid linear unit, x · σ(x): near zero for negative x, near x for positive x.

    x of any shape and floating dtype → the same.
    """
    return x * torch.sigmoid(x)


def hidden_dim(dim: int, multiple_of: int = 256) -> int:
    """The width between the layers: two thirds of 4·dim, whole, then rounded up to a multiple.

    Three matrices of two thirds the width have the parameters of a plain layer's two of width
    4·dim. The fraction is cut off before rounding up: a width that is a multiple already stays.
    Raises ValueError if either number is below 1. Source: LLaMA paper, §2.2, for the two thirds;
    Meta's code for the rounding, which is what makes 4096 → 11008.
    """
    if dim < 1 or multiple_of < 1:
        raise ValueError(
            "A feed-forward layer needs a dim and a multiple_of of at least 1; "
            f"got {dim} and {multiple_of}."
        )
    width = 8 * dim // 3
    return multiple_of * -(-width // multiple_of)


def hidden_width(config: ModelConfig) -> int:
    """The width that a model has: what its config states outright, or else what the rule makes."""
    return config.hidden_dim or hidden_dim(config.dim, config.multiple_of)


class FeedForward(nn.Module):
    """w2( silu(w1 x) · w3 x ): w1 makes the gate, w3 leads up to `hidden`, w2 back down to `dim`.

    x (..., dim) → the same shape and dtype; each position by itself. `w1`, `w2` and `w3` are linear
    layers without biases, `w1.weight` and `w3.weight` of shape (hidden, dim), `w2.weight` of shape
    (dim, hidden). Source: SwiGLU, Shazeer 2020, equation 6; LLaMA paper, §2.2; Meta's names.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.w1 = nn.Linear(dim, hidden, bias=False)
        self.w2 = nn.Linear(hidden, dim, bias=False)
        self.w3 = nn.Linear(dim, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.w2(silu(self.w1(x)) * self.w3(x))
