"""parameter_count: how many numbers a model learns, from its config alone."""

from llama_mini.config import CONFIGS, ModelConfig
from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args

_PLAIN = ModelConfig(dim=48, n_layers=3, n_heads=4, vocab_size=101, multiple_of=16)
_GROUPED = ModelConfig(dim=96, n_layers=2, n_heads=6, n_kv_heads=2, vocab_size=77, multiple_of=32)
_TIED = ModelConfig(dim=40, n_layers=4, n_heads=2, vocab_size=53, tied_embeddings=True)
_WIDE = ModelConfig(dim=32, n_layers=1, n_heads=2, vocab_size=19, hidden_dim=50)

_HIDDEN = (
    "config.hidden_dim or feedforward.hidden_dim(config.dim, config.multiple_of)"  # the right rule
)


def _count(
    *,
    hidden: str = _HIDDEN,
    kv: str = "config.kv_heads * config.head_dim",
    attention: str = "2 * d * d + 2 * d * kv",
    feed_forward: str = "3 * d * hidden",
    norms: str = "2 * d",
    embeddings: str = "v * d if config.tied_embeddings else 2 * v * d",
    last: str = "d",
    total: str = "embeddings + config.n_layers * block + last",
) -> str:
    """A whole function, with one of its lines changed."""
    return (
        "from llama_mini import feedforward\n\n\n"
        "def parameter_count(config):\n"
        "    d, v = config.dim, config.vocab_size\n"
        f"    hidden = {hidden}\n"
        f"    kv = {kv}\n"
        f"    block = {attention} + {feed_forward} + {norms}\n"
        f"    embeddings = {embeddings}\n"
        f"    last = {last}\n"
        f"    return {total}\n"
    )


