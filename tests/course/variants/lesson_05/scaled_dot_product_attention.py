"""Mistakes in scaled_dot_product_attention, written apart from the casebook, at other shapes."""

import torch

from llama_mini.course.judge.exercise import Case, args, normal


def qkv(batch: int, heads: int, n_queries: int, n_keys: int, head_dim: int, seed: int, **options):
    """Random queries, keys and values."""
    return (
        normal(batch, heads, n_queries, head_dim, seed=seed, scale=1.3, **options),
        normal(batch, heads, n_keys, head_dim, seed=seed + 1, scale=1.3, **options),
        normal(batch, heads, n_keys, head_dim, seed=seed + 2, **options),
    )


def causal(n_queries: int, n_keys: int) -> torch.Tensor:
    """True where a key is not after the query."""
    return torch.arange(n_keys) <= torch.arange(n_keys - n_queries, n_keys)[:, None]


def large() -> tuple[torch.Tensor, ...]:
    """Rows of very different size; whole numbers, and a root that is whole."""
    q = torch.zeros(2, 2, 4, 4)
    q[..., 0] = torch.tensor([300.0, -300.0, 0.0, 2.0])
    k = torch.randint(-3, 4, (2, 2, 5, 4), generator=torch.Generator().manual_seed(311)).float()
    k[..., 0] = 3
    return (
        q + k[..., :4, :].roll(1, -1) * torch.tensor([0, 1, 1, 1]),
        k,
        normal(2, 2, 5, 4, seed=312),
    )


CASES = (
    Case(
        "no mask",
        given=args(*qkv(3, 2, 5, 9, 4, 321)),
        gradients=True,
        another_device=True,
        ulps=48,
    ),
    Case("mask", given=args(*qkv(3, 2, 4, 4, 12, 324), causal(4, 4)), gradients=True, ulps=48),
    Case("cache", given=args(*qkv(1, 4, 2, 6, 6, 327), causal(2, 6))),
    Case("large", given=args(*large())),
    Case("bf16", given=args(*qkv(1, 2, 3, 3, 8, 330, dtype=torch.bfloat16), causal(3, 3))),
    Case("fp16", given=args(*qkv(1, 2, 3, 5, 8, 333, dtype=torch.float16), causal(3, 5))),
)


def answer(
    divisor: str = "d**0.5",
    hide: str = "s = torch.where(mask, s, float('-inf'))",
    soft: str = "F.softmax(s, dim=3, dtype=torch.float32)",
    last: str = "torch.matmul(p.to(q.dtype), v)",
    product: str = "torch.einsum('bhid,bhjd->bhij', q, k)",
) -> str:
    """The function with other names, in another order."""
    return (
        "def scaled_dot_product_attention(q, k, v, mask=None):\n"
        "    b, h, n, d = q.shape\n"
        f"    s = {product} / ({divisor})\n"
        "    if mask is not None:\n"
        f"        {hide}\n"
        f"    p = {soft}\n"
        f"    return {last}\n"
    )


VARIANTS = {
    "not divided by √head_dim": [answer("1")],
    "divided by head_dim itself": [answer("d"), answer("v.size(-1)")],
    "multiplied by √head_dim": [answer("d**-0.5")],
    "divided by √ of the model's width": [answer("(h * d) ** 0.5")],
    "divided by √ of another axis": [answer("math.sqrt(n)"), answer("math.sqrt(k.size(2))")],
    "divided after the softmax": [
        answer("1", last="torch.matmul(p.to(q.dtype), v) / d**0.5"),
    ],
    "softmax over the queries": [answer(soft="F.softmax(s, dim=2, dtype=torch.float32)")],
    "softmax over the heads": [
        answer(soft="torch.softmax(s.float(), 1)"),
        answer(soft="F.softmax(s.float())"),
    ],
    "softmax over the batch": [answer(soft="torch.softmax(s.float(), 0)")],
    "no softmax": [answer(soft="s"), answer(soft="s", hide="s = torch.where(mask, s, 0)")],
    "mask the wrong way round": [
        answer(hide="s = torch.where(mask, float('-inf'), s)"),
        answer(hide="s = s.clone(); s[..., mask] = -math.inf"),
    ],
    "mask ignored": [answer(hide="s.masked_fill(~mask, -math.inf)"), answer(hide="pass")],
    "mask added as 0 and 1": [answer(hide="s = s + mask.to(s.dtype)")],
    "hidden scores set to 0": [
        answer(hide="s = torch.where(mask, s, torch.zeros_like(s))"),
        answer(hide="s = s * mask.type_as(s)"),
    ],
    "hidden after the softmax": [
        "def scaled_dot_product_attention(q, k, v, mask=None):\n"
        "    p = torch.softmax((q @ k.mT).float() / math.sqrt(k.size(-1)), dim=-1)\n"
        "    if mask is not None:\n"
        "        p = p.masked_fill(~mask, 0.0)\n"
        "    return p.to(v.dtype) @ v\n",
    ],
    "a number that 16 bits do not have": [
        answer(hide="s = s.masked_fill(mask.logical_not(), -1e10)"),
        answer(hide="s = s.masked_fill(~mask, torch.finfo(torch.float32).min)"),
    ],
    "exponentials overflow": [
        answer(soft="torch.exp(s.float()) / torch.exp(s.float()).sum(-1, keepdim=True)"),
        answer(soft="(lambda e: e / e.sum(3)[..., None])(math.e ** s.float())"),
    ],
    "one maximum for all rows": [
        answer(
            soft="(lambda e: e / e.sum(-1, keepdim=True))(torch.exp(s.float() - s.float().max()))"
        ),
        answer(soft="(lambda e: e / e.sum(3)[..., None])((s.float() - torch.amax(s)).exp())"),
    ],
    "weights left in float32": [answer(last="torch.matmul(p, v)")],
    "k reshaped, not transposed": [answer(product="q @ k.contiguous().view(b, h, d, -1)")],
    "the weights are returned": [answer(last="p.to(q.dtype)")],
    "the keys are averaged": [answer(last="torch.einsum('bhij,bhjd->bhid', p.to(k.dtype), k)")],
    "wrong dtype": [answer(last="p @ v.float()")],
    "no gradient": [
        answer(last="(p.to(q.dtype) @ v).detach()"),
        answer(soft="F.softmax(s, dim=3, dtype=torch.float32).detach()"),
    ],
    "edits its input": [
        "def scaled_dot_product_attention(q, k, v, mask=None):\n"
        "    q *= q.shape[-1] ** -0.5\n"
        "    s = q @ k.transpose(2, 3)\n"
        "    if mask is not None:\n"
        "        s = s.masked_fill(~mask, -math.inf)\n"
        "    return torch.softmax(s.float(), -1).type_as(v) @ v\n",
    ],
}
