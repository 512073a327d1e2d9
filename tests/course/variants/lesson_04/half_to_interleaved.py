"""Mistakes in half_to_interleaved, written in another hand, at shapes the casebook does not use."""

import torch

from llama_mini.course.judge.exercise import Case, args, normal

CASES = (
    Case("three heads of 6", given=args(normal(18, 18, seed=501), 3)),
    Case("one head of 10", given=args(normal(10, 10, seed=502), 1)),
    Case("two heads of 8", given=args(normal(16, 16, seed=503), 2)),
    Case("wide", given=args(normal(24, 40, seed=504), 4)),
    Case("bf16", given=args(normal(12, 12, seed=505, dtype=torch.bfloat16), 2)),
)


def answer(body: str) -> str:
    """An answer with the sizes named first; `w` has an axis of its own for the heads."""
    return (
        "def half_to_interleaved(weight: Tensor, n_heads: int) -> Tensor:\n"
        "    rows, dim = weight.shape\n"
        "    head_dim = rows // n_heads\n"
        "    half = head_dim // 2\n"
        "    w = weight.reshape(n_heads, head_dim, dim)\n"
        f"    {body}\n"
    )


VARIANTS = {
    "the other way round": [
        answer("return torch.cat([torch.cat([h[::2], h[1::2]]) for h in w])"),
        answer(
            "w = w.reshape(n_heads, half, 2, dim)\n "
            "   return w.permute(0, 2, 1, 3).reshape(rows, dim)"
        ),
    ],
    "heads are ignored": [
        answer("return weight.reshape(2, rows // 2, dim).transpose(0, 1).reshape(rows, dim)"),
        answer(
            "out = torch.zeros_like(weight)\n"
            "    out[::2], out[1::2] = weight[: rows // 2], weight[rows // 2 :]\n"
            "    return out"
        ),
    ],
    "the order of one head": [
        answer("return w[0].reshape(2, half, dim).transpose(0, 1).reshape(head_dim, dim)"),
    ],
    "heads are the inner axis": [
        answer("return weight.reshape(2, half, n_heads, dim).transpose(0, 1).reshape(rows, dim)"),
    ],
    "the pairs are turned round": [
        answer("return torch.cat([torch.stack([h[half:], h[:half]], 1).flatten(0, 1) for h in w])"),
        answer(
            "w = w.reshape(n_heads, 2, half, dim).flip(1)\n "
            "   return w.transpose(1, 2).reshape(rows, dim)"
        ),
    ],
    "columns, not rows": [
        answer(
            "one = [r for i in range(half) for r in (i, i + half)]\n"
            "    return weight[:, [h * head_dim + r for h in range(n_heads) for r in one]]"
        ),
        answer("return einops.rearrange(weight, 'd (h t p) -> d (h p t)', h=n_heads, t=2)"),
    ],
    "a reshape for a transpose": [
        answer(
            "return w.reshape(n_heads, 2, half, dim).reshape(n_heads, half, 2, dim).reshape(rows, "
            "dim)"
        ),
    ],
    "axes left apart": [
        answer("return w.reshape(n_heads, 2, half, dim).transpose(1, 2)"),
        answer("return w.reshape(n_heads, 2, half, dim).transpose(1, 2).flatten(1, 2)"),
    ],
    "view after transpose": [
        answer("return w.view(n_heads, 2, half, dim).permute(0, 2, 1, 3).view(rows, dim)"),
    ],
    "edits its input": [
        answer(
            "new = torch.stack([w[:, :half], w[:, half:]], dim=2).reshape(rows, dim)\n"
            "    weight[:] = new\n    return weight"
        ),
    ],
    "returns nothing": [
        answer("w.reshape(n_heads, 2, half, dim).transpose(1, 2).reshape(rows, dim)")
    ],
}
