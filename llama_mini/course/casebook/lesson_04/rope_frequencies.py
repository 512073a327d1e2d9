"""rope_frequencies: how far each pair turns from one position to the next."""

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args


def _function(*lines: str) -> str:
    return "\n    ".join(["def rope_frequencies(head_dim, theta=10000.0):", *lines]) + "\n"


EXERCISE = Exercise(
    symbol="llama_mini.rope:rope_frequencies",
    lesson=4,
    minutes=8,
    difficulty=1,
    prerequisites=("rms_norm",),
    cases=(
        Case("a head of 8", given=args(8)),
        Case("LLaMA's head of 128", given=args(128), points=2),
        Case("another theta", given=args(16, theta=500_000.0)),
        Case("a single pair", given=args(2)),
    ),
    wrong_answers=(
        WrongAnswer(
            "the 2 is missing",
            "The exponent is -2i/head_dim, and yours is half of that: the slowest pair would stop "
            "near the root of theta. Either i counts pairs and is doubled, or it counts "
            "dimensions in steps of two.",
            _function("return theta ** (-torch.arange(head_dim // 2) / head_dim)"),
            also=(
                _function("return 1 / theta ** (torch.arange(0, head_dim, 2) / (2 * head_dim))"),
            ),
        ),
        WrongAnswer(
            "twice the exponent",
            "The exponent is twice as large as it should be: -2i is divided by head_dim, not by "
            "half of it. The 2 is in there once, as a step of `arange` or as a factor.",
            _function("return theta ** (-2 * torch.arange(0, head_dim, 2) / head_dim)"),
            also=(_function("return theta ** (-torch.arange(0, head_dim, 2) / (head_dim // 2))"),),
        ),
        WrongAnswer(
            "the minus is missing",
            "These frequencies grow: the exponent lost its minus. The first pair turns fastest, "
            "by 1 radian, and all others turn more slowly.",
            _function("return theta ** (torch.arange(0, head_dim, 2) / head_dim)"),
        ),
        WrongAnswer(
            "one for every dimension",
            "There are head_dim numbers here. A pair shares one frequency, so there are "
            "head_dim/2.",
            _function("return theta ** (-torch.arange(head_dim) / head_dim)"),
            also=(
                _function("return theta ** (-2 * torch.arange(head_dim) / head_dim)"),
                _function(
                    "f = theta ** (-torch.arange(0, head_dim, 2) / head_dim)",
                    "return torch.cat([f, f])",
                ),
                _function(
                    "f = theta ** (-torch.arange(0, head_dim, 2) / head_dim)",
                    "return f.repeat_interleave(2)",
                ),
            ),
        ),
        WrongAnswer(
            "theta is fixed",
            "Your code has a 10000 of its own and ignores the theta handed in. Later models have "
            "another one, and so do some configs of this course.",
            _function("return 10000.0 ** (-torch.arange(0, head_dim, 2) / head_dim)"),
        ),
        WrongAnswer(
            "float64",
            "The result is float64. Everything computed with it would be too; Meta's table is "
            "made in float32.",
            _function(
                "return theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)"
            ),
        ),
        WrongAnswer(
            "whole-number division",
            "`//` rounds the exponent down to a whole number, so nearly every pair gets the same "
            "frequency. Divide with `/`.",
            _function("return 1.0 / theta ** (torch.arange(0, head_dim, 2) // head_dim)"),
            also=(
                _function("return theta ** -(torch.arange(0, head_dim, 2) // head_dim).float()"),
                _function("return theta ** (-torch.arange(0, head_dim, 2) // head_dim).float()"),
            ),
        ),
        WrongAnswer(
            "ends at one over theta",
            "Your last frequency is exactly 1/theta: the exponents are spread from 0 to 1 with "
            "both ends. In the formula i stops one step before, at head_dim/2 - 1.",
            _function("return theta ** -torch.linspace(0, 1, head_dim // 2)"),
            also=(
                _function(
                    "half = head_dim // 2",
                    "return theta ** (-torch.arange(half) / max(half - 1, 1))",
                ),
            ),
        ),
        WrongAnswer(
            "counted from 1",
            "Pairs are counted from 1 here, so the first frequency is missing. Su et al. count "
            "from 1 too, but write i - 1 in the exponent: the first frequency is 1 radian.",
            _function("return theta ** (-2 * torch.arange(1, head_dim // 2 + 1) / head_dim)"),
            also=(_function("return theta ** (-torch.arange(1, head_dim, 2) / head_dim)"),),
        ),
        WrongAnswer(
            "degrees",
            "These are degrees. sin, cos and `torch.polar` all take radians.",
            _function(
                "return torch.rad2deg(theta ** (-torch.arange(0, head_dim, 2) / head_dim))",
            ),
            also=(
                _function("return 360 * theta ** (-torch.arange(0, head_dim, 2) / head_dim)"),
                _function(
                    "return torch.deg2rad(theta ** (-torch.arange(0, head_dim, 2) / head_dim))"
                ),
            ),
        ),
        WrongAnswer(
            "full turns",
            "These are turns, or positions for a turn: there is a 2π too many. The frequency is "
            "an angle in radians, and the first is 1.",
            _function("return 2 * math.pi * theta ** (-torch.arange(0, head_dim, 2) / head_dim)"),
            also=(
                _function(
                    "return theta ** (-torch.arange(0, head_dim, 2) / head_dim) / (2 * math.pi)"
                ),
                _function(
                    "return 2 * math.pi * theta ** (torch.arange(0, head_dim, 2) / head_dim)"
                ),
            ),
        ),
        WrongAnswer(
            "exp without the logarithm",
            "theta to the power of a is exp(a · ln(theta)). Yours multiplies the exponent with "
            "theta itself, or leaves theta out.",
            _function("return torch.exp(-torch.arange(0, head_dim, 2) / head_dim * theta)"),
            also=(
                _function("return torch.exp(-torch.arange(0, head_dim, 2) / head_dim)"),
                _function(
                    "return torch.exp(-torch.arange(0, head_dim, 2) / head_dim * math.log10(theta))"
                ),
            ),
        ),
        WrongAnswer(
            "slowest first",
            "The order is turned round: pair 0 is the fast one, with 1 radian a position.",
            _function("return (theta ** (-torch.arange(0, head_dim, 2) / head_dim)).flip(0)"),
        ),
        WrongAnswer(
            "a factor for a power",
            "theta is multiplied with the exponent. It has to be raised to it: `theta ** (...)`.",
            _function("return 1.0 / (theta * torch.arange(0, head_dim, 2) / head_dim)"),
            also=(_function("return theta * -torch.arange(0, head_dim, 2) / head_dim"),),
        ),
    ),
    alternatives=(
        Alternative(
            "exp of a logarithm",
            _function(
                "i = torch.arange(head_dim // 2)",
                "return torch.exp(-2 * i / head_dim * math.log(theta))",
            ),
        ),
        Alternative(
            "a list of floats",
            _function(
                "return torch.tensor([theta ** (-2 * i / head_dim) for i in range(head_dim // 2)])"
            ),
        ),
        Alternative(
            "float64 inside",
            _function(
                "i = torch.arange(0, head_dim, 2, dtype=torch.float64)",
                "return torch.pow(torch.tensor(theta, dtype=torch.float64), -i / head_dim).float()",
            ),
        ),
        Alternative(
            "evenly spread logarithms",
            _function(
                "half = head_dim // 2",
                "return torch.logspace(0, -(half - 1) / half, half, base=theta)",
            ),
        ),
        Alternative(
            "Meta's slice",
            "def rope_frequencies(head_dim: int, theta: float = 10000.0) -> Tensor:\n"
            "    even = torch.arange(0, head_dim, 2)[: head_dim // 2].float()\n"
            "    return 1.0 / (theta ** (even / head_dim))\n",
        ),
        Alternative(
            "a helper of its own",
            "def exponent(pair, pairs):\n    return -pair / pairs\n\n\n"
            + _function(
                "pairs = head_dim // 2",
                "return theta ** exponent(torch.arange(pairs).float(), pairs)",
            ),
        ),
    ),
    hints=(
        "Begin with the list of 2i: 0, 2, 4, … up to head_dim - 2. `torch.arange` takes a step.",
        "Divide it by head_dim, and raise theta to minus that. The first number must come out as "
        "1.",
        "`torch.arange(0, head_dim, 2) / head_dim` are the exponents without their minus; `1.0 / "
        "theta ** exponents` puts it in.",
    ),
)
