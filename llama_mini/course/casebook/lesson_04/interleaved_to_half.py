"""interleaved_to_half: reorder rows from Meta's pairs to Hugging Face's halves."""

import torch

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal


def _function(*lines: str) -> str:
    return "\n    ".join(["def interleaved_to_half(weight, n_heads):", *lines]) + "\n"


def _rearranged(pattern: str) -> str:
    return _function(f"return einops.rearrange(weight, '{pattern}', heads=n_heads, two=2)")


EXERCISE = Exercise(
    symbol="llama_mini.rope:interleaved_to_half",
    lesson=4,
    minutes=12,
    difficulty=2,
    prerequisites=("apply_rotary_emb",),
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
            "This goes from halves to pairs. Here the rows come as pairs, 0 with 1, and leave "
            "with all first numbers of the pairs before all second ones. (For a head_dim of 4 "
            "both are the same, so do not test with that.)",
            _rearranged("(heads two pairs) dim -> (heads pairs two) dim"),
            also=(
                _function(
                    "rows = weight.view(n_heads, 2, -1, weight.shape[1])",
                    "return rows.transpose(1, 2).reshape(weight.shape)",
                ),
            ),
        ),
        WrongAnswer(
            "heads are ignored",
            "All even rows come first, those of every head together, so rows move from one head "
            "into another. Do it within each head: rows 0, 2, 4, … of head 0, its odd rows, and "
            "only then head 1.",
            _function("return torch.cat([weight[0::2], weight[1::2]])"),
            also=(
                _function(
                    "return einops.rearrange(weight, '(pairs two) dim -> (two pairs) dim', two=2)"
                ),
                _rearranged("(heads pairs two) dim -> (two heads pairs) dim"),
            ),
        ),
        WrongAnswer(
            "the order of one head",
            "The order has the rows of one head only, so the other heads are left out. Repeat it "
            "for each head, `head · head_dim` further on, or give the heads an axis of their own.",
            _function(
                "rows = weight.shape[0] // n_heads",
                "return weight[[*range(0, rows, 2), *range(1, rows, 2)]]",
            ),
        ),
        WrongAnswer(
            "heads are the inner axis",
            "The rows are split as if the heads alternated from row to row. They are blocks: "
            "head_dim rows of head 0, then head_dim rows of head 1. So heads is the first, "
            "slowest axis: `(heads pairs two)`.",
            _rearranged("(pairs two heads) dim -> (two pairs heads) dim"),
            also=(_rearranged("(pairs two heads) dim -> (heads two pairs) dim"),),
        ),
        WrongAnswer(
            "the pairs are turned round",
            "Odd rows come first here. The first half of a head holds rows 0, 2, 4, …: the cosine "
            "side of each pair.",
            _function(
                "rows = weight.view(n_heads, -1, weight.shape[1])",
                "return torch.cat([rows[:, 1::2], rows[:, 0::2]], dim=1).reshape(weight.shape)",
            ),
        ),
        WrongAnswer(
            "columns, not rows",
            "The columns are reordered. A projection is (rows out, columns in); the numbers of a "
            "query come from the rows, axis 0.",
            _function(
                "rows = weight.shape[0] // n_heads",
                "order = torch.cat([torch.arange(0, rows, 2), torch.arange(1, rows, 2)])",
                "order = torch.cat([order + head * rows for head in range(n_heads)])",
                "return weight[:, order]",
            ),
            also=(_rearranged("dim (heads pairs two) -> dim (heads two pairs)"),),
        ),
        WrongAnswer(
            "a reshape for a transpose",
            "`view` and `reshape` never change the order of the numbers, so what comes out is "
            "what went in. Swap the two axes with `transpose` or `rearrange`, and then reshape.",
            _function(
                "rows = weight.view(n_heads, -1, 2, weight.shape[1])",
                "return rows.reshape(n_heads, 2, -1, weight.shape[1]).reshape(weight.shape)",
            ),
            also=(_function("return weight.clone()"),),
        ),
        WrongAnswer(
            "axes left apart",
            "The order is right, but the rows are still split into several axes. Bring back the "
            "shape of the weight, (heads·head_dim, dim), with a last `reshape`.",
            _rearranged("(heads pairs two) dim -> heads two pairs dim"),
            also=(_rearranged("(heads pairs two) dim -> heads (two pairs) dim"),),
        ),
        WrongAnswer(
            "view after transpose",
            "`view` cannot flatten axes that were transposed, because their numbers no longer lie "
            "in that order in memory. `reshape` copies them where it has to.",
            _function(
                "rows = weight.view(n_heads, -1, 2, weight.shape[1])",
                "return rows.transpose(1, 2).view(weight.shape)",
            ),
        ),
        WrongAnswer(
            "edits the weight",
            "The new order is written into the weight you were given. Whoever loaded it may need "
            "it as it was: return a new tensor.",
            _function(
                "rows = weight.clone().view(n_heads, -1, 2, weight.shape[1])",
                "weight[:] = rows.transpose(1, 2).reshape(weight.shape)",
                "return weight",
            ),
        ),
    ),
    alternatives=(
        Alternative("einops", _rearranged("(heads pairs two) dim -> (heads two pairs) dim")),
        Alternative(
            "a transpose",
            _function(
                "rows = weight.view(n_heads, weight.shape[0] // n_heads // 2, 2, weight.shape[1])",
                "return rows.transpose(1, 2).reshape(weight.shape)",
            ),
        ),
        Alternative(
            "head by head",
            _function(
                "heads = weight.chunk(n_heads)",
                "return torch.cat([part for head in heads for part in (head[0::2], head[1::2])])",
            ),
        ),
        Alternative(
            "a list of rows",
            _function(
                "size = len(weight) // n_heads",
                "order = [h * size + r for h in range(n_heads) for s in (0, 1) for r in range(s, "
                "size, 2)]",
                "return weight[order]",
            ),
        ),
        Alternative(
            "stack and flatten",
            "def interleaved_to_half(weight: torch.Tensor, n_heads: int) -> torch.Tensor:\n"
            "    heads = weight.unflatten(0, (n_heads, -1))\n"
            "    return torch.stack([heads[:, 0::2], heads[:, 1::2]], dim=1).flatten(0, 2)\n",
        ),
    ),
    hints=(
        "The rows hide three axes: which head, which pair, which of the two. Two of them have to "
        "change places.",
        "`(heads pairs two)` is how the rows are nested now, the slowest axis first. How are they "
        "nested when all first numbers of the pairs come before all second ones?",
        "`einops.rearrange(weight, '(heads pairs two) dim -> … dim', heads=n_heads, two=2)`: put "
        "`pairs` last. Or make four axes with `view`, `transpose(1, 2)`, and `reshape` back.",
    ),
)
