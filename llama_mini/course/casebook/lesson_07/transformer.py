"""Transformer: embeddings, blocks, a last norm, and a score for every token."""

import dataclasses
import textwrap

import torch

from llama_mini.cache import KVCache
from llama_mini.config import ModelConfig
from llama_mini.course.casebook.lesson_07.transformer_block import block_weights, settle
from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal

_PLAIN = ModelConfig(
    dim=24, n_layers=2, n_heads=3, vocab_size=29, max_seq_len=16, hidden_dim=20, norm_eps=0.05
)
_TIED = ModelConfig(
    dim=16,
    n_layers=2,
    n_heads=4,
    n_kv_heads=2,
    vocab_size=23,
    max_seq_len=12,
    hidden_dim=18,
    norm_eps=0.2,
    rope_theta=50.0,
    tied_embeddings=True,
)
_FIRST = ModelConfig(dim=64, n_layers=8, n_heads=2, vocab_size=200, max_seq_len=16, hidden_dim=96)


def model_weights(config: ModelConfig, seed: int) -> dict[str, torch.Tensor]:
    """Random weights for every parameter of a model; of tied ones, the embeddings alone."""
    weights = {
        "tok_embeddings.weight": normal(config.vocab_size, config.dim, seed=seed),
        "norm.weight": normal(config.dim, seed=seed + 1, scale=0.3, shift=1.0),
    }
    if not config.tied_embeddings:
        weights["output.weight"] = normal(
            config.vocab_size, config.dim, seed=seed + 2, scale=config.dim**-0.5
        )
    for index in range(config.n_layers):
        for name, value in block_weights(config, config.hidden_dim, seed + 10 + 9 * index).items():
            weights[f"layers.{index}.{name}"] = value
    return weights


def tokens(config: ModelConfig, batch: int, seq: int, seed: int) -> torch.Tensor:
    """Random token ids."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(config.vocab_size, (batch, seq), generator=generator)


def whole_case(
    name: str, config: ModelConfig, seed: int, seq: int, batch: int = 2, **options: object
) -> Case:
    """A case that reads whole texts."""
    weights = model_weights(config, seed)

    def use(model, ids):
        settle(model, weights)
        return model(ids)

    return Case(
        name,
        build=args(config),
        state=weights,
        given=args(tokens(config, batch, seq, seed)),
        use=use,
        **{"ulps": 256, **options},
    )


def chunk_case(name: str, config: ModelConfig, seed: int, *lengths: int) -> Case:
    """A case that reads a text in chunks: logits, the length counted, and the keys kept."""
    weights = model_weights(config, seed)

    def use(model, ids):
        settle(model, weights)
        cache = KVCache(config, len(ids), config.max_seq_len)
        outputs, counted = [], []
        for chunk in ids.split(list(lengths), dim=1):
            outputs.append(model(chunk, cache=cache))
            counted.append(cache.length)
        return torch.cat(outputs, dim=1), counted, cache.keys[:, :, : sum(lengths)]

    return Case(
        name,
        build=args(config),
        state=weights,
        given=args(tokens(config, 2, sum(lengths), seed)),
        use=use,
        ulps=256,
        points=2,
    )


def first_case(name: str, config: ModelConfig, seed: int) -> Case:
    """A case on how a new model begins: the spread of its weights and of its logits."""

    def use(answer, config, ids):
        torch.manual_seed(seed)
        model = answer(config)
        with torch.no_grad():
            logits = model(ids)
        last = f"layers.{config.n_layers - 1}."
        names = ["tok_embeddings", "output", last + "attention.wo", last + "feed_forward.w2"]
        found = {name: model.get_parameter(f"{name}.weight").std().item() for name in names}
        return {**found, "logits": logits.std().item()}

    # The numbers are random. Their spread is known to a few per cent, and is judged by a fifth.
    return Case(name, given=args(config, tokens(config, 2, 8, seed)), use=use, rtol=0.1)


_INIT = """
super().__init__()
self.config = config
self.tok_embeddings = nn.Embedding(config.vocab_size, config.dim)
self.layers = nn.ModuleList(model.TransformerBlock(config) for _ in range(config.n_layers))
self.norm = norm.RMSNorm(config.dim, config.norm_eps)
self.output = nn.Linear(config.dim, config.vocab_size, bias=False)
if config.tied_embeddings:
    self.output.weight = self.tok_embeddings.weight
model.initialize(self)
"""
_FORWARD = """
start = 0 if cache is None else cache.length
seq = tokens.shape[1]
table = self._rotations(tokens.device)[start : start + seq]
mask = attention.causal_mask(seq, start + seq).to(tokens.device)
x = self.tok_embeddings(tokens)
for i, layer in enumerate(self.layers):
    x = layer(x, table, mask, None if cache is None else cache.layer(i))
