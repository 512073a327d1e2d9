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

    → (head_dim/2,) float32, i = 0, 1, … from 1 radian down. Raises ValueError if head_dim is not an
    even number above 0, or theta is not above 0. Source: Su et al. 2021, §3.2.2, which counts i
    from 1; theta is `rope_theta` of a config, 10,000 in LLaMA 1.
    """
    if head_dim < 2 or head_dim % 2:
        raise ValueError(
            f"RoPE rotates pairs, so head_dim must be even and above 0; got {head_dim}."
        )
    if theta <= 0:
        raise ValueError(f"theta must be above 0, such as 10000.0; got {theta}.")
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim
    return 1.0 / theta**exponents


def rope_table(head_dim: int, max_seq_len: int, theta: float = 10_000.0) -> Tensor:
    """The rotation of every position, as complex numbers of length 1.

    → (max_seq_len, head_dim/2) complex64; row p, counted from 0, holds exp(i · p · frequency) =
    cos(p · frequency) + i · sin(p · frequency), from angles in float32. Raises ValueError if
    max_seq_len is below 1, and what `rope_frequencies` raises. Source: Su et al. 2021, §3.2.1.
    """
    if max_seq_len < 1:
        raise ValueError(f"A table has a row a position, so at least 1; got {max_seq_len}.")
    positions = torch.arange(max_seq_len, dtype=torch.float32)
    angles = torch.outer(positions, rope_frequencies(head_dim, theta))  # (seq, head_dim/2)
    return torch.polar(torch.ones_like(angles), angles)


def apply_rotary_emb(x: Tensor, table: Tensor) -> Tensor:
    """Rotate queries or keys by their positions: pair (2i, 2i+1) of position p by table[p, i].

    x (batch, seq, heads, head_dim) of any floating-point dtype, table (seq, head_dim/2) complex64,
    one row for each position of x → a new tensor of the shape and dtype of x. The product is taken
    in float32. Raises ValueError if x has not four axes, or the table is not complex with one row a
    position. Source: Su et al. 2021, equation 34; Meta's model.py for the pairing.
    """
    if x.ndim != 4:
        raise ValueError(f"x must be (batch, seq, heads, head_dim); got shape {tuple(x.shape)}.")
    batch, seq, heads, head_dim = x.shape
    expected = (seq, head_dim // 2)
    if head_dim % 2 or table.shape != expected or not table.is_complex():
        raise ValueError(
            f"x {tuple(x.shape)} needs a complex table of shape {expected}, one row a position, "
            f"and an even head_dim; got {table.dtype} {tuple(table.shape)}. Slice the table to the "
            "positions of x, and keep it complex64 when you cast a model."
        )
    pairs = x.float().reshape(batch, seq, heads, head_dim // 2, 2)
    points = torch.view_as_complex(pairs.contiguous())  # (batch, seq, heads, head_dim/2)
    rotated = points * table[:, None, :]  # one rotation for all heads
    return torch.view_as_real(rotated).flatten(-2).type_as(x)  # (batch, seq, heads, head_dim)


def interleaved_to_half(weight: Tensor, n_heads: int) -> Tensor:
    """Reorder the rows of a query or key projection from Meta's pairs to Hugging Face's halves.

    weight (heads·head_dim, dim) → a new tensor of the same shape and dtype. Heads stay where they
    are; within each, rows 0, 2, 4, … come first, then 1, 3, 5, …. For the key projection n_heads is
    the number of key heads. Raises ValueError if the rows are not n_heads times an even number.
    """
    if weight.ndim != 2 or n_heads < 1 or weight.shape[0] % (2 * n_heads):
        raise ValueError(
            f"weight must be (heads·head_dim, dim) with {n_heads} heads of an even head_dim; "
            f"got shape {tuple(weight.shape)}. Key projections may have fewer heads than queries."
        )
    return rearrange(weight, "(heads pairs two) dim -> (heads two pairs) dim", heads=n_heads, two=2)


def half_to_interleaved(weight: Tensor, n_heads: int) -> Tensor:
    """Reorder the rows of a query or key projection from Hugging Face's halves to Meta's pairs.

    weight (heads·head_dim, dim) → a new tensor of the same shape and dtype, the exact inverse of
    `interleaved_to_half`. Raises ValueError if the rows are not n_heads times an even number.
    """
    if weight.ndim != 2 or n_heads < 1 or weight.shape[0] % (2 * n_heads):
        raise ValueError(
            f"weight must be (heads·head_dim, dim) with {n_heads} heads of an even head_dim; "
            f"got shape {tuple(weight.shape)}. Key projections may have fewer heads than queries."
        )
    return rearrange(weight, "(heads two pairs) dim -> (heads pairs two) dim", heads=n_heads, two=2)
