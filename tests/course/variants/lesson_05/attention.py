# ruff: noqa: E501  (source text of single lines)
"""Mistakes in Attention, written apart from the casebook, at other shapes."""

import torch

from llama_mini import rope
from llama_mini.cache import KVCache
from llama_mini.config import ModelConfig
from llama_mini.course.judge.exercise import Case, args, normal

WIDE = ModelConfig(dim=40, n_layers=1, n_heads=10, vocab_size=8, max_seq_len=32)
SHARED = ModelConfig(dim=32, n_layers=1, n_heads=4, n_kv_heads=2, vocab_size=8, max_seq_len=32)


def state(config: ModelConfig, seed: int) -> dict[str, torch.Tensor]:
    """Random weights of the right shapes."""
    rows = {
        "wq": config.n_heads,
        "wk": config.kv_heads,
        "wv": config.kv_heads,
        "wo": config.n_heads,
    }
    return {
        f"{name}.weight": normal(
            heads * config.head_dim, config.dim, seed=seed + i, scale=config.dim**-0.5
        )
        for i, (name, heads) in enumerate(rows.items())
    }


def table(config: ModelConfig, start: int, stop: int) -> torch.Tensor:
    """The rotations of some positions."""
    return rope.rope_table(config.head_dim, stop, 50.0)[start:stop]


def causal(n_queries: int, n_keys: int) -> torch.Tensor:
    """True where a key is not after the query."""
    return torch.arange(n_keys) <= torch.arange(n_keys - n_queries, n_keys)[:, None]


def calm(layer, config: ModelConfig) -> None:
    """Zero and freeze what `state` does not fill: it would be random."""
    known = {name: value.shape for name, value in state(config, 0).items()}
    for name, value in layer.named_parameters():
        if known.get(name) != value.shape:
            torch.nn.init.zeros_(value).requires_grad_(False)


def call(config: ModelConfig):
    """Use the layer once."""

    def use(layer, *given):
        calm(layer, config)
        return layer(*given)

    return use


def step_by_step(config: ModelConfig, *lengths: int):
    """Use the layer with a cache."""

    def use(layer, x):
        calm(layer, config)
        cache, outputs = KVCache(config, x.shape[0], 20), []
        for chunk in x.split(lengths, dim=1):
            start, stop = cache.length, cache.length + chunk.shape[1]
            mask = causal(stop - start, stop) if stop - start > 1 else None
            outputs.append(layer(chunk, table(config, start, stop), mask, cache.layer(0)))
            cache.advance(stop - start)
        return torch.cat(outputs, 1), cache.keys.clone(), cache.values.clone()

    return use


CASES = (
    Case(
        "a text",
        build=args(WIDE),
        state=state(WIDE, 401),
        given=args(normal(1, 6, 40, seed=405), table(WIDE, 2, 8), causal(6, 6)),
        use=call(WIDE),
        gradients=True,
        ulps=64,
    ),
    Case(
        "no mask",
        build=args(WIDE),
        state=state(WIDE, 406),
        given=args(normal(3, 3, 40, seed=410), table(WIDE, 0, 3)),
        use=call(WIDE),
        ulps=64,
    ),
    Case(
        "shared",
        build=args(SHARED),
        state=state(SHARED, 411),
        given=args(normal(2, 5, 32, seed=415), table(SHARED, 0, 5), causal(5, 5)),
        use=call(SHARED),
        ulps=64,
    ),
    Case(
        "chunks",
        build=args(WIDE),
        state=state(WIDE, 416),
        given=args(normal(1, 9, 40, seed=420)),
        use=step_by_step(WIDE, 2, 4, 1, 2),
        ulps=64,
    ),
    Case(
        "shared chunks",
        build=args(SHARED),
        state=state(SHARED, 421),
        given=args(normal(2, 6, 32, seed=425)),
        use=step_by_step(SHARED, 4, 1, 1),
        ulps=64,
    ),
    Case(
        "bf16",
        build=args(WIDE),
        state=state(WIDE, 426),
        dtype=torch.bfloat16,
        given=args(normal(2, 3, 40, seed=430).bfloat16(), table(WIDE, 1, 4), causal(3, 3)),
        use=call(WIDE),
    ),
)

