"""Linear layers that keep their weight as int8 or int4 codes, and how they multiply with it.

Where one of torch's own kernels suits (kernels.py), it reads the codes and scales them on the way.
This is where a smaller weight saves time in decoding: less of it passes from memory to the
processor. Elsewhere the weight is expanded for the length of one product. Both give the numbers of
quantization.py up to rounding, and both work on codes that its functions made, whoever wrote those.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llama_mini.weights import quantization
from llama_mini.weights.quantized import kernels

GROUP_SIZE = 128
# Weights quantised in one go. The float32 copies on the way there stay below half a gigabyte.
WEIGHTS_AT_ONCE = 2**24


class QuantizedLinear(nn.Module, ABC):
    """A linear layer without bias over quantised codes: x (..., in) → (..., out).

    Made by `from_weight`. What every kind has:
    bits: of a code, 8 or 4. group_size: columns that share a scale. in_features, out_features.
    codes: (out, in), one to an element: int8, or uint8 from 0 to 15.
    scale: (out, groups). zero: (out, groups), the weight that code 0 stands for; None in int8.
    weight: (out, in), what the codes stand for in the dtype of the scales, made anew each time it
    is read; so code that does its own product with `weight` still works.
    """

    bits: int
    in_features: int
    out_features: int
    group_size: int
    scales: Tensor
    zero: Tensor | None

    @staticmethod
    def from_weight(
        weight: Tensor,
        kind: str,
        group_size: int = GROUP_SIZE,
        dtype: torch.dtype | None = None,
    ) -> "QuantizedLinear":
        """Quantise a weight (out, in) where it lies.

        kind: "int8" or "int4". group_size: of int4; cut by `group_size_for` to what divides the
        columns. dtype: of the scales, and of the activations to come; that of the weight if None.
        Raises ValueError for another kind, or a weight that cannot be quantised.
        """
        dtype = dtype or weight.dtype
        if kind == "int8":
            codes, scale = _by_rows(quantization.quantize_int8, weight)
            return Int8Linear(codes, scale.to(dtype))
        if kind == "int4":
            size = group_size_for(weight.shape[1], group_size)

            def quantize(rows: Tensor) -> tuple[Tensor, ...]:
                codes, scale, zero = quantization.quantize_int4(rows, size)
                return quantization.pack_int4(codes), scale, zero

            return Int4Linear(*_by_rows(quantize, weight), dtype)
        raise ValueError(f"A linear layer is quantised to int8 or int4; got {kind!r}.")

    @property
    @abstractmethod
    def codes(self) -> Tensor:
        """(out, in), one code to an element."""

    @property
    @abstractmethod
    def scale(self) -> Tensor:
        """(out, groups)."""

    @property
    def weight(self) -> Tensor:
        """(out, in), what the codes stand for, in the dtype of the scales."""
        return self.expanded(self.scales.dtype)

    @abstractmethod
    def expanded(self, dtype: torch.dtype) -> Tensor:
        """(out, in), what the codes stand for, computed in float32 and cast."""

    @abstractmethod
    def multiply(self, rows: Tensor) -> Tensor:
        """rows (n, in) → (n, out), the best way there is; without derivatives."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and x.requires_grad:  # the kernels have no derivative
            return F.linear(x, self.expanded(x.dtype))
        out = self.multiply(x.reshape(-1, self.in_features))
        return out.view(*x.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bits={self.bits}, group_size={self.group_size}"
        )


class Int8Linear(QuantizedLinear):
    """A linear layer over int8 codes with one scale a row: weight ≈ code · scale."""

    bits = 8
    zero = None

    def __init__(self, codes: Tensor, scale: Tensor) -> None:
        """codes: (out, in) int8. scale: (out, 1)."""
        super().__init__()
        self.out_features, self.in_features = codes.shape
        self.group_size = self.in_features
        self.register_buffer("int8_codes", codes)
        self.register_buffer("scales", scale)

    @property
    def codes(self) -> Tensor:
        return self.int8_codes

    @property
    def scale(self) -> Tensor:
        return self.scales

    def expanded(self, dtype: torch.dtype) -> Tensor:
        return quantization.dequantize_int8(self.codes, self.scales.float()).to(dtype)

    def multiply(self, rows: Tensor) -> Tensor:
        if kernels.takes_int8(rows, self.scales):
            return kernels.int8_product(rows, self.codes, self.scales)
        if rows.dtype is torch.bfloat16:
            # It holds the codes exactly. torch.compile makes the cast a part of the product, so
            # that only the codes pass from memory.
            return F.linear(rows, self.codes.to(rows.dtype)) * self.scales.squeeze(1).to(rows.dtype)
        return quantization.int8_linear(rows, self.codes, self.scales.float())


