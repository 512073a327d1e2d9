"""Mistakes in int8_linear, written in another hand, for other shapes."""

import torch

from llama_mini.course.judge.exercise import Case, args, normal


def _given(shape: tuple[int, ...], out: int, seed: int, dtype: torch.dtype = torch.float32):
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(-127, 128, (out, shape[-1]), generator=generator).to(torch.int8)
    return args(
        normal(*shape, seed=seed, dtype=dtype), codes, normal(out, 1, seed=seed + 50).abs() * 0.02
    )


CASES = (
    Case("three rows", given=_given((3, 10), 5, 621)),
    Case("all the same", given=_given((4, 4), 4, 622)),
    Case("texts", given=_given((2, 2, 6), 9, 623), another_device=True),
    Case("a vector", given=_given((12,), 2, 624)),
    Case("halves", given=_given((2, 24), 3, 625, torch.bfloat16)),
    Case(
        "overflow",
        given=args(
            torch.full((2, 128), -9.0, dtype=torch.float16),
            torch.full((3, 128), 127, dtype=torch.int8),
            torch.tensor([[0.001], [0.0005], [0.002]]),
        ),
    ),
    Case(
        "nearly nothing left",
        given=args(
            torch.tensor([[2.0, 180.0, -240.0], [1.0, 150.0, -200.0]], dtype=torch.bfloat16),
            torch.tensor([[9, 100, 75], [-6, 116, 87]], dtype=torch.int8),
            torch.tensor([[0.0011], [0.0023]]),
        ),
        ulps=4,
    ),
    Case(
        "a tiny scale",
        given=args(
            torch.full((3, 96), -150.0, dtype=torch.float16),
            torch.full((2, 96), 120, dtype=torch.int8),
            torch.tensor([[2.5e-8], [1.5e-8]]),
        ),
    ),
)


def answer(body: str) -> str:
    return (
        "def int8_linear(x: Tensor, codes: Tensor, scale: Tensor) -> Tensor:\n"
        "    wide, w = x.to(torch.float32), codes.to(torch.float32)\n"
        "    steps = scale.flatten()\n"
        f"    {body}\n"
        "    return y.type_as(x)\n"
    )


VARIANTS = {
    "the weight is not transposed": answer("y = torch.matmul(wide, w) * steps"),
    "the scale is missing": answer("y = F.linear(wide, w)"),
    "scales in a column": answer("y = F.linear(wide, w).mul(scale)"),
    "scales on the inputs": answer("y = F.linear(wide * steps, w)"),
    "divided by the scale": answer("y = F.linear(wide, w).div(steps)"),
    "the inputs as whole numbers": [
        answer("y = F.linear(wide.trunc(), w) * steps"),
        answer("y = F.linear(torch.round(wide), w) * steps"),
    ],
    "the product in the dtype of x": [
        answer("y = F.linear(x, codes.type_as(x)) * steps.type_as(x)"),
        answer("y = torch.matmul(x, codes.T.to(x.dtype)).float() * steps"),
        answer("y = F.linear(wide, w).type_as(x).mul(steps)"),
    ],
    "the weight in the dtype of x": [
        answer("y = torch.matmul(x, w.mul(scale).type_as(x).t())"),
        answer("y = torch.matmul(wide, w.mul(scale).type_as(x).float().t())"),
        answer("y = torch.matmul(x, codes.type_as(x).mul(scale.type_as(x)).t())"),
    ],
    "the scale in the dtype of x": answer("y = F.linear(wide, w).mul(steps.type_as(x))"),
    "an axis too many for one vector": answer("y = F.linear(wide, w) * steps.unsqueeze(0)"),
    "bound to one device": answer("y = F.linear(wide.cpu(), w.cpu()) * steps.cpu()"),
    "127 a second time": answer("y = F.linear(wide, w / 127) * steps"),
    "one scale for all outputs": [
        answer("y = F.linear(wide, w) * steps[0]"),
        answer("y = F.linear(wide, w) * steps.mean()"),
    ],
    "x in another dtype than the weight": [
        answer("y = torch.matmul(x, w.mul(scale).t())"),
        answer("y = F.linear(x, w) * steps"),
    ],
    "dtypes do not match": answer("y = torch.matmul(x, codes.t()) * steps"),
    "wrong dtype": answer("y = F.linear(wide, w) * steps\n    return y.double()"),
    "returns nothing": answer("y = F.linear(wide, w) * steps\n    return"),
}
