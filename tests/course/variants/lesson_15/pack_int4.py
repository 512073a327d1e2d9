"""Mistakes in pack_int4, written in another hand, for other shapes."""

import torch

from llama_mini.course.judge.exercise import Case, args


def _codes(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 16, shape, generator=generator).to(torch.uint8)


CASES = (
    Case("7 and 12", given=args(torch.tensor([7, 12], dtype=torch.uint8))),
    Case("a long row", given=args(_codes(30, seed=631))),
    Case("six rows", given=args(_codes(6, 4, seed=632))),
    Case("three axes", given=args(_codes(2, 4, 6, seed=633)), another_device=True),
)


def answer(expression: str) -> str:
    return (
        "def pack_int4(codes: Tensor) -> Tensor:\n"
        "    pairs = codes.reshape(*codes.shape[:-1], codes.shape[-1] // 2, 2)\n"
        "    a, b = pairs[..., 0], pairs[..., 1]\n"
        f"    return {expression}\n"
    )


VARIANTS = {
    "the first in the lower bits": answer("torch.bitwise_or(a, b << 4)"),
    "halves instead of neighbours": (
        "def pack_int4(codes):\n"
        "    half = codes.shape[-1] // 2\n"
        "    return 16 * codes[..., :half] + codes[..., half:]\n"
    ),
    "pairs along the rows": (
        "def pack_int4(codes):\n"
        "    pairs = codes.unflatten(0, (-1, 2))\n"
        "    return pairs[:, 0] * 16 + pairs[:, 1]\n"
    ),
    "no shift": [answer("torch.bitwise_or(a, b)"), answer("a + b")],
    "a shift of another width": [answer("a * 8 | b"), answer("a * 10 + b")],
    "the plus before the shift": answer("torch.bitwise_left_shift(a, b + 4)"),
    "and instead of or": answer("(a * 16) & b"),
    "a wider dtype": [
        answer("torch.bitwise_or(a.to(torch.int32) << 4, b.to(torch.int32))"),
        answer("a.long() << 4 | b.long()"),
        answer("torch.add(b, a.float(), alpha=16)"),
    ],
    "half the codes": [answer("a * 16"), answer("b + 0"), answer("a * 17")],
    "bound to one device": answer("a.cpu() << 4 | b.cpu()"),
    "returns nothing": answer("None"),
}