class Int4Linear(QuantizedLinear):
    """A linear layer over int4 codes in groups: weight ≈ code · scale + zero.

    The kernels want the codes in an order of their own. The first product that suits one puts them
    into it, in place of the plain ones; reading `codes` or `weight`, moving the layer and saving
    its state put the plain ones back. So one copy is kept at any time. The way back takes a product
    for every column: whoever works on `codes` should fetch them before the first forward.
    """

    bits = 4

    def __init__(
        self, packed_codes: Tensor, scale: Tensor, zero: Tensor, dtype: torch.dtype
    ) -> None:
        """packed_codes: (out, in / 2), from `pack_int4`. scale, zero: (out, groups) float32.

        dtype: in which scale and zero are kept. They lie together, (groups, out, 2), as the kernels
        take them: the scale, and the weight that code 8 stands for. That one is near 0, so it loses
        less to 16 bits than the weight at the end of the grid.
        """
        super().__init__()
        self.out_features, self.in_features = len(packed_codes), 2 * packed_codes.shape[1]
        self.group_size = self.in_features // scale.shape[1]
        together = torch.stack([scale, zero + 8 * scale], dim=-1)  # (out, groups, 2)
        self.register_buffer("packed_codes", packed_codes)
        self.register_buffer("scales", together.to(dtype).transpose(0, 1).contiguous())
        self.register_buffer("ordered_codes", None, persistent=False)

    @property
    def codes(self) -> Tensor:
        self._restore_plain_order()
        return quantization.unpack_int4(self.packed_codes)

    @property
    def scale(self) -> Tensor:
        return self.scales[..., 0].T

    @property
    def zero(self) -> Tensor:
        scale, middle = self.scales.float().unbind(-1)
        return (middle - 8 * scale).T

    def expanded(self, dtype: torch.dtype) -> Tensor:
        return quantization.dequantize_int4(self.codes, self.scale.float(), self.zero).to(dtype)

    def multiply(self, rows: Tensor) -> Tensor:
        if self.scales.dtype is rows.dtype and kernels.takes_int4(
            rows, self.out_features, self.group_size
        ):
            self.use_kernel_order()
            return kernels.int4_product(rows, self.ordered_codes, self.group_size, self.scales)
        return F.linear(rows, self.expanded(rows.dtype))

    def use_kernel_order(self) -> None:
        """Put the codes into the kernel's order; torch.compile wants that done before it traces."""
        if self.ordered_codes is None:
            plain = quantization.unpack_int4(self.packed_codes)
            self.ordered_codes = kernels.into_int4_order(plain, self.packed_codes)
            self.packed_codes = None

    def _restore_plain_order(self) -> None:
        if self.ordered_codes is not None:
            plain = kernels.out_of_int4_order(
                self.ordered_codes, self.out_features, self.in_features, self.group_size
            )
            self.packed_codes, self.ordered_codes = quantization.pack_int4(plain), None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Int4Linear":
        self._restore_plain_order()
        return super()._apply(fn, recurse)

    def _save_to_state_dict(self, *arguments: Any) -> None:
        self._restore_plain_order()
        super()._save_to_state_dict(*arguments)

    def _load_from_state_dict(self, *arguments: Any) -> None:
        self._restore_plain_order()
        super()._load_from_state_dict(*arguments)


def group_size_for(columns: int, largest: int = GROUP_SIZE) -> int:
    """The group size of a weight with so many columns: the largest power of two that divides them,
    and is at most `largest`. 4096 → 128, 576 → 64, 96 → 32.

    torch's kernels know 32, 64, 128 and 256. Smaller groups work, slowly, and spend much on scales.
    Raises ValueError if the columns are odd (two of them share a byte) or `largest` is below 2.
    """
    if columns % 2 or largest < 2:
        raise ValueError(
            f"int4 packs two columns into a byte, so their number must be even and a group hold "
            f"at least 2; got {columns} columns in groups of at most {largest}."
        )
    power_of_two = columns & -columns
    return min(power_of_two, 1 << (largest.bit_length() - 1))


def _by_rows(
    quantize: Callable[[Tensor], tuple[Tensor, ...]], weight: Tensor
) -> tuple[Tensor, ...]:
    """quantize(weight), some rows at a time: no row knows of another."""
    rows_at_once = max(1, WEIGHTS_AT_ONCE // weight.shape[1])
    with torch.no_grad():
        parts = [quantize(rows) for rows in weight.split(rows_at_once)]
    return tuple(torch.cat(part) for part in zip(*parts, strict=True))


def quantized_bytes(
    shape: tuple[int, int],
    kind: str,
    group_size: int = GROUP_SIZE,
    dtype: torch.dtype = torch.bfloat16,
) -> int:
    """Bytes that a weight (out, in) takes once quantised as `from_weight` does: codes and scales.

    In bits per weight, for 4096 columns and 16-bit scales: int8 8.004; int4 in groups of 128 4.25,
    64 4.5, 32 5.
    """
    out_features, in_features = shape
    if kind == "int8":
        return out_features * (in_features + dtype.itemsize)
    groups = in_features // group_size_for(in_features, group_size)
    return out_features * (in_features // 2 + groups * 2 * dtype.itemsize)
