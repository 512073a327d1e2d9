"""Mistakes in quantize_int4, written in another hand, on weights the casebook does not use."""

import torch

from llama_mini.course.judge.exercise import Case, args, normal

CASES = (
    Case("three groups in each of two rows", given=args(normal(2, 18, seed=651), 6)),
    Case("six groups of 4", given=args(normal(4, 24, seed=652) * 3, group_size=4)),
    Case("the usual size", given=args(normal(1, 256, seed=653) * 0.01)),
    Case("halves", given=args(torch.tensor([[0.0, 30.0, 1.0, 5.0, 9.0, 13.0, 2.0, 4.0]]), 8)),
    Case("all below zero", given=args(-normal(3, 10, seed=654).abs() - 2, 5)),
    Case("equal", given=args(torch.tensor([[-0.25, -0.25, 1.0, 1.5]]), 2)),
    Case("half", given=args(normal(3, 24, seed=655, dtype=torch.bfloat16), 12)),
)


def answer(
    split: str = "w.reshape(out, columns // group_size, group_size)",
    ends: str = "low, high = g.min(-1).values, g.max(-1).values",
    step: str = "(high - low) / 15",
    codes: str = "torch.round((g - low[..., None]) / step[..., None])",
    returns: str = "q.reshape(out, columns).to(torch.uint8), step, low",
    first: str = "w = weight.to(torch.float32)",
    guard: str = "step = step.masked_fill(step == 0, 1.0)",
) -> str:
    lines = (
        "out, columns = weight.shape",
        first,
        f"g = {split}",
        ends,
        f"step = {step}",
        guard,
        f"q = {codes}",
        f"return {returns}",
    )
    body = "".join(f"    {line}\n" for line in lines)
    return f"def quantize_int4(weight: Tensor, group_size: int = 128):\n{body}"


VARIANTS = {
    "one grid for the row": [
        answer(split="w.reshape(out, 1, columns)"),
        answer(
            ends="low, high = (e[:, None].expand(g.shape[:2]) for e in w.aminmax(dim=1))",
        ),
    ],
    "one grid for the whole weight": [
        answer(ends="low, high = (e.expand(g.shape[:2]) for e in w.aminmax())"),
        (
            "def quantize_int4(weight, group_size=128):\n"
            "    low, high = weight.float().aminmax()\n"
            "    step = (high - low) / 15\n"
            "    return torch.round((weight.float() - low) / step).byte(), step, low\n"
        ),
    ],
    "every so many columns, not neighbours": answer(
        split="w.reshape(out, group_size, columns // group_size).transpose(1, 2)",
        returns="q.transpose(1, 2).reshape(out, columns).byte(), step, low",
    ),
    "group_size groups": answer(split="w.reshape(out, group_size, columns // group_size)"),
    "sixteen steps": answer(
        step="(high - low) / 2**4",
        codes="torch.round((g - low[..., None]) / step[..., None]).clip(max=15)",
    ),
    "symmetric around zero": answer(
        ends="high = g.abs().max(-1).values",
        step="high / 7",
        codes="torch.round(g / step[..., None]) + 8",
        returns="q.reshape(out, columns).to(torch.uint8), step, -8 * step",
    ),
    "zero is always on the grid": answer(
        ends="low, high = g.min(-1).values, g.max(-1).values\n"
        "    nought = torch.zeros(1)\n"
        "    low, high = torch.minimum(low, nought), torch.maximum(high, nought)"
    ),
    "zero as a code": [
        answer(
            returns="q.reshape(out, columns).byte(), step, "
            "torch.where(low == high, -low / 1e-9, -low / step)"
        ),
        answer(
            codes="torch.round(g / step[..., None] - torch.round(low / step)[..., None])",
            returns="q.clip(0, 15).reshape(out, columns).byte(), step, -torch.round(low / step)",
        ),
        answer(
            codes="torch.round(g / step[..., None]) - torch.round(low / step)[..., None]",
            returns="q.clip(0, 15).reshape(out, columns).byte(), step, -torch.round(low / step)",
        ),
    ],
    "the middle for zero": answer(
        returns="q.reshape(out, columns).byte(), step, low + 8 * step",
    ),
    "not moved to the smallest": answer(
        codes="torch.round(g / step[..., None]).clip(min=0, max=15)"
    ),
    "cut off, not rounded": [
        answer(codes="torch.floor((g - low[..., None]) / step[..., None])"),
    ],
    "halves away from the even one": answer(
        codes="torch.floor(0.5 + (g - low[..., None]) / step[..., None])"
    ),
    "no scale for equal weights": [
        answer(guard="pass"),
        answer(guard="step = step.clamp_min(1e-9)"),
    ],
    "the 1 before the division": answer(
        step="(high - low).masked_fill(high == low, 1.0) / 15", guard="pass"
    ),
    "packed already": answer(
        returns="(q.reshape(out, -1, 2)[..., 0] * 16 + q.reshape(out, -1, 2)[..., 1]).byte(), "
        "step, low"
    ),
    "groups left apart": answer(returns="q.to(torch.uint8), step, low"),
    "an axis too many in the scales": answer(
        returns="q.reshape(out, columns).byte(), step[..., None], low[..., None]"
    ),
    "zero and scale swapped": answer(returns="q.reshape(out, columns).byte(), low, step"),
    "computed in bfloat16": [
        answer(first="w = weight.clone()"),
        answer(step="((high.type_as(weight) - low.type_as(weight)) / 15).to(torch.float32)"),
    ],
    "wrong dtype": [
        answer(returns="q.reshape(out, columns), step, low"),
        answer(returns="q.reshape(out, columns).to(torch.int64), step, low"),
    ],
    "returns nothing": answer(returns="None"),
}
