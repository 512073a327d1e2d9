"""Rotary position embedding: a position becomes an angle (Su et al. 2021, arXiv 2104.09864).

Dimensions 2i and 2i+1 of a head form one point in the plane, and position p turns it by p·theta_i.
That pairing, interleaved, is the layout of Meta's files. Hugging Face pairs i with i + head_dim/2,
split-half; the last two functions convert the weights between the two.
"""

import torch
from einops import rearrange
from torch import Tensor


def rope_frequencies(head_dim: int, theta: float = 10_000.0) -> Tensor:
    """How far each pair turns from one position to the next: theta^(-2i / head_dim), in radians.

    → (head_dim/2,) float32, from 1 radian down. Raises ValueError if head_dim is not even.
    """
    if head_dim < 2 or head_dim % 2:
        raise ValueError(
            f"RoPE rotates pairs, so head_dim must be even and above 0; got {head_dim}."
        )
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim
    return 1.0 / theta**exponents


def rope_table(head_dim: int, max_seq_len: int, theta: float = 10_000.0) -> Tensor:
    """The rotation of every position, as complex numbers of length 1.

    → (max_seq_len, head_dim/2) complex64; row p holds exp(i · p · frequency).
    """
    positions = torch.arange(max_seq_len, dtype=torch.float32)
    angles = torch.outer(positions, rope_frequencies(head_dim, theta))  # (seq, head_dim/2)
    return torch.polar(torch.ones_like(angles), angles)


def apply_rotary_emb(x: Tensor, table: Tensor) -> Tensor:
    """Rotate queries or keys by their positions: pair (2i, 2i+1) of position p by table[p, i].

    x (batch, seq, heads, head_dim), table (seq, head_dim/2) complex64 → shape and dtype of x. The
    product is taken in float32. Raises ValueError if the table is not one row a position.
    """
    batch, seq, heads, head_dim = x.shape
    if table.shape != (seq, head_dim // 2):
        raise ValueError(
            f"x {tuple(x.shape)} needs a table of shape {(seq, head_dim // 2)}, one row a position"
            f"; got {tuple(table.shape)}. Slice the table to the positions of x."
        )
    pairs = x.float().reshape(batch, seq, heads, head_dim // 2, 2)
    points = torch.view_as_complex(pairs)  # (batch, seq, heads, head_dim/2)
    rotated = points * table[:, None, :]  # one rotation for all heads
    return torch.view_as_real(rotated).flatten(-2).type_as(x)  # (batch, seq, heads, head_dim)


def interleaved_to_half(weight: Tensor, n_heads: int) -> Tensor:
    """Reorder the rows of a query or key projection from Meta's pairs to Hugging Face's halves.

    weight (heads·head_dim, dim) → the same shape. Within each head, rows 0, 2, 4, … come first.
    """
    return rearrange(weight, "(heads pairs two) dim -> (heads two pairs) dim", heads=n_heads, two=2)


def half_to_interleaved(weight: Tensor, n_heads: int) -> Tensor:
    """Reorder the rows of a query or key projection from Hugging Face's halves to Meta's pairs.

    weight (heads·head_dim, dim) → the same shape. The exact inverse of `interleaved_to_half`.
    """
    return rearrange(weight, "(heads two pairs) dim -> (heads pairs two) dim", heads=n_heads, two=2)
