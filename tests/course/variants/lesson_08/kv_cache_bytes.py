"""Mistakes in the size of a cache, written apart from the casebook, for other models."""

from llama_mini import CONFIGS, ModelConfig
from llama_mini.course.judge.exercise import Case, args

_SHARED = ModelConfig(dim=160, n_layers=5, n_heads=8, n_kv_heads=4, vocab_size=32)

CASES = (
    Case("13B", given=args(CONFIGS["13B"], 1, 333)),
    Case("30B", given=args(CONFIGS["30B"], 3, 1024)),
    Case("shared", given=args(_SHARED, 7, 19)),
    Case("one byte", given=args(_SHARED, 2, 50, bytes_per_element=1)),
    Case("float64", given=args(_SHARED, 2, 50, bytes_per_element=8)),
)


def body(lines: str) -> str:
    text = "\n".join(f"    {line}" for line in lines.split("\n"))
    return (
        "def kv_cache_bytes(config, batch: int, seq: int, bytes_per_element: int = 2) -> int:\n"
        "    width = config.kv_heads * config.head_dim\n"
        f"{text}\n"
    )


VARIANTS = {
    "keys or values, not both": body(
        "keys = batch * seq * width\nreturn keys * bytes_per_element * config.n_layers"
    ),
    "one layer": body("return (width + width) * bytes_per_element * seq * batch"),
    "query heads for key/value heads": [
        body("return config.dim * 2 * config.n_layers * bytes_per_element * batch * seq"),
        body(
            "heads = config.n_heads\n"
            "per_layer = 2 * batch * seq * heads * config.head_dim\n"
            "return config.n_layers * per_layer * bytes_per_element"
        ),
    ],
    "n_kv_heads is None": body(
        "heads = config.n_kv_heads\n"
        "per_layer = 2 * batch * seq * config.head_dim * heads\n"
        "return config.n_layers * per_layer * bytes_per_element"
    ),
    "the matrices instead of what they make": body(
        "return bytes_per_element * seq * batch * config.n_layers * 2 * config.dim**2"
    ),
    "bits for bytes": body(
        "bits = 8 * bytes_per_element\nreturn bits * 2 * width * batch * seq * config.n_layers"
    ),
    "numbers for bytes": body("return math.prod((2, config.n_layers, batch, seq, width))"),
    "always two bytes": body("return 4 * width * seq * batch * config.n_layers"),
    "one text": body("return 2 * seq * width * config.n_layers * bytes_per_element"),
    "one position": body("return 2 * batch * width * config.n_layers * bytes_per_element"),
    "head_dim squared": body(
        "head = config.head_dim**2\n"
        "return 2 * config.n_layers * config.kv_heads * head * batch * seq * bytes_per_element"
    ),
    "one number a head": body(
        "return bytes_per_element * config.kv_heads * batch * seq * config.n_layers * 2"
    ),
    "one head": body(
        "return bytes_per_element * config.head_dim * batch * seq * config.n_layers * 2"
    ),
    "grows with the square of the length": body(
        "return 2 * config.n_layers * batch * seq**2 * width * bytes_per_element"
    ),
    "another unit": body(
        "total = 2 * config.n_layers * batch * seq * width * bytes_per_element\n"
        "return total / 1024 / 1024 / 1024"
    ),
}
