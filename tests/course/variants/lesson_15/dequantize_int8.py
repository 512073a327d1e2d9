"""Mistakes in dequantize_int8, written in another hand, for other shapes."""

import torch

from llama_mini.course.judge.exercise import Case, args, normal


def _given(rows: int, columns: int, seed: int, dtype: torch.dtype = torch.float32):
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(-127, 128, (rows, columns), generator=generator).to(torch.int8)
    return args(codes, (normal(rows, 1, seed=seed).abs() * 0.02 + 0.003).to(dtype))


CASES = (
    Case("five rows", given=_given(5, 7, 611)),
    Case("a square", given=_given(6, 6, 612), another_device=True),
    Case("a single row", given=_given(1, 9, 613)),
    Case("bfloat16", given=_given(4, 10, 614, torch.bfloat16), ulps=4),
)


def answer(body: str) -> str:
    return (
        "def dequantize_int8(codes: Tensor, scale: Tensor) -> Tensor:\n"
        "    q = codes.type(scale.dtype)\n"
        f"    {body}\n"
    )


VARIANTS = {
    "the scale is missing": answer("return q.clone()"),
    "divided by the scale": answer("return q.div(scale)"),
    "scales along the columns": [
        answer("return q.mul(scale.flatten())"),
        answer("return q * scale.transpose(0, 1)"),
    ],
    "127 a second time": answer("step = scale / 127\n    return q.mul(step)"),
    "an offset of 128": [answer("return scale * q.sub(128)"), answer("return scale * q.add(128)")],
    "back in int8": [
        answer("return torch.mul(q, scale).to(torch.int8)"),
        answer("return codes * scale.to(torch.int8)"),
    ],
    "one scale for all rows": [
        answer("return q * scale[0].item()"),
        answer("return q * torch.max(scale)"),
    ],
    "wrong dtype": [
        answer("return q.double() * scale.double()"),
        answer("return torch.mul(codes.float(), scale.float())"),
    ],
    "bound to one device": answer("return q.cpu() * scale.cpu()"),
    "returns nothing": answer("w = q * scale"),
}
