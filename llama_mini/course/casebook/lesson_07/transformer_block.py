"""TransformerBlock: attention, then feed-forward, each added to the stream."""

import textwrap

import torch

from llama_mini import rope
from llama_mini.cache import KVCache
from llama_mini.config import ModelConfig
from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal

_PLAIN = ModelConfig(
    dim=24, n_layers=1, n_heads=3, vocab_size=8, max_seq_len=16, multiple_of=10, norm_eps=0.05
)
_STATED = ModelConfig(
    dim=16, n_layers=1, n_heads=4, n_kv_heads=2, vocab_size=8, max_seq_len=16, hidden_dim=22
)


def block_weights(config: ModelConfig, hidden: int, seed: int) -> dict[str, torch.Tensor]:
    """Random weights for every parameter of a block, the norms' among them."""
    dim, kv_width = config.dim, config.kv_heads * config.head_dim
    shapes = {
        "attention_norm.weight": (dim,),
        "attention.wq.weight": (dim, dim),
        "attention.wk.weight": (kv_width, dim),
        "attention.wv.weight": (kv_width, dim),
        "attention.wo.weight": (dim, dim),
        "ffn_norm.weight": (dim,),
        "feed_forward.w1.weight": (hidden, dim),
        "feed_forward.w2.weight": (dim, hidden),
        "feed_forward.w3.weight": (hidden, dim),
    }
    return {
        name: normal(*shape, seed=seed + i, scale=0.3, shift=1.0)
        if len(shape) == 1
        else normal(*shape, seed=seed + i, scale=1.2 * shape[1] ** -0.5)
        for i, (name, shape) in enumerate(shapes.items())
    }


def settle(module: torch.nn.Module, known: dict[str, torch.Tensor]) -> None:
    """Set what has another name or shape than asked for to zero.

    Such a parameter starts at random. At zero and untrained, the same mistake looks the same each
    time; that it is there at all was noted before.
    """
    if isinstance(module, torch.nn.Module):
        for name, parameter in module.named_parameters():
            if name not in known or known[name].shape != parameter.shape:
                torch.nn.init.zeros_(parameter).requires_grad_(False)


def _table(config: ModelConfig, start: int, stop: int) -> torch.Tensor:
    return rope.rope_table(config.head_dim, stop, 100.0)[start:stop]


def _mask(n_queries: int, n_keys: int) -> torch.Tensor:
    return torch.ones(n_queries, n_keys).tril(n_keys - n_queries).bool()


def _at_once(weights: dict[str, torch.Tensor]):
    """Call the block."""

    def use(block, *given):
        settle(block, weights)
        return block(*given)

    return use


def _in_chunks(config: ModelConfig, weights: dict[str, torch.Tensor], *lengths: int):
    """Feed x in chunks through a cache: the outputs, and what the cache holds then."""

    def use(block, x):
        settle(block, weights)
        cache = KVCache(config, x.shape[0], config.max_seq_len, dtype=x.dtype)
        outputs, start = [], 0
        for length in lengths:
            stop = start + length
            mask = None if length == 1 else _mask(length, stop)
            chunk, table = x[:, start:stop], _table(config, start, stop)
            outputs.append(block(chunk, table, mask, cache.layer(0)))
            cache.advance(length)
            start = stop
        return torch.cat(outputs, dim=1), cache.keys[0, :, :stop]

    return use


def block_case(
    name: str, config: ModelConfig, hidden: int, seed: int, seq: int, **options: object
) -> Case:
    """A case on a whole sequence with a causal mask."""
    weights = block_weights(config, hidden, seed)
    x = normal(2, seq, config.dim, seed=seed + 20, scale=1.5)
    if options.get("dtype") is not None:
        x = x.to(options["dtype"])
    return Case(
        name,
        build=args(config),
        state=weights,
        given=args(x, _table(config, 0, seq), _mask(seq, seq)),
        use=_at_once(weights),
        **{"ulps": 128, **options},
    )


def chunk_case(name: str, config: ModelConfig, hidden: int, seed: int, *lengths: int) -> Case:
    """A case that reads a sequence in chunks."""
    weights = block_weights(config, hidden, seed)
    return Case(
        name,
        build=args(config),
        state=weights,
        given=args(normal(2, sum(lengths), config.dim, seed=seed + 20)),
        use=_in_chunks(config, weights, *lengths),
        ulps=128,
        points=2,
    )


_INIT = """
super().__init__()
hidden = config.hidden_dim or feedforward.hidden_dim(config.dim, config.multiple_of)
self.attention_norm = norm.RMSNorm(config.dim, config.norm_eps)
self.attention = attention.Attention(config)
self.ffn_norm = norm.RMSNorm(config.dim, config.norm_eps)
self.feed_forward = feedforward.FeedForward(config.dim, hidden)
"""
_FORWARD = """
x = x + self.attention(self.attention_norm(x), table, mask, cache)
return x + self.feed_forward(self.ffn_norm(x))
"""


