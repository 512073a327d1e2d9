"""Attention: project, split into heads, rotate, cache, attend, join."""

import textwrap

import torch

from llama_mini import rope
from llama_mini.cache import KVCache
from llama_mini.config import ModelConfig
from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal

_PLAIN = ModelConfig(dim=24, n_layers=1, n_heads=3, vocab_size=8, max_seq_len=16)
_GROUPED = ModelConfig(dim=48, n_layers=1, n_heads=6, n_kv_heads=3, vocab_size=8, max_seq_len=16)


def _weights(config: ModelConfig, seed: int) -> dict[str, torch.Tensor]:
    kv_width = config.kv_heads * config.head_dim
    scale = 1.3 * config.dim**-0.5
    return {
        "wq.weight": normal(config.dim, config.dim, seed=seed, scale=scale),
        "wk.weight": normal(kv_width, config.dim, seed=seed + 1, scale=scale),
        "wv.weight": normal(kv_width, config.dim, seed=seed + 2, scale=scale),
        "wo.weight": normal(config.dim, config.dim, seed=seed + 3, scale=scale),
    }


def _table(config: ModelConfig, start: int, stop: int) -> torch.Tensor:
    # The rotations of a head's positions, at a theta that turns every pair noticeably.
    return rope.rope_table(config.head_dim, stop, 100.0)[start:stop]


def _mask(n_queries: int, n_keys: int) -> torch.Tensor:
    return torch.ones(n_queries, n_keys).tril(n_keys - n_queries).bool()


def _silence_strangers(layer: torch.nn.Module, config: ModelConfig) -> None:
    # A bias, or a weight of another name or shape, starts at random. At zero and untrained, a
    # mistake looks the same each time; that it is there at all was noted before.
    if isinstance(layer, torch.nn.Module):
        known = {name: weight.shape for name, weight in _weights(config, 0).items()}
        for name, parameter in layer.named_parameters():
            if known.get(name) != parameter.shape:
                torch.nn.init.zeros_(parameter).requires_grad_(False)


def _at_once(config: ModelConfig):
    """Call the layer."""

    def use(layer, x, table, mask=None):
        _silence_strangers(layer, config)
        return layer(x, table) if mask is None else layer(x, table, mask)

    return use


def _in_chunks(config: ModelConfig, *lengths: int):
    """Feed x in chunks through a cache: the outputs, and what the cache holds then."""

    def use(layer, x):
        _silence_strangers(layer, config)
        cache = KVCache(config, x.shape[0], config.max_seq_len, dtype=x.dtype)
        outputs, start = [], 0
        for length in lengths:
            stop = start + length
            mask = None if length == 1 else _mask(length, stop)
            outputs.append(
                layer(x[:, start:stop], _table(config, start, stop), mask, cache.layer(0))
            )
            cache.advance(length)
            start = stop
        return torch.cat(outputs, dim=1), cache.keys[0, :, :stop], cache.values[0, :, :stop]

    return use


_INIT = """
super().__init__()
self.n_heads, self.n_kv_heads = config.n_heads, config.kv_heads
self.wq = nn.Linear(config.dim, config.n_heads * config.head_dim, bias=False)
self.wk = nn.Linear(config.dim, config.kv_heads * config.head_dim, bias=False)
self.wv = nn.Linear(config.dim, config.kv_heads * config.head_dim, bias=False)
self.wo = nn.Linear(config.n_heads * config.head_dim, config.dim, bias=False)
"""

_FORWARD = """
split = "b s (h d) -> b s h d"
q = einops.rearrange(self.wq(x), split, h=self.n_heads)
k = einops.rearrange(self.wk(x), split, h=self.n_kv_heads)
v = einops.rearrange(self.wv(x), split, h=self.n_kv_heads)
q = rope.apply_rotary_emb(q, table)
k = rope.apply_rotary_emb(k, table)
if cache is not None:
    k, v = cache.update(k, v)
n_rep = self.n_heads // self.n_kv_heads
k, v = attention.repeat_kv(k, n_rep), attention.repeat_kv(v, n_rep)
q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
mixed = attention.scaled_dot_product_attention(q, k, v, mask)
return self.wo(mixed.transpose(1, 2).flatten(2))
"""

