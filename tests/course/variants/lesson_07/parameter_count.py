"""The mistakes in parameter_count, written a second time, for models the casebook lacks."""

from llama_mini.config import CONFIGS, ModelConfig
from llama_mini.course.judge.exercise import Case, args

CASES = (
    Case(
        "several",
        given=args(CONFIGS["nano"], CONFIGS["mini"], CONFIGS["13B"]),
        use=lambda answer, *configs: [answer(config) for config in configs],
    ),
    Case("small", given=args(ModelConfig(20, 5, 2, vocab_size=60, multiple_of=8))),
    Case("shared", given=args(ModelConfig(64, 3, 8, vocab_size=40, n_kv_heads=4, multiple_of=24))),
    Case("tied", given=args(ModelConfig(24, 2, 2, vocab_size=31, tied_embeddings=True))),
    Case("stated", given=args(ModelConfig(16, 3, 2, vocab_size=23, hidden_dim=37))),
)

LINES = {
    "width": "f = c.hidden_dim if c.hidden_dim else feedforward.hidden_dim(c.dim, c.multiple_of)",
    "table": "n = c.vocab_size * c.dim",
    "head": "n += 0 if c.tied_embeddings else c.vocab_size * c.dim",
    "loop": "for _ in range(c.n_layers):",
    "qo": "    n += c.dim * c.dim * 2",
    "kv": "    n += c.dim * c.kv_heads * c.head_dim * 2",
    "ffn": "    n += c.dim * f * 3",
    "norms": "    n += c.dim * 2",
    "last": "n += c.dim",
    "result": "return n",
}


def function(**changes: str) -> str:
    lines = [changes.get(name, line) for name, line in LINES.items()]
    body = "".join(f"    {line}\n" for line in lines)
    return f"from llama_mini import feedforward\n\ndef parameter_count(c):\n{body}"


VARIANTS = {
    "norms forgotten": [function(norms="    pass", last="pass")],
    "last norm forgotten": [function(last="pass")],
    "one norm a block": [function(norms="    n += c.dim")],
    "embeddings counted once": [function(head="pass")],
    "tied embeddings counted twice": [function(head="n *= 2")],
    "tying the wrong way round": [function(head="n += n if c.tied_embeddings else 0")],
    "embeddings left out": [function(table="n = 0", head="pass")],
    "shared heads ignored": [function(qo="    n += 4 * c.dim**2", kv="    pass")],
    "wo shared, too": [
        function(
            qo="    n += c.dim * c.dim",
            kv="    n += c.dim * c.kv_heads * c.head_dim * 3",
        )
    ],
    "biases counted": [
        function(last="n += c.dim + c.vocab_size"),
        function(norms="    n += c.dim * 2 + f + f + c.dim"),
    ],
    "w3 forgotten": [function(ffn="    n += c.dim * f + f * c.dim")],
    "12·L·d²": [
        function(result="return c.n_layers * 12 * c.dim * c.dim"),
        function(result="return c.n_layers * 12 * c.dim * c.dim + c.vocab_size * c.dim"),
    ],
    "width not rounded": [function(width="f = c.hidden_dim or 8 * c.dim // 3")],
    "width of 4·dim": [function(width="f = c.dim * 4 if c.hidden_dim is None else c.hidden_dim")],
    "always multiples of 256": [
        function(width="f = c.hidden_dim or -(-(8 * c.dim // 3) // 256) * 256"),
    ],
    "a stated width ignored": [
        function(width="m = c.multiple_of; f = -(-(8 * c.dim // 3) // m) * m"),
    ],
    "one block counted": [function(loop="for _ in range(1):")],
    "everything times the layers": [
        function(table="n = 0", head="pass", loop="for _ in range(c.n_layers):").replace(
            "    n += c.dim\n    return n",
            "    n += c.dim * c.n_layers\n"
            "    return n + c.n_layers * c.vocab_size * c.dim * (1 if c.tied_embeddings else 2)",
        )
    ],
    "a float": [function(result="return n / 1")],
}
