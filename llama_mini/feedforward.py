"""SwiGLU: a feed-forward layer whose gate decides what passes (Shazeer 2020, arXiv 2002.05202)."""

import torch
from torch import Tensor, nn


def silu(x: Tensor) -> Tensor:
    """The sigmoid linear unit, x · σ(x): near zero for negative x, near x for positive x.

    x of any shape and floating dtype → the same.
    """
    return x * torch.sigmoid(x)


def hidden_dim(dim: int, multiple_of: int = 256) -> int:
    """The width between the two layers: two thirds of 4·dim, rounded up to a multiple.

    Three matrices of this width have the parameters of a plain layer's two of width 4·dim.
    The rounding is not in the paper; it is what makes 4096 → 11008 in Meta's files.
    """
    width = int(2 * 4 * dim / 3)
    return multiple_of * -(-width // multiple_of)


class FeedForward(nn.Module):
    """w2( silu(w1 x) · w3 x ): w1 is the gate, w3 the way up, w2 the way down. No biases.

    x (batch, seq, dim) → the same. LLaMA paper, §2.2.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.w1 = nn.Linear(dim, hidden, bias=False)
        self.w2 = nn.Linear(hidden, dim, bias=False)
        self.w3 = nn.Linear(dim, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.w2(silu(self.w1(x)) * self.w3(x))
