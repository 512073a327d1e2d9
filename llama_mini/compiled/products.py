"""A matrix times one row, written as a multiply and a sum, for torch's compiler on a CPU.

One row uses every number of the matrix once, so memory sets the pace. A library's product is made
for many rows, and reads a bfloat16 matrix for one row at a fraction of that pace. As a multiply
and a sum it becomes a loop that the compiler joins with the cast from bfloat16 or int8, and with
whatever comes before and after: a whole decoding step ends up as one function, its threads started
once. These are rules of the compiler and no modules, so they hold for whoever's code asks for the
product, as `wq(x)`, `x @ weight.T` or `einsum`.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# Rows of the matrix that one loop reads side by side: as many sums that need not wait for each
# other, and streams for the memory to fetch ahead. 288 rows still gain from it; fewer were not
# measured.
STREAMS = 4
SHORTEST = 256


def row_product(x: Tensor, transposed: Tensor) -> Tensor:
    """x (1, in) times transposed (in, out) → (1, out), in the dtype of x, summed in float32."""
    weight = transposed.t()  # (out, in), as it lies in memory
    row = _computed_once(x.float())
    streams = STREAMS if len(weight) >= SHORTEST and len(weight) % STREAMS == 0 else 1
    parts = [(part.float() * row).sum(-1) for part in weight.chunk(streams)]
    return torch.cat(parts).unsqueeze(0).to(x.dtype)


def _mm(x: Tensor, y: Tensor) -> Tensor:
    return row_product(x, y) if _is_one_row(x, axis=0) else NotImplemented


def _bmm(x: Tensor, y: Tensor) -> Tensor:
    """x (batch, 1, in) times y (batch, in, out): one query and its keys, or weights and values."""
    if not _is_one_row(x, axis=1):
        return NotImplemented
    product = _computed_once(x.float()).transpose(1, 2) * y.float()  # (batch, in, out)
    return product.sum(1, keepdim=True).to(x.dtype)


def _int8_mm(x: Tensor, codes: Tensor, scale: Tensor) -> Tensor:
    if not _is_one_row(x, axis=0):
        return NotImplemented
    return (row_product(x.float(), codes.t()) * scale.float()).to(x.dtype)


def _computed_once(row: Tensor) -> Tensor:
    """The row, out of memory. The compiler would work it out anew for each row of the matrix, with
    the norm's root or the gate's exponentials that lead to it."""
    from torch._inductor.inductor_prims import force_stride_order

    return force_stride_order(row, row.stride())


def _is_one_row(x: Tensor, axis: int) -> bool:
    return x.shape[axis] == 1 and x.is_floating_point() and x.device.type == "cpu"


def rules() -> dict[Any, Callable[..., Any]]:
    """How the compiler breaks operations down: torch's own table, and ours for one row."""
    from torch._inductor.decomposition import select_decomp_table

    aten = torch.ops.aten
    return {
        **select_decomp_table(),
        aten.mm.default: _mm,
        aten.bmm.default: _bmm,
        aten._weight_int8pack_mm.default: _int8_mm,
    }
