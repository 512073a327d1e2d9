"""Mistakes in quantize_int8, written in another hand, on weights the casebook does not use."""

import torch

from llama_mini.course.judge.exercise import Case, args, normal

_SIZES = torch.tensor([[3.0], [0.01], [0.5], [90.0], [1.0]])

CASES = (
    Case("four rows", given=args(normal(4, 10, seed=601))),
    Case("a square of unequal rows", given=args(normal(5, 5, seed=602) * _SIZES)),
    Case("halves", given=args(torch.tensor([[63.5, 0.25, -0.75, 1.25, 2.25, -3.25]]))),
    Case("large below zero", given=args(torch.tensor([[0.3, -5.0, 1.1], [0.2, 0.7, -0.9]]))),
    Case("nothing", given=args(torch.tensor([[3.0, -1.0], [0.0, 0.0]]))),
    Case("half", given=args(normal(2, 40, seed=603, dtype=torch.bfloat16))),
)


def answer(body: str, rounding: str = "torch.round(ratio)") -> str:
    """`body` makes `step` (out, 1) from `w`; the rest follows."""
    return (
        "def quantize_int8(weight: Tensor) -> tuple[Tensor, Tensor]:\n"
        "    w = weight.to(torch.float32)\n"
        "    size = torch.abs(w)\n"
        f"    {body}\n"
        "    step = step.masked_fill(step == 0, 1.0)\n"
        "    ratio = torch.div(w, step)\n"
        f"    q = {rounding}\n"
        "    q = q.clip(min=-127, max=127).to(torch.int8)\n"
        "    return q, step\n"
    )


_STEP = "step = size.max(dim=1)[0].unsqueeze(1) / 127"

VARIANTS = {
    "one scale for the whole weight": [
        answer("step = torch.full((w.size(0), 1), size.max().item() / 127)"),
        answer("step = size.max().reshape(1, 1) / 127"),
    ],
    "a scale for each column": answer("step = size.max(dim=0)[0].unsqueeze(0) / 127"),
    "128 steps to a side": [
        answer("step = size.max(1, keepdim=True).values * 2 / 256"),
        answer("step = size.max(1)[0][:, None] / 2**7").replace(
            "q = q.clip(min=-127, max=127)", "q = q"
        ),
    ],
    "255 steps to a side": [
        answer("step = size.max(1, keepdim=True)[0] / (2**8 - 1)"),
    ],
    "from the smallest to the largest": [
        answer("low, high = w.aminmax(dim=1, keepdim=True)\n    step = (high - low) / 255"),
    ],
    "the absolute value is missing": [
        answer("step = w.max(dim=1)[0].unsqueeze(1) / 127"),
    ],
    "cut off, not rounded": [
        answer(_STEP, "torch.trunc(ratio)"),
        answer(_STEP, "torch.floor(ratio)"),
    ],
    "halves away from the even one": [
        answer(_STEP, "torch.floor(ratio + 0.5)"),
        answer(_STEP, "(ratio.abs() + 0.5).trunc() * ratio.sign()"),
    ],
    "no scale for a row of zeros": [
        answer(_STEP).replace("    step = step.masked_fill(step == 0, 1.0)\n", ""),
        answer("step = size.max(1)[0].clamp_min(1e-9).unsqueeze(1) / 127"),
    ],
    "the 1 before the division": answer(
        "largest = size.max(1)[0]\n"
        "    largest = largest.masked_fill(largest == 0, 1)\n"
        "    step = largest.unsqueeze(1) / 127"
    ),
    "the scale upside down": answer(_STEP).replace("return q, step", "return q, 1 / step"),
    "scales without their axis": [
        answer(_STEP).replace("return q, step", "return q, step[:, 0]"),
        answer("step = size.max(dim=1)[0] / 127"),
    ],
    "computed in bfloat16": [
        answer(_STEP).replace("weight.to(torch.float32)", "weight + 0"),
        answer("step = (size.max(1)[0][:, None].type_as(weight) / 127).to(torch.float32)"),
        answer("step = size.max(1)[0][:, None].type_as(weight) / 127"),
    ],
    "wrong dtype": [
        answer(_STEP).replace(".to(torch.int8)", ".to(torch.int32)"),
        answer(_STEP).replace(".to(torch.int8)", ""),
        answer(_STEP).replace(".to(torch.int8)", ".type_as(weight)"),
    ],
    "codes from 0 to 255": [
        answer(_STEP).replace(
            "q.clip(min=-127, max=127).to(torch.int8)", "(q + 128).to(torch.uint8)"
        ),
    ],
    "scale and codes swapped": answer(_STEP).replace("return q, step", "return step, q"),
    "weights back again": answer(_STEP).replace("return q, step", "return q * step, step"),
    "returns nothing": answer(_STEP).replace("    return q, step\n", ""),
    "edits its input": (
        "def quantize_int8(weight):\n"
        "    w = weight.float()\n"
        "    step = w.abs().amax(1, keepdim=True) / 127\n"
        "    step[step == 0] = 1\n"
        "    w /= step\n"
        "    return w.round().to(torch.int8), step\n"
    ),
}
