"""The number formats by name: what weights are kept in, and what matrix products run in."""

from contextlib import AbstractContextManager

import torch

UNQUANTIZED = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
QUANTIZED = ("int8", "int4")
# What `load` takes. With int8 and int4 the dtype is that of what stays a number: embeddings, norms.
PRECISIONS = {**UNQUANTIZED, **dict.fromkeys(QUANTIZED, torch.bfloat16)}


def dtype_of(precision: str) -> torch.dtype:
    """What activations, cache and all that is not quantised have at a precision.

    Raises ValueError for a name that `load` does not know.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be {', '.join(PRECISIONS)}; got {precision!r}.")
    return PRECISIONS[precision]


def name_of(dtype: torch.dtype) -> str:
    """The name of the precision that has this dtype. Raises ValueError if none has."""
    for name, known in PRECISIONS.items():
        if known == dtype:
            return name
    raise ValueError(f"No precision is {dtype}; there are {', '.join(PRECISIONS)}.")


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
    """The dtype of the matrix products: "fp32", "bf16", "fp16", or "auto", which asks the device.

    Raises ValueError for any other word.
    """
    if precision == "auto":
        return torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
    if precision not in UNQUANTIZED:
        raise ValueError(f"precision must be auto, {', '.join(UNQUANTIZED)}; got {precision!r}.")
    return UNQUANTIZED[precision]


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[None]:
    """Run matrix products in `dtype` inside the block; weights and sums stay in float32.

    bfloat16 has float32's range of exponents, so no loss scaling is needed; float16 needs it.
    """
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
