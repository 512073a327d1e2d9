"""Mistakes in repeat_kv, written without looking at the casebook, at shapes it does not use."""

from llama_mini.course.judge.exercise import Case, args, normal

CASES = (
    Case(
        "two for eight",
        given=args(normal(3, 4, 2, 6, seed=301), 4),
        gradients=True,
        another_device=True,
    ),
    Case("three for six", given=args(normal(1, 2, 3, 4, seed=302), 2)),
    Case("one for five", given=args(normal(1, 4, 1, 2, seed=303), 5)),
    Case(
        "once and twice",
        given=args(normal(1, 4, 2, 4, seed=304).half()),
        use=lambda repeat_kv, x: [repeat_kv(x, 1), repeat_kv(x, 2)],
    ),
)

EXPANDED = (
    "def repeat_kv(x, n_rep):\n"
    "    b, s, h, d = x.shape\n"
    "    return x.unsqueeze({axis}).expand({sizes}).reshape({shape})\n"
)


def expanded(axis: int, sizes: str, shape: str) -> str:
    """Copies along a new axis, merged in some way."""
    return EXPANDED.format(axis=axis, sizes=sizes, shape=shape)


VARIANTS = {
    "whole list repeated": [
        expanded(2, "b, s, n_rep, h, d", "b, s, n_rep * h, d"),
        "def repeat_kv(x, n_rep):\n"
        "    heads = x.shape[2]\n"
        "    return torch.stack([x[:, :, i % heads] for i in range(heads * n_rep)], dim=2)\n",
    ],
    "repeats along the sequence": [
        "def repeat_kv(x, n_rep):\n    return torch.repeat_interleave(x, repeats=n_rep, dim=1)\n",
        "def repeat_kv(x, n_rep):\n    return torch.cat([x for _ in range(n_rep)], dim=1)\n",
    ],
    "repeats the numbers of a head": [
        expanded(4, "b, s, h, d, n_rep", "b, s, h, d * n_rep"),
        "def repeat_kv(x, n_rep):\n    return torch.cat([x] * n_rep, dim=-1)\n",
    ],
    "repeats the batch": [
        "def repeat_kv(x, n_rep):\n    return torch.cat([x] * n_rep)\n",
        "def repeat_kv(x, n_rep):\n    return einops.repeat(x, 'b s h d -> (b n) s h d', n=n_rep)",
    ],
    "an axis too many": [
        "def repeat_kv(x, n_rep):\n    return einops.repeat(x, 'b s h d -> b s h n d', n=n_rep)\n",
        "def repeat_kv(x, n_rep):\n    return torch.stack([x] * n_rep, dim=3)\n",
    ],
    "flattened and repeated": [
        expanded(4, "b, s, h, d, n_rep", "b, s, h * n_rep, d"),
        "def repeat_kv(x, n_rep):\n"
        "    flat = x.flatten(2).repeat_interleave(n_rep, dim=2)\n"
        "    return flat.view(*x.shape[:2], x.shape[2] * n_rep, x.shape[3])\n",
    ],
    "n_rep taken for the number of heads": [
        "def repeat_kv(x, n_rep):\n"
        "    times = n_rep // x.size(-2)\n"
        "    return x.repeat_interleave(times, dim=-2)\n",
    ],
    "no axis named": ["def repeat_kv(x, n_rep):\n    return torch.repeat_interleave(x, n_rep)\n"],
    "no gradient": [
        "def repeat_kv(x, n_rep):\n    return x.detach().repeat_interleave(n_rep, dim=2)\n",
    ],
    "x returned as it was": [
        "def repeat_kv(x, n_rep):\n    x.repeat_interleave(n_rep, 2)\n    return x\n"
    ],
    "bound to one device": [
        "def repeat_kv(x, n_rep):\n    return x.cpu().repeat_interleave(n_rep, dim=2)\n",
    ],
}
