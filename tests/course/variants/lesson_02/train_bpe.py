"""The mistakes of the casebook `train_bpe`, written a second time by another hand."""

from llama_mini.course.judge.exercise import Case, args


def _several(answer, *words_and_numbers):
    return [answer(words, n_merges) for words, n_merges in words_and_numbers]


_WORDS = {tuple("sunny"): 4, tuple("sun"): 9, tuple("runs"): 3, tuple("nun"): 2, tuple("us"): 1}

CASES = (
    Case("some words", given=args(_WORDS, 5)),
    Case("all there is", given=args({tuple("mno"): 1, tuple("no"): 4, tuple("pqr"): 1}, 30)),
    Case("ties", given=args({tuple("zx"): 3, tuple("yw"): 3, tuple("xa"): 3, tuple("yx"): 3}, 4)),
    Case("a later tie", given=args({tuple("mn"): 8, tuple("mnn"): 5, tuple("mz"): 5}, 3)),
    Case("one common word", given=args({tuple("of"): 30, tuple("go"): 2, tuple("gone"): 2}, 2)),
    Case("ends", given=args(({}, 3), (_WORDS, 0), (_WORDS, 1), ({("x",): 1}, 1)), use=_several),
)

VARIANTS = {
    "counted only once": [
        """
from llama_mini.tokenizer import bpe

def train_bpe(words, n_merges):
    counts = bpe.count_pairs(words)
    merges = []
    while counts and len(merges) < n_merges:
        best = min(counts, key=lambda p: (-counts[p], p))
        merges.append(best)
        words = {bpe.merge_pair(w, best): n for w, n in words.items()}
        del counts[best]
    return merges
"""
    ],
    "ties to the larger pair": [
        """
from llama_mini.tokenizer import bpe

def train_bpe(words, n_merges):
    merges = []
    for _ in range(n_merges):
        ranked = sorted((n, pair) for pair, n in bpe.count_pairs(words).items())
        if not ranked:
            break
        pair = ranked[-1][1]
        merges.append(pair)
        words = {bpe.merge_pair(w, pair): n for w, n in words.items()}
    return merges
"""
    ],
    "ties to the pair seen first": [
        """
from collections import Counter
from llama_mini.tokenizer import bpe

def train_bpe(words, n_merges):
    merges = []
    while len(merges) < n_merges:
        counts = Counter(bpe.count_pairs(words))
        if not counts:
            return merges
        [(pair, _)] = counts.most_common(1)
        merges.append(pair)
        words = {bpe.merge_pair(w, pair): n for w, n in words.items()}
    return merges
"""
    ],
    "ties to the pair seen last": [
        """
from llama_mini.tokenizer import bpe

def train_bpe(words, n_merges):
    merges = []
    for _ in range(n_merges):
        best, most = None, 0
        for pair, n in bpe.count_pairs(words).items():
            if n >= most:
                best, most = pair, n
        if best is None:
            break
        merges.append(best)
        words = {bpe.merge_pair(w, best): n for w, n in words.items()}
    return merges
"""
    ],
    "ties by the joint string": [
        """
from llama_mini.tokenizer import bpe

def train_bpe(words, n_merges):
    merges = []
    for _ in range(n_merges):
        counts = bpe.count_pairs(words)
        if not counts:
            break
        ordered = sorted(counts, key="".join)
        best = max(ordered, key=lambda pair: counts[pair])
        merges.append(best)
        words = {bpe.merge_pair(w, best): n for w, n in words.items()}
    return merges
"""
    ],
    "the rarest pair first": [
        """
from llama_mini.tokenizer import bpe

def train_bpe(words, n_merges):
    merges = []
    for _ in range(n_merges):
        ranked = sorted(bpe.count_pairs(words).items(), key=lambda item: (item[1], item[0]))
        if len(ranked) == 0:
            break
        merges.append(ranked[0][0])
        words = {bpe.merge_pair(w, merges[-1]): n for w, n in words.items()}
    return merges
"""
    ],
    "each word counted once": [
        """
from collections import Counter
from llama_mini.tokenizer import bpe

def train_bpe(words, n_merges):
    merges, current = [], list(words)
    for _ in range(n_merges):
        counts = Counter(pair for w in current for pair in zip(w, w[1:]))
        if not counts:
            break
        best = min(counts, key=lambda p: (-counts[p], p))
        merges.append(best)
        current = [bpe.merge_pair(w, best) for w in current]
    return merges
"""
    ],
    "the words stay as they are": [
        """
from llama_mini.tokenizer import bpe

def train_bpe(words, n_merges):
    merges = []
    for _ in range(n_merges):
        counts = bpe.count_pairs(words)
        if not counts:
            break
        best = sorted(counts, key=lambda p: (-counts[p], p))[0]
        for word in words:
            bpe.merge_pair(word, best)
        merges.append(best)
    return merges
"""
    ],
    "fails when no pair is left": [
        """
from llama_mini.tokenizer import bpe

def train_bpe(words, n_merges):
    merges = []
    while len(merges) < n_merges:
        counts = bpe.count_pairs(words)
        most = max(counts.values())
        best = min(pair for pair in counts if counts[pair] == most)
        merges.append(best)
        words = {bpe.merge_pair(w, best): n for w, n in words.items()}
    return merges
"""
    ],
    "pairs that occur once left out": [
        """
from llama_mini.tokenizer import bpe

def train_bpe(words, n_merges):
    merges = []
    for _ in range(n_merges):
        counts = {pair: n for pair, n in bpe.count_pairs(words).items() if n > 1}
        if not counts:
            break
        best = min(counts, key=lambda p: (-counts[p], p))
        merges.append(best)
        words = {bpe.merge_pair(w, best): n for w, n in words.items()}
    return merges
"""
    ],
    "joint strings returned": [
        """
from llama_mini.tokenizer import bpe

def train_bpe(words, n_merges):
    vocabulary = []
    while len(vocabulary) < n_merges and bpe.count_pairs(words):
        counts = bpe.count_pairs(words)
        a, b = min(counts, key=lambda p: (-counts[p], p))
        vocabulary += [f"{a}{b}"]
        words = {bpe.merge_pair(w, (a, b)): n for w, n in words.items()}
    return vocabulary
"""
    ],
    "a dict of ranks": [
        """
from llama_mini.tokenizer import bpe

def train_bpe(words, n_merges):
    ranks = dict()
    while len(ranks) < n_merges:
        counts = bpe.count_pairs(words)
        if not counts:
            return ranks
        best = min(counts, key=lambda p: (-counts[p], p))
        ranks[best] = len(ranks)
        words = {bpe.merge_pair(w, best): n for w, n in words.items()}
    return ranks
"""
    ],
    "one merge too many": [
        """
from llama_mini.tokenizer import bpe

def train_bpe(words, n_merges):
    merges = []
    while len(merges) <= n_merges:
        counts = bpe.count_pairs(words)
        if not counts:
            break
        best = min(counts, key=lambda p: (-counts[p], p))
        words = {bpe.merge_pair(w, best): n for w, n in words.items()}
        merges.append(best)
    return merges
"""
    ],
    "one merge too few": [
        """
from llama_mini.tokenizer import bpe

def train_bpe(words, n_merges):
    merges = []
    while len(merges) + 1 < n_merges:
        counts = bpe.count_pairs(words)
        if not counts:
            break
        best = min(counts, key=lambda p: (-counts[p], p))
        words = {bpe.merge_pair(w, best): n for w, n in words.items()}
        merges.append(best)
    return merges
"""
    ],
    "the caller's words changed": [
        """
from llama_mini.tokenizer import bpe

def train_bpe(words, n_merges):
    merges = []
    for _ in range(n_merges):
        counts = bpe.count_pairs(words)
        if not counts:
            break
        best = min(counts, key=lambda p: (-counts[p], p))
        for word in list(words):
            n = words.pop(word)
            words[bpe.merge_pair(word, best)] = n
        merges.append(best)
    return merges
"""
    ],
}
