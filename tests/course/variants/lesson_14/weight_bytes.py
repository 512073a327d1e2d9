"""Mistakes in the size of weights, written apart from the casebook, for other models."""

from llama_mini import CONFIGS, ModelConfig
from llama_mini.course.judge.exercise import Case, args

_TIED = ModelConfig(
    dim=64, n_layers=3, n_heads=8, n_kv_heads=4, vocab_size=33, tied_embeddings=True
)
_ODD = ModelConfig(dim=6, n_layers=1, n_heads=1, vocab_size=3, hidden_dim=1)

CASES = (
    Case("30B", given=args(CONFIGS["30B"])),
    Case("13B in 8 bits", given=args(CONFIGS["13B"], 8)),
    Case("7B at 5.5 bits", given=args(CONFIGS["7B"], 5.5)),
    Case("tied, in float64", given=args(_TIED, 64)),
    Case("odd", given=args(_ODD, bits_per_weight=3.75)),
)


def body(lines: str) -> str:
    text = "\n".join(f"    {line}" for line in lines.split("\n"))
    return (
        "from llama_mini.model import parameter_count\n"
        "def weight_bytes(config, bits_per_weight: float = 16) -> int:\n"
        "    n = parameter_count(config)\n"
        f"{text}\n"
    )


VARIANTS = {
    "bits for bytes": body("total_bits = bits_per_weight * n\nreturn math.ceil(total_bits)"),
    "always two bytes": body("bytes_each = 2\nreturn n * bytes_each"),
    "whole bytes for each weight": [
        body("bytes_each = int(bits_per_weight / 8)\nreturn bytes_each * n"),
        body("bytes_each = -(-bits_per_weight // 8)\nreturn int(n * bytes_each)"),
    ],
    "whole bits": body("bits = math.floor(bits_per_weight)\nreturn math.ceil(n * bits / 8)"),
    "not rounded up": [
        body("return bits_per_weight * n // 8"),
        body("return math.floor(n * bits_per_weight / 8)"),
        body("return int((n / 8) * bits_per_weight)"),
    ],
    "a byte too many": body("whole, _ = divmod(bits_per_weight * n, 8)\nreturn 1 + int(whole)"),
    "not rounded": body("return n * (bits_per_weight / 8.0)"),
    "a float": body("bits = n * bits_per_weight\nreturn -(-bits // 8) * 1.0"),
    "another unit": [
        body("gigabytes = n * bits_per_weight / 8e9\nreturn gigabytes"),
        body("return n * bits_per_weight / 8 / 1024**3"),
    ],
    "embeddings left out": [
        body("n -= config.dim * config.vocab_size * 2\nreturn math.ceil(n * bits_per_weight / 8)"),
        body("n -= config.dim * config.vocab_size\nreturn math.ceil(n * bits_per_weight / 8)"),
    ],
    "tied embeddings twice": body(
        "if config.tied_embeddings:\n"
        "    n += config.dim * config.vocab_size\n"
        "return math.ceil(n * bits_per_weight / 8)"
    ),
    "norms left out": body(
        "matrices = n - config.dim - config.n_layers * (config.dim + config.dim)\n"
        "return math.ceil(matrices * bits_per_weight / 8)"
    ),
    "parameters for bytes": body("return n"),
    "memory of training": body(
        "weights = n * bits_per_weight / 8\n"
        "gradients, moments = weights, 2 * weights\n"
        "return math.ceil(weights + gradients + moments)"
    ),
}
