"""hidden_dim: two thirds of 4·dim, rounded up to a multiple."""

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args


def _from_width(result: str, width: str = "int(8 * dim / 3)") -> str:
    """A function that computes a width, then a result from it."""
    return f"def hidden_dim(dim, multiple_of=256):\n    width = {width}\n    return {result}\n"


_ROUNDED_UP = "(width + multiple_of - 1) // multiple_of * multiple_of"

EXERCISE = Exercise(
    symbol="llama_mini.feedforward:hidden_dim",
    lesson=6,
    minutes=8,
    difficulty=1,
    cases=(
        Case(
            "the widths of LLaMA",
            given=args(4096, 5120, 6656, 8192),
            use=lambda answer, *dims: [answer(dim) for dim in dims],
            points=2,
        ),
        Case("a small model, multiples of 32", given=args(64, 32)),
        Case("a multiple given by name", given=args(256, multiple_of=32)),
        Case("no rounding needed", given=args(96, 32)),
        Case("a fraction just above a multiple", given=args(4, 10)),
        Case("multiples of one", given=args(7, 1)),
        Case("a width below one multiple", given=args(12)),
    ),
    wrong_answers=(
        WrongAnswer(
            "not rounded",
            "This is two thirds of 4·dim and no more. It has to be rounded up to a multiple of "
            "`multiple_of`: for 7B 10922 becomes 11008.",
            _from_width("width"),
            also=(_from_width("width", "2 * 4 * dim // 3 if multiple_of else 0"),),
        ),
        WrongAnswer(
            "rounded down",
            "You round down to a multiple: 7B gets 10752. Meta's rule rounds up.",
            _from_width("width // multiple_of * multiple_of"),
        ),
        WrongAnswer(
            "rounded to the nearest multiple",
            "You round to the nearest multiple, which is sometimes the lower one. Meta's rule "
            "always rounds up.",
            _from_width("round(width / multiple_of) * multiple_of"),
            also=(_from_width("(width + multiple_of // 2) // multiple_of * multiple_of"),),
        ),
        WrongAnswer(
            "4·dim kept",
            "The width is 4·dim, as in a layer with two matrices. With three, take two thirds of "
            "it, or the layer costs half as much again.",
            _from_width(_ROUNDED_UP, "4 * dim"),
            also=(_from_width("width", "4 * dim"),),
        ),
        WrongAnswer(
            "two thirds of dim",
            "These are two thirds of dim. It is two thirds of *four times* dim.",
            _from_width(_ROUNDED_UP, "int(2 * dim / 3)"),
        ),
        WrongAnswer(
            "the fraction counts",
            "The fraction still counts when the multiple is found, which can cost a whole "
            "multiple: with multiples of 10, 10 would stay and 10.67 becomes 20 in yours. Cut the "
            "fraction off first.",
            _from_width(_ROUNDED_UP, "math.ceil(8 * dim / 3)"),
            also=(
                _from_width("math.ceil(width / multiple_of) * multiple_of", "8 * dim / 3"),
                _from_width("math.ceil(width / multiple_of) * multiple_of", "2 / 3 * 4 * dim"),
            ),
        ),
        WrongAnswer(
            "a float",
            "The result is a float. A layer's width is an `int`: divide with `//`, or convert.",
            _from_width(f"float({_ROUNDED_UP})"),
            also=(
                _from_width(_ROUNDED_UP, "8 * dim / 3"),
                _from_width(_ROUNDED_UP, "2 * (4 * dim) / 3"),
            ),
        ),
        WrongAnswer(
            "always multiples of 256",
            "256 is fixed in your code, and `multiple_of` is not used. 256 is only its default; "
            "the small models of this course use 32.",
            _from_width("(width + 255) // 256 * 256"),
        ),
        WrongAnswer(
            "one multiple too many",
            "You always go to the *next* multiple, so a width that is one already gets another on "
            "top. What is a multiple stays.",
            _from_width("(width // multiple_of + 1) * multiple_of"),
        ),
        WrongAnswer(
            "rounded before the two thirds",
            "4·dim is rounded first and the two thirds are taken of that, so the result is no "
            "multiple. Take the two thirds first, then round.",
            _from_width("2 * width // 3", "-(-4 * dim // multiple_of) * multiple_of"),
        ),
    ),
    alternatives=(
        Alternative(
            "ceil of a quotient", _from_width("multiple_of * math.ceil(width / multiple_of)")
        ),
        Alternative("whole numbers only", _from_width(_ROUNDED_UP, "8 * dim // 3")),
        Alternative("what is missing, added", _from_width("width + -width % multiple_of")),
        Alternative(
            "counting up",
            "def hidden_dim(dim: int, multiple_of: int = 256) -> int:\n"
            "    width = 4 * dim * 2 // 3\n"
            "    while width % multiple_of != 0:\n"
            "        width += 1\n"
            "    return width\n",
        ),
        Alternative(
            "with divmod",
            "def hidden_dim(dim, multiple_of=256):\n"
            "    blocks, rest = divmod(int(4 * dim * 2 / 3), multiple_of)\n"
            "    return (blocks + bool(rest)) * multiple_of\n",
        ),
    ),
    hints=(
        "Two steps: first the width that makes three matrices cost what two did, then the "
        "rounding. Only the second knows `multiple_of`.",
        "`8 * dim // 3` is two thirds of 4·dim with the fraction cut off. How many whole multiples "
        "does it take to cover that many? A last one that is only partly filled counts.",
        "`(a + b - 1) // b` divides and rounds up, without ever leaving whole numbers. Multiply "
        "what it gives by `multiple_of`.",
    ),
)
