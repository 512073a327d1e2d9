"""weight_bytes: what all parameters take at so many bits each."""

from llama_mini import CONFIGS, ModelConfig
from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args

_TIED = ModelConfig(
    dim=48, n_layers=2, n_heads=6, n_kv_heads=2, vocab_size=71, tied_embeddings=True
)
# 38 parameters, so that a part of a byte shows.
_TINY = ModelConfig(dim=2, n_layers=1, n_heads=1, vocab_size=1, hidden_dim=2)
_BUILDING = 30.0  # an answer may build the model on the meta device and count


_COUNT = "architecture.parameter_count(config)"


def _returns(expression: str, count: str = _COUNT) -> str:
    return (
        "from llama_mini import model as architecture\n\n\n"
        "def weight_bytes(config, bits_per_weight=16):\n"
        f"    count = {count}\n"
        f"    return {expression}\n"
    )


_RIGHT = "math.ceil(count * bits_per_weight / 8)"
_EMBEDDINGS = "config.vocab_size * config.dim"

EXERCISE = Exercise(
    symbol="llama_mini.planning:weight_bytes",
    lesson=14,
    minutes=5,
    difficulty=1,
    prerequisites=("parameter_count",),
    cases=(
        Case("7B, as Meta published it", given=args(CONFIGS["7B"]), seconds=_BUILDING),
        Case("65B in int8", given=args(CONFIGS["65B"], 8), seconds=_BUILDING),
        Case(
            "13B at 4.5 bits, scales included",
            given=args(CONFIGS["13B"], 4.5),
            points=2,
            seconds=_BUILDING,
        ),
        Case("tied embeddings in float32", given=args(_TIED, bits_per_weight=32)),
        Case("a part of a byte takes a whole one", given=args(_TINY, 4.25)),
    ),
    wrong_answers=(
        WrongAnswer(
            "bits for bytes",
            "That is in bits. A byte has eight.",
            _returns("math.ceil(count * bits_per_weight)"),
            also=(_returns("count * bits_per_weight"),),
        ),
        WrongAnswer(
            "always two bytes",
            "Two bytes a weight are written into the formula, whatever bits_per_weight says. int8 "
            "takes one byte, four bits half of one.",
            _returns("2 * count"),
        ),
        WrongAnswer(
            "whole bytes for each weight",
            "You make bytes of the bits of one weight, and round there: four bits become no byte "
            "at all, or a whole one. Two such weights share a byte. Multiply first, then divide by "
            "8, and round once, at the end.",
            _returns("count * (bits_per_weight // 8)"),
            also=(
                _returns("count * int(bits_per_weight // 8)"),
                _returns("count * math.ceil(bits_per_weight / 8)"),
                _returns("count * round(bits_per_weight / 8)"),
            ),
        ),
        WrongAnswer(
            "whole bits",
            "You cut bits_per_weight to a whole number. 4.5 bits are four for the code and half a "
            "bit for the weight's part of its group's scale; the half counts too.",
            _returns("math.ceil(count * int(bits_per_weight) / 8)"),
            also=(_returns("count * int(bits_per_weight) // 8"),),
        ),
        WrongAnswer(
            "not rounded up",
            "A part of a byte takes a whole one: round up, with `math.ceil`. `int` and `//` round "
            "down (and `//` leaves a float where bits_per_weight is one), `round` goes to the "
            "nearest.",
            _returns("int(count * bits_per_weight / 8)"),
            also=(
                _returns("int(count * bits_per_weight // 8)"),
                _returns("round(count * bits_per_weight / 8)"),
                _returns("count * bits_per_weight // 8"),
            ),
        ),
        WrongAnswer(
            "a byte too many",
            "You always add a byte. Where the bits fill whole bytes nothing is left over that "
            "would need one: `math.ceil` adds a byte only to a fraction.",
            _returns("int(count * bits_per_weight / 8) + 1"),
            also=(_returns("count * bits_per_weight // 8 + 1"),),
        ),
        WrongAnswer(
            "not rounded",
            "That is not a whole number of bytes. Round up, with `math.ceil`; it gives an int.",
            _returns("count * bits_per_weight / 8"),
        ),
        WrongAnswer(
            "a float",
            "The number is right, and its type is float. Bytes are counted: return an int, as "
            "`math.ceil` does.",
            _returns("float(math.ceil(count * bits_per_weight / 8))"),
            also=(
                _returns("-(-count * bits_per_weight // 8.0)"),
                _returns("-(-count * float(bits_per_weight) // 8)"),
            ),
        ),
        WrongAnswer(
            "another unit",
            "That is not in bytes. Return plain bytes, and leave GB to whoever prints them.",
            _returns("count * bits_per_weight / 8 / 1e9"),
            also=(
                _returns("count * bits_per_weight / 8 / 2**30"),
                _returns("math.ceil(count * bits_per_weight / 8 / 1e9)"),
                _returns("math.ceil(count * bits_per_weight / 8 / 1e6)"),
                _returns("math.ceil(count * bits_per_weight / 8 / 2**30)"),
            ),
        ),
        WrongAnswer(
            "embeddings left out",
            "You leave the embeddings out, as scaling laws do. They take memory like every other "
            "parameter: count all of them.",
            _returns(_RIGHT, f"{_COUNT} - 2 * {_EMBEDDINGS}"),
            also=(
                _returns(
                    _RIGHT,
                    f"{_COUNT} - (1 if config.tied_embeddings else 2) * {_EMBEDDINGS}",
                ),
                _returns(_RIGHT, f"{_COUNT} - {_EMBEDDINGS}"),
            ),
        ),
        WrongAnswer(
            "tied embeddings twice",
            "Where the embeddings are tied, one matrix serves at both ends, and takes its memory "
            "once. `architecture.parameter_count` counts it once.",
            _returns(
                _RIGHT,
                f"{_COUNT} + (1 if config.tied_embeddings else 0) * {_EMBEDDINGS}",
            ),
        ),
        WrongAnswer(
            "norms left out",
            "The norms are missing: two vectors of dim numbers in each block, and the last one. "
            "They are few, and they are there.",
            _returns(
                _RIGHT,
                f"{_COUNT} - (2 * config.n_layers + 1) * config.dim",
            ),
            also=(
                _returns(
                    _RIGHT,
                    f"{_COUNT} - 2 * config.n_layers * config.dim",
                ),
            ),
        ),
        WrongAnswer(
            "parameters for bytes",
            "You count how many parameters there are. Each takes bits_per_weight bits.",
            _returns("count"),
        ),
        WrongAnswer(
            "memory of training",
            "Four numbers a parameter are what training keeps: weight, gradient, and the two "
            "moments of AdamW. Asked for are the weights alone.",
            _returns("math.ceil(4 * count * bits_per_weight / 8)"),
            also=(_returns("16 * count"),),
        ),
    ),
    alternatives=(
        Alternative(
            "divided and turned round",
            _returns("-int(-count * bits_per_weight // 8)"),
        ),
        Alternative(
            "whole bytes and what is left",
            "from llama_mini import model as architecture\n\n\n"
            "def weight_bytes(config, bits_per_weight=16):\n"
            "    whole, left = divmod(architecture.parameter_count(config) * bits_per_weight, 8)\n"
            "    return int(whole) + (1 if left else 0)\n",
        ),
        Alternative(
            "a model without memory",
            "from llama_mini.model import Transformer\n\n\n"
            "def weight_bytes(config, bits_per_weight: float = 16) -> int:\n"
            "    with torch.device('meta'):\n"
            "        built = Transformer(config)\n"
            "    bits = bits_per_weight * sum(p.numel() for p in built.parameters())\n"
            "    return math.ceil(bits / 8)\n",
        ),
        Alternative(
            "matrix by matrix",
            "from llama_mini import feedforward\n\n\n"
            "def weight_bytes(config, bits_per_weight=16):\n"
            "    d, v = config.dim, config.vocab_size\n"
            "    f = config.hidden_dim or feedforward.hidden_dim(d, config.multiple_of)\n"
            "    kv = config.kv_heads * config.head_dim\n"
            "    block = 2 * d * d + 2 * d * kv + 3 * d * f + 2 * d\n"
            "    ends = v * d if config.tied_embeddings else 2 * v * d\n"
            "    total = config.n_layers * block + ends + d\n"
            "    return math.ceil(total * bits_per_weight / 8)\n",
        ),
    ),
    hints=(
        "How many parameters are there, and how many bytes does one take at bits_per_weight bits?",
        "`architecture.parameter_count(config)` counts them all. A byte has eight bits, and at the "
        "end a begun byte counts whole.",
        "`math.ceil(architecture.parameter_count(config) * bits_per_weight / 8)`, after "
        "`from llama_mini import model as architecture`.",
    ),
)