EXERCISE = Exercise(
    symbol="llama_mini.model:parameter_count",
    lesson=7,
    minutes=12,
    difficulty=2,
    prerequisites=("hidden_dim",),
    cases=(
        Case(
            "the four sizes of LLaMA",
            given=args(*(CONFIGS[name] for name in ("7B", "13B", "30B", "65B"))),
            use=lambda answer, *configs: [answer(config) for config in configs],
            points=2,
            seconds=30.0,  # an answer may build all four on the meta device and count
        ),
        Case("a small model", given=args(_PLAIN)),
        Case("shared key/value heads", given=args(_GROUPED)),
        Case("tied embeddings", given=args(_TIED)),
        Case("a hidden width stated outright", given=args(_WIDE)),
    ),
    wrong_answers=(
        WrongAnswer(
            "norms forgotten",
            "The norms are missing. They are small, but each has `dim` weights: two in every "
            "block, and one at the end.",
            _count(norms="0", last="0"),
        ),
        WrongAnswer(
            "last norm forgotten",
            "One norm is missing, the one between the last block and the output head: `dim` more.",
            _count(last="0"),
        ),
        WrongAnswer(
            "one norm a block",
            "A block has two norms with weights of their own: one before attention, one before "
            "the feed-forward layer.",
            _count(norms="d"),
        ),
        WrongAnswer(
            "embeddings counted once",
            "Embeddings and output head count as one matrix. They are two in LLaMA, one only if "
            "`config.tied_embeddings` says so.",
            _count(embeddings="v * d"),
        ),
        WrongAnswer(
            "tied embeddings counted twice",
            "With tied embeddings the output head *is* the embedding matrix. It is one parameter "
            "and counts once.",
            _count(embeddings="2 * v * d"),
        ),
        WrongAnswer(
            "tying the wrong way round",
            "You count two matrices where they are tied and one where they are not.",
            _count(embeddings="2 * v * d if config.tied_embeddings else v * d"),
        ),
        WrongAnswer(
            "embeddings left out",
            "This counts the blocks and norms alone, which some papers do. Here everything the "
            "model learns counts: add embeddings and output head.",
            _count(embeddings="0"),
        ),
        WrongAnswer(
            "shared heads ignored",
            "You count four attention matrices of dim × dim. wk and wv make only `kv_heads` heads, "
            "which are fewer where heads are shared.",
            _count(kv="d"),
        ),
        WrongAnswer(
            "wo shared, too",
            "Only wk and wv are narrower where heads are shared. wo reads all the query heads: it "
            "is dim × dim.",
            _count(attention="d * d + 3 * d * kv"),
        ),
        WrongAnswer(
            "biases counted",
            "You count biases. No layer of LLaMA has any.",
            _count(
                attention="2 * d * d + 2 * d * kv + 2 * d + 2 * kv",
                feed_forward="3 * d * hidden + 2 * hidden + d",
            ),
            also=(
                _count(last="d + v"),
                _count(attention="2 * d * d + 2 * d * kv + 2 * d + 2 * kv"),
                _count(feed_forward="3 * d * hidden + 2 * hidden + d"),
                _count(norms="4 * d", last="2 * d"),
            ),
        ),
        WrongAnswer(
            "w3 forgotten",
            "You count two feed-forward matrices. A gated layer has three: w1, w2 and w3.",
            _count(feed_forward="2 * d * hidden"),
        ),
        WrongAnswer(
            "12·L·d²",
            "12·L·d² is a rule of thumb for blocks with a plain feed-forward layer, and leaves "
            "embeddings and norms out. The exact number needs every matrix.",
            _count(total="12 * config.n_layers * d**2"),
            also=(
                _count(total="12 * config.n_layers * d**2 + embeddings"),
                _count(total="12 * config.n_layers * d**2 + v * d"),
                _count(total="12 * config.n_layers * d**2 + 2 * v * d"),
            ),
        ),
        WrongAnswer(
            "width not rounded",
            "The hidden width is two thirds of 4·dim, not rounded. Use the rule of lesson 06, "
            "`feedforward.hidden_dim(config.dim, config.multiple_of)`.",
            _count(hidden="config.hidden_dim or int(8 * d / 3)"),
        ),
        WrongAnswer(
            "width of 4·dim",
            "The hidden width is 4·dim here. With three matrices it is two thirds of that, rounded "
            "up: `feedforward.hidden_dim(config.dim, config.multiple_of)`.",
            _count(hidden="config.hidden_dim or 4 * d"),
            also=(_count(hidden="4 * d"),),
        ),
        WrongAnswer(
            "always multiples of 256",
            "The width is rounded to 256, whatever the config says. Hand `config.multiple_of` to "
            "`feedforward.hidden_dim`.",
            _count(hidden="config.hidden_dim or feedforward.hidden_dim(d)"),
        ),
        WrongAnswer(
            "a stated width ignored",
            "`config.hidden_dim` states the width outright where it is not None, and your code "
            "applies the rule all the same.",
            _count(hidden="feedforward.hidden_dim(d, config.multiple_of)"),
        ),
        WrongAnswer(
            "one block counted",
            "There are `n_layers` blocks, and you count one.",
            _count(total="embeddings + block + last"),
        ),
        WrongAnswer(
            "everything times the layers",
            "The blocks are there n_layers times. The embeddings, the output head and the last "
            "norm are there once.",
            _count(total="config.n_layers * (embeddings + block + last)"),
        ),
        WrongAnswer(
            "a float",
            "The result is a float. Parameters are counted in whole numbers: return an `int`.",
            _count(total="float(embeddings + config.n_layers * block + last)"),
        ),
    ),
    alternatives=(
        Alternative("line by line", _count()),
        Alternative(
            "a list of shapes",
            "from llama_mini import feedforward\n\n\n"
            "def parameter_count(config) -> int:\n"
            "    d = config.dim\n"
            "    f = config.hidden_dim\n"
            "    if f is None:\n"
            "        f = feedforward.hidden_dim(d, config.multiple_of)\n"
            "    k = d // config.n_heads * (config.n_kv_heads or config.n_heads)\n"
            "    block = [(d, d), (d, d), (k, d), (k, d), (f, d), (d, f), (f, d), (d,), (d,)]\n"
            "    ends = [(config.vocab_size, d), (d,)]\n"
            "    if not config.tied_embeddings:\n"
            "        ends.append((d, config.vocab_size))\n"
            "    return sum(math.prod(s) for s in block * config.n_layers + ends)\n",
        ),
        Alternative(
            "built on the meta device",
            "from llama_mini import model\n\n\n"
            "def parameter_count(config):\n"
            "    with torch.device('meta'):\n"
            "        built = model.Transformer(config)\n"
            "    return sum(p.numel() for p in built.parameters())\n",
        ),
        Alternative(
            "factored",
            "from llama_mini import feedforward\n\n\n"
            "def parameter_count(c):\n"
            "    f = c.hidden_dim or feedforward.hidden_dim(c.dim, c.multiple_of)\n"
            "    block = 2 * c.dim + 2 * c.kv_heads * c.head_dim + 3 * f + 2\n"
            "    heads = 2 - c.tied_embeddings\n"
            "    return c.dim * (c.n_layers * block + heads * c.vocab_size + 1)\n",
        ),
    ),
    hints=(
        "Write down every matrix of one block with its two sides, then what stands before and "
        "after the blocks. What is in the model n_layers times, and what once?",
        "In a block: wq and wo have dim·dim each, wk and wv dim·kv_heads·head_dim; w1, w2 and w3 "
        "have dim·hidden each; two norms have dim each. `hidden` follows the rule of the block.",
        "`n_layers * block + embeddings + dim`, with `embeddings = vocab_size * dim`, twice unless "
        "tied, and `hidden = config.hidden_dim or feedforward.hidden_dim(config.dim, "
        "config.multiple_of)`.",
    ),
)
