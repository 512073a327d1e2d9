"""merge_pair: join a pair of neighbours wherever it stands, from left to right."""

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args


def _walking(
    found: str, test: str = "symbols[i : i + 2] == pair", end: str = "len(symbols)"
) -> str:
    """A walk from left to right that is right but for its test, its end or what it does then."""
    return (
        "def merge_pair(symbols, pair):\n"
        "    out, i = [], 0\n"
        f"    while i < {end}:\n"
        f"        if {test}:\n"
        f"            {found}\n"
        "        else:\n"
        "            out.append(symbols[i])\n"
        "            i += 1\n"
        "    return tuple(out)\n"
    )


_JOIN = "out.append(pair[0] + pair[1]); i += 2"


def _several(answer, *words_and_pairs):
    return [answer(symbols, pair) for symbols, pair in words_and_pairs]


EXERCISE = Exercise(
    symbol="llama_mini.tokenizer.bpe:merge_pair",
    lesson=2,
    minutes=15,
    difficulty=2,
    prerequisites=("count_pairs",),
    cases=(
        Case("banana", given=args(("b", "a", "n", "a", "n", "a"), ("a", "n"))),
        Case(
            "the same symbol three, four and five times",
            given=args(*(((("a",) * n), ("a", "a")) for n in (3, 4, 5))),
            use=_several,
            points=2,
        ),
        Case("whole symbols only", given=args(("ca", "b", "a", "b", "a", "bc"), ("a", "b"))),
        Case("at both ends", given=args(("a", "b", "c", "b", "a", "b"), ("a", "b"))),
        Case(
            "symbols of several characters",
            given=args(("l", "ow", "e", "r", "lo", "w", "l", "ow"), ("l", "ow")),
        ),
        Case("a joint beside its like", given=args(("aa", "a", "a", "aa", "a"), ("a", "a"))),
        Case(
            "words without the pair, and the empty word",
            given=args(
                (("b", "a"), ("a", "b")),
                (("a",), ("a", "b")),
                ((), ("a", "b")),
                (("a", "c", "b"), ("a", "b")),
                (("a", "b"), ("a", "b")),
            ),
            use=_several,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "the first occurrence only",
            "You join the pair once and leave the rest of the word as it is. Every occurrence is "
            "joined.",
            "def merge_pair(symbols, pair):\n"
            "    for i in range(len(symbols) - 1):\n"
            "        if symbols[i : i + 2] == pair:\n"
            "            return symbols[:i] + (pair[0] + pair[1],) + symbols[i + 2 :]\n"
            "    return symbols\n",
        ),
        WrongAnswer(
            "the second symbol stays",
            "After the joint its second symbol comes once more, since you go on by one place. A "
            "joint uses up two.",
            _walking("out.append(pair[0] + pair[1]); i += 1"),
        ),
        WrongAnswer(
            "parts of symbols matched",
            "You join the symbols to one string and replace there, so the end of `ca` is taken "
            "for the symbol `a`. Compare whole symbols, in the tuple.",
            "def merge_pair(symbols, pair):\n"
            '    return tuple(" ".join(symbols).replace(" ".join(pair), "".join(pair)).split())\n',
        ),
        WrongAnswer(
            "the joint strings compared",
            "You compare the joint string of two neighbours with that of the pair. (lo, w) and "
            "(l, ow) both spell `low`, and only one is the pair: compare both symbols.",
            _walking(
                _JOIN, 'i + 1 < len(symbols) and symbols[i] + symbols[i + 1] == "".join(pair)'
            ),
        ),
        WrongAnswer(
            "split into characters again",
            "You take the word apart into characters, and what was joined before falls apart. A "
            "symbol stays whole unless it is joined with another.",
            "def merge_pair(symbols, pair):\n"
            '    symbols = tuple("".join(symbols))\n' + _walking(_JOIN).split("\n", 1)[1],
        ),
        WrongAnswer(
            "the last symbol lost",
            "The walk ends before the last symbol, which is then missing unless it is part of a "
            "joint. It has no right neighbour, but it belongs to the word.",
            _walking(_JOIN, end="len(symbols) - 1"),
        ),
        WrongAnswer(
            "a list, not a tuple",
            "The result is a list. Words are keys of a dict, so they must be tuples: `tuple(...)` "
            "at the end.",
            _walking(_JOIN).replace("return tuple(out)", "return out"),
        ),
        WrongAnswer(
            "from right to left",
            "You join from the right: `a a a` becomes `a aa`. BPE reads from the left: `aa a`.",
            "def merge_pair(symbols, pair):\n"
            "    out, i = [], len(symbols)\n"
            "    while i > 0:\n"
            "        if i > 1 and symbols[i - 2 : i] == pair:\n"
            "            out.insert(0, pair[0] + pair[1])\n"
            "            i -= 2\n"
            "        else:\n"
            "            out.insert(0, symbols[i - 1])\n"
            "            i -= 1\n"
            "    return tuple(out)\n",
        ),
        WrongAnswer(
            "either order joined",
            "You also join the pair the other way round. (b, a) is another pair than (a, b).",
            _walking(
                "out.append(symbols[i] + symbols[i + 1]); i += 2",
                "symbols[i : i + 2] in (pair, pair[::-1])",
            ),
        ),
        WrongAnswer(
            "the pair put in as a tuple",
            "Where the pair stood there is now the tuple itself. One symbol belongs there, the "
            "joint string `pair[0] + pair[1]`.",
            _walking("out.append(pair); i += 2"),
        ),
        WrongAnswer(
            "only the first symbol compared",
            "You join wherever the first symbol of the pair stands, whatever follows. Both "
            "symbols must match.",
            _walking(
                "out.append(symbols[i] + symbols[i + 1]); i += 2",
                "i + 1 < len(symbols) and symbols[i] == pair[0]",
            ),
        ),
        WrongAnswer(
            "a joint grows on",
            "A symbol that was just used up counts as the beginning of the next pair, so `a a a` "
            "grows to `aaa`. Each symbol goes into one joint only.",
            "def merge_pair(symbols, pair):\n"
            "    out, before = [], None\n"
            "    for symbol in symbols:\n"
            "        if (before, symbol) == pair:\n"
            "            out[-1] += symbol\n"
            "        else:\n"
            "            out.append(symbol)\n"
            "        before = symbol\n"
            "    return tuple(out)\n",
        ),
    ),
    alternatives=(
        Alternative(
            "looking back at the result",
            "def merge_pair(symbols, pair):\n    out = []\n    for symbol in symbols:\n"
            "        if out and (out[-1], symbol) == tuple(pair):\n"
            "            out[-1] = out[-1] + symbol\n        else:\n"
            "            out.append(symbol)\n    return tuple(out)\n",
        ),
        Alternative(
            "recursion",
            "def merge_pair(symbols, pair):\n    if len(symbols) < 2:\n"
            "        return tuple(symbols)\n    first, second, *rest = symbols\n"
            "    if (first, second) == pair:\n"
            "        return (first + second, *merge_pair(tuple(rest), pair))\n"
            "    return (first, *merge_pair((second, *rest), pair))\n",
        ),
        Alternative(
            "a flag that skips",
            "def merge_pair(symbols, pair):\n    left, right = pair\n    merged, skip = (), False\n"
            "    for i, symbol in enumerate(symbols):\n        if skip:\n            skip = False\n"
            "        elif symbol == left and i + 1 < len(symbols) and symbols[i + 1] == right:\n"
            "            merged += (left + right,)\n            skip = True\n"
            "        else:\n            merged += (symbol,)\n    return merged\n",
        ),
        Alternative(
            "searching with index",
            "def merge_pair(symbols, pair):\n    symbols, i = list(symbols), 0\n    while True:\n"
            "        try:\n            i = symbols.index(pair[0], i)\n        except ValueError:\n"
            "            return tuple(symbols)\n        if symbols[i + 1 : i + 2] == [pair[1]]:\n"
            '            symbols[i : i + 2] = ["".join(pair)]\n        i += 1\n',
        ),
    ),
    hints=(
        "Walk through the tuple with a position of your own. At each place there are two "
        "possibilities; how far do you go on in each?",
        "`symbols[i : i + 2] == pair` asks whether the pair stands here, and is False at the last "
        "symbol by itself. A `while` loop lets you go on by one or by two.",
        "While i < len(symbols): if the pair stands at i, append `pair[0] + pair[1]` and add 2 to "
        "i; else append `symbols[i]` and add 1. Return a tuple.",
    ),
)
