"""kv_cache_bytes: what keys and values take."""

from llama_mini import CONFIGS, ModelConfig
from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args


def _returns(expression: str) -> str:
    return (
        f"def kv_cache_bytes(config, batch, seq, bytes_per_element=2):\n    return {expression}\n"
    )


_SHARED = ModelConfig(dim=96, n_layers=3, n_heads=6, n_kv_heads=2, vocab_size=64)
_EACH = "config.kv_heads * config.head_dim"

EXERCISE = Exercise(
    symbol="llama_mini.planning:kv_cache_bytes",
    lesson=8,
    minutes=5,
    difficulty=1,
    cases=(
        Case("7B, one text of 2,048 positions", given=args(CONFIGS["7B"], 1, 2048)),
        Case("65B, eight texts", given=args(CONFIGS["65B"], 8, 700)),
        Case("shared key/value heads", given=args(_SHARED, 5, 70), points=2),
        Case("shared heads in float32", given=args(_SHARED, 3, 11, bytes_per_element=4)),
    ),
    wrong_answers=(
        WrongAnswer(
            "keys or values, not both",
            "That is half: a cache holds the keys *and* the values.",
            _returns(f"config.n_layers * batch * seq * {_EACH} * bytes_per_element"),
        ),
        WrongAnswer(
            "one layer",
            "That is the cache of one layer. Each of the n_layers layers has its own.",
            _returns(f"2 * batch * seq * {_EACH} * bytes_per_element"),
        ),
        WrongAnswer(
            "query heads for key/value heads",
            "You count a key and a value for each query head. Where heads are shared there are "
            "fewer, `config.kv_heads`, and that is the point of sharing them.",
            _returns(
                "2 * config.n_layers * batch * seq * config.n_heads * config.head_dim"
                " * bytes_per_element"
            ),
            also=(_returns("2 * config.n_layers * batch * seq * config.dim * bytes_per_element"),),
        ),
        WrongAnswer(
            "n_kv_heads is None",
            "`config.n_kv_heads` is None in all of LLaMA 1, where nobody set it. "
            "`config.kv_heads` has the default filled in.",
            _returns(
                "2 * config.n_layers * batch * seq * config.n_kv_heads * config.head_dim"
                " * bytes_per_element"
            ),
        ),
        WrongAnswer(
            "the matrices instead of what they make",
            "dim × dim is the size of wk and wv, the weights. The cache holds what they make of "
            "each position: head_dim numbers for each key/value head.",
            _returns(
                "2 * config.n_layers * batch * seq * config.dim * config.dim * bytes_per_element"
            ),
        ),
        WrongAnswer(
            "bits for bytes",
            "That is in bits. A byte has eight.",
            _returns(f"2 * config.n_layers * batch * seq * {_EACH} * bytes_per_element * 8"),
        ),
        WrongAnswer(
            "numbers for bytes",
            "You count how many numbers there are. Each takes bytes_per_element bytes.",
            _returns(f"2 * config.n_layers * batch * seq * {_EACH}"),
        ),
        WrongAnswer(
            "always two bytes",
            "Two bytes a number are written into the formula. Use bytes_per_element: float32 "
            "takes four.",
            _returns(f"2 * 2 * config.n_layers * batch * seq * {_EACH}"),
        ),
        WrongAnswer(
            "one text",
            "The batch is missing: every text has keys and values of its own.",
            _returns(f"2 * config.n_layers * seq * {_EACH} * bytes_per_element"),
        ),
        WrongAnswer(
            "one position",
            "That is for one position. Multiply by seq.",
            _returns(f"2 * config.n_layers * batch * {_EACH} * bytes_per_element"),
        ),
        WrongAnswer(
            "head_dim squared",
            "head_dim stands there twice. A key is one vector of head_dim numbers.",
            _returns(
                f"2 * config.n_layers * batch * seq * {_EACH} * config.head_dim * bytes_per_element"
            ),
        ),
        WrongAnswer(
            "one number a head",
            "head_dim is missing: a key is a vector of head_dim numbers, for each key/value head.",
            _returns("2 * config.n_layers * batch * seq * config.kv_heads * bytes_per_element"),
        ),
        WrongAnswer(
            "one head",
            "The heads are missing: each key/value head has a key and a value of its own.",
            _returns("2 * config.n_layers * batch * seq * config.head_dim * bytes_per_element"),
        ),
        WrongAnswer(
            "grows with the square of the length",
            "You count a number for each pair of positions, as the table of scores has. The cache "
            "holds keys and values, one each for every position: it grows with seq, not seq².",
            _returns(f"2 * config.n_layers * batch * seq * seq * {_EACH} * bytes_per_element"),
            also=(_returns("config.n_layers * batch * config.n_heads * seq**2 * 2"),),
        ),
        WrongAnswer(
            "another unit",
            "That is not in bytes. Return plain bytes, and leave GiB to whoever prints them.",
            _returns(f"2 * config.n_layers * batch * seq * {_EACH} * bytes_per_element / 2**30"),
            also=(
                _returns(f"2 * config.n_layers * batch * seq * {_EACH} * bytes_per_element / 1e9"),
                _returns(
                    f"2 * config.n_layers * batch * seq * {_EACH} * bytes_per_element / 2**20"
                ),
            ),
        ),
    ),
    alternatives=(
        Alternative(
            "a product of seven",
            "def kv_cache_bytes(config, batch, seq, bytes_per_element=2):\n"
            "    keys = (config.n_layers, batch, seq, config.kv_heads, config.head_dim)\n"
            "    return 2 * math.prod(keys) * bytes_per_element\n",
        ),
        Alternative(
            "from the width",
            _returns(
                "2 * config.n_layers * batch * seq * config.dim * config.kv_heads "
                "// config.n_heads * bytes_per_element"
            ),
        ),
        Alternative(
            "layer by layer",
            "def kv_cache_bytes(config, batch: int, seq: int, bytes_per_element: int = 2) -> int:\n"
            "    heads = config.n_kv_heads or config.n_heads\n"
            "    head_dim = config.dim // config.n_heads\n"
            "    total = 0\n"
            "    for _ in range(config.n_layers):\n"
            "        keys = batch * seq * heads * head_dim\n"
            "        values = keys\n"
            "        total += (keys + values) * bytes_per_element\n"
            "    return total\n",
        ),
        Alternative(
            "a tensor that is never made",
            "def kv_cache_bytes(config, batch, seq, bytes_per_element=2):\n"
            "    shape = (2, config.n_layers, batch, seq, config.kv_heads, config.head_dim)\n"
            "    return torch.empty(shape, device='meta').numel() * bytes_per_element\n",
        ),
    ),
    hints=(
        "What does one layer keep for one position of one text? Then: how many layers, positions "
        "and texts are there?",
        "One key and one value, each of `config.kv_heads * config.head_dim` numbers. Seven factors "
        "in all.",
        "2 · `config.n_layers` · `batch` · `seq` · `config.kv_heads` · `config.head_dim` · "
        "`bytes_per_element`.",
    ),
)
