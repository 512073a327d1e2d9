"""Rounding to grids of any number of bits, to compare them: what weights look like afterwards."""

import torch
from torch import Tensor


def round_trip(
    weight: Tensor, bits: int, group_size: int | None = None, asymmetric: bool = False
) -> Tensor:
    """The weight (out, in) after it was rounded to a grid of so many bits, in float32.

    Symmetric: the largest absolute value / (2^(bits-1) - 1) is the step, and 0 is on the grid.
    Asymmetric: 2^bits codes from the smallest weight to the largest. Each group of group_size
    neighbours in a row has a grid; a row is one group if None. With 8 bits, symmetric, a row each,
    this is quantize_int8 and back; with 4 bits, asymmetric, quantize_int4 and back. Raises
    ValueError if bits is below 2, or group_size does not divide the columns.
    """
    columns = weight.shape[1]
    group_size = group_size or columns
    if bits < 2 or columns % group_size:
        raise ValueError(
            "A grid takes 2 bits at least, and groups that divide the columns; "
            f"got {bits} bits and groups of {group_size} in {columns} columns."
        )
    groups = weight.float().unflatten(1, (-1, group_size))
    if asymmetric:
        zero, largest = groups.aminmax(dim=-1, keepdim=True)
        lowest, highest = 0, 2**bits - 1
        step = (largest - zero) / highest
    else:
        zero = torch.zeros_like(groups[..., :1])
        highest = 2 ** (bits - 1) - 1
        lowest = -highest
        step = groups.abs().amax(dim=-1, keepdim=True) / highest
    step = torch.where(step == 0, 1.0, step)
    codes = ((groups - zero) / step).round().clamp(lowest, highest)
    return (codes * step + zero).flatten(1)


def relative_error(weight: Tensor, rounded: Tensor) -> float:
    """The root mean square of what rounding changed, as a share of that of the weight."""
    return ((rounded - weight.float()).norm() / weight.float().norm()).item()


def bits_per_weight(bits: int, group_size: int, asymmetric: bool = False) -> float:
    """Bits that a weight takes with its share of a 16-bit scale, and of a 16-bit zero.

    4 bits in symmetric groups of 32 are 4.5, as in llama.cpp's Q4_0; asymmetric 5, as in Q4_1.
    """
    return bits + (32 if asymmetric else 16) / group_size
