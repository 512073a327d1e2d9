"""MinHash: how much two texts overlap, told from a few numbers of each.

A text is a set of shingles, its runs of words as 64-bit numbers; `dedup.shingles` makes them.
"""

from collections.abc import Iterable

import numpy as np

NOTHING = np.uint64(0xFFFFFFFFFFFFFFFF)  # the smallest hash of no shingles: none was smaller
BLOCK = 512  # shingles hashed at a time, so that the table stays in the processor's cache


def splitmix64(x: np.ndarray) -> np.ndarray:
    """Scramble 64-bit numbers, each into another that looks random: uint64, any shape → the same.

    With all products modulo 2^64:  x ^= x >> 30;  x *= 0xBF58476D1CE4E5B9;  x ^= x >> 27;
    x *= 0x94D049BB133111EB;  x ^= x >> 31.  Different numbers stay different. The argument stays
    as it is. Source: Steele, Lea & Flood 2014, the finaliser of SplitMix64.
    """
    x = x ^ (x >> np.uint64(30))
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def minhash(shingles: Iterable[int], n_hashes: int, seed: int) -> np.ndarray:
    """The smallest value that each of n_hashes hash functions takes on a set of shingles.

    shingles: whole numbers from 0 to 2^64 − 1; their order and repetitions do not matter. n_hashes:
    1 or more. seed: 0 to 2^64 − 1; only signatures of the same seed can be compared. Hash function
    k = 0 … n_hashes − 1 is

        h_k(x) = splitmix64(x ^ key_k)   with   key_k = splitmix64(seed + (k + 1) · G)

    where G = 0x9E3779B97F4A7C15 and the sum is taken modulo 2^64. So it is the same in every
    process and on every machine, and a longer signature begins with the shorter one. Returns
    (n_hashes,) uint64. An empty set gives 2^64 − 1 everywhere. Raises ValueError if n_hashes is
    below 1.

    Source: Broder 1997, "On the resemblance and containment of documents".
    """
    if n_hashes < 1:
        raise ValueError(f"A signature has at least 1 hash; got n_hashes={n_hashes}.")
    x = np.fromiter(shingles, dtype=np.uint64)
    order = np.arange(1, n_hashes + 1, dtype=np.uint64)
    keys = splitmix64(np.uint64(seed) + order * np.uint64(0x9E3779B97F4A7C15))
    smallest = np.full(n_hashes, NOTHING)
    for begin in range(0, len(x), BLOCK):
        hashes = splitmix64(x[begin : begin + BLOCK, None] ^ keys)  # (≤ block, n_hashes)
        np.minimum(smallest, hashes.min(axis=0), out=smallest)
    return smallest


def jaccard_estimate(a: np.ndarray, b: np.ndarray) -> float:
    """The share of places in which two signatures agree: an unbiased estimate of |A∩B| / |A∪B|.

    a, b: signatures of `minhash`, (n_hashes,) both, made with the same seed. For each hash function
    the smallest values of A and B agree exactly if the smallest of A∪B lies in A∩B, so one place is
    a coin that shows the Jaccard index J, and the mean of n_hashes has a standard error of
    √(J (1 − J) / n_hashes). Two empty sets agree everywhere: 1.0. Raises ValueError if the
    signatures are of different lengths, or empty.

    Source: Broder 1997.
    """
    if a.shape != b.shape or not a.size:
        raise ValueError(
            f"Signatures are compared place by place; got the shapes {a.shape} and {b.shape}. Make "
            "both with the same n_hashes and seed."
        )
    return float((a == b).mean())


def containment(jaccard: float, size_a: int, size_b: int) -> float:
    """How much of A is in B, |A∩B| / |A|, from |A∩B| / |A∪B| and the sizes of both: 0 to 1.

    |A∩B| = J / (1 + J) · (|A| + |B|). A page that is quoted whole in a book is contained in it
    entirely, and has a Jaccard index near 0 with it. An estimated J may lead above 1; that is cut
    off. Of an empty A nothing is contained: 0.0.
    """
    if not size_a:
        return 0.0
    return min(1.0, jaccard / (1 + jaccard) * (size_a + size_b) / size_a)
