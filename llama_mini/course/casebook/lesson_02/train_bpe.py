"""train_bpe: count, join the most frequent pair, count again."""

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args

_SENNRICH = {
    ("l", "o", "w", "·"): 5,
    ("l", "o", "w", "e", "r", "·"): 2,
    ("n", "e", "w", "e", "s", "t", "·"): 6,
    ("w", "i", "d", "e", "s", "t", "·"): 3,
}


def _training(
    best: str = "min(counts, key=lambda pair: (-counts[pair], pair))",
    start: str = "merges = []",
    steps: str = "range(n_merges)",
    count: str = "counts = bpe.count_pairs(words)",
    stop: str = "if not counts:\n            break",
    note: str = "merges.append(best)",
    join: str = "words = {bpe.merge_pair(word, best): n for word, n in words.items()}",
) -> str:
    """A training loop that is right but for the lines given."""
    return (
        "from llama_mini.tokenizer import bpe\n\n\n"
        "def train_bpe(words, n_merges):\n"
        f"    {start}\n"
        f"    for step in {steps}:\n"
        f"        {count}\n"
        f"        {stop}\n"
        f"        best = {best}\n"
        f"        {note}\n"
        f"        {join}\n"
        "    return merges\n"
    )


def _several(answer, *words_and_numbers):
    return [answer(words, n_merges) for words, n_merges in words_and_numbers]


