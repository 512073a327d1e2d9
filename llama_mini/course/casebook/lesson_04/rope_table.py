"""rope_table: the rotation of every position, as complex numbers of length 1."""

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args

# Angles grow with the position, and their rounding with them: 40 radians are known to 4e-6.
_LONG = {"ulps": 64.0}


def _function(*lines: str) -> str:
    """A whole answer from the lines that make its body; `f` holds the frequencies."""
    start = [
        "def rope_table(head_dim, max_seq_len, theta=10000.0):",
        "f = rope.rope_frequencies(head_dim, theta)",
    ]
    return "from llama_mini import rope\n\n\n" + "\n    ".join([*start, *lines]) + "\n"


_ANGLES = "angles = torch.outer(torch.arange(max_seq_len).float(), f)"


EXERCISE = Exercise(
    symbol="llama_mini.rope:rope_table",
    lesson=4,
    minutes=10,
    difficulty=2,
    prerequisites=("rope_frequencies",),
    cases=(
        Case("five positions", given=args(8, 5), **_LONG),
        Case("as many positions as pairs", given=args(12, 6), **_LONG),
        Case("LLaMA's head, 40 positions", given=args(128, 40), points=2, **_LONG),
        Case("another theta", given=args(8, 7, theta=100.0), **_LONG),
        Case("one position", given=args(6, 1), **_LONG),
    ),
    wrong_answers=(
        WrongAnswer(
            "positions from 1",
            "Your positions start at 1. They start at 0, and the first row is all ones: position "
            "0 is not turned at all.",
            _function(
                "angles = torch.outer(torch.arange(1, max_seq_len + 1).float(), f)",
                "return torch.polar(torch.ones_like(angles), angles)",
            ),
        ),
        WrongAnswer(
            "one row too many",
            "There is a row more than positions. `torch.arange(max_seq_len)` already ends at "
            "max_seq_len - 1.",
            _function(
                "angles = torch.outer(torch.arange(max_seq_len + 1).float(), f)",
                "return torch.polar(torch.ones_like(angles), angles)",
            ),
            also=(
                _function(
                    "angles = torch.outer(torch.arange(2 * max_seq_len).float(), f)",
                    "return torch.polar(torch.ones_like(angles), angles)",
                ),
            ),
        ),
        WrongAnswer(
            "rows and columns swapped",
            "Your rows are pairs and your columns positions. `torch.outer(a, b)` has a row for "
            "each number of a, so the positions come first.",
            _function(
                "angles = torch.outer(f, torch.arange(max_seq_len).float())",
                "return torch.polar(torch.ones_like(angles), angles)",
            ),
        ),
        WrongAnswer(
            "clockwise",
            "These turn the wrong way: the sines have a minus. Meta's weights expect "
            "exp(+i·p·frequency).",
            _function(_ANGLES, "return torch.polar(torch.ones_like(angles), -angles)"),
            also=(_function(_ANGLES, "return torch.exp(-1j * angles)"),),
        ),
        WrongAnswer(
            "cosine and sine swapped",
            "The sine stands in the real part. exp(i·a) is cos(a) + i·sin(a), so row 0 is all "
            "ones.",
            _function(_ANGLES, "return torch.complex(angles.sin(), angles.cos())"),
        ),
        WrongAnswer(
            "length and angle swapped",
            "`torch.polar(length, angle)` takes the length first. Yours have the angles as "
            "lengths, and all point the same way.",
            _function(_ANGLES, "return torch.polar(angles, torch.ones_like(angles))"),
        ),
        WrongAnswer(
            "angles only",
            "These are the angles themselves. The table holds what to multiply with: complex "
            "numbers of length 1 at these angles, `torch.polar(lengths, angles)`.",
            _function(_ANGLES, "return angles"),
            also=(_function(_ANGLES, "return angles.to(torch.complex64)"),),
        ),
        WrongAnswer(
            "cosines only",
            "This is the real part alone. A rotation needs the sines too: cos(a) + i·sin(a).",
            _function(_ANGLES, "return angles.cos()"),
            also=(
                _function(_ANGLES, "return torch.polar(torch.ones_like(angles), angles).real"),
                _function(_ANGLES, "return angles.cos().to(torch.complex64)"),
            ),
        ),
        WrongAnswer(
            "cosines and sines as real numbers",
            "Cosines and sines are right but stand in real numbers side by side, as Hugging Face "
            "keeps them. Asked for is one complex number a pair: `torch.complex(cos, sin)`.",
            _function(_ANGLES, "return angles.cos(), angles.sin()"),
            also=(
                _function(_ANGLES, "return torch.stack([angles.cos(), angles.sin()], dim=-1)"),
                _function(_ANGLES, "return torch.stack([angles.cos(), angles.sin()])"),
                _function(_ANGLES, "return torch.cat([angles.cos(), angles.sin()], dim=-1)"),
            ),
        ),
        WrongAnswer(
            "complex128",
            "The table is complex128, so float32 queries would become float64 with it. Return "
            "complex64, which holds two float32: `.to(torch.complex64)`.",
            _function(
                _ANGLES, "return torch.polar(torch.ones_like(angles).double(), angles.double())"
            ),
            also=(
                _function(
                    _ANGLES,
                    "return torch.polar(torch.ones_like(angles), angles).to(torch.complex128)",
                ),
                _function(
                    "f = theta ** (-torch.arange(0, head_dim, 2) / head_dim)",
                    _ANGLES,
                    "return torch.polar(torch.ones_like(angles), angles).to(torch.complex128)",
                ),
                _function(
                    "f = theta ** (-torch.arange(0, head_dim, 2) / head_dim)",
                    _ANGLES,
                    "return torch.polar(torch.ones_like(angles).double(), angles.double())",
                ),
                _function(
                    "f = theta ** (-torch.arange(0, head_dim, 2).double() / head_dim)",
                    "angles = torch.outer(torch.arange(max_seq_len).double(), f)",
                    "return torch.polar(torch.ones_like(angles), angles)",
                ),
            ),
        ),
        WrongAnswer(
            "theta is not passed on",
            "The frequencies are made with the standard theta, whatever was handed in: "
            "`rope_frequencies(head_dim, theta)`.",
            _function(
                "f = rope.rope_frequencies(head_dim)",
                _ANGLES,
                "return torch.polar(torch.ones_like(angles), angles)",
            ),
        ),
        WrongAnswer(
            "exp without i",
            "exp of a real angle grows without end. A rotation is exp(i·angle): `torch.exp(1j * "
            "angles)`, or `torch.polar`.",
            _function(_ANGLES, "return torch.exp(angles).to(torch.complex64)"),
            also=(_function(_ANGLES, "return torch.exp(angles)"),),
        ),
        WrongAnswer(
            "degrees",
            "The angles are converted as if they were degrees. Frequencies are radians, and so is "
            "what `torch.polar`, cos and sin take: leave them as they are.",
            _function(
                _ANGLES, "return torch.polar(torch.ones_like(angles), torch.deg2rad(angles))"
            ),
        ),
        WrongAnswer(
            "positions as a share",
            "Positions are divided by the length here, so the same word turns differently in a "
            "longer table. A position is a whole number: 0, 1, 2, …",
            _function(
                "angles = torch.outer(torch.arange(max_seq_len) / max_seq_len, f)",
                "return torch.polar(torch.ones_like(angles), angles)",
            ),
            also=(
                _function(
                    "angles = torch.outer(torch.linspace(0, 1, max_seq_len), f)",
                    "return torch.polar(torch.ones_like(angles), angles)",
                ),
            ),
        ),
        WrongAnswer(
            "angles in bfloat16",
            "The angles lost their digits in a 16-bit type. They grow with the position, and so "
            "does their error: keep them in float32.",
            _function(
                "angles = torch.outer(torch.arange(max_seq_len).bfloat16(), f.bfloat16()).float()",
                "return torch.polar(torch.ones_like(angles), angles)",
            ),
            also=(
                _function(
                    "angles = torch.outer(torch.arange(max_seq_len).float(), f)",
                    "angles = angles.bfloat16().float()",
                    "return torch.polar(torch.ones_like(angles), angles)",
                ),
                _function(
                    "angles = torch.outer(torch.arange(max_seq_len).float(), f).half().float()",
                    "return torch.polar(torch.ones_like(angles), angles)",
                ),
                _function(
                    "angles = torch.outer(torch.arange(max_seq_len).float(), f.half().float())",
                    "return torch.polar(torch.ones_like(angles), angles)",
                ),
                _function(
                    "angles = torch.outer(torch.arange(max_seq_len).half(), f.half()).float()",
                    "return torch.polar(torch.ones_like(angles), angles)",
                ),
                _function(
                    "angles = torch.outer(torch.arange(max_seq_len).float(), f.bfloat16().float())",
                    "return torch.polar(torch.ones_like(angles), angles)",
                ),
            ),
        ),
    ),
    alternatives=(
        Alternative("an exponential", _function(_ANGLES, "return torch.exp(1j * angles)")),
        Alternative(
            "cosine and sine",
            _function(_ANGLES, "return torch.complex(torch.cos(angles), torch.sin(angles))"),
        ),
        Alternative(
            "numbers seen as complex",
            _function(
                "angles = einops.einsum(torch.arange(max_seq_len).float(), f, 'seq, pair -> seq "
                "pair')",
                "return torch.view_as_complex(torch.stack([angles.cos(), angles.sin()], dim=-1))",
            ),
        ),
        Alternative(
            "float64 inside",
            _function(
                "angles = torch.arange(max_seq_len).double()[:, None] * f.double()[None]",
                "return torch.polar(torch.ones_like(angles), angles).to(torch.complex64)",
            ),
        ),
        Alternative(
            "row by row",
            _function(
                "rows = [torch.polar(torch.ones(len(f)), p * f) for p in range(max_seq_len)]",
                "return torch.stack(rows)",
            ),
        ),
        Alternative(
            "frequencies of its own",
            "def rope_table(head_dim: int, max_seq_len: int, theta: float = 10000.0) -> Tensor:\n"
            "    f = 1.0 / theta ** (torch.arange(0, head_dim, 2).float() / head_dim)\n"
            "    t = torch.arange(max_seq_len, dtype=torch.float32).unsqueeze(1)\n"
            "    return torch.cos(t * f) + 1j * torch.sin(t * f)\n",
        ),
    ),
    hints=(
        "First make a table of angles: a row for each position, a column for each pair.",
        "`torch.outer(positions, frequencies)` is that table, if the positions are float32. Then "
        "make a complex number of length 1 from each angle.",
        "`torch.polar(torch.ones_like(angles), angles)` does the last step.",
    ),
)