if cache is not None:
    cache.advance(seq)
return self.output(self.norm(x)).float()
"""
_GIVEN = """
def _rotations(self, device):
    if self._table is None or self._table.device != device:
        c = self.config
        self._table = rope.rope_table(c.head_dim, c.max_seq_len, c.rope_theta).to(device)
    return self._table
"""


def _model(*changes: tuple[str, str], init: str = _INIT, forward: str = _FORWARD) -> str:
    """A whole class: the right one, with passages replaced."""
    for old, new in changes:
        if old not in init + forward:
            raise ValueError(f"There is nothing to replace: {old!r}.")
        init, forward = init.replace(old, new), forward.replace(old, new)
    return (
        "from llama_mini import attention, model, norm, rope\n\n\n"
        "class Transformer(nn.Module):\n    _table = None\n\n"
        "    def __init__(self, config):\n"
        + textwrap.indent(textwrap.dedent(init).strip("\n"), "        ")
        + "\n\n    def forward(self, tokens, cache=None):\n"
        + textwrap.indent(textwrap.dedent(forward).strip("\n"), "        ")
        + "\n"
        + textwrap.indent(_GIVEN, "    ")
    )


_TIE = """if config.tied_embeddings:
    self.output.weight = self.tok_embeddings.weight
"""
_BLOCKS = "nn.ModuleList(model.TransformerBlock(config) for _ in range(config.n_layers))"
_ROWS = "[start : start + seq]"
_MASK = "attention.causal_mask(seq, start + seq)"
_ADVANCE = """if cache is not None:
    cache.advance(seq)
