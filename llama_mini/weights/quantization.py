"""Weights in 8 and 4 bits: whole-number codes on a grid, and the few numbers that say which grid.

int8 has one grid a row, symmetric around zero; int4 one for every group of neighbours in a row,
from the smallest weight of the group to the largest. Only what is stored shrinks: activations stay
in the dtype of the model. The layer that computes with the codes is in quantized_linear.py.
"""

import torch
from torch import Tensor


def quantize_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round each row to 255 steps around zero: weight ≈ code · scale.

    weight: (out, in), float32, bfloat16 or float16; computed in float32 whatever it is. The scale
    of a row is its largest absolute value / 127, so codes run from -127 to 127 (-128 stays unused);
    a row of zeros has scale 1. Each weight takes the nearest code, halves the even one.
    → codes (out, in) int8, scale (out, 1) float32. Raises ValueError if a weight is infinite or
    NaN, for there is no grid for it. Source: absmax quantization per row, as in LLM.int8()
    (Dettmers et al. 2022, section 2), here for the weights alone.
    """
    rows = weight.float()
    scale = rows.abs().amax(dim=1, keepdim=True) / 127  # (out, 1)
    if not torch.isfinite(scale).all():
        raise ValueError("A weight is infinite or NaN, so no scale fits its row.")
    scale = torch.where(scale == 0, 1.0, scale)
    codes = (rows / scale).round().clamp(-127, 127)
    return codes.to(torch.int8), scale


def dequantize_int8(codes: Tensor, scale: Tensor) -> Tensor:
    """The weights that int8 codes stand for: code · scale.

    codes: (out, in) int8; scale: (out, 1). → (out, in) in the dtype of scale.
    """
    return codes.to(scale.dtype) * scale


def int8_linear(x: Tensor, codes: Tensor, scale: Tensor) -> Tensor:
    """A linear layer whose weight is int8: first the product with the codes, then the scales.

    x: (..., in); codes: (out, in) int8; scale: (out, 1). → (..., out) in the dtype of x. All of a
    row shares one scale, so it can wait until the row has become one number: no weight is ever
    scaled. The product is taken in float32, where sums of numbers times 127 stay finite; float16
    ends at 65,504. Only the result is cast back.
    """
    product = x.float() @ codes.float().T  # (..., out)
    return (product * scale.squeeze(1)).to(x.dtype)


def quantize_int4(weight: Tensor, group_size: int = 128) -> tuple[Tensor, Tensor, Tensor]:
    """Round each group of neighbours in a row to 16 steps: weight ≈ code · scale + zero.

    weight: (out, in), float32, bfloat16 or float16; computed in float32 whatever it is. Columns
    0 … group_size - 1 of a row are its first group, and so on. In each group, zero is the smallest
    weight, which code 0 stands for, and scale is (largest - smallest) / 15, so that code 15 stands
    for the largest; a group whose weights are all equal has scale 1. Each weight takes the nearest
    code, halves the even one. → codes (out, in) uint8 from 0 to 15; scale and zero, both
    (out, in / group_size) float32. Raises ValueError if group_size does not divide the columns, or
    if a weight is infinite or NaN. Source: asymmetric min-max quantization in groups, the layout of
    llama.cpp's Q4_1 and of torch's int4 kernels.
    """
    columns = weight.shape[1]
    if columns % group_size:
        raise ValueError(f"{columns} columns do not divide into groups of {group_size}.")
    groups = weight.float().unflatten(1, (-1, group_size))  # (out, groups, group_size)
    zero, largest = groups.aminmax(dim=-1, keepdim=True)  # (out, groups, 1)
    scale = (largest - zero) / 15
    if not torch.isfinite(scale).all():
        raise ValueError("A weight is infinite or NaN, so no scale fits its group.")
    scale = torch.where(scale == 0, 1.0, scale)
    codes = ((groups - zero) / scale).round().clamp(0, 15)
    return codes.flatten(1).to(torch.uint8), scale.squeeze(-1), zero.squeeze(-1)


def dequantize_int4(codes: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    """The weights that int4 codes stand for: code · scale + zero, each group with its own.

    codes: (out, in) uint8 from 0 to 15, not packed; scale, zero: (out, groups). The groups are of
    equal size, in / groups neighbouring columns each. → (out, in) in the dtype of scale.
    """
    groups = codes.unflatten(1, (scale.shape[1], -1))  # (out, groups, group_size)
    return (groups * scale.unsqueeze(-1) + zero.unsqueeze(-1)).flatten(1)


def pack_int4(codes: Tensor) -> Tensor:
    """Two codes into each byte, the first in the upper four bits: 10 and 3 become 0xA3.

    codes: (..., n) uint8 from 0 to 15, n even. → (..., n / 2) uint8. Raises ValueError if n is odd.
    The order is the one that torch's int4 kernels on a GPU take.
    """
    if codes.shape[-1] % 2:
        raise ValueError(f"Codes go into bytes in pairs; got {codes.shape[-1]}, an odd number.")
    return codes[..., 0::2] << 4 | codes[..., 1::2]


def unpack_int4(packed: Tensor) -> Tensor:
    """The codes out of their bytes, upper four bits first: 0xA3 becomes 10 and 3.

    packed: (..., n / 2) uint8. → (..., n) uint8 from 0 to 15. The inverse of `pack_int4`.
    """
    return torch.stack([packed >> 4, packed & 15], dim=-1).flatten(-2)