EXERCISE = Exercise(
    symbol="llama_mini.tokenizer.bpe:train_bpe",
    lesson=2,
    minutes=20,
    difficulty=2,
    prerequisites=("count_pairs", "merge_pair"),
    cases=(
        Case("the dictionary of Sennrich's paper", given=args(_SENNRICH, 6), points=2),
        Case(
            "counts that change on the way",
            given=args({tuple("abc"): 5, tuple("bcd"): 4, tuple("abd"): 3, tuple("cab"): 1}, 3),
        ),
        Case(
            "pairs with the same count",
            given=args(
                ({("b", "a"): 1, ("a", "z"): 1, ("a", "y"): 1}, 2),
                ({("c", "a"): 2, ("a", "b"): 1, ("b", "c"): 2, ("d", "e"): 2}, 3),
            ),
            use=_several,
        ),
        Case(
            "a tie that the joint strings would decide the other way",
            # Once a + b is joined, (a, y) and (ab, b) have the same count, and abb comes before ay.
            given=args({tuple("ab"): 9, tuple("abb"): 4, tuple("ay"): 4}, 3),
        ),
        Case(
            "one frequent word against many rare ones",
            given=args(
                {
                    tuple("the"): 50,
                    tuple("an"): 2,
                    tuple("can"): 3,
                    tuple("ran"): 3,
                    tuple("man"): 1,
                },
                3,
            ),
        ),
        Case("more merges than pairs", given=args({tuple("abc"): 2, tuple("cd"): 1}, 50)),
        Case(
            "no merges, no words, one merge",
            given=args(({tuple("abab"): 3}, 0), ({}, 4), ({("a",): 3}, 4), ({tuple("abab"): 3}, 1)),
            use=_several,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "counted only once",
            "You count at the start and take the best pairs of that one list. A joint changes the "
            "words, so the next pair may contain a symbol that did not exist before: count again "
            "in every step.",
            "from llama_mini.tokenizer import bpe\n\n\n"
            "def train_bpe(words, n_merges):\n"
            "    counts = bpe.count_pairs(words)\n"
            "    return sorted(counts, key=lambda pair: (-counts[pair], pair))[:n_merges]\n",
        ),
        WrongAnswer(
            "ties to the larger pair",
            "Among pairs with the same count you take the largest. `max` over (count, pair) does "
            "that: it wants both to be large. The smaller pair should win, as in `min` over "
            "(−count, pair).",
            _training("max(counts, key=lambda pair: (counts[pair], pair))"),
        ),
        WrongAnswer(
            "ties to the pair seen first",
            "Among pairs with the same count you take the one that was counted first, so the "
            "result depends on the order of the words. The smaller pair in string order should "
            "win.",
            _training("max(counts, key=counts.get)"),
        ),
        WrongAnswer(
            "ties to the pair seen last",
            "Among pairs with the same count you take the one that was counted last, so the "
            "result depends on the order of the words. The smaller pair in string order should "
            "win.",
            _training("max(reversed(list(counts)), key=counts.get)"),
        ),
        WrongAnswer(
            "ties by the joint string",
            "Among pairs with the same count you compare the joint strings. Compare the pairs: "
            "their first symbols, and only if these are equal the second.",
            _training("min(counts, key=lambda pair: (-counts[pair], pair[0] + pair[1]))"),
        ),
        WrongAnswer(
            "the rarest pair first",
            "You join the pair with the lowest count. BPE joins the most frequent one, which "
            "shortens the text most.",
            _training("min(counts, key=lambda pair: (counts[pair], pair))"),
        ),
        WrongAnswer(
            "each word counted once",
            "A word that occurs 50 times weighs as much as one that occurs once. The counts of "
            "the words must go into the counts of the pairs.",
            _training(count="counts = bpe.count_pairs({word: 1 for word in words})"),
        ),
        WrongAnswer(
            "the words stay as they are",
            "The same pair is chosen in every step, because it is never joined in the words. Go "
            "on with the words in which it is one symbol.",
            _training(join="pass"),
        ),
        WrongAnswer(
            "fails when no pair is left",
            "When all words are one symbol there is nothing to count, and choosing the best of "
            "nothing fails. Stop there, even if fewer than n_merges were made.",
            _training(stop="pass"),
            also=(_training("max(sorted(counts), key=counts.get)", stop="pass"),),
        ),
        WrongAnswer(
            "pairs that occur once left out",
            "You stop when the best count is 1. A pair that occurs once is still a pair here: go "
            "on until n_merges or until no pair is left.",
            _training(stop="if not counts or max(counts.values()) < 2:\n            break"),
        ),
        WrongAnswer(
            "joint strings returned",
            "You return what the pairs become. Return the pairs themselves, as tuples: who wants "
            "to replay the merges needs both halves.",
            _training(note="merges.append(best[0] + best[1])"),
        ),
        WrongAnswer(
            "a dict of ranks",
            "You return a dict from pair to rank. Asked for is the list of pairs; its order says "
            "the rank.",
            _training(start="merges = {}", note="merges[best] = step"),
        ),
        WrongAnswer(
            "one merge too many",
            "You make one step more than asked for. With n_merges = 0 the list is empty.",
            _training(steps="range(n_merges + 1)"),
        ),
        WrongAnswer(
            "one merge too few",
            "You make one step less than asked for. With n_merges = 1 the list has one pair.",
            _training(steps="range(n_merges - 1)"),
            also=(_training(steps="range(1, n_merges)"),),
        ),
        WrongAnswer(
            "the caller's words changed",
            "The dict that you were given has other words afterwards. Build a new dict in each "
            "step and leave the caller's alone.",
            _training(
                join="joined = {bpe.merge_pair(word, best): n for word, n in words.items()}\n"
                "        words.clear()\n"
                "        words.update(joined)"
            ),
        ),
    ),
    alternatives=(
        Alternative(
            "sorted",
            "from llama_mini.tokenizer import bpe\n\ndef train_bpe(words, n_merges):\n"
            "    merges = []\n    for _ in range(n_merges):\n"
            "        counts = bpe.count_pairs(words)\n        if not counts:\n"
            "            return merges\n"
            "        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))\n"
            "        merges.append(ranked[0][0])\n        joined = {}\n"
            "        for word in words:\n"
            "            joined[bpe.merge_pair(word, merges[-1])] = words[word]\n"
            "        words = joined\n    return merges\n",
        ),
        Alternative(
            "the smallest of the best",
            "from llama_mini.tokenizer import bpe\n\ndef train_bpe(words, n_merges):\n"
            "    merges = []\n    while len(merges) < n_merges:\n"
            "        counts = bpe.count_pairs(words)\n        if len(counts) == 0:\n"
            "            break\n        highest = max(counts.values())\n"
            "        pair = min(p for p, c in counts.items() if c == highest)\n"
            "        words = {bpe.merge_pair(w, pair): c for w, c in words.items()}\n"
            "        merges += [pair]\n    return merges\n",
        ),
        Alternative(
            "sorted first, then max",
            "from llama_mini.tokenizer import bpe\n\ndef train_bpe(words, n_merges):\n"
            "    found = []\n    for _ in range(n_merges):\n"
            "        counts = bpe.count_pairs(words)\n"
            "        best = max(sorted(counts), key=counts.get, default=None)\n"
            "        if best is None:\n            break\n        found.append(best)\n"
            "        words = dict((bpe.merge_pair(w, best), n) for w, n in words.items())\n"
            "    return found\n",
        ),
        Alternative(
            "everything in one place",
            "from collections import Counter\n\ndef train_bpe(words, n_merges):\n"
            "    texts = [[list(word), n] for word, n in words.items()]\n    merges = []\n"
            "    for _ in range(n_merges):\n        counts = Counter()\n"
            "        for symbols, n in texts:\n"
            "            for a, b in zip(symbols, symbols[1:]):\n"
            "                counts[a, b] += n\n        if not counts:\n            break\n"
            "        a, b = min(counts, key=lambda p: (-counts[p], p))\n"
            "        merges.append((a, b))\n        for text in texts:\n            out = []\n"
            "            for symbol in text[0]:\n"
            "                if out and out[-1] == a and symbol == b:\n"
            "                    out[-1] = a + b\n                else:\n"
            "                    out.append(symbol)\n            text[0] = out\n"
            "    return merges\n",
        ),
        Alternative(
            "recursion",
            "from llama_mini.tokenizer import bpe\n\ndef train_bpe(words, n_merges):\n"
            "    counts = bpe.count_pairs(words)\n    if n_merges == 0 or not counts:\n"
            "        return []\n    best = min(counts, key=lambda p: (-counts[p], p))\n"
            "    return [best, *train_bpe({bpe.merge_pair(w, best): n for w, n in words.items()}, "
            "n_merges - 1)]\n",
        ),
    ),
    hints=(
        "A loop of n_merges steps around the two functions you have. What must be done anew in "
        "each step, and what if there is nothing left to do?",
        "`counts` is a dict; `min(counts, key=...)` goes through its pairs. A key that is a tuple "
        "is compared part by part: first the count, then the pair. How do you make the *highest* "
        "count the smallest key?",
        "In each step: counts = bpe.count_pairs(words); stop if it is empty; best = min by "
        "(-counts[pair], pair); append it; words = a new dict with bpe.merge_pair(word, best) as "
        "keys and the same counts.",
    ),
)
