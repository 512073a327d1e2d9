"""Mistakes in interleaved_to_half, written in another hand, at shapes the casebook does not use."""

import torch

from llama_mini.course.judge.exercise import Case, args, normal

CASES = (
    Case("three heads of 6", given=args(normal(18, 18, seed=401), 3)),
    Case("one head of 10", given=args(normal(10, 10, seed=402), 1)),
    Case("two heads of 8", given=args(normal(16, 16, seed=403), 2)),
    Case("wide", given=args(normal(24, 40, seed=404), 4)),
    Case("bf16", given=args(normal(12, 12, seed=405, dtype=torch.bfloat16), 2)),
)


def answer(body: str) -> str:
    """An answer with the sizes named first; `w` has an axis of its own for the heads."""
    return (
        "def interleaved_to_half(weight: Tensor, n_heads: int) -> Tensor:\n"
        "    rows, dim = weight.shape\n"
        "    head_dim = rows // n_heads\n"
        "    w = weight.reshape(n_heads, head_dim, dim)\n"
        f"    {body}\n"
    )


VARIANTS = {
    "the other way round": [
        answer(
            "w = w.reshape(n_heads, 2, head_dim // 2, dim)\n "
            "   return w.permute(0, 2, 1, 3).reshape(rows, dim)"
        ),
        answer(
            "return torch.cat([torch.stack([h[: head_dim // 2], h[head_dim // 2 :]], "
            "1).flatten(0, 1) for h in w])"
        ),
    ],
    "heads are ignored": [
        answer("return weight[list(range(0, rows, 2)) + list(range(1, rows, 2))]"),
        answer("return weight.reshape(rows // 2, 2, dim).transpose(0, 1).reshape(rows, dim)"),
    ],
    "the order of one head": [
        answer("return torch.cat([weight[:head_dim:2], weight[1:head_dim:2]])"),
        answer("return w[0].reshape(head_dim // 2, 2, dim).transpose(0, 1).reshape(head_dim, dim)"),
    ],
    "heads are the inner axis": [
        answer(
            "w = weight.reshape(head_dim // 2, 2, n_heads, dim)\n"
            "    return w.transpose(0, 1).reshape(rows, dim)"
        ),
    ],
    "the pairs are turned round": [
        answer("return torch.cat([torch.cat([h[1::2], h[::2]]) for h in w])"),
        answer(
            "w = w.reshape(n_heads, head_dim // 2, 2, dim).flip(2)\n"
            "    return w.transpose(1, 2).reshape(rows, dim)"
        ),
    ],
    "columns, not rows": [
        answer(
            "one = list(range(0, head_dim, 2)) + list(range(1, head_dim, 2))\n"
            "    return weight[:, [h * head_dim + r for h in range(n_heads) for r in one]]"
        ),
        answer(
            "return einops.rearrange(weight, 'd (h p t) -> d (h t p)', h=n_heads, t=2)",
        ),
    ],
    "a reshape for a transpose": [
        answer(
            "w = w.reshape(n_heads, head_dim // 2, 2, dim)\n"
            "    w = w.reshape(n_heads, 2, head_dim // 2, dim)\n"
            "    return w.reshape(rows, dim)"
        ),
    ],
    "axes left apart": [
        answer("return w.reshape(n_heads, head_dim // 2, 2, dim).transpose(1, 2)"),
        answer("return torch.cat([w[:, ::2], w[:, 1::2]], dim=1)"),
    ],
    "view after transpose": [
        answer("return w.view(n_heads, head_dim // 2, 2, dim).permute(0, 2, 1, 3).view(rows, dim)"),
    ],
    "edits the weight": [
        answer(
            "weight.copy_(torch.cat([torch.cat([h[::2], h[1::2]]) for h in w.clone()]))\n "
            "   return weight"
        ),
    ],
    "returns nothing": [
        answer("w.reshape(n_heads, -1, 2, dim).transpose(1, 2).reshape(rows, dim)")
    ],
}
