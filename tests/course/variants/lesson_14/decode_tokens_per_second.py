"""Mistakes in the bound of decoding, written apart from the casebook, for other models."""

from llama_mini import CONFIGS, ModelConfig
from llama_mini.course.judge.exercise import Case, args

_SHARED = ModelConfig(dim=128, n_layers=2, n_heads=8, n_kv_heads=4, vocab_size=500)

CASES = (
    Case("30B", given=args(CONFIGS["30B"], 4.8e12), rtol=1e-9),
    Case("7B, long", given=args(CONFIGS["7B"], 9e11, 5.5, 1, 1500), rtol=1e-9),
    Case("65B, many", given=args(CONFIGS["65B"], 3e12, 8, batch=24, context=333), rtol=1e-9),
    Case(
        "shared",
        given=args(_SHARED, 4e10, 64, batch=5, context=77, bytes_per_element=8),
        rtol=1e-9,
    ),
    Case("shared, at the start", given=args(_SHARED, 4e10, 4, batch=12), rtol=1e-9),
)


def body(lines: str) -> str:
    text = "\n".join(f"    {line}" for line in lines.split("\n"))
    return (
        "from llama_mini.model import parameter_count\n"
        "from llama_mini.planning import kv_cache_bytes, weight_bytes\n"
        "def decode_tokens_per_second(config, bytes_per_second, bits_per_weight: float = 16,\n"
        "        batch: int = 1, context: int = 0, bytes_per_element: int = 2) -> float:\n"
        "    each = kv_cache_bytes(config, 1, 1, bytes_per_element)  # a position\n"
        f"{text}\n"
    )


def step(read: str) -> str:
    return body(f"read = {read}\nreturn bytes_per_second / read * batch")


WEIGHTS = "weight_bytes(config, bits_per_weight)"

VARIANTS = {
    "seconds for tokens per second": body(
        f"read = {WEIGHTS} + each * batch * context\nreturn read / bytes_per_second"
    ),
    "steps for tokens": body(
        f"seconds = ({WEIGHTS} + each * batch * context) / bytes_per_second\nreturn 1 / seconds"
    ),
    "weights read for each sequence": body(
        f"alone = bytes_per_second / ({WEIGHTS} + each * context)\nreturn alone"
    ),
    "one sequence's cache": step(f"{WEIGHTS} + each * context"),
    "no cache": step(WEIGHTS),
    "one position of the cache": step(f"{WEIGHTS} + (each * batch if context > 0 else 0)"),
    "keys or values, not both": step(f"{WEIGHTS} + each / 2 * batch * context"),
    "always sixteen bits": step("parameter_count(config) * 2 + each * batch * context"),
    "the cache in two bytes": step(f"{WEIGHTS} + kv_cache_bytes(config, 1, 1) * batch * context"),
    "the cache in the weights' bits": step(
        f"{WEIGHTS} + each / bytes_per_element * bits_per_weight / 8 * batch * context"
    ),
    "bits for bytes": step("parameter_count(config) * bits_per_weight + each * batch * context"),
    "bandwidth in GB": body(
        "bandwidth = bytes_per_second * 10**9\n"
        f"return batch * bandwidth / ({WEIGHTS} + each * batch * context)"
    ),
    "an empty cache asked for its size": body(
        "cache = kv_cache_bytes(config, batch, context, bytes_per_element)\n"
        f"return batch * bytes_per_second / (cache + {WEIGHTS})"
    ),
    "the new position counted, too": step(f"{WEIGHTS} + each * batch * (1 + context)"),
    "one position where none is cached": step(
        f"{WEIGHTS} + each * batch * (context if context > 0 else 1)"
    ),
    "rounded": [
        body(
            f"seconds = ({WEIGHTS} + each * batch * context) / bytes_per_second\n"
            f"return round(batch / seconds, {digits})"
        )
        for digits in (1, 2)
    ]
    + [
        body(
            f"seconds = ({WEIGHTS} + each * batch * context) / bytes_per_second\n"
            "return float(math.floor(batch / seconds))"
        )
    ],
    "embeddings left out": step(
        "bits_per_weight / 8 * (parameter_count(config) - config.dim * config.vocab_size)"
        " + each * batch * context"
    ),
    "cached positions taken for tokens": body(
        f"seconds = ({WEIGHTS} + each * batch * context) / bytes_per_second\n"
        "return batch * (1 + context) / seconds"
    ),
}