def _block(forward: str = _FORWARD, init: str = _INIT) -> str:
    """A whole class from its lines."""
    return (
        "from llama_mini import attention, feedforward, norm\n\n\n"
        "class TransformerBlock(nn.Module):\n"
        "    def __init__(self, config):\n"
        + textwrap.indent(textwrap.dedent(init).strip("\n"), "        ")
        + "\n\n    def forward(self, x, table, mask=None, cache=None):\n"
        + textwrap.indent(textwrap.dedent(forward).strip("\n"), "        ")
        + "\n"
    )


_ATTENTION = "self.attention(self.attention_norm(x), table, mask, cache)"

EXERCISE = Exercise(
    symbol="llama_mini.model:TransformerBlock",
    lesson=7,
    minutes=15,
    difficulty=3,
    prerequisites=("rms_norm", "attention", "hidden_dim", "feed_forward"),
    cases=(
        block_case("a causal mask", _PLAIN, 70, 400, 5, gradients=True, points=2),
        block_case("a stated hidden width and shared heads", _STATED, 22, 430, 4),
        chunk_case("chunks through a cache", _PLAIN, 70, 460, 3, 1, 2),
        block_case("bfloat16", _PLAIN, 70, 490, 3, dtype=torch.bfloat16, ulps=16),
    ),
    wrong_answers=(
        WrongAnswer(
            "post-norm",
            "The norms stand on the main road, after each sum, as in the first Transformer. In "
            "LLaMA the stream itself is never normalised: each layer reads a normalised copy.",
            _block(
                """
                x = self.attention_norm(x + self.attention(x, table, mask, cache))
                return self.ffn_norm(x + self.feed_forward(x))
                """
            ),
        ),
        WrongAnswer(
            "norm after the layer",
            "The layers read the stream as it is, and their answers are normalised. Normalise what "
            "they *read*.",
            _block(
                """
                x = x + self.attention_norm(self.attention(x, table, mask, cache))
                return x + self.ffn_norm(self.feed_forward(x))
                """
            ),
        ),
        WrongAnswer(
            "no norms",
            "The layers read the stream as it is; the norms are never used.",
            _block(
                """
                x = x + self.attention(x, table, mask, cache)
                return x + self.feed_forward(x)
                """
            ),
        ),
        WrongAnswer(
            "the copy is added to",
            "You add the answer to the normalised copy, so the stream is lost at every norm. Add "
            "it to the stream: x + layer(norm(x)).",
            _block(
                """
                x = self.attention_norm(x)
                x = x + self.attention(x, table, mask, cache)
                x = self.ffn_norm(x)
                return x + self.feed_forward(x)
                """
            ),
        ),
        WrongAnswer(
            "nothing is added",
            "The answers replace the stream. Add each to what the layer was given: that sum is "
            "what lets a stack of eighty blocks learn.",
            _block(
                """
                x = self.attention(self.attention_norm(x), table, mask, cache)
                return self.feed_forward(self.ffn_norm(x))
                """
            ),
        ),
        WrongAnswer(
            "attention not added",
            "The attention's answer replaces the stream. Add it to x.",
            _block(
                f"""
                x = {_ATTENTION}
                return x + self.feed_forward(self.ffn_norm(x))
                """
            ),
        ),
        WrongAnswer(
            "feed-forward not added",
            "The feed-forward layer's answer is returned alone. Add it to h, the stream after "
            "attention.",
            _block(
                f"""
                h = x + {_ATTENTION}
                return self.feed_forward(self.ffn_norm(h))
                """
            ),
        ),
        WrongAnswer(
            "parallel",
            "The feed-forward layer reads x, side by side with attention, as in PaLM. In LLaMA it "
            "reads h, the stream that already holds the attention's answer.",
            _block(
                f"""
                return x + {_ATTENTION} + self.feed_forward(self.ffn_norm(x))
                """
            ),
        ),
        WrongAnswer(
            "added to x, not h",
            "The feed-forward layer reads h, and its answer is added to x: what attention found "
            "is lost. Add to h.",
            _block(
                f"""
                h = x + {_ATTENTION}
                return x + self.feed_forward(self.ffn_norm(h))
                """
            ),
        ),
        WrongAnswer(
            "x added twice",
            "h holds x already, and you add x once more at the end.",
            _block(
                f"""
                h = x + {_ATTENTION}
                return x + h + self.feed_forward(self.ffn_norm(h))
                """
            ),
        ),
        WrongAnswer(
            "feed-forward first",
            "The order is turned round. Attention comes first, then feed-forward.",
            _block(
                f"""
                x = x + self.feed_forward(self.ffn_norm(x))
                return x + {_ATTENTION}
                """
            ),
        ),
        WrongAnswer(
            "norms exchanged",
            "ffn_norm stands before attention, and attention_norm before feed-forward. New norms "
            "are all ones and hide it; loaded weights do not.",
            _block(
                """
                x = x + self.attention(self.ffn_norm(x), table, mask, cache)
                return x + self.feed_forward(self.attention_norm(x))
                """
            ),
        ),
        WrongAnswer(
            "one norm used twice",
            "attention_norm stands before both layers. Feed-forward has a norm of its own, "
            "`ffn_norm`.",
            _block(_FORWARD.replace("self.ffn_norm", "self.attention_norm")),
            also=(
                _block(
                    init=_INIT.replace(
                        "self.ffn_norm = norm.RMSNorm(config.dim, config.norm_eps)",
                        "self.ffn_norm = self.attention_norm",
                    )
                ),
            ),
        ),
        WrongAnswer(
            "eps not handed on",
            "The norms keep their default eps. 65B was trained with another one than the smaller "
            "models: hand `config.norm_eps` on.",
            _block(init=_INIT.replace(", config.norm_eps", "")),
        ),
        WrongAnswer(
            "mask not handed on",
            "The mask does not reach the attention layer, so every position sees the future.",
            _block(_FORWARD.replace("table, mask, cache", "table, None, cache")),
        ),
        WrongAnswer(
            "cache not handed on",
            "The cache does not reach the attention layer: earlier tokens are forgotten. Hand on "
            "mask *and* cache.",
            _block(_FORWARD.replace("table, mask, cache", "table, mask")),
        ),
        WrongAnswer(
            "a stated width ignored",
            "`config.hidden_dim` states the width outright where it is not None, and your code "
            "applies the rule all the same.",
            _block(init=_INIT.replace("config.hidden_dim or ", "")),
        ),
        WrongAnswer(
            "always multiples of 256",
            "The width is rounded to 256, whatever the config says. Hand `config.multiple_of` to "
            "`feedforward.hidden_dim`.",
            _block(init=_INIT.replace(", config.multiple_of", "")),
        ),
        WrongAnswer(
            "width of 4·dim",
            "The hidden width is 4·dim here. With three matrices it is two thirds of that, rounded "
            "up: `feedforward.hidden_dim(config.dim, config.multiple_of)`.",
            _block(
                init=_INIT.replace(
                    "feedforward.hidden_dim(config.dim, config.multiple_of)", "4 * config.dim"
                )
            ),
            also=(_block(init=_INIT.replace("hidden)", "4 * config.dim)")),),
        ),
        WrongAnswer(
            "other names",
            "The parts are to be called attention_norm, attention, ffn_norm and feed_forward, as "
            "in Meta's files: the names are how weights find their place.",
            _block()
            .replace("self.attention_norm", "self.norm1")
            .replace("self.ffn_norm", "self.norm2"),
            values_vary=True,
        ),
    ),
    alternatives=(
        Alternative("in two lines", _block()),
        Alternative(
            "step by step, typed",
            _block(
                """
                attended: Tensor = self.attention(
                    self.attention_norm(x), table, mask=mask, cache=cache
                )
                h = attended + x
                thought: Tensor = self.feed_forward(self.ffn_norm(h))
                return torch.add(h, thought)
                """
            ),
        ),
        Alternative(
            "in another order, with an if",
            _block(
                init="""
                super().__init__()
                width = config.hidden_dim
                if width is None:
                    width = feedforward.hidden_dim(config.dim, multiple_of=config.multiple_of)
                self.feed_forward = feedforward.FeedForward(config.dim, width)
                self.ffn_norm = norm.RMSNorm(config.dim, eps=config.norm_eps)
                self.attention_norm = norm.RMSNorm(config.dim, eps=config.norm_eps)
                self.attention = attention.Attention(config)
                """
            ),
        ),
        Alternative(
            "a helper for reading",
            _block(
                """
                def answer(layer, normalize, stream, *rest):
                    return layer(normalize(stream), *rest)

                x = x + answer(self.attention, self.attention_norm, x, table, mask, cache)
                return x + answer(self.feed_forward, self.ffn_norm, x)
                """
            ),
        ),
    ),
    hints=(
        "Two lines, one for each layer, and both of the same kind: the stream, plus what a layer "
        "answers to a normalised copy of the stream.",
        "The second line reads what the first one made. Each line has a norm of its own, and the "
        "norm stands around what the layer *reads*, not around the sum.",
        "`x = x + self.attention(self.attention_norm(x), table, mask, cache)`; the second line is "
        "the same with `self.feed_forward` and `self.ffn_norm`.",
    ),
)