"""
_LAYER = "    x = layer(x, table, mask, None if cache is None else cache.layer(i))\n"

EXERCISE = Exercise(
    symbol="llama_mini.model:Transformer",
    lesson=7,
    minutes=25,
    difficulty=4,
    prerequisites=("rope_table", "causal_mask", "transformer_block"),
    cases=(
        whole_case("a batch of texts", _PLAIN, 600, 6, gradients=True, points=2),
        whole_case("tied embeddings, shared heads, another theta", _TIED, 640, 7, points=2),
        chunk_case("chunks through a cache", _PLAIN, 680, 4, 1, 3, 1),
        chunk_case("a tied model and a cache", _TIED, 720, 1, 3, 2),
        chunk_case("an empty cache", _PLAIN, 870, 5),
        chunk_case("one block and a cache", dataclasses.replace(_PLAIN, n_layers=1), 900, 3, 2),
        whole_case("one token", _PLAIN, 760, 1, batch=1),
        whole_case(
            "bfloat16 weights, float32 logits", _PLAIN, 800, 4, dtype=torch.bfloat16, rtol=0.05
        ),
        first_case("how a new model begins", _FIRST, 840),
        first_case("how a tied one begins", dataclasses.replace(_FIRST, tied_embeddings=True), 850),
    ),
    wrong_answers=(
        WrongAnswer(
            "no last norm",
            "The stream goes to the output head as it is. One more norm stands between the last "
            "block and the head: `self.norm`.",
            _model(("self.output(self.norm(x))", "self.output(x)")),
        ),
        WrongAnswer(
            "a norm after the embeddings",
            "You normalise the embeddings before the first block. The stream itself is never "
            "normalised; the last norm stands after the last block.",
            _model(
                ("x = self.tok_embeddings(tokens)", "x = self.norm(self.tok_embeddings(tokens))"),
                ("self.output(self.norm(x))", "self.output(x)"),
            ),
            also=(
                _model(
                    (
                        "x = self.tok_embeddings(tokens)",
                        "x = self.norm(self.tok_embeddings(tokens))",
                    )
                ),
            ),
        ),
        WrongAnswer(
            "norm in every round",
            "The last norm is taken after every block, on the main road. It comes once, when all "
            "blocks are through.",
            _model(
                (_LAYER, _LAYER + "    x = self.norm(x)\n"),
                ("self.output(self.norm(x))", "self.output(x)"),
            ),
            also=(_model((_LAYER, _LAYER + "    x = self.norm(x)\n")),),
        ),
        WrongAnswer(
            "always tied",
            "The output head shares its weight with the embeddings in every model. In LLaMA it is "
            "a matrix of its own: tie them only if `config.tied_embeddings`.",
            _model((_TIE, "self.output.weight = self.tok_embeddings.weight\n")),
        ),
        WrongAnswer(
            "not tied",
            "The output head has a weight of its own where `config.tied_embeddings` is True. There "
            "its weight *is* that of the embeddings, one parameter with two names; a copy drifts "
            "away.",
            _model((_TIE, "")),
            also=(
                _model(
                    (
                        "self.output.weight = self.tok_embeddings.weight",
                        "self.output.weight = nn.Parameter(self.tok_embeddings.weight.clone())",
                    )
                ),
                _model(
                    (_TIE, ""),
                    (
                        "model.initialize(self)\n",
                        "model.initialize(self)\nif config.tied_embeddings:\n"
                        "    self.output.weight.data.copy_(self.tok_embeddings.weight.data)\n",
                    ),
                ),
            ),
        ),
        WrongAnswer(
            "no mask",
            "The blocks get no mask, so every position sees the tokens it should predict. Hand "
            "them `attention.causal_mask(new, all so far)`.",
            _model(("(x, table, mask, None if", "(x, table, None, None if")),
        ),
        WrongAnswer(
            "mask without the cache",
            "The mask is square, as if nothing were cached. It has one row for each new token and "
            "one column for each position so far: `causal_mask(seq, start + seq)`.",
            _model((_MASK, "attention.causal_mask(seq, seq)")),
        ),
        WrongAnswer(
            "mask from the corner",
            "The mask has the right shape, and starts in its corner: the new tokens are treated as "
            "the first positions. They are the last: `causal_mask(seq, start + seq)`.",
            _model((_MASK, "torch.ones(seq, start + seq, dtype=torch.bool).tril()")),
        ),
        WrongAnswer(
            "no mask behind a cache",
            "As soon as something is cached, the mask is left out. That is right for one new "
            "token; in a chunk of several, the first would see the later ones.",
            _model((_MASK + ".to(tokens.device)", f"{_MASK} if start == 0 else None")),
        ),
        WrongAnswer(
            "rotations from row 0",
            "The table is read from row 0, whatever is cached. The new tokens stand at positions "
            "start, start + 1, …: take `[start : start + seq]`.",
            _model((_ROWS, "[:seq]")),
        ),
        WrongAnswer(
            "the cache is not advanced",
            "The cache is never told that new positions were written, so the next chunk overwrites "
            "this one. Call `cache.advance(seq)` after the last block.",
            _model((_ADVANCE, "")),
        ),
        WrongAnswer(
            "the cache is advanced in every block",
            "`cache.advance` is called once a block, so the count runs ahead by a factor of "
            "n_layers. Call it once, when all blocks have written.",
            _model(
                (_ADVANCE, ""),
                (_LAYER, _LAYER + "    if cache is not None:\n        cache.advance(seq)\n"),
            ),
        ),
        WrongAnswer(
            "the cache is advanced by one",
            "The cache is advanced by 1. A chunk may hold any number of tokens: advance by "
            "`tokens.shape[1]`.",
            _model(("cache.advance(seq)", "cache.advance(1)")),
        ),
        WrongAnswer(
            "the cache is advanced too early",
            "The cache is advanced before the blocks write into it, so they write one chunk too "
            "far. Advance after the last block.",
            _model(
                (_ADVANCE, ""),
                (
                    "x = self.tok_embeddings(tokens)\n",
                    _ADVANCE + "x = self.tok_embeddings(tokens)\n",
                ),
            ),
        ),
        WrongAnswer(
            "one layer's cache for all",
            "Every block writes into the same share of the cache, and each overwrites the one "
            "before. Block i has its own: `cache.layer(i)`.",
            _model(("cache.layer(i)", "cache.layer(0)")),
        ),
        WrongAnswer(
            "cache ignored",
            "The blocks get no cache: earlier chunks are forgotten. Hand block i `cache.layer(i)`.",
            _model(
                ("None if cache is None else cache.layer(i)", "None"),
                (_MASK, "attention.causal_mask(seq, seq)"),
            ),
            also=(
                _model(
                    forward="""
                    seq = tokens.shape[1]
                    table = self._rotations(tokens.device)[:seq]
                    mask = attention.causal_mask(seq, seq).to(tokens.device)
                    x = self.tok_embeddings(tokens)
                    for layer in self.layers:
                        x = layer(x, table, mask)
                    return self.output(self.norm(x)).float()
                    """
                ),
            ),
        ),
        WrongAnswer(
            "logits not in float32",
            "The logits have the dtype of the weights. Return float32: the loss and the softmax "
            "over 32,000 tokens need the bits. `.float()` does it.",
            _model((".float()", "")),
        ),
        WrongAnswer(
            "probabilities",
            "You return probabilities. Return the logits; the loss and the sampling take the "
            "softmax themselves.",
            _model((".float()", ".float().softmax(-1)")),
            also=(_model((".float()", ".float().log_softmax(-1)")),),
        ),
        WrongAnswer(
            "the same block n times",
            "The list holds one block n_layers times, so all layers share their weights. Build a "
            "new block for each: a comprehension does, `[block] * n` does not.",
            _model((_BLOCKS, "nn.ModuleList([model.TransformerBlock(config)] * config.n_layers)")),
        ),
        WrongAnswer(
            "blocks in a plain list",
            "The blocks are in a Python list, where torch does not find them: no optimizer trains "
            "them and no file holds them. Use `nn.ModuleList`.",
            _model((_BLOCKS, _BLOCKS.replace("nn.ModuleList(", "list("))),
            values_vary=True,
        ),
        WrongAnswer(
            "embeddings times √dim",
            "The embeddings are multiplied by √dim, as in the first Transformer. LLaMA takes them "
            "as they are.",
            _model(
                (
                    "x = self.tok_embeddings(tokens)",
                    "x = self.tok_embeddings(tokens) * math.sqrt(self.config.dim)",
                )
            ),
        ),
        WrongAnswer(
            "eps not handed on",
            "The last norm keeps its default eps. Hand it `config.norm_eps`, as in the blocks.",
            _model((", config.norm_eps", "")),
        ),
        WrongAnswer(
            "last position only",
            "Only the last position's logits come back. Training needs a prediction at *every* "
            "position: (batch, seq, vocab).",
            _model(("self.norm(x)", "self.norm(x[:, -1:])")),
            also=(_model(("self.norm(x)", "self.norm(x[:, -1])")),),
        ),
        WrongAnswer(
            "one block too few",
            "One block is left out. There are `config.n_layers`.",
            _model(("range(config.n_layers)", "range(config.n_layers - 1)")),
            also=(_model(("enumerate(self.layers)", "enumerate(self.layers[:-1])")),),
        ),
        WrongAnswer(
            "weights not initialized",
            "The first weights are torch's own: an embedding with a standard deviation of 1, for "
            "one. End `__init__` with `model.initialize(self)`.",
            _model(("model.initialize(self)\n", "")),
            values_vary=True,
        ),
        WrongAnswer(
            "a bias in the output head",
            "The output head has a bias, which `nn.Linear` makes unless told otherwise: "
            "`bias=False`.",
            _model((", bias=False", "")),
        ),
    ),
    alternatives=(
        Alternative("always a mask", _model()),
        Alternative(
            "no mask for one token, typed",
            _model(
                forward="""
                first = cache.length if cache is not None else 0
                last = first + tokens.size(1)
                rotations: Tensor = self._rotations(tokens.device)[first:last]
                mask = None
                if tokens.size(1) > 1:
                    mask = attention.causal_mask(last - first, last).to(tokens.device)
                stream: Tensor = self.tok_embeddings(tokens)
                for number in range(self.config.n_layers):
                    share = cache.layer(number) if cache is not None else None
                    stream = self.layers[number](stream, rotations, mask=mask, cache=share)
                if cache is not None:
                    cache.advance(last - first)
                return self.output(self.norm(stream)).to(torch.float32)
                """
            ),
        ),
        Alternative(
            "a mask by comparing positions",
            _model(
                (
                    _MASK + ".to(tokens.device)",
                    "torch.arange(start + seq, device=tokens.device)[None] "
                    "<= torch.arange(start, start + seq, device=tokens.device)[:, None]",
                )
            ),
        ),
        Alternative(
            "tied from the other side",
            _model(
                (
                    "self.output.weight = self.tok_embeddings.weight",
                    "self.tok_embeddings.weight = self.output.weight",
                )
            ),
        ),
        Alternative(
            "layers appended, embedding by index",
            _model(
                (
                    f"self.layers = {_BLOCKS}\n",
                    "self.layers = nn.ModuleList()\n"
                    "while len(self.layers) < config.n_layers:\n"
                    "    self.layers.append(model.TransformerBlock(config))\n",
                ),
                ("self.tok_embeddings(tokens)", "self.tok_embeddings.weight[tokens]"),
            ),
        ),
    ),
    hints=(
        "Follow one token: its embedding, through every block in turn, a last norm, the output "
        "head. Then ask where it stands: how many positions are in the cache already?",
        "`start = 0 if cache is None else cache.length` decides both the rows of the table, "
        "`[start : start + seq]`, and the mask, `attention.causal_mask(seq, start + seq)`. Every "
        "block gets the same of both, and its own `cache.layer(i)`.",
        "The loop is `x = layer(x, table, mask, None if cache is None else cache.layer(i))` over "
        "`enumerate(self.layers)`. After it: `cache.advance(seq)` if there is a cache, then "
        "`self.output(self.norm(x)).float()`.",
    ),
)
