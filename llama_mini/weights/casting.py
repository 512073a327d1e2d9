"""Casting weights to another dtype, without turning large ones into infinity."""

import torch
from torch import Tensor


def cast(name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """The tensor in another dtype; itself if it has it already.

    Raises ValueError if a finite number of it is too large for float16, whose largest is 65,504.
    """
    result = tensor.to(dtype)
    if dtype == torch.float16 and tensor.dtype != torch.float16 and not result.isfinite().all():
        finite = tensor[tensor.isfinite()]
        largest = finite.abs().max().item() if finite.numel() else 0.0
        if largest > torch.finfo(torch.float16).max:
            raise ValueError(
                f"{name} holds {largest:,.0f}, and the largest number in fp16 is 65,504. "
                "Use bf16, which has the range of fp32."
            )
    return result
