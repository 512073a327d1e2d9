"""half_to_interleaved: reorder rows from Hugging Face's halves to Meta's pairs."""

import torch

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal


def _function(*lines: str) -> str:
    return "\n    ".join(["def half_to_interleaved(weight, n_heads):", *lines]) + "\n"


def _rearranged(pattern: str) -> str:
    return _function(f"return einops.rearrange(weight, '{pattern}', heads=n_heads, two=2)")


EXERCISE = Exercise(
    symbol="llama_mini.rope:half_to_interleaved",
    lesson=4,
    minutes=5,
    difficulty=2,
    prerequisites=("interleaved_to_half",),
    cases=(
        Case("two heads of 6", given=args(normal(12, 12, seed=1), 2), points=2),
        Case("one head of 8", given=args(normal(8, 8, seed=2), 1)),
        Case("four heads of 8", given=args(normal(32, 32, seed=3), 4)),
        Case("fewer rows than columns", given=args(normal(20, 24, seed=4), 2)),
        Case("bfloat16", given=args(normal(24, 24, seed=5, dtype=torch.bfloat16), 3)),
    ),
    wrong_answers=(
        WrongAnswer(
            "the other way round",
            "This goes from pairs to halves, as `interleaved_to_half` does; twice the same is not "
            "back. Here the rows come as two halves, and number i of the first half gets number "
            "i of the second as its neighbour.",
            _rearranged("(heads pairs two) dim -> (heads two pairs) dim"),
            also=(
                _function(
                    "rows = weight.view(n_heads, -1, 2, weight.shape[1])",
                    "return rows.transpose(1, 2).reshape(weight.shape)",
                ),
            ),
        ),
        WrongAnswer(
            "heads are ignored",
            "The whole weight is cut into two halves, so rows of different heads become "
            "neighbours. Do it within each head: its own first half and its own second half.",
            _function(
                "first, second = weight.chunk(2)",
                "return torch.stack([first, second], dim=1).flatten(0, 1)",
            ),
            also=(
                _function(
                    "return einops.rearrange(weight, '(two pairs) dim -> (pairs two) dim', two=2)"
                ),
                _rearranged("(two heads pairs) dim -> (heads pairs two) dim"),
            ),
        ),
        WrongAnswer(
            "the order of one head",
            "The order has the rows of one head only, so the other heads are left out. Repeat it "
            "for each head, `head · head_dim` further on, or give the heads an axis of their own.",
            _function(
                "half = weight.shape[0] // n_heads // 2",
                "return weight[[row for i in range(half) for row in (i, half + i)]]",
            ),
        ),
        WrongAnswer(
            "heads are the inner axis",
            "The rows are split as if the heads alternated from row to row. They are blocks: "
            "head_dim rows of head 0, then head_dim rows of head 1. So heads is the first, "
            "slowest axis: `(heads two pairs)`.",
            _rearranged("(two pairs heads) dim -> (pairs two heads) dim"),
            also=(_rearranged("(two pairs heads) dim -> (heads pairs two) dim"),),
        ),
        WrongAnswer(
            "the pairs are turned round",
            "In each pair the row of the second half comes first. The first half of a head holds "
            "the first numbers of the pairs: rows 0, 3, 1, 4, 2, 5 for a head_dim of 6.",
            _function(
                "first, second = weight.view(n_heads, 2, -1, weight.shape[1]).unbind(1)",
                "return torch.stack([second, first], dim=2).reshape(weight.shape)",
            ),
        ),
        WrongAnswer(
            "columns, not rows",
            "The columns are reordered. A projection is (rows out, columns in); the numbers of a "
            "query come from the rows, axis 0.",
            _function(
                "half = weight.shape[0] // n_heads // 2",
                "order = torch.arange(weight.shape[0]).view(n_heads, 2, half).transpose(1, "
                "2).flatten()",
                "return weight[:, order]",
            ),
            also=(_rearranged("dim (heads two pairs) -> dim (heads pairs two)"),),
        ),
        WrongAnswer(
            "a reshape for a transpose",
            "`view` and `reshape` never change the order of the numbers, so what comes out is "
            "what went in. Swap the two axes with `transpose` or `rearrange`, and then reshape.",
            _function(
                "rows = weight.view(n_heads, 2, -1, weight.shape[1])",
                "return rows.reshape(n_heads, -1, 2, weight.shape[1]).reshape(weight.shape)",
            ),
            also=(_function("return weight.clone()"),),
        ),
        WrongAnswer(
            "axes left apart",
            "The order is right, but the rows are still split into several axes. Bring back the "
            "shape of the weight, (heads·head_dim, dim), with a last `reshape`.",
            _rearranged("(heads two pairs) dim -> heads pairs two dim"),
            also=(_rearranged("(heads two pairs) dim -> heads (pairs two) dim"),),
        ),
        WrongAnswer(
            "view after transpose",
            "`view` cannot flatten axes that were transposed, because their numbers no longer lie "
            "in that order in memory. `reshape` copies them where it has to.",
            _function(
                "rows = weight.view(n_heads, 2, -1, weight.shape[1])",
                "return rows.transpose(1, 2).view(weight.shape)",
            ),
        ),
    ),
    alternatives=(
        Alternative("einops", _rearranged("(heads two pairs) dim -> (heads pairs two) dim")),
        Alternative(
            "a transpose",
            _function(
                "rows = weight.view(n_heads, 2, weight.shape[0] // n_heads // 2, weight.shape[1])",
                "return rows.transpose(1, 2).reshape(weight.shape)",
            ),
        ),
        Alternative(
            "every second row",
            _function(
                "out = torch.empty_like(weight)",
                "size = len(weight) // n_heads",
                "for start in range(0, len(weight), size):",
                "    out[start : start + size : 2] = weight[start : start + size // 2]",
                "    out[start + 1 : start + size : 2] = weight[start + size // 2 : start + size]",
                "return out",
            ),
        ),
        Alternative(
            "the order undone",
            _function(
                "size = len(weight) // n_heads",
                "there = torch.cat([torch.arange(0, size, 2), torch.arange(1, size, 2)])",
                "heads = weight.unflatten(0, (n_heads, size))",
                "return heads[:, torch.argsort(there)].flatten(0, 1)",
            ),
        ),
        Alternative(
            "stack and flatten",
            "def half_to_interleaved(weight: torch.Tensor, n_heads: int) -> torch.Tensor:\n"
            "    first, second = weight.unflatten(0, (n_heads, 2, -1)).unbind(dim=1)\n"
            "    return torch.stack([first, second], dim=2).flatten(0, 2)\n",
        ),
    ),
    hints=(
        "Look at your `interleaved_to_half` and read it from right to left.",
        "The rows are nested as `(heads two pairs)` now. Which two axes change places?",
        "`einops.rearrange(weight, '(heads two pairs) dim -> … dim', heads=n_heads, two=2)`: put "
        "`two` last. A transpose of the same two axes as before does it too; only the `view` that "
        "makes them differs.",
    ),
)