_SPLIT = """
q = einops.rearrange(self.wq(x), split, h=self.n_heads)
k = einops.rearrange(self.wk(x), split, h=self.n_kv_heads)
v = einops.rearrange(self.wv(x), split, h=self.n_kv_heads)
"""
_ROTATE = """
q = rope.apply_rotary_emb(q, table)
k = rope.apply_rotary_emb(k, table)
"""
_CACHE = """
if cache is not None:
    k, v = cache.update(k, v)
"""
_REPEAT = """
n_rep = self.n_heads // self.n_kv_heads
k, v = attention.repeat_kv(k, n_rep), attention.repeat_kv(v, n_rep)
"""
_MOVE = """
q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
"""
_ATTEND = """
mixed = attention.scaled_dot_product_attention(q, k, v, mask)
"""
_JOIN = """
return self.wo(mixed.transpose(1, 2).flatten(2))
"""


def _layer(*changes: tuple[str, str], init: str = _INIT, forward: str = _FORWARD) -> str:
    """A whole class: the right one, with passages replaced."""
    for old, new in changes:
        if old not in init + forward:
            raise ValueError(f"There is nothing to replace: {old!r}.")
        init, forward = init.replace(old, new), forward.replace(old, new)
    return (
        "from llama_mini import attention, rope\n\n\n"
        "class Attention(nn.Module):\n"
        "    def __init__(self, config):\n"
        + textwrap.indent(init.strip("\n"), "        ")
        + "\n\n    def forward(self, x, table, mask=None, cache=None):\n"
        + textwrap.indent(forward.strip("\n"), "        ")
        + "\n"
    )


def _attending(expression: str) -> tuple[str, str]:
    """The change that computes the scores by hand, from their expression."""
    return _ATTEND, (
        f"\nscores = {expression}\n"
        "if mask is not None:\n"
        "    scores = scores.masked_fill(~mask, float('-inf'))\n"
        "mixed = scores.float().softmax(-1).type_as(q) @ v\n"
    )


_BY_HAND = _attending("q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])")
_ONE_HEAD = "q, k, v = (t.flatten(2)[:, :, None] for t in (q, k, v))\n"
_INTERLEAVED_JOIN = '\nreturn self.wo(einops.rearrange(mixed, "b h s d -> b s (d h)"))\n'

