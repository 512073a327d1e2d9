"""repeat_kv: one key/value head for several query heads in a row."""

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal


def _repeated(body: str) -> str:
    """The function, from the expression it returns."""
    return f"def repeat_kv(x, n_rep):\n    return {body}\n"


EXERCISE = Exercise(
    symbol="llama_mini.attention:repeat_kv",
    lesson=5,
    minutes=8,
    difficulty=2,
    cases=(
        Case(
            "two heads for six",
            given=args(normal(2, 5, 2, 4, seed=50), 3),
            gradients=True,
            another_device=True,
            points=2,
        ),
        Case("four heads for eight", given=args(normal(1, 3, 4, 2, seed=51), 2)),
        Case("one head for all", given=args(normal(2, 3, 1, 6, seed=52), 4)),
        Case(
            "nothing to repeat, and bfloat16",
            given=args(normal(2, 3, 4, 6, seed=53).bfloat16()),
            use=lambda repeat_kv, x: [repeat_kv(x, 1), repeat_kv(x, 2)],
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "whole list repeated",
            "You repeat the heads as a list: A B A B. Neighbours share, A A B B: head h of the "
            "result is head h // n_rep of x. It runs without an error and pairs each query head "
            "with a stranger.",
            _repeated("x.repeat(1, 1, n_rep, 1)"),
            also=(
                _repeated("x.tile(1, 1, n_rep, 1)"),
                _repeated("torch.cat([x] * n_rep, dim=2)"),
                _repeated("x[:, :, None].expand(-1, -1, n_rep, -1, -1).flatten(2, 3)"),
                _repeated("einops.repeat(x, 'b s h d -> b s (r h) d', r=n_rep)"),
            ),
        ),
        WrongAnswer(
            "repeats along the sequence",
            "The positions are repeated, not the heads. x is (batch, seq, kv_heads, head_dim): "
            "the heads are axis 2.",
            _repeated("x.repeat_interleave(n_rep, dim=1)"),
            also=(_repeated("x.repeat(1, n_rep, 1, 1)"),),
        ),
        WrongAnswer(
            "repeats the numbers of a head",
            "Each number inside a head is repeated, which makes the heads longer. Whole heads are"
            " repeated: axis 2, not the last.",
            _repeated("x.repeat_interleave(n_rep, dim=-1)"),
            also=(_repeated("x.repeat(1, 1, 1, n_rep)"),),
        ),
        WrongAnswer(
            "repeats the batch",
            "The texts of the batch are repeated, not the heads. x is (batch, seq, kv_heads, "
            "head_dim): the heads are axis 2.",
            _repeated("x.repeat_interleave(n_rep, dim=0)"),
            also=(_repeated("x.repeat(n_rep, 1, 1, 1)"),),
        ),
        WrongAnswer(
            "an axis too many",
            "The copies stand along an axis of their own. Merge it with the axis of the heads: "
            "the result has four axes, (batch, seq, kv_heads * n_rep, head_dim).",
            _repeated("x[:, :, :, None, :].expand(-1, -1, -1, n_rep, -1)"),
            also=(
                _repeated("x[:, :, None].expand(-1, -1, n_rep, -1, -1)"),
                _repeated("torch.stack([x] * n_rep, dim=2)"),
                _repeated("torch.stack([x] * n_rep)"),
            ),
        ),
        WrongAnswer(
            "flattened and repeated",
            "Every number is repeated where it stands, and the row of numbers is then cut into "
            "heads anew, so each head is a mixture. Repeat whole heads: the new axis goes "
            "*before* head_dim.",
            _repeated("x.repeat_interleave(n_rep, dim=-1).reshape(*x.shape[:2], -1, x.shape[-1])"),
            also=(
                _repeated(
                    "x[..., None].expand(*x.shape, n_rep).reshape(*x.shape[:2], -1, x.shape[-1])"
                ),
            ),
        ),
        WrongAnswer(
            "n_rep taken for the number of heads",
            "n_rep says how often each head is repeated, not how many heads there are in the end.",
            _repeated("x.repeat_interleave(n_rep // x.shape[2], dim=2)"),
            also=(_repeated("x.repeat_interleave(max(1, n_rep // x.shape[2]), dim=2)"),),
        ),
        WrongAnswer(
            "no axis named",
            "Without `dim`, `repeat_interleave` flattens the whole tensor first. Say which axis: "
            "`dim=2`.",
            _repeated("x.repeat_interleave(n_rep)"),
        ),
        WrongAnswer(
            "x returned as it was",
            "x comes back unchanged. Nothing in torch repeats a tensor in place: keep the new "
            "tensor that `repeat_interleave` makes, and return it.",
            "def repeat_kv(x, n_rep):\n    x.repeat_interleave(n_rep, dim=2)\n    return x\n",
        ),
    ),
    alternatives=(
        Alternative(
            "expand and reshape",
            "def repeat_kv(x, n_rep):\n"
            "    batch, seq, kv_heads, head_dim = x.shape\n"
            "    x = x[:, :, :, None, :].expand(batch, seq, kv_heads, n_rep, head_dim)\n"
            "    return x.reshape(batch, seq, kv_heads * n_rep, head_dim)\n",
        ),
        Alternative("einops", _repeated("einops.repeat(x, 'b s h d -> b s (h n) d', n=n_rep)")),
        Alternative(
            "an index for each head",
            "def repeat_kv(x, n_rep):\n"
            "    heads = torch.arange(x.shape[2] * n_rep, device=x.device)\n"
            "    return x[:, :, heads // n_rep]\n",
        ),
        Alternative(
            "a loop over heads",
            "def repeat_kv(x: Tensor, n_rep: int) -> Tensor:\n"
            "    heads = [x[:, :, h // n_rep] for h in range(x.shape[2] * n_rep)]\n"
            "    return torch.stack(heads, dim=2)\n",
        ),
        Alternative(
            "only when needed",
            "def repeat_kv(x, n_rep):\n"
            "    if n_rep == 1:\n"
            "        return x\n"
            "    return torch.repeat_interleave(x, n_rep, dim=-2)\n",
        ),
    ),
    hints=(
        "With heads A and B and n_rep = 2, which four heads come out, and in which order?",
        "A A B B. torch has two ways to repeat: `repeat` says the whole list again, "
        "`repeat_interleave` repeats each item where it stands.",
        "`x.repeat_interleave(n_rep, dim=…)`, and the heads are axis 2 of (batch, seq, kv_heads, "
        "head_dim).",
    ),
)
