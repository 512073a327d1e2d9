"""decode_tokens_per_second: how fast memory lets a model decode."""

from llama_mini import CONFIGS, ModelConfig
from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args

_SHARED = ModelConfig(dim=96, n_layers=3, n_heads=6, n_kv_heads=2, vocab_size=640)

_WEIGHTS = "planning.weight_bytes(config, bits_per_weight)"
_CACHE = "planning.kv_cache_bytes(config, batch, context, bytes_per_element) if context else 0"
_ANSWER = "batch * bytes_per_second / (weights + cache)"


def _code(weights: str = _WEIGHTS, cache: str = _CACHE, answer: str = _ANSWER) -> str:
    """A whole function, with one of its lines changed."""
    return (
        "from llama_mini import planning\n\n\n"
        "def decode_tokens_per_second(config, bytes_per_second, bits_per_weight=16, batch=1,\n"
        "                             context=0, bytes_per_element=2):\n"
        f"    weights = {weights}\n"
        f"    cache = {cache}\n"
        f"    return {answer}\n"
    )


EXERCISE = Exercise(
    symbol="llama_mini.planning:decode_tokens_per_second",
    lesson=14,
    minutes=10,
    difficulty=2,
    prerequisites=("weight_bytes", "kv_cache_bytes"),
    cases=(
        Case("7B on an A100, nothing cached", given=args(CONFIGS["7B"], 2.039e12), rtol=1e-9),
        Case(
            "65B in int8, a full context",
            given=args(CONFIGS["65B"], 3.35e12, 8, 1, 2048),
            rtol=1e-9,
        ),
        Case(
            "16 sequences at once, at 4.5 bits",
            given=args(CONFIGS["13B"], 1.008e12, 4.5, batch=16, context=700),
            rtol=1e-9,
            points=2,
        ),
        Case(
            "shared heads, everything in float32",
            given=args(_SHARED, 5e10, 32, batch=3, context=50, bytes_per_element=4),
            rtol=1e-9,
        ),
        Case("a first token for each of 8", given=args(_SHARED, 5e10, batch=8), rtol=1e-9),
    ),
    wrong_answers=(
        WrongAnswer(
            "seconds for tokens per second",
            "That is the time of a step, in seconds. Tokens per second are its inverse: the batch "
            "divided by that time.",
            _code(answer="(weights + cache) / bytes_per_second"),
            also=(_code(answer="(weights + cache) / bytes_per_second / batch"),),
        ),
        WrongAnswer(
            "steps for tokens",
            "You count steps per second. Each step makes one token for every sequence of the "
            "batch: multiply by batch.",
            _code(answer="bytes_per_second / (weights + cache)"),
        ),
        WrongAnswer(
            "weights read for each sequence",
            "You read the weights once for each sequence. They are read once a step, whatever the "
            "batch: all sequences are multiplied with them together. That is what a batch is for.",
            _code(answer="batch * bytes_per_second / (batch * weights + cache)"),
            also=(
                _code(answer="bytes_per_second / (weights + cache / batch)"),
                _code(
                    cache="planning.kv_cache_bytes(config, 1, context, bytes_per_element)"
                    " if context else 0",
                    answer="bytes_per_second / (weights + cache)",
                ),
            ),
        ),
        WrongAnswer(
            "one sequence's cache",
            "You count the cache of one sequence. Each of the batch has keys and values of its "
            "own, and a step reads them all.",
            _code(
                cache="planning.kv_cache_bytes(config, 1, context, bytes_per_element)"
                " if context else 0"
            ),
        ),
        WrongAnswer(
            "no cache",
            "The cache is missing: a step reads the keys and values of all `context` positions of "
            "each sequence, too.",
            _code(cache="0"),
        ),
        WrongAnswer(
            "one position of the cache",
            "You read one cached position. The new token attends to all `context` of them, so all "
            "are read.",
            _code(
                cache="planning.kv_cache_bytes(config, batch, 1, bytes_per_element)"
                " if context else 0"
            ),
        ),
        WrongAnswer(
            "keys or values, not both",
            "You read half of the cache: the scores need the keys, and the average the values.",
            _code(
                cache="planning.kv_cache_bytes(config, batch, context, bytes_per_element) // 2"
                " if context else 0"
            ),
        ),
        WrongAnswer(
            "always sixteen bits",
            "You leave out bits_per_weight, so every model is taken to be in 16 bits. Fewer bits "
            "are fewer bytes to read: this is why int4 decodes faster.",
            _code(weights="planning.weight_bytes(config)"),
            also=(
                _code(weights="2 * model.parameter_count(config)").replace(
                    "import planning", "import model, planning"
                ),
            ),
        ),
        WrongAnswer(
            "the cache in two bytes",
            "You leave out bytes_per_element: keys and values in float32 take four bytes each.",
            _code(cache="planning.kv_cache_bytes(config, batch, context) if context else 0"),
        ),
        WrongAnswer(
            "the cache in the weights' bits",
            "You count keys and values at bits_per_weight, like the weights. Quantising weights "
            "leaves the cache as it is: each of its numbers takes bytes_per_element.",
            _code(
                cache="planning.kv_cache_bytes(config, batch, context, 1) * bits_per_weight / 8"
                " if context else 0"
            ),
        ),
        WrongAnswer(
            "bits for bytes",
            "The weights are counted in bits. A byte has eight, and the bandwidth is in bytes.",
            _code(weights="model.parameter_count(config) * bits_per_weight").replace(
                "import planning", "import model, planning"
            ),
            also=(_code(weights=f"8 * {_WEIGHTS}"),),
        ),
        WrongAnswer(
            "bandwidth in GB",
            "bytes_per_second is in plain bytes already, 2.039e12 for an A100. Neither multiply "
            "it by a billion nor divide by one.",
            _code(answer=f"1e9 * {_ANSWER}"),
            also=(_code(answer=f"{_ANSWER} / 1e9"),),
        ),
        WrongAnswer(
            "an empty cache asked for its size",
            "kv_cache_bytes refuses a cache of 0 positions, and `context` is 0 by default. Then "
            "there is nothing cached to read: take 0 bytes.",
            _code(cache="planning.kv_cache_bytes(config, batch, context, bytes_per_element)"),
        ),
        WrongAnswer(
            "the new position counted, too",
            "You read context + 1 positions. The new token's own key and value are made in this "
            "step; read are the `context` that are cached.",
            _code(cache="planning.kv_cache_bytes(config, batch, context + 1, bytes_per_element)"),
        ),
        WrongAnswer(
            "one position where none is cached",
            "With `context` 0 you read one cached position. There is none: the cache takes 0 "
            "bytes, and only the weights are read.",
            _code(
                cache="planning.kv_cache_bytes(config, batch, max(context, 1), bytes_per_element)"
            ),
            also=(
                _code(
                    cache="planning.kv_cache_bytes(config, batch, context or 1, bytes_per_element)"
                ),
            ),
        ),
        WrongAnswer(
            "rounded",
            "Your result is rounded. It is a bound that others compute with: return the float as "
            "it comes, and leave rounding to whoever prints it.",
            _code(answer=f"round({_ANSWER}, 1)"),
            also=(
                _code(answer=f"round({_ANSWER}, 2)"),
                _code(answer=f"round({_ANSWER})"),
                _code(answer=f"int({_ANSWER})"),
                _code(answer="batch * bytes_per_second // (weights + cache)"),
            ),
        ),
        WrongAnswer(
            "embeddings left out",
            "True, a token reads one row of the embeddings only. But bounds and bandwidth are "
            "reported over all parameters, so that they can be compared: count them all.",
            _code(
                weights="math.ceil((model.parameter_count(config) - config.vocab_size * config.dim)"
                " * bits_per_weight / 8)"
            ).replace("import planning", "import model, planning"),
            also=(
                _code(
                    weights="(model.parameter_count(config) - 2 * config.vocab_size * config.dim)"
                    " * bits_per_weight / 8"
                ).replace("import planning", "import model, planning"),
            ),
        ),
        WrongAnswer(
            "cached positions taken for tokens",
            "You multiply by the context. The cached positions are read, not made: a step makes "
            "one token for each sequence.",
            _code(answer=f"max(context, 1) * {_ANSWER}"),
            also=(_code(answer=f"(context + 1) * {_ANSWER}"),),
        ),
    ),
    alternatives=(
        Alternative(
            "the time of a step first",
            _code(answer="batch / ((weights + cache) / bytes_per_second)"),
        ),
        Alternative(
            "position by position",
            "from llama_mini.planning import kv_cache_bytes, weight_bytes\n\n\n"
            "def decode_tokens_per_second(config, bytes_per_second, bits_per_weight=16, batch=1,\n"
            "                             context=0, bytes_per_element=2):\n"
            "    position = kv_cache_bytes(config, 1, 1, bytes_per_element)\n"
            "    step = weight_bytes(config, bits_per_weight) + batch * context * position\n"
            "    return bytes_per_second * batch / step\n",
        ),
        Alternative(
            "the bytes of one token",
            "from llama_mini import planning\n\n\n"
            "def decode_tokens_per_second(config, bytes_per_second, bits_per_weight=16, batch=1,\n"
            "                             context=0, bytes_per_element=2) -> float:\n"
            "    shared = planning.weight_bytes(config, bits_per_weight) / batch\n"
            "    own = 0\n"
            "    if context > 0:\n"
            "        own = planning.kv_cache_bytes(config, 1, context, bytes_per_element)\n"
            "    return bytes_per_second / (shared + own)\n",
        ),
        Alternative(
            "all by hand",
            "from llama_mini import model\n\n\n"
            "def decode_tokens_per_second(config, bytes_per_second, bits_per_weight=16, batch=1,\n"
            "                             context=0, bytes_per_element=2):\n"
            "    read = math.ceil(model.parameter_count(config) * bits_per_weight / 8)\n"
            "    width = config.kv_heads * config.head_dim * bytes_per_element\n"
            "    read += 2 * config.n_layers * batch * context * width\n"
            "    return batch * bytes_per_second / read\n",
        ),
    ),
    hints=(
        "Which bytes must pass from memory to the processor before each sequence has its next "
        "token? How long does that take at bytes_per_second?",
        "All weights once, and the whole cache of the batch. `weight_bytes` and `kv_cache_bytes` "
        "count both; with context 0 there is no cache. A step makes `batch` tokens.",
        "`batch * bytes_per_second / (weights + cache)`, with "
        "`cache = planning.kv_cache_bytes(config, batch, context, bytes_per_element) if context "
        "else 0`.",
    ),
)