PARTS = {
    "init": """
        self.h, self.g, self.d = config.n_heads, config.kv_heads, config.head_dim
        self.wq = nn.Linear(config.dim, self.h * self.d, False)
        self.wk = nn.Linear(config.dim, self.g * self.d, False)
        self.wv = nn.Linear(config.dim, self.g * self.d, False)
        self.wo = nn.Linear(self.h * self.d, config.dim, False)
""",
    "split": """
        b, s, _ = x.shape
        q = self.wq(x).view(b, s, self.h, self.d)
        k = self.wk(x).view(b, s, self.g, self.d)
        v = self.wv(x).view(b, s, self.g, self.d)
""",
    "rotate": """
        q, k = apply_rotary_emb(q, table), apply_rotary_emb(k, table)
""",
    "cache": """
        if cache is not None:
            k, v = cache.update(k, v)
""",
    "repeat": """
        k = k.repeat_interleave(self.h // self.g, 2)
        v = v.repeat_interleave(self.h // self.g, 2)
""",
    "move": """
        q, k, v = (t.permute(0, 2, 1, 3) for t in (q, k, v))
""",
    "attend": """
        s_ = torch.matmul(q, k.mT) * self.d**-0.5
        if mask is not None:
            s_ = s_.masked_fill(torch.logical_not(mask), -math.inf)
        o = torch.matmul(torch.softmax(s_, -1, dtype=torch.float32).to(v.dtype), v)
""",
    "join": """
        return self.wo(o.permute(0, 2, 1, 3).reshape(b, s, self.h * self.d))
""",
}


def layer(order: str = "split rotate cache repeat move attend join", **parts: str) -> str:
    """The class, made of parts that may be replaced, in some order."""
    parts = PARTS | parts
    body = "".join(parts[name].strip("\n").rstrip() + "\n" for name in order.split())
    return (
        "from llama_mini.rope import apply_rotary_emb\n\n\n"
        "class Attention(nn.Module):\n"
        "    def __init__(self, config):\n        super().__init__()\n"
        + parts["init"].strip("\n")
        + "\n\n    def forward(self, x, table, mask=None, cache=None):\n"
        + body
    )


def edited(part: str, old: str, new: str, **more: str) -> str:
    """The class with one passage of one part replaced."""
    assert old in PARTS[part], old
    return layer(**{part: PARTS[part].replace(old, new)}, **more)


EXCHANGED = """
        b, s, _ = x.shape
        q = self.wq(x).view(b, s, self.d, self.h).transpose(-1, -2)
        k = self.wk(x).view(b, s, self.d, self.g).transpose(-1, -2)
        v = self.wv(x).view(b, s, self.d, self.g).transpose(-1, -2)
"""
EXCHANGED_JOIN = """
        return self.wo(o.permute(0, 2, 3, 1).reshape(b, s, -1))
"""

