"""The mistakes in hidden_dim, written a second time, at sizes the casebook lacks."""

from llama_mini.course.judge.exercise import Case, args

CASES = (
    Case(
        "several",
        given=args(768, 1024, 2048, 3072),
        use=lambda answer, *dims: [answer(dim) for dim in dims],
    ),
    Case("small", given=args(80, 16)),
    Case("by name", given=args(dim=200, multiple_of=64)),
    Case("fits", given=args(48, 64)),
    Case("fraction", given=args(2, 5)),
    Case("one", given=args(11, 1)),
    Case("below", given=args(20, 1000)),
    Case("at the lower half", given=args(52, 40)),
)


def function(*lines: str) -> str:
    return "def hidden_dim(dim: int, multiple_of: int = 256) -> int:\n    " + "\n    ".join(lines)


VARIANTS = {
    "not rounded": [function("hidden = 4 * dim", "hidden = int(2 * hidden / 3)", "return hidden")],
    "rounded down": [
        function("full = 8 * dim // 3", "return full - full % multiple_of"),
        function("return multiple_of * math.floor(8 * dim / 3 / multiple_of)"),
    ],
    "rounded to the nearest multiple": [
        function("n = int(8 * dim / 3) / multiple_of", "return int(n + 0.5) * multiple_of"),
    ],
    "4·dim kept": [
        function("return math.ceil(dim * 4 / multiple_of) * multiple_of"),
        function("return dim * 4"),
    ],
    "two thirds of dim": [function("return math.ceil(dim * 2 // 3 / multiple_of) * multiple_of")],
    "the fraction counts": [
        function("return multiple_of * math.ceil(dim * 8 / (3 * multiple_of))"),
        function("n = -(-8 * dim // 3)", "return n + -n % multiple_of"),
    ],
    "a float": [
        function("return multiple_of * np_ceil(8 * dim // 3 / multiple_of)")
        + "\n\ndef np_ceil(x):\n    return float(math.ceil(x))\n",
        function("w = dim * 8 / 3", "return (w + multiple_of - 1) // multiple_of * multiple_of"),
    ],
    "always multiples of 256": [function("return 256 * math.ceil(int(8 * dim / 3) / 256)")],
    "one multiple too many": [
        function("w = 8 * dim // 3", "return w - w % multiple_of + multiple_of"),
    ],
    "rounded before the two thirds": [
        function("w = math.ceil(4 * dim / multiple_of) * multiple_of", "return int(w * 2 / 3)"),
    ],
}
