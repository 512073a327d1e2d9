"""Causal self-attention with rotary positions, and key/value heads that may be shared."""

import math

import torch
from einops import rearrange
from torch import Tensor, nn

from llama_mini import rope
from llama_mini.cache import LayerCache
from llama_mini.config import ModelConfig


def causal_mask(n_queries: int, n_keys: int) -> Tensor:
    """Who may look at whom: True where a query may see a key, which is itself and all before it.

    → (n_queries, n_keys) bool. The queries are the *last* n_queries of the n_keys positions, so the
    mask is right for a whole sequence, for the next chunk after a cache, and for one new token.
    Raises ValueError if there are more queries than keys, or fewer than none.
    """
    if not 0 <= n_queries <= n_keys:
        raise ValueError(
            f"{n_queries} queries cannot be the last positions of {n_keys} keys; "
            "n_keys counts the cached positions and the new ones."
        )
    return torch.ones(n_queries, n_keys, dtype=torch.bool).tril(diagonal=n_keys - n_queries)


def scaled_dot_product_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None
) -> Tensor:
    """softmax(q kᵀ / √head_dim) v: each query's average of the values, weighted by its keys.

    q (batch, heads, n_queries, head_dim), k and v (batch, heads, n_keys, head_dim), mask
    (n_queries, n_keys) bool, True where a query may look → the shape and dtype of q. The softmax is
    taken in float32, and a query must be allowed one key at least. Raises ValueError if the shapes
    do not fit together or the mask is not bool. Source: Vaswani et al. 2017, equation 1.
    """
    _demand_fit(q, k, v, mask)
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (batch, heads, n_queries, n_keys)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = scores.float().softmax(dim=-1).type_as(q)
    return weights @ v  # (batch, heads, n_queries, head_dim)


def repeat_kv(x: Tensor, n_rep: int) -> Tensor:
    """Give each key or value head to n_rep query heads in a row.

    x (batch, seq, kv_heads, head_dim) → (batch, seq, kv_heads·n_rep, head_dim); head h of the
    result is head h // n_rep of x. LLaMA 1 has n_rep = 1 throughout. Raises ValueError if n_rep is
    below 1. Source: Ainslie et al. 2023, arXiv 2305.13245.
    """
    if n_rep < 1:
        raise ValueError(f"Each head is repeated at least once; got n_rep = {n_rep}.")
    return x if n_rep == 1 else x.repeat_interleave(n_rep, dim=2)


class Attention(nn.Module):
    """Each position asks all earlier ones, in several heads at once, and mixes what they answer.

    forward(x, table, mask=None, cache=None): x (batch, seq, dim), table (seq, head_dim/2) the
    rotations of these positions, mask (seq, n_keys) bool, cache this layer's keys and values of the
    positions before → (batch, seq, dim). The projections `wq wk wv wo` have no biases; wk and wv
    make kv_heads heads. Queries and keys are rotated, keys before they are cached; the cache holds
    kv_heads heads, not the repeated ones. Raises ValueError if table, mask or cache do not fit x.
    Source: LLaMA paper, §2.2; names and order are those of Meta's code.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.n_heads, self.n_kv_heads = config.n_heads, config.kv_heads
        self.wq = nn.Linear(config.dim, config.n_heads * config.head_dim, bias=False)
        self.wk = nn.Linear(config.dim, config.kv_heads * config.head_dim, bias=False)
        self.wv = nn.Linear(config.dim, config.kv_heads * config.head_dim, bias=False)
        self.wo = nn.Linear(config.n_heads * config.head_dim, config.dim, bias=False)

    def forward(
        self, x: Tensor, table: Tensor, mask: Tensor | None = None, cache: LayerCache | None = None
    ) -> Tensor:
        to_heads = "batch seq (heads head_dim) -> batch seq heads head_dim"
        q = rearrange(self.wq(x), to_heads, heads=self.n_heads)
        k = rearrange(self.wk(x), to_heads, heads=self.n_kv_heads)
        v = rearrange(self.wv(x), to_heads, heads=self.n_kv_heads)

        q, k = rope.apply_rotary_emb(q, table), rope.apply_rotary_emb(k, table)
        if cache is not None:
            k, v = cache.update(k, v)  # (batch, n_keys, kv_heads, head_dim)
        n_rep = self.n_heads // self.n_kv_heads
        k, v = repeat_kv(k, n_rep), repeat_kv(v, n_rep)

        q, k, v = (
            rearrange(t, "batch seq heads head_dim -> batch heads seq head_dim") for t in (q, k, v)
        )
        mixed = scaled_dot_product_attention(q, k, v, mask)  # (batch, heads, seq, head_dim)
        return self.wo(rearrange(mixed, "batch heads seq head_dim -> batch seq (heads head_dim)"))


def _demand_fit(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> None:
    n_queries, n_keys = q.shape[-2], k.shape[-2]
    if q.shape[-1] != k.shape[-1] or n_keys != v.shape[-2] or q.shape[:-2] != k.shape[:-2]:
        raise ValueError(
            "Queries and keys need the same batch, heads and head_dim, and each key a value; got "
            f"q {tuple(q.shape)}, k {tuple(k.shape)}, v {tuple(v.shape)}. Axes are "
            "(batch, heads, seq, head_dim); shared key/value heads go through repeat_kv first."
        )
    if mask is not None and (mask.dtype != torch.bool or mask.shape[-2:] != (n_queries, n_keys)):
        raise ValueError(
            f"{n_queries} queries and {n_keys} keys need a bool mask of shape "
            f"{(n_queries, n_keys)}, True where a query may look; got {mask.dtype} of shape "
            f"{tuple(mask.shape)}. causal_mask makes one."
        )
