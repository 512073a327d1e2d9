"""GGUF's block formats as tensors: 32 weights in a row share one scale, and in Q4_1 a minimum."""

import torch
from torch import Tensor

BLOCK = 32

# What a tensor of each type is read as. Blocks hold float16 scales and integers, whose products
# only float32 has room for.
DTYPES = {
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "Q8_0": torch.float32,
    "Q4_0": torch.float32,
    "Q4_1": torch.float32,
}


def expand(raw: Tensor, kind: str, shape: tuple[int, ...]) -> Tensor:
    """The numbers that a tensor's bytes stand for, computed where the bytes are.

    raw (bytes,) uint8, kind one of DTYPES → `shape`, in the dtype of its kind. Plain types are
    views of raw; block types are new. Source: the block structs of ggml's ggml-common.h.
    """
    if kind == "Q8_0":
        numbers = _q8_0(raw.view(-1, 2 + BLOCK))
    elif kind == "Q4_0":
        numbers = _q4_0(raw.view(-1, 2 + BLOCK // 2))
    elif kind == "Q4_1":
        numbers = _q4_1(raw.view(-1, 4 + BLOCK // 2))
    else:
        numbers = raw.view(DTYPES[kind])
    return numbers.view(shape)


def _q8_0(blocks: Tensor) -> Tensor:
    """scale, then 32 signed bytes: scale · q."""
    return blocks[:, 2:].view(torch.int8).float().mul_(_halves(blocks[:, :2]))


def _q4_0(blocks: Tensor) -> Tensor:
    """scale, then 32 codes from 0 to 15: scale · (q − 8)."""
    return _nibbles(blocks[:, 2:]).sub_(8).mul_(_halves(blocks[:, :2]))


def _q4_1(blocks: Tensor) -> Tensor:
    """scale, minimum, then 32 codes from 0 to 15: scale · q + minimum."""
    head = _halves(blocks[:, :4])
    return _nibbles(blocks[:, 4:]).mul_(head[:, :1]).add_(head[:, 1:])


def _halves(pairs: Tensor) -> Tensor:
    """Pairs of bytes as the float16 numbers they are, in float32."""
    return pairs.contiguous().view(torch.float16).float()


def _nibbles(codes: Tensor) -> Tensor:
    """16 bytes → 32 codes as float32: first every low half, then every high half."""
    return torch.stack((codes & 15, codes >> 4), dim=1).float().view(-1, BLOCK)
