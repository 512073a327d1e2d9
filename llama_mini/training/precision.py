"""Which number format the matrix products run in, and how one asks the machine."""

from contextlib import AbstractContextManager

import torch

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware, so that autocast makes training faster.

    On a CPU that is Intel's AMX or AVX512_BF16; without them bfloat16 is emulated and slower than
    float32. On CUDA it is compute capability 8.0 (A100) and later.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu" and torch.backends.mkldnn.is_available():
        # torch answers under these names on every version the course accepts, x86 or not.
        asked = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        return any(getattr(torch.cpu, name, bool)() for name in asked)
    return False


def choose(precision: str, device: torch.device) -> torch.dtype:
    """The dtype of the matrix products: "fp32", "bf16", or "auto", which asks the device.

    Raises ValueError for any other word.
    """
    if precision == "auto":
        return torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
    if precision not in DTYPES:
        raise ValueError(f"precision must be auto, {' or '.join(DTYPES)}; got {precision!r}.")
    return DTYPES[precision]


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[None]:
    """Run matrix products in `dtype` inside the block; weights and sums stay in float32.

    bfloat16 has float32's range of exponents, so no loss scaling is needed.
    """
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
