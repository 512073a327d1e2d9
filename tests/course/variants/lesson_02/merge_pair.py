"""The mistakes of the casebook `merge_pair`, written a second time by another hand."""

from llama_mini.course.judge.exercise import Case, args


def _several(answer, *words_and_pairs):
    return [answer(symbols, pair) for symbols, pair in words_and_pairs]


CASES = (
    Case("mississippi", given=args(tuple("mississippi"), ("s", "s"))),
    Case("issi", given=args(tuple("mississippi"), ("i", "s"))),
    Case("runs", given=args((("x",) * 7, ("x", "x")), (("x",) * 6, ("x", "x"))), use=_several),
    Case("whole", given=args(("in", "g", "n", "g", "n", "ga", "gn"), ("n", "g"))),
    Case("long", given=args(("st", "r", "ing", "s", "tr", "str", "ing", "st", "r"), ("st", "r"))),
    Case("orders", given=args(tuple("yxxyxzy"), ("x", "y"))),
    Case(
        "short",
        given=args((("x",), ("x", "y")), ((), ("x", "y")), (("x", "y", "x"), ("x", "y"))),
        use=_several,
    ),
)

VARIANTS = {
    "the first occurrence only": [
        """
def merge_pair(symbols, pair):
    out, done, i = [], False, 0
    while i < len(symbols):
        if not done and tuple(symbols[i : i + 2]) == pair:
            out.append("".join(pair))
            done = True
            i += 2
        else:
            out.append(symbols[i])
            i += 1
    return tuple(out)
"""
    ],
    "the second symbol stays": [
        """
def merge_pair(symbols, pair):
    out = []
    for i, symbol in enumerate(symbols):
        following = symbols[i + 1] if i + 1 < len(symbols) else None
        out.append(symbol + following if (symbol, following) == pair else symbol)
    return tuple(out)
"""
    ],
    "parts of symbols matched": [
        """
def merge_pair(symbols, pair):
    spaced = "|".join(symbols)
    spaced = spaced.replace(f"{pair[0]}|{pair[1]}", pair[0] + pair[1])
    return tuple(spaced.split("|")) if spaced else ()
"""
    ],
    "the joint strings compared": [
        """
def merge_pair(symbols, pair):
    target, out = pair[0] + pair[1], []
    skip = False
    for i in range(len(symbols)):
        if skip:
            skip = False
            continue
        if "".join(symbols[i : i + 2]) == target and i + 1 < len(symbols):
            out.append(target)
            skip = True
        else:
            out.append(symbols[i])
    return tuple(out)
"""
    ],
    "split into characters again": [
        """
def merge_pair(symbols, pair):
    out = []
    for letter in "".join(symbols):
        if out and (out[-1], letter) == pair:
            out[-1] += letter
        else:
            out.append(letter)
    return tuple(out)
"""
    ],
    "the last symbol lost": [
        """
def merge_pair(symbols, pair):
    merged = ()
    i = 0
    while i + 1 < len(symbols):
        a, b = symbols[i], symbols[i + 1]
        if a == pair[0] and b == pair[1]:
            merged, i = merged + (a + b,), i + 2
        else:
            merged, i = merged + (a,), i + 1
    return merged
"""
    ],
    "a list, not a tuple": [
        """
def merge_pair(symbols, pair):
    out = []
    for symbol in symbols:
        if out and out[-1] == pair[0] and symbol == pair[1]:
            out[-1] = pair[0] + pair[1]
        else:
            out.append(symbol)
    return out
"""
    ],
    "from right to left": [
        """
def merge_pair(symbols, pair):
    out = []
    for symbol in reversed(symbols):
        if out and (symbol, out[-1]) == pair:
            out[-1] = symbol + out[-1]
        else:
            out.append(symbol)
    return tuple(out[::-1])
"""
    ],
    "either order joined": [
        """
def merge_pair(symbols, pair):
    out, i = [], 0
    while i < len(symbols):
        if i + 1 < len(symbols) and sorted(symbols[i : i + 2]) == sorted(pair):
            out += ["".join(symbols[i : i + 2])]
            i += 2
        else:
            out += [symbols[i]]
            i += 1
    return tuple(out)
"""
    ],
    "the pair put in as a tuple": [
        """
def merge_pair(symbols, pair):
    out, i = (), 0
    while i < len(symbols):
        here = symbols[i : i + 2]
        if here == pair:
            out += (here,)
            i += 2
        else:
            out += here[:1]
            i += 1
    return out
"""
    ],
    "only the first symbol compared": [
        """
def merge_pair(symbols, pair):
    out, i = [], 0
    while i < len(symbols):
        if symbols[i] != pair[0] or i == len(symbols) - 1:
            out.append(symbols[i])
            i += 1
        else:
            out.append("".join(symbols[i : i + 2]))
            i += 2
    return tuple(out)
"""
    ],
    "a joint grows on": [
        """
def merge_pair(symbols, pair):
    out = list(symbols[:1])
    for a, b in zip(symbols, symbols[1:]):
        if a == pair[0] and b == pair[1]:
            out[-1] = out[-1] + b
        else:
            out.append(b)
    return tuple(out)
"""
    ],
}
