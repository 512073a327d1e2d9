"""Reference or random: a linear classifier of pages, as LLaMA added one to CCNet.

It learns to tell pages that an encyclopedia cites, or here the encyclopedia's own text, from pages
taken at random, and what looks random is dropped.
"""

import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np


def hashed_ngrams(text: str, n_buckets: int) -> np.ndarray:
    """A text as counts of its words and pairs of neighbouring words, without a vocabulary.

    The text is put in lower case and cut at white space, newlines included. Every word counts, and
    so does every pair of neighbours, written with one space between. An n-gram counts in the bucket
    zlib.crc32(its UTF-8) modulo n_buckets, which is the same in every process and on every machine,
    as Python's own `hash` of a string is not; n-grams that meet in a bucket add up. The counts are
    divided by their Euclidean length, so that long and short texts weigh alike. Returns
    (n_buckets,) float32 of length 1, or all zeros for a text without words. Raises ValueError if
    n_buckets is below 1.

    Source: the bag of hashed n-grams of fastText (Joulin et al. 2016, arXiv 1607.01759, §2).
    """
    if n_buckets < 1:
        raise ValueError(f"There must be at least 1 bucket; got {n_buckets}.")
    words = text.lower().split()
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    buckets = [zlib.crc32(ngram.encode("utf-8")) % n_buckets for ngram in (*words, *pairs)]
    counts = np.bincount(np.array(buckets, dtype=np.int64), minlength=n_buckets)
    length = np.sqrt(np.square(counts, dtype=np.float64).sum())
    return (counts / max(length, 1.0)).astype(np.float32)  # a text with a word has length ≥ 1


def train_classifier(
    features: np.ndarray,
    labels: Sequence[int] | np.ndarray,
    penalty: float = 1e-3,
    tolerance: float = 1e-5,
    max_steps: int = 5000,
) -> tuple[np.ndarray, float]:
    """Logistic regression: the weights and the bias that best tell label 1 from label 0.

    features: (n, n_buckets), a row for each page. labels: (n,), 1 for a reference, 0 for a page
    taken at random; both must occur. The answer is the minimum of

        mean over pages of −log p(its label)  +  penalty / 2 · |weights|²
        with  p(1) = 1 / (1 + exp(−(features · weights + bias)))

    where the bias is not penalised. There is one minimum, so every method finds the same: start at
    zero, go down the gradient, and stop when none of the gradient's entries is above `tolerance` in
    size, or after `max_steps`. Nothing is drawn at random. Returns (weights, bias): (n_buckets,)
    float64 and a float. Raises ValueError if the shapes do not fit, a label is neither 0 nor 1 or
    one of the two is missing, or the penalty is not above 0 (separable pages would then have no
    minimum).

    Source: LLaMA, arXiv 2302.13971, §2.1, which names no more than a linear classifier.
    """
    labels = np.asarray(labels, dtype=np.float64)
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise ValueError(
            "features is (n, n_buckets) and labels (n,); got the shapes "
            f"{features.shape} and {labels.shape}."
        )
    if set(np.unique(labels)) != {0.0, 1.0}:
        raise ValueError(f"Labels are 0 and 1, and both occur; got {np.unique(labels)}.")
    if not penalty > 0:
        raise ValueError(f"The penalty must be above 0; got {penalty}.")

    rows = np.column_stack([features, np.ones(len(features))])  # (n, n_buckets + 1): the bias last
    penalties = np.full(rows.shape[1], penalty)
    penalties[-1] = 0
    # No step is too long: the gradient changes by at most this much per length (Nesterov 2004).
    steepest = np.square(rows).sum(axis=1).max() / 4 + penalty

    solution = ahead = np.zeros(rows.shape[1])
    pace = 0
    for _ in range(max_steps):
        p = 0.5 * (1 + np.tanh(0.5 * (rows @ ahead)))  # the sigmoid, without overflow
        gradient = rows.T @ (p - labels) / len(rows) + penalties * ahead
        before, solution = solution, ahead - gradient / steepest
        if np.abs(gradient).max() <= tolerance:
            break
        # Momentum; taken back where it leads uphill (O'Donoghue & Candès 2012, §3.2).
        pace = 0 if gradient @ (solution - before) > 0 else pace + 1
        ahead = solution + pace / (pace + 3) * (solution - before)
    return solution[:-1], float(solution[-1])


def reference_probability(features: np.ndarray, weights: np.ndarray, bias: float) -> np.ndarray:
    """p(reference) of pages under what `train_classifier` found: (n, n_buckets) → (n,) float64."""
    return 0.5 * (1 + np.tanh(0.5 * (features @ weights + bias)))
