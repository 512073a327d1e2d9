"""count_pairs: how often each pair of neighbours occurs, the question BPE asks at every step."""

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args

_SENNRICH = {
    ("l", "o", "w", "·"): 5,
    ("l", "o", "w", "e", "r", "·"): 2,
    ("n", "e", "w", "e", "s", "t", "·"): 6,
    ("w", "i", "d", "e", "s", "t", "·"): 3,
}


def _counting(pairs: str, step: str = "counts[pair] = counts.get(pair, 0) + times") -> str:
    """A function that is right but for the pairs it sees, or for what it does with one."""
    return (
        "def count_pairs(words):\n"
        "    counts = {}\n"
        "    for word, times in words.items():\n"
        f"        for pair in {pairs}:\n"
        f"            {step}\n"
        "    return counts\n"
    )


EXERCISE = Exercise(
    symbol="llama_mini.tokenizer.bpe:count_pairs",
    lesson=2,
    minutes=10,
    difficulty=1,
    cases=(
        Case("two words", given=args({("l", "o", "w"): 5, ("l", "o"): 2})),
        Case("four words of different counts", given=args(_SENNRICH)),
        Case(
            "overlapping places",
            given=args({("a", "a", "a"): 5, ("a", "a", "a", "a"): 1, ("b", "a", "a"): 2}),
        ),
        Case("a pair twice in a word", given=args({("b", "a", "n", "a", "n", "a"): 3})),
        Case(
            "symbols of several characters",
            given=args({("th", "e"): 4, ("t", "he"): 3, ("the", "n"): 2, ("th", "e", "n"): 1}),
        ),
        Case("both orders", given=args({("a", "b", "a"): 3, ("b", "a"): 1, ("a", "b"): 1})),
        Case("words without a pair", given=args({("a",): 7, (): 2, ("a", "b"): 1, ("bc",): 3})),
    ),
    wrong_answers=(
        WrongAnswer(
            "each word counted once",
            "You add 1 for a pair, however often its word occurs. The text has the word `times` "
            "times, and the pair as often: add the word's count.",
            _counting("zip(word, word[1:])", "counts[pair] = counts.get(pair, 0) + 1"),
        ),
        WrongAnswer(
            "counts overwritten",
            "A pair keeps the count of the last word that has it. Several words, or several "
            "places in one, may have the same pair: add to what is there.",
            _counting("zip(word, word[1:])", "counts[pair] = times"),
        ),
        WrongAnswer(
            "a pair counted once a word",
            "A word may have the same pair in several places, as `an` in `banana`, and each place "
            "counts. A set keeps only one of them.",
            _counting("set(zip(word, word[1:]))"),
        ),
        WrongAnswer(
            "overlapping places skipped",
            "In `a a a` you count one place for (a, a), as `str.count` does. Counting looks at "
            "both places, though only one of them can be joined later.",
            "def count_pairs(words):\n"
            "    counts = {}\n"
            "    for word, times in words.items():\n"
            "        last = None\n"
            "        for place in range(len(word) - 1):\n"
            "            pair = (word[place], word[place + 1])\n"
            "            if pair[0] == pair[1] and last == place - 1:\n"
            "                last = None\n"
            "                continue\n"
            "            last = place if pair[0] == pair[1] else None\n"
            "            counts[pair] = counts.get(pair, 0) + times\n"
            "    return counts\n",
        ),
        WrongAnswer(
            "pairs across words",
            "You also pair the last symbol of a word with the first of the next. The dict has no "
            "order that means anything, and no token may span two words: start anew in every word.",
            "def count_pairs(words):\n"
            "    counts, previous = {}, None\n"
            "    for word, times in words.items():\n"
            "        for symbol in word:\n"
            "            if previous is not None:\n"
            "                counts[previous, symbol] = counts.get((previous, symbol), 0) + times\n"
            "            previous = symbol\n"
            "    return counts\n",
        ),
        WrongAnswer(
            "the last pair missed",
            "The loop ends one place too early, so the last two symbols of a word are never "
            "counted. A word of n symbols has n − 1 pairs.",
            _counting("[(word[i], word[i + 1]) for i in range(len(word) - 2)]"),
        ),
        WrongAnswer(
            "the first pair missed",
            "The loop starts one place too late, so the first two symbols of a word are never "
            "counted. A word of n symbols has n − 1 pairs.",
            _counting("[(word[i], word[i + 1]) for i in range(1, len(word) - 1)]"),
        ),
        WrongAnswer(
            "the order of a pair ignored",
            "You count (a, b) and (b, a) as one. They are different pairs: one joins to `ab`, the "
            "other to `ba`.",
            _counting(
                "zip(word, word[1:])",
                "pair = tuple(sorted(pair)); counts[pair] = counts.get(pair, 0) + times",
            ),
        ),
        WrongAnswer(
            "the pair as one string",
            "Your keys are joint strings. A key is the pair itself, a tuple of two symbols: `the` "
            "may come from (t, he) or from (th, e), and these are counted apart.",
            _counting("(a + b for a, b in zip(word, word[1:]))"),
        ),
        WrongAnswer(
            "characters in place of symbols",
            "You take the word apart into characters again. A symbol may already be longer than "
            "one character, and it stays whole: go through the tuple.",
            _counting('zip("".join(word), "".join(word)[1:])'),
        ),
        WrongAnswer(
            "all pairs, not neighbours",
            "You pair each symbol with every later one of its word. Only direct neighbours can be "
            "joined.",
            _counting("[(word[i], b) for i in range(len(word)) for b in word[i + 1 :]]"),
        ),
        WrongAnswer(
            "the end paired with the beginning",
            "You pair the last symbol of a word with its first, because index −1 is the last one. "
            "A word is no ring.",
            _counting("[(word[i - 1], word[i]) for i in range(len(word))]"),
        ),
        WrongAnswer(
            "every second pair only",
            "You cut the word into separate pairs, symbols 0 and 1, then 2 and 3. The pair of "
            "symbols 1 and 2 counts too.",
            _counting("zip(word[::2], word[1::2])"),
        ),
    ),
    alternatives=(
        Alternative(
            "a Counter",
            "from collections import Counter\n\ndef count_pairs(words):\n    counts = Counter()\n"
            "    for word, n in words.items():\n        for a, b in zip(word, word[1:]):\n"
            "            counts[a, b] += n\n    return counts\n",
        ),
        Alternative(
            "indices and a defaultdict",
            "from collections import defaultdict\n\ndef count_pairs(words):\n"
            "    counts = defaultdict(int)\n    for word in words:\n"
            "        for i in range(len(word) - 1):\n"
            "            counts[(word[i], word[i + 1])] += words[word]\n    return dict(counts)\n",
        ),
        Alternative(
            "remembering the symbol before",
            "def count_pairs(words: dict) -> dict:\n    found = {}\n"
            "    for word, times in words.items():\n        before = None\n"
            "        for symbol in word:\n            if before is not None:\n"
            "                found.setdefault((before, symbol), 0)\n"
            "                found[before, symbol] += times\n            before = symbol\n"
            "    return found\n",
        ),
        Alternative(
            "all places listed first",
            "from itertools import pairwise\n\ndef count_pairs(words):\n"
            "    places = [(pair, n) for word, n in words.items() for pair in pairwise(word)]\n"
            "    return {pair: sum(n for other, n in places if other == pair) for pair, _ in "
            "places}\n",
        ),
    ),
    hints=(
        "Two loops: over the words, and inside over the places of a word where two symbols stand "
        "side by side.",
        "`zip(word, word[1:])` gives the neighbours, and works for words that are too short to "
        "have any. What does one place add, if the word occurs 5 times?",
        "counts = {}; for each word with its `times`, for each pair of neighbours: "
        "`counts[pair] = counts.get(pair, 0) + times`.",
    ),
)