EXERCISE = Exercise(
    symbol="llama_mini.attention:Attention",
    lesson=5,
    minutes=25,
    difficulty=4,
    prerequisites=("apply_rotary_emb", "causal_mask", "scaled_dot_product_attention", "repeat_kv"),
    cases=(
        Case(
            "three heads and a causal mask",
            build=args(_PLAIN),
            state=_weights(_PLAIN, 70),
            given=args(normal(2, 5, 24, seed=74), _table(_PLAIN, 0, 5), _mask(5, 5)),
            use=_at_once(_PLAIN),
            gradients=True,
            ulps=64,
            points=2,
        ),
        Case(
            "no mask: every key may be seen",
            build=args(_PLAIN),
            state=_weights(_PLAIN, 75),
            given=args(normal(2, 4, 24, seed=79), _table(_PLAIN, 3, 7)),
            use=_at_once(_PLAIN),
            ulps=64,
        ),
        Case(
            "six query heads share three key/value heads",
            build=args(_GROUPED),
            state=_weights(_GROUPED, 80),
            given=args(normal(1, 6, 48, seed=84), _table(_GROUPED, 0, 6), _mask(6, 6)),
            use=_at_once(_GROUPED),
            ulps=64,
            points=2,
        ),
        Case(
            "chunks through a cache",
            build=args(_PLAIN),
            state=_weights(_PLAIN, 85),
            given=args(normal(2, 7, 24, seed=89)),
            use=_in_chunks(_PLAIN, 3, 1, 3),
            ulps=64,
            points=2,
        ),
        Case(
            "shared heads and a cache",
            build=args(_GROUPED),
            state=_weights(_GROUPED, 90),
            given=args(normal(1, 5, 48, seed=94)),
            use=_in_chunks(_GROUPED, 4, 1),
            ulps=64,
        ),
        Case(
            "bfloat16",
            build=args(_PLAIN),
            state=_weights(_PLAIN, 95),
            dtype=torch.bfloat16,
            given=args(normal(1, 4, 24, seed=99).bfloat16(), _table(_PLAIN, 0, 4), _mask(4, 4)),
            use=_at_once(_PLAIN),
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "heads and head_dim exchanged",
            "You read the numbers as (head_dim heads), so a head takes every n-th dimension. In "
            "Meta's files a head is a block of neighbours: (heads head_dim), when you split and "
            "when you join.",
            _layer(
                ('"b s (h d) -> b s h d"', '"b s (d h) -> b s h d"'), (_JOIN, _INTERLEAVED_JOIN)
            ),
        ),
        WrongAnswer(
            "split with head_dim and heads exchanged",
            "You split the numbers as (head_dim heads), so a head takes every n-th dimension. A "
            "head is a block of neighbours, (heads head_dim); you join them that way already.",
            _layer(('"b s (h d) -> b s h d"', '"b s (d h) -> b s h d"')),
        ),
        WrongAnswer(
            "joined with head_dim and heads exchanged",
            "You split into blocks, and join as (head_dim heads): the dimensions of different "
            "heads end up interleaved. Join as you split, (heads head_dim).",
            _layer((_JOIN, _INTERLEAVED_JOIN)),
        ),
        WrongAnswer(
            "joined without moving the heads back",
            "The result of attention is (batch, heads, seq, head_dim), and you reshape it as it "
            "stands: the numbers of one head at many positions become one position. Move the "
            "heads behind seq first, then flatten.",
            _layer((_JOIN, "\nreturn self.wo(mixed.reshape(x.shape[0], x.shape[1], -1))\n")),
        ),
        WrongAnswer(
            "heads made by reshape alone",
            "You reshape (batch, seq, dim) straight to (batch, heads, seq, head_dim), which cuts "
            "the numbers in the wrong places: one head gets all dimensions of some positions. "
            "Split the last axis, then exchange axes.",
            _layer(
                (
                    _SPLIT,
                    "\nbatch, seq, _ = x.shape\n"
                    "q = self.wq(x).reshape(batch, self.n_heads, seq, -1).transpose(1, 2)\n"
                    "k = self.wk(x).reshape(batch, self.n_kv_heads, seq, -1).transpose(1, 2)\n"
                    "v = self.wv(x).reshape(batch, self.n_kv_heads, seq, -1).transpose(1, 2)\n",
                )
            ),
        ),
        WrongAnswer(
            "heads left behind the positions",
            "Attention runs over the last two axes, and yours are heads and head_dim: the heads "
            "of one position attend to each other. Exchange axes first: (batch, heads, seq, "
            "head_dim).",
            _layer((_MOVE, "\n"), (_JOIN, "\nreturn self.wo(mixed.flatten(2))\n")),
            also=(
                _layer((_MOVE, "\n"), (_JOIN, "\nreturn self.wo(mixed.flatten(2))\n"), _BY_HAND),
                _layer(
                    (_MOVE, "\n"),
                    (_JOIN, "\nreturn self.wo(mixed.reshape(*x.shape[:2], -1))\n"),
                    _BY_HAND,
                ),
            ),
        ),
        WrongAnswer(
            "values rotated",
            "You rotate the values as well. A position is needed to decide *who* is heard, which "
            "queries and keys do; the values are what is heard, and stay as they are.",
            _layer((_ROTATE, _ROTATE + "v = rope.apply_rotary_emb(v, table)\n")),
        ),
        WrongAnswer(
            "keys not rotated",
            "Only the queries are rotated. The angle between a rotated query and a rotated key is"
            " their distance; one of the two alone gives the query's own position, and no "
            "distance. Rotate the keys, too.",
            _layer(("k = rope.apply_rotary_emb(k, table)\n", "")),
        ),
        WrongAnswer(
            "queries not rotated",
            "Only the keys are rotated. The angle between a rotated query and a rotated key is "
            "their distance; rotate the queries by the same table.",
            _layer(("q = rope.apply_rotary_emb(q, table)\n", "")),
        ),
        WrongAnswer(
            "no rotation at all",
            "The table is never used, so the layer does not know where anything stands: shuffle "
            "the keys, and nothing changes. Rotate queries and keys with `rope.apply_rotary_emb`.",
            _layer((_ROTATE, "\n")),
        ),
        WrongAnswer(
            "rotated after the cache",
            "The keys go into the cache unrotated, and what comes back has more positions than "
            "the table has rows. Rotate first: each key keeps the angle of its own position.",
            _layer((_ROTATE, "\n"), (_CACHE, _CACHE + _ROTATE.lstrip())),
        ),
        WrongAnswer(
            "unrotated keys in the cache",
            "The keys are written into the cache before they are rotated, so those of earlier "
            "chunks are never rotated. Rotate, then `cache.update`.",
            _layer(
                (
                    _ROTATE + _CACHE.lstrip(),
                    "\nq = rope.apply_rotary_emb(q, table)\n"
                    "new = rope.apply_rotary_emb(k, table)\n"
                    "if cache is not None:\n"
                    "    k, v = cache.update(k, v)\n"
                    "k = torch.cat([k[:, : k.shape[1] - new.shape[1]], new], dim=1)\n",
                )
            ),
        ),
        WrongAnswer(
            "cache never used",
            "The cache is ignored: the queries see the new tokens only, and nothing is kept for "
            "the next call. `k, v = cache.update(k, v)` stores the new ones and returns all.",
            _layer((_CACHE, "\n")),
            also=(_layer((_CACHE, "\n"), _BY_HAND),),
        ),
        WrongAnswer(
            "cache filled, never read",
            "The new keys and values go into the cache, and what `update` returns is dropped, so "
            "the queries see the new tokens only. Use it: `k, v = cache.update(k, v)`.",
            _layer((_CACHE, "\nif cache is not None:\n    cache.update(k, v)\n")),
            also=(_layer((_CACHE, "\nif cache is not None:\n    cache.update(k, v)\n"), _BY_HAND),),
        ),
        WrongAnswer(
            "repeated before the cache",
            "The heads are repeated before they are stored. The cache has room for kv_heads "
            "heads, which is the point of sharing them: store first, then repeat what comes back.",
            _layer((_CACHE, "\n"), (_REPEAT, _REPEAT + _CACHE.lstrip())),
        ),
        WrongAnswer(
            "key/value heads in the wrong order",
            "The shared heads are repeated as a list, A B C A B C. Neighbours share: query head h"
            " uses key head h // n_rep, as `attention.repeat_kv` gives them.",
            _layer(
                (
                    _REPEAT,
                    "\nn_rep = self.n_heads // self.n_kv_heads\n"
                    "k, v = k.repeat(1, 1, n_rep, 1), v.repeat(1, 1, n_rep, 1)\n",
                )
            ),
        ),
        WrongAnswer(
            "heads not repeated",
            "There are fewer key/value heads than query heads, and nothing brings them together. "
            "`attention.repeat_kv(k, n_heads // kv_heads)` does.",
            _layer((_REPEAT, "\n")),
            also=(_layer((_REPEAT, "\n"), _BY_HAND),),
        ),
        WrongAnswer(
            "as many key heads as query heads",
            "wk and wv are made for n_heads heads. They have kv_heads, which are fewer where "
            "heads are shared.",
            _layer(("config.kv_heads", "config.n_heads")),
            values_vary=True,
        ),
        WrongAnswer(
            "wo forgotten",
            "The heads are joined and returned. `self.wo` mixes them; without it no head can use "
            "what another found.",
            _layer((_JOIN, "\nreturn mixed.transpose(1, 2).flatten(2)\n")),
        ),
        WrongAnswer(
            "biases",
            "Your linear layers have biases, which `nn.Linear` makes unless told otherwise. LLaMA"
            " has none: `bias=False`.",
            _layer((", bias=False", "")),
            values_vary=True,
        ),
        WrongAnswer(
            "keys made by wq",
            "The keys come from `wq`, so a token looks for what it is itself. Keys have a matrix "
            "of their own, `wk`.",
            _layer(("self.wk(x)", "self.wq(x)[..., : self.wk.out_features]")),
        ),
        WrongAnswer(
            "values made by wk",
            "The values come from `wk`. They have a matrix of their own, `wv`: what is handed "
            "over need not be what was looked for.",
            _layer(("self.wv(x)", "self.wk(x)")),
        ),
        WrongAnswer(
            "keys and values exchanged",
            "wk makes your values, and wv your keys. Nothing complains, since the shapes agree, "
            "and Meta's weights then talk nonsense.",
            _layer(
                ("self.wk(x)", "self.other(x)"),
                ("self.wv(x)", "self.wk(x)"),
                ("self.other(x)", "self.wv(x)"),
            ),
        ),
        WrongAnswer(
            "mask not handed on",
            "The mask does not reach the attention function, so every position sees the future. "
            "Hand it on as it is.",
            _layer(("(q, k, v, mask)", "(q, k, v)")),
        ),
        WrongAnswer(
            "a mask of its own",
            "The layer makes its own causal mask. Who may see whom is the caller's business: use "
            "the `mask` you are given, and where it is None, hide nothing.",
            _layer(
                (
                    _ATTEND,
                    "\nmask = attention.causal_mask(q.shape[2], k.shape[2]).to(x.device)" + _ATTEND,
                )
            ),
        ),
        WrongAnswer(
            "divided by √dim",
            "The scores are divided by the root of the model's width. Each head has head_dim "
            "dimensions, and it is the root of those.",
            _layer(_attending("q @ k.transpose(-2, -1) / math.sqrt(x.shape[-1])")),
        ),
        WrongAnswer(
            "divided twice",
            "The queries are divided by √head_dim, and the attention function does it once more. "
            "Leave it to the function.",
            _layer((_ATTEND, "\nq = q / math.sqrt(q.shape[-1])" + _ATTEND)),
        ),
        WrongAnswer(
            "not divided",
            "The scores are not divided by √head_dim.",
            _layer(_attending("q @ k.transpose(-2, -1)")),
        ),
        WrongAnswer(
            "adds its input",
            "You add x to the result. That sum, the residual connection, belongs to the block "
            "around this layer; here it would be added twice.",
            _layer((_JOIN, "\nreturn x + self.wo(mixed.transpose(1, 2).flatten(2))\n")),
        ),
        WrongAnswer(
            "one head",
            "The whole vector is used as one head. Split it into n_heads heads of head_dim "
            "dimensions before attention; each has its own softmax.",
            _layer((_REPEAT, _REPEAT + _ONE_HEAD)),
            also=(
                _layer(
                    (_REPEAT, _REPEAT + _ONE_HEAD),
                    _attending("q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1] / self.n_heads)"),
                ),
            ),
        ),
        WrongAnswer(
            "nothing returned",
            "Your forward ends without `return`, so it gives None.",
            _layer(("return self.wo", "self.wo")),
        ),
        WrongAnswer(
            "other names",
            "The four layers are to be called wq, wk, wv and wo, as in Meta's files: the names "
            "are how weights find their place.",
            _layer(
                ("self.wq", "self.q_proj"),
                ("self.wk", "self.k_proj"),
                ("self.wv", "self.v_proj"),
                ("self.wo", "self.o_proj"),
            ),
            also=(
                _layer(("self.wo", "self.out")),
                _layer(
                    ("self.wq", "self.query"),
                    ("self.wk", "self.key"),
                    ("self.wv", "self.value"),
                    ("self.wo", "self.out"),
                ),
            ),
            values_vary=True,
        ),
    ),
    alternatives=(
        Alternative(
            "view and transpose",
            _layer(
                forward="""
b, s, _ = x.shape
q = self.wq(x).view(b, s, self.n_heads, -1)
k = self.wk(x).view(b, s, self.n_kv_heads, -1)
v = self.wv(x).view(b, s, self.n_kv_heads, -1)
q, k = [rope.apply_rotary_emb(t, table) for t in (q, k)]
if cache:
    k, v = cache.update(k, v)
k = k.repeat_interleave(self.n_heads // self.n_kv_heads, dim=2)
v = v.repeat_interleave(self.n_heads // self.n_kv_heads, dim=2)
out = F.scaled_dot_product_attention(
    q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=mask
)
return self.wo(out.transpose(1, 2).contiguous().view(b, s, -1))
"""
            ),
        ),
        Alternative(
            "groups without repeating",
            _layer(
                forward="""
q, k, v = self.wq(x), self.wk(x), self.wv(x)
q = rope.apply_rotary_emb(q.unflatten(-1, (self.n_heads, -1)), table)
k = rope.apply_rotary_emb(k.unflatten(-1, (self.n_kv_heads, -1)), table)
v = v.unflatten(-1, (self.n_kv_heads, -1))
if cache is not None:
    k, v = cache.update(k, v)
q = q.unflatten(2, (self.n_kv_heads, -1))
scores = torch.einsum("bqkgd,bjkd->bkgqj", q, k) * q.shape[-1] ** -0.5
if mask is not None:
    scores = torch.where(mask, scores, -torch.inf)
weights = scores.float().softmax(-1).to(x.dtype)
mixed = torch.einsum("bkgqj,bjkd->bqkgd", weights, v)
return self.wo(mixed.flatten(2))
"""
            ),
        ),
        Alternative(
            "a head at a time",
            _layer(
                forward="""
width = self.wq.out_features // self.n_heads
shared = self.n_heads // self.n_kv_heads
turned = rope.apply_rotary_emb(self.wk(x).unflatten(-1, (-1, width)), table)
values = self.wv(x).unflatten(-1, (-1, width))
if cache is not None:
    turned, values = cache.update(turned, values)
queries = rope.apply_rotary_emb(self.wq(x).unflatten(-1, (-1, width)), table)
heads = []
for h in range(self.n_heads):
    scores = queries[:, :, h] @ turned[:, :, h // shared].mT / width**0.5
    if mask is not None:
        scores = scores.masked_fill(mask.logical_not(), -math.inf)
    heads.append(scores.softmax(-1) @ values[:, :, h // shared])
return self.wo(torch.cat(heads, dim=-1))
"""
            ),
        ),
        Alternative(
            "a method of its own, and types",
            """
from llama_mini import attention, rope


class Attention(nn.Module):
    def __init__(self, config) -> None:
        super().__init__()
        self.config = config
        for name, out in {"q": config.n_heads, "k": config.kv_heads, "v": config.kv_heads}.items():
            setattr(self, "w" + name, nn.Linear(config.dim, out * config.head_dim, bias=False))
        self.wo = nn.Linear(config.dim, config.dim, bias=False)

    def heads(self, x: Tensor) -> Tensor:
        return einops.rearrange(x, "b s (h d) -> b s h d", d=self.config.head_dim)

    def forward(self, x: Tensor, table: Tensor, mask=None, cache=None) -> Tensor:
        q, k, v = (self.heads(w(x)) for w in (self.wq, self.wk, self.wv))
        q, k = rope.apply_rotary_emb(q, table), rope.apply_rotary_emb(k, table)
        k, v = (k, v) if cache is None else cache.update(k, v)
        if (n := self.config.n_heads // self.config.kv_heads) > 1:
            k, v = attention.repeat_kv(k, n), attention.repeat_kv(v, n)
        q, k, v = (t.permute(0, 2, 1, 3) for t in (q, k, v))
        mixed = attention.scaled_dot_product_attention(q, k, v, mask=mask)
        return F.linear(einops.rearrange(mixed, "b h s d -> b s (h d)"), self.wo.weight)
""",
        ),
    ),
    hints=(
        "Follow one tensor and write its shape after each of the seven steps: (batch, seq, dim), "
        "then split, rotated, cached, repeated, moved, joined.",
        "`rearrange(self.wq(x), 'batch seq (heads head_dim) -> batch seq heads head_dim', "
        "heads=…)` splits. Rotate q and k, not v. `k, v = cache.update(k, v)` comes next, "
        "`attention.repeat_kv` after it, and only then heads move before seq.",
        "After attention, `rearrange(mixed, 'batch heads seq head_dim -> batch seq (heads "
        "head_dim)')` joins the heads and `self.wo` mixes them. n_rep is n_heads // kv_heads; the"
        " mask is handed on as it is; every Linear has bias=False.",
    ),
)
