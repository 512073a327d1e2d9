"""Mistakes in dequantize_int4, written in another hand, for other shapes."""

import torch

from llama_mini.course.judge.exercise import Case, args, normal


def _given(rows: int, groups: int, size: int, seed: int, dtype: torch.dtype = torch.float32):
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 16, (rows, groups * size), generator=generator).to(torch.uint8)
    scale = (normal(rows, groups, seed=seed + 1).abs() * 0.2 + 0.02).to(dtype)
    return args(codes, scale, normal(rows, groups, seed=seed + 2, dtype=dtype))


CASES = (
    Case("two groups of 5", given=_given(4, 2, 5, 661)),
    Case("five groups of 3", given=_given(2, 5, 3, 664), another_device=True),
    Case("a cube", given=_given(4, 4, 4, 667)),
    Case("one group", given=_given(3, 1, 4, 670)),
    Case("bfloat16", given=_given(3, 2, 6, 673, torch.bfloat16), ulps=8),
)


def answer(expression: str) -> str:
    return (
        "def dequantize_int4(codes: Tensor, scale: Tensor, zero: Tensor) -> Tensor:\n"
        "    out, groups = scale.shape\n"
        "    size = codes.size(1) // groups\n"
        "    step = torch.repeat_interleave(scale, size, dim=1)\n"
        "    low = torch.repeat_interleave(zero, size, dim=1)\n"
        "    q = codes.to(scale.dtype)\n"
        f"    return {expression}\n"
    )


VARIANTS = {
    "zero is subtracted from the code": answer("step * q.sub(low)"),
    "zero is missing": answer("q.mul(step)"),
    "zero is subtracted": answer("q.mul(step).sub(low)"),
    "zero is scaled, too": answer("step * q.add(low)"),
    "scale and zero swapped": answer("torch.addcmul(step, q, low)"),
    "divided by the scale": answer("q.div(step) + low"),
    "the scales in turn": answer("q * scale.tile(1, size) + zero.tile(1, size)"),
    "the first group's for all": answer("torch.addcmul(zero[:, [0]], q, scale[:, [0]])"),
    "the middle for zero": [
        answer("(q - 8) * step + low"),
        answer("torch.sub(codes, 8) * step + low"),
    ],
    "scales that do not line up": answer("codes.mul(scale).add(zero)"),
    "groups left apart": answer("(q * step + low).reshape(out, groups, size)"),
    "wrong dtype": [
        answer("(codes.double() * step.double() + low.double())"),
        answer("torch.addcmul(low.float(), codes.float(), step.float())"),
    ],
    "bound to one device": answer("q.cpu() * step.cpu() + low.cpu()"),
    "returns nothing": answer("None"),
}
