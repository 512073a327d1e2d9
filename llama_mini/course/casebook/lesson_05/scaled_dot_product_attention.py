"""scaled_dot_product_attention: softmax(q kᵀ / √head_dim) v, with a mask."""

import textwrap

import torch

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal


def _qkv(
    n_queries: int, n_keys: int, head_dim: int, seed: int, dtype: torch.dtype = torch.float32
) -> tuple[torch.Tensor, ...]:
    q = normal(2, 3, n_queries, head_dim, seed=seed, scale=1.5, dtype=dtype)
    k = normal(2, 3, n_keys, head_dim, seed=seed + 1, scale=1.5, dtype=dtype)
    return q, k, normal(2, 3, n_keys, head_dim, seed=seed + 2, dtype=dtype)


def _last(n_queries: int, n_keys: int) -> torch.Tensor:
    """The causal mask of the last queries."""
    return torch.ones(n_queries, n_keys).tril(n_keys - n_queries).bool()


def _large() -> tuple[torch.Tensor, ...]:
    """Scores of +250, -250 and about 0, each row of one size.

    Whole numbers and √16 = 4 make the scores exact, so that no correct order of operations is off.
    """
    generator = torch.Generator().manual_seed(60)
    q = torch.randint(-3, 4, (1, 2, 3, 16), generator=generator).float()
    k = torch.randint(-2, 3, (1, 2, 6, 16), generator=generator).float()
    k[..., 0] = 5
    q[..., 0] = torch.tensor([200.0, -200.0, 1.0])
    return q, k, normal(1, 2, 6, 16, seed=61)


def _attention(
    scores: str = "q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])",
    masked: str = "scores.masked_fill(~mask, float('-inf'))",
    weights: str = "scores.float().softmax(dim=-1).type_as(q)",
    result: str = "weights @ v",
) -> str:
    """The function, from the expressions that differ."""
    return textwrap.dedent(f"""\
        def scaled_dot_product_attention(q, k, v, mask=None):
            scores = {scores}
            if mask is not None:
                scores = {masked}
            weights = {weights}
            return {result}
        """)


def _masked_later(scores: str, weights: str) -> str:
    """The mask is applied after the softmax."""
    return textwrap.dedent(f"""\
        def scaled_dot_product_attention(q, k, v, mask=None):
            scores = {scores}
            weights = scores.float().softmax(dim=-1).type_as(q)
            if mask is not None:
                weights = {weights}
            return weights @ v
        """)


_RAW = "q @ k.transpose(-2, -1)"
_SCALED = f"{_RAW} / math.sqrt(q.shape[-1])"
_NAIVE = "(scores.float().exp() / scores.float().exp().sum(dim=-1, keepdim=True)).type_as(q)"

