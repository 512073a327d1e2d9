"""torch's own products with int8 and int4 weights: what each takes, and how to hand it over.

They belong to torch.ops.aten, which torchao, gpt-fast and torch.compile build upon. On a CPU they
are quick in bfloat16 only: in float32 and float16 they do one number at a time, slower than a
product with the expanded weight. int4 on NVIDIA is the tinygemm kernel, for bfloat16 from compute
capability 8.0 on; it was written against its documented layout and has not been measured here. For
int8 on a GPU there is no eager kernel worth calling.
"""

import torch
from torch import Tensor

INT4_GROUP_SIZES = (32, 64, 128, 256)
# Rows above which, on a CPU, expanding int8 codes once beats reading them anew for every few rows.
INT8_MOST_ROWS = 32


def takes_int8(x: Tensor, scale: Tensor) -> bool:
    """Whether the int8 kernel suits these rows (rows, in) and scales."""
    in_bfloat16 = x.dtype is torch.bfloat16 and scale.dtype is torch.bfloat16
    # It reads 16 columns at a time and does not look where the row ends: other widths gave wrong
    # numbers, or a segmentation fault, in torch 2.13.
    whole = x.shape[1] % 16 == 0
    return x.device.type == "cpu" and in_bfloat16 and whole and 0 < len(x) <= INT8_MOST_ROWS


def int8_product(x: Tensor, codes: Tensor, scale: Tensor) -> Tensor:
    """x (rows, in) times int8 codes (out, in) with scale (out, 1) → (rows, out)."""
    return torch.ops.aten._weight_int8pack_mm(x.contiguous(), codes, scale.squeeze(1))


def takes_int4(x: Tensor, out_features: int, group_size: int) -> bool:
    """Whether the int4 kernel suits these rows (rows, in) and a weight of that shape."""
    if x.dtype is not torch.bfloat16 or group_size not in INT4_GROUP_SIZES or not len(x):
        return False
    if x.device.type == "cpu":
        return out_features % 16 == 0
    if x.device.type == "cuda" and torch.version.hip is None:
        return out_features % 8 == 0 and torch.cuda.get_device_capability(x.device) >= (8, 0)
    return False


def into_int4_order(codes: Tensor, packed_codes: Tensor) -> Tensor:
    """The codes in the order that the kernel of their device reads, as many bytes as packed.

    codes: (out, in) uint8; packed_codes: the same, two to a byte. The CPU's kernel takes the one,
    the GPU's the other.
    """
    if codes.device.type == "cpu":
        return torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes.int(), 1)
    tiles = next(n for n in (8, 4, 2) if codes.shape[1] % (16 * n) == 0)
    return torch.ops.aten._convert_weight_to_int4pack(packed_codes, tiles)


def int4_product(x: Tensor, ordered: Tensor, group_size: int, scale_and_zero: Tensor) -> Tensor:
    """x (rows, in) times codes in the kernel's order → (rows, out).

    scale_and_zero: (groups, out, 2), the step, and the weight that code 8 stands for.
    """
    on_cpu = x.device.type == "cpu"
    name = "_weight_int4pack_mm_for_cpu" if on_cpu else "_weight_int4pack_mm"
    product = getattr(torch.ops.aten, name)
    return product(x.contiguous(), ordered, group_size, scale_and_zero)


def out_of_int4_order(
    ordered: Tensor, out_features: int, in_features: int, group_size: int
) -> Tensor:
    """The plain codes (out, in) uint8, read back through the kernel itself.

    With a step of 1 and code 8 at 8, every weight is its own code, and a product with the identity
    reads them all; bfloat16 holds whole numbers up to 256 exactly.
    """
    device = ordered.device
    plain = torch.empty(out_features, in_features, dtype=torch.uint8, device=device)
    groups = in_features // group_size
    steps = torch.tensor([1.0, 8.0], dtype=torch.bfloat16, device=device)
    steps = steps.expand(groups, out_features, 2).contiguous()
    for start in range(0, in_features, 512):
        columns = torch.arange(start, min(start + 512, in_features), device=device)
        one_hot = torch.zeros(len(columns), in_features, dtype=torch.bfloat16, device=device)
        one_hot.scatter_(1, columns.unsqueeze(1), 1.0)
        plain[:, columns] = int4_product(one_hot, ordered, group_size, steps).T.to(torch.uint8)
    return plain