VARIANTS = {
    "heads and head_dim exchanged": [layer(split=EXCHANGED, join=EXCHANGED_JOIN)],
    "split with head_dim and heads exchanged": [layer(split=EXCHANGED)],
    "joined with head_dim and heads exchanged": [layer(join=EXCHANGED_JOIN)],
    "joined without moving the heads back": [
        layer(join="\n        return self.wo(o.contiguous().view(b, s, -1))"),
        layer(join="\n        return self.wo(o.flatten().unflatten(0, (b, s, -1)))"),
    ],
    "heads made by reshape alone": [
        layer(
            "split move rotate cache repeat move attend join",
            split=PARTS["split"]
            .replace("s, self.h,", "self.h, s,")
            .replace("s, self.g,", "self.g, s,"),
        ),
    ],
    "heads left behind the positions": [
        layer(
            "split rotate cache repeat attend join",
            join="\n        return self.wo(o.reshape(b, s, -1))",
        ),
    ],
    "values rotated": [
        layer(rotate="\n        q, k, v = (apply_rotary_emb(t, table) for t in (q, k, v))"),
    ],
    "keys not rotated": [layer(rotate="\n        q = apply_rotary_emb(q, table)")],
    "queries not rotated": [layer(rotate="\n        k = apply_rotary_emb(k, table)")],
    "no rotation at all": [
        layer("split cache repeat move attend join"),
        layer(rotate="\n        apply_rotary_emb(q, table), apply_rotary_emb(k, table)"),
    ],
    "rotated after the cache": [layer("split cache rotate repeat move attend join")],
    "unrotated keys in the cache": [
        layer(
            rotate="""
        q = apply_rotary_emb(q, table)
        if cache is not None:
            old = cache.length
            k, v = cache.update(k, v)
            k = torch.cat((k[:, :old], apply_rotary_emb(k[:, old:], table)), 1)
        else:
            k = apply_rotary_emb(k, table)
""",
            cache="",
        ),
    ],
    "cache never used": [layer("split rotate repeat move attend join")],
    "cache filled, never read": [
        layer(cache="\n        _ = cache.update(k, v) if cache is not None else None"),
    ],
    "repeated before the cache": [layer("split rotate repeat cache move attend join")],
    "key/value heads in the wrong order": [
        layer(
            repeat="\n        k, v = (torch.cat([t] * (self.h // self.g), 2) for t in (k, v))",
        ),
    ],
    "heads not repeated": [layer("split rotate cache move attend join")],
    "as many key heads as query heads": [
        edited("init", "config.kv_heads", "config.n_heads"),
    ],
    "wo forgotten": [
        layer(join="\n        return o.transpose(1, 2).reshape(b, s, self.h * self.d)")
    ],
    "biases": [
        layer(init=PARTS["init"].replace(", False)", ")")),
        layer(init=PARTS["init"].replace(", False)", ", bias=True)")),
    ],
    "keys made by wq": [
        edited("split", "self.wk(x)", "self.wq(x)[:, :, : self.g * self.d].contiguous()"),
    ],
    "values made by wk": [edited("split", "self.wv(x)", "self.wk(x)")],
    "keys and values exchanged": [
        edited(
            "move",
            "for t in (q, k, v)",
            "for t in (q, k, v)",
            split="""
        b, s, _ = x.shape
        q = self.wq(x).view(b, s, self.h, self.d)
        v, k = (w(x).view(b, s, self.g, self.d) for w in (self.wk, self.wv))
""",
        )
    ],
    "mask not handed on": [
        edited("attend", "if mask is not None", "if False"),
        layer(attend="\n        o = F.scaled_dot_product_attention(q, k, v)"),
    ],
    "a mask of its own": [
        edited(
            "attend",
            "        if mask is not None:\n",
            "        n, m = s_.shape[-2:]\n        mask = torch.ones(n, m).tril(m - n).bool()\n        if True:\n",
        ),
    ],
    "divided by √dim": [
        edited("attend", "self.d**-0.5", "x.size(-1) ** -0.5"),
        edited("attend", "* self.d**-0.5", "/ math.sqrt(self.h * self.d)"),
    ],
    "divided twice": [
        edited("attend", "self.d**-0.5", "self.d**-1.0"),
        layer(attend="\n        o = F.scaled_dot_product_attention(q * self.d**-0.5, k, v, mask)"),
    ],
    "not divided": [edited("attend", " * self.d**-0.5", "")],
    "adds its input": [
        layer(join="\n        return self.wo(o.transpose(1, 2).flatten(2)) + x"),
    ],
    "one head": [
        layer(
            move="""
        q, k, v = (t.reshape(b, 1, -1, self.h * self.d) for t in (q, k, v))
""",
        ),
    ],
    "other names": [
        layer().replace("self.wo", "self.out_proj"),
        layer()
        .replace("self.wq", "self.Wq")
        .replace("self.wk", "self.Wk")
        .replace("self.wv", "self.Wv"),
    ],
    "nothing returned": [edited("join", "return self", "self")],
    "no gradient": [
        edited("join", "self.wo(", "self.wo.requires_grad_(True)(").replace(
            "x.shape\n", "x.shape\n        x = x.detach()\n"
        )
    ],
}