EXERCISE = Exercise(
    symbol="llama_mini.attention:scaled_dot_product_attention",
    lesson=5,
    minutes=20,
    difficulty=3,
    prerequisites=("causal_mask",),
    cases=(
        Case(
            "no mask, and fewer queries than keys",
            given=args(*_qkv(4, 7, 8, seed=54)),
            gradients=True,
            ulps=48,
            another_device=True,
            points=2,
        ),
        Case(
            "a causal mask",
            given=args(*_qkv(6, 6, 8, seed=57), _last(6, 6)),
            gradients=True,
            ulps=48,
            points=2,
        ),
        Case("a mask after a cache", given=args(*_qkv(3, 7, 8, seed=62), _last(3, 7))),
        Case("scores of several hundred", given=args(*_large())),
        Case("bfloat16", given=args(*_qkv(5, 5, 16, seed=65, dtype=torch.bfloat16), _last(5, 5))),
        Case("float16", given=args(*_qkv(4, 6, 16, seed=68, dtype=torch.float16), _last(4, 6))),
    ),
    wrong_answers=(
        WrongAnswer(
            "not divided by √head_dim",
            "The scores are the bare dot products. They grow with √head_dim, so the softmax is "
            "far too sharp: divide by math.sqrt(head_dim), the last axis of q.",
            _attention(_RAW),
        ),
        WrongAnswer(
            "divided by head_dim itself",
            "You divide by head_dim; the formula divides by its square root. With 128 dimensions "
            "your scores are eleven times too small, and each query sees little but the average.",
            _attention(f"{_RAW} / q.shape[-1]"),
        ),
        WrongAnswer(
            "multiplied by √head_dim",
            "You multiply by the root where the formula divides.",
            _attention(f"{_RAW} * math.sqrt(q.shape[-1])"),
        ),
        WrongAnswer(
            "divided by √ of the model's width",
            "You divide by the root of heads · head_dim, the width of the model. Each head is "
            "alone with its own dimensions: the root of head_dim, `q.shape[-1]`.",
            _attention(f"{_RAW} / math.sqrt(q.shape[1] * q.shape[-1])"),
        ),
        WrongAnswer(
            "divided by √ of another axis",
            "The number under your root is the length of another axis. d is head_dim, the last "
            "axis of q and k.",
            _attention(f"{_RAW} / math.sqrt(k.shape[-2])"),
            also=(
                _attention(f"{_RAW} / math.sqrt(q.shape[-2])"),
                _attention(f"{_RAW} / math.sqrt(q.shape[1])"),
            ),
        ),
        WrongAnswer(
            "divided after the softmax",
            "The weights are divided, and no longer add up to 1. The scores are divided, before "
            "the softmax.",
            _attention(
                _RAW, weights="scores.float().softmax(dim=-1).type_as(q) / math.sqrt(q.shape[-1])"
            ),
        ),
        WrongAnswer(
            "softmax over the queries",
            "The softmax runs over the queries, so each *key* hands out 1 in total. Each query's "
            "weights must add up to 1: take it over the keys, the last axis of the scores, "
            "dim=-1.",
            _attention(weights="scores.float().softmax(dim=-2).type_as(q)"),
        ),
        WrongAnswer(
            "softmax over the heads",
            "The softmax runs over the heads (`F.softmax` without `dim` does that, too, on four "
            "axes). Take it over the keys: dim=-1.",
            _attention(weights="scores.float().softmax(dim=1).type_as(q)"),
        ),
        WrongAnswer(
            "softmax over the batch",
            "The softmax runs over the texts of the batch, which have nothing to do with each "
            "other. Take it over the keys: dim=-1.",
            _attention(weights="scores.float().softmax(dim=0).type_as(q)"),
        ),
        WrongAnswer(
            "no softmax",
            "The scores themselves are used as weights. They are negative as often as positive "
            "and add up to anything: a softmax over the keys makes weights of them.",
            _attention(weights="scores"),
            also=(
                _attention(weights="scores.float().type_as(q)"),
                _attention(masked="scores.masked_fill(~mask, 0)", weights="scores"),
            ),
        ),
        WrongAnswer(
            "mask the wrong way round",
            "You hide what may be seen and show what may not. The mask is True where a query "
            "*may* look, so -inf goes where it is False: `~mask`.",
            _attention(masked="scores.masked_fill(mask, float('-inf'))"),
        ),
        WrongAnswer(
            "mask ignored",
            "The mask changes nothing: each query still sees every key. (`masked_fill` makes a "
            "new tensor; keep what it returns.)",
            f"def scaled_dot_product_attention(q, k, v, mask=None):\n"
            f"    scores = {_SCALED}\n"
            f"    return scores.float().softmax(dim=-1).type_as(q) @ v\n",
        ),
        WrongAnswer(
            "mask added as 0 and 1",
            "The mask is added as it is, and adds 1 to the score of what may be seen. Nothing is "
            "hidden by that; a hidden score must become -inf.",
            _attention(masked="scores + mask"),
        ),
        WrongAnswer(
            "hidden scores set to 0",
            "A score of 0 is not nothing: e⁰ is 1, and the hidden key gets its share. Fill in "
            "-inf, whose exponential is 0.",
            _attention(masked="scores.masked_fill(~mask, 0)"),
            also=(_attention(masked="scores * mask"),),
        ),
        WrongAnswer(
            "hidden after the softmax",
            "The hidden weights are set to zero after the softmax, and those that remain add up "
            "to less than 1. Hide the scores, before it.",
            _masked_later(_SCALED, "weights * mask"),
        ),
        WrongAnswer(
            "a number that 16 bits do not have",
            "Your very negative number does not exist in 16 bits: float16 ends at 65,504, and the"
            " smallest number of float32 is too far even for bfloat16. `float('-inf')` exists in "
            "every floating dtype.",
            _attention(masked="scores.masked_fill(~mask, -1e9)"),
            also=(
                _attention(masked="scores.masked_fill(mask == 0, -1e9)"),
                _attention(masked="scores.masked_fill(~mask, -1e20)"),
                _attention(masked="scores + torch.zeros_like(scores).masked_fill(~mask, -1e9)"),
                _attention(masked="scores.masked_fill(~mask, torch.finfo(torch.float32).min)"),
            ),
        ),
        WrongAnswer(
            "exponentials overflow",
            "e to the power of a few hundred is infinite, and infinity over infinity is nan. "
            "Subtract each row's largest score first, or let `softmax(dim=-1)` do it.",
            _attention(weights=_NAIVE),
            also=(
                _attention(
                    weights="(scores.exp() / scores.exp().sum(dim=-1, keepdim=True)).type_as(q)"
                ),
            ),
        ),
        WrongAnswer(
            "one maximum for all rows",
            "You subtract the largest score of the whole tensor. Rows far below it become 0/0 = "
            "nan, as soon as another head or text has much larger scores. Each row has its own: "
            "`amax(dim=-1, keepdim=True)`, or `softmax`.",
            _attention(
                weights=_NAIVE.replace("scores.float()", "(scores.float() - scores.float().max())")
            ),
            also=(
                _attention(
                    weights=_NAIVE.replace("scores.float()", "(scores - scores.max()).float()")
                ),
                _attention(
                    weights=_NAIVE.replace(
                        "scores.float()",
                        "(scores.float() - scores.float().amax((-2, -1), keepdim=True))",
                    )
                ),
            ),
        ),
        WrongAnswer(
            "weights left in float32",
            "The weights stay in float32 while v is in 16 bits, and the two cannot be multiplied."
            " Cast back after the softmax: `.type_as(q)`.",
            _attention(weights="scores.float().softmax(dim=-1)"),
            also=(_attention(weights="F.softmax(scores, dim=-1, dtype=torch.float32)"),),
        ),
        WrongAnswer(
            "k reshaped, not transposed",
            "`view` and `reshape` keep the numbers in their order and only cut the rows "
            "elsewhere, which mixes the keys. Exchange the last two axes: `k.transpose(-2, -1)`.",
            _attention(
                "q @ k.reshape(*k.shape[:-2], k.shape[-1], k.shape[-2]) / math.sqrt(q.shape[-1])"
            ),
        ),
        WrongAnswer(
            "the weights are returned",
            "Your result is the weights. One step is missing: multiply them with the values, "
            "`weights @ v`.",
            _attention(result="weights"),
        ),
        WrongAnswer(
            "the keys are averaged",
            "The weights average the keys. The keys only decide who is heard; what is heard are "
            "the values, `weights @ v`.",
            _attention(result="weights @ k"),
        ),
    ),
    alternatives=(
        Alternative(
            "einsum",
            _attention(
                scores="torch.einsum('bhqd,bhkd->bhqk', q, k) * q.shape[-1] ** -0.5",
                result="torch.einsum('bhqk,bhkd->bhqd', weights, v)",
            ),
        ),
        Alternative(
            "the query divided first",
            _attention(
                "(q / math.sqrt(q.shape[-1])) @ k.mT", masked="scores.where(mask, -torch.inf)"
            ),
        ),
        Alternative(
            "float32 throughout",
            textwrap.dedent("""\
                def scaled_dot_product_attention(q, k, v, mask=None):
                    scores = q.float() @ k.float().transpose(-2, -1) / math.sqrt(q.shape[-1])
                    if mask is not None:
                        scores = scores.masked_fill(mask.logical_not(), -1e9)
                    return (F.softmax(scores, dim=-1) @ v.float()).to(q.dtype)
                """),
        ),
        Alternative(
            "float64 and a softmax by hand",
            textwrap.dedent("""\
                def weights_of(scores):
                    parts = torch.exp(scores - scores.amax(dim=-1, keepdim=True))
                    return parts / parts.sum(dim=-1, keepdim=True)


                def scaled_dot_product_attention(q, k, v, mask=None):
                    scores = q.double() @ k.double().mT / q.size(-1) ** 0.5
                    if mask is not None:
                        scores = torch.where(mask, scores, float("-inf"))
                    return (weights_of(scores) @ v.double()).type_as(q)
                """),
        ),
        Alternative(
            "a query at a time",
            textwrap.dedent("""\
                def scaled_dot_product_attention(q, k, v, mask=None):
                    rows = []
                    for i in range(q.shape[2]):
                        score = (k * q[:, :, i : i + 1]).sum(-1) / math.sqrt(q.shape[3])
                        if mask is not None:
                            score = score.masked_fill(~mask[i], -math.inf)
                        weight = score.float().softmax(-1).to(v.dtype)
                        rows.append((weight[..., None] * v).sum(-2))
                    return torch.stack(rows, dim=2)
                """),
        ),
        Alternative(
            "an additive mask",
            textwrap.dedent("""\
                def scaled_dot_product_attention(q, k, v, mask=None):
                    scores = (q @ k.transpose(2, 3)).div(math.sqrt(q.size(-1)))
                    if mask is not None:
                        hidden = torch.zeros(mask.shape, dtype=scores.dtype, device=q.device)
                        scores = scores + hidden.masked_fill(~mask, float("-inf"))
                    return torch.softmax(scores, dim=-1, dtype=torch.float32).to(v.dtype) @ v
                """),
        ),
        Alternative(
            "hidden after the softmax and renormalised",
            _masked_later(_SCALED, "weights * mask / (weights * mask).sum(-1, keepdim=True)"),
        ),
        Alternative(
            "torch's own",
            "def scaled_dot_product_attention(q, k, v, mask=None):\n"
            "    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)\n",
        ),
    ),
    hints=(
        "Write down the four shapes on the way: scores, masked scores, weights, result. Which "
        "axis of the scores belongs to the keys?",
        "The scores are `q @ k.transpose(-2, -1)`, divided by the root of the last axis of q. "
        "Where the mask is False, `masked_fill` puts -inf, before the softmax over dim=-1. The "
        "softmax wants `.float()`, its result `.type_as(q)`.",
        "Four lines: `scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])`; if there is a "
        "mask, `scores = scores.masked_fill(~mask, float('-inf'))`; `weights = "
        "scores.float().softmax(dim=-1).type_as(q)`; and `weights @ v`.",
    ),
)
