"""The mistakes of the casebook `count_pairs`, written a second time by another hand."""

from llama_mini.course.judge.exercise import Case, args

CASES = (
    Case("two words", given=args({("s", "u", "n"): 3, ("s", "u"): 4, ("u", "n"): 2})),
    Case("runs", given=args({("x", "x", "x", "x", "x"): 2, ("y", "x", "x", "x"): 7})),
    Case("repeats", given=args({("m", "i", "s", "s", "i", "s", "s", "i"): 2, ("i", "s"): 9})),
    Case("long symbols", given=args({("in", "g", "ing"): 6, ("i", "ng"): 5, ("str", "ing"): 1})),
    Case("orders", given=args({("q", "p", "q", "r"): 2, ("p", "q"): 5})),
    Case("short words", given=args({(): 1, ("z",): 4, ("yz",): 2, ("z", "y", "x"): 3})),
)

VARIANTS = {
    "each word counted once": [
        """
from collections import Counter

def count_pairs(words):
    c = Counter()
    for w in words:
        for i in range(len(w) - 1):
            c[(w[i], w[i + 1])] += 1
    return c
"""
    ],
    "counts overwritten": [
        """
def count_pairs(words):
    result = {}
    for w in words:
        for left, right in zip(w[:-1], w[1:]):
            result.update({(left, right): words[w]})
    return result
"""
    ],
    "a pair counted once a word": [
        """
from collections import defaultdict

def count_pairs(words):
    result = defaultdict(int)
    for w, n in words.items():
        seen = []
        for i in range(1, len(w)):
            if (w[i - 1], w[i]) in seen:
                continue
            seen.append((w[i - 1], w[i]))
            result[w[i - 1], w[i]] += n
    return dict(result)
"""
    ],
    "overlapping places skipped": [
        """
from itertools import groupby

def count_pairs(words):
    result = {}
    for w, n in words.items():
        runs = [(symbol, len(list(group))) for symbol, group in groupby(w)]
        for symbol, length in runs:
            if length > 1:
                result[symbol, symbol] = result.get((symbol, symbol), 0) + n * (length // 2)
        for (a, _), (b, _) in zip(runs, runs[1:]):
            result[a, b] = result.get((a, b), 0) + n
    return result
"""
    ],
    "pairs across words": [
        """
def count_pairs(words):
    text = [(symbol, n) for w, n in words.items() for symbol in w]
    result = {}
    for i in range(len(text) - 1):
        pair = (text[i][0], text[i + 1][0])
        result[pair] = result.get(pair, 0) + text[i + 1][1]
    return result
"""
    ],
    "the last pair missed": [
        """
def count_pairs(words):
    result = {}
    for w, n in words.items():
        i = 0
        while i < len(w) - 2:
            key = w[i : i + 2]
            result[key] = result[key] + n if key in result else n
            i += 1
    return result
"""
    ],
    "the first pair missed": [
        """
from collections import Counter

def count_pairs(words):
    result = Counter()
    for w, n in words.items():
        tail = w[1:]
        for pair in zip(tail, tail[1:]):
            result[pair] += n
    return result
"""
    ],
    "the order of a pair ignored": [
        """
def count_pairs(words):
    result = {}
    for w, n in words.items():
        for a, b in zip(w, w[1:]):
            if b < a:
                a, b = b, a
            result[(a, b)] = result.get((a, b), 0) + n
    return result
"""
    ],
    "the pair as one string": [
        """
from collections import defaultdict

def count_pairs(words):
    result = defaultdict(int)
    for w in words:
        for i in range(len(w) - 1):
            result["".join(w[i : i + 2])] += words[w]
    return dict(result)
"""
    ],
    "characters in place of symbols": [
        """
def count_pairs(words):
    result = {}
    for w, n in words.items():
        letters = [letter for symbol in w for letter in symbol]
        for i in range(len(letters) - 1):
            pair = letters[i], letters[i + 1]
            result[pair] = result.get(pair, 0) + n
    return result
"""
    ],
    "all pairs, not neighbours": [
        """
from collections import Counter
from itertools import combinations

def count_pairs(words):
    result = Counter()
    for w, n in words.items():
        for pair in combinations(w, 2):
            result[pair] += n
    return result
"""
    ],
    "the end paired with the beginning": [
        """
def count_pairs(words):
    result = {}
    for w, n in words.items():
        for i in range(len(w)):
            pair = w[i], w[(i + 1) % len(w)]
            result[pair] = result.get(pair, 0) + n
    return result
"""
    ],
    "every second pair only": [
        """
def count_pairs(words):
    result = {}
    for w, n in words.items():
        for i in range(0, len(w) - 1, 2):
            result.setdefault((w[i], w[i + 1]), 0)
            result[w[i], w[i + 1]] += n
    return result
"""
    ],
}
