"""Which documents say again what others said: found by MinHash, decided by counting."""

import math
from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np

from llama_mini.data.ccnet import near_duplicates


@dataclass(frozen=True)
class Overlaps:
    """What `find_overlaps` found, an entry a document.

    duplicate_of: the index of the earlier document that makes this one superfluous, or None if it
    stays. group: the name of its group, after groups that overlap became one.
    """

    duplicate_of: list[int | None]
    group: list[str]


def find_overlaps(
    shingles: Sequence[AbstractSet[int]],
    groups: Sequence[str],
    duplicate_above: float = 0.5,
    related_above: float = 0.1,
    n_hashes: int = 256,
    seed: int = 0,
) -> Overlaps:
    """Drop documents that repeat an earlier one, and join the groups of those that overlap.

    shingles: the runs of words of each document, in reading order. groups: the name of the group of
    each. A document is a duplicate if more than `duplicate_above` of its shingles are in *one*
    earlier document that stays: never in a chain of duplicates, for chains eat whole sources. Among
    documents that stay, two are related if they share more than `related_above` of the smaller one;
    then their groups become one, with all their documents, and so on through a third and a fourth:
    nothing of such a group can be in training while the rest is in validation. The group keeps the
    name that came first. A document without shingles is never a duplicate, and related to none.

    Pairs to look at are those whose signatures agree in a place, and the estimate must leave it
    possible that they are related; then the shingles themselves are counted. So whatever is dropped
    or joined is so for sure, but a pair can be missed: one of Jaccard index J with a probability of
    (1 − J)^n_hashes, which is 1 in 500,000 at J = 0.05 and 1 in 13 at J = 0.01.
    """
    if not shingles:
        return Overlaps([], [])
    signatures = np.stack([near_duplicates.minhash(own, n_hashes, seed) for own in shingles])
    buckets = shared_buckets(signatures, rows=1)
    stays: dict[tuple[int, int], list[int]] = defaultdict(list)
    unions = _Unions(groups)
    duplicate_of: list[int | None] = []
    for index, own in enumerate(shingles):
        mine = buckets[index] if own else []
        shared = {}
        for other in sorted({other for bucket in mine for other in stays[bucket]}):
            smaller, larger = sorted((len(own), len(shingles[other])))
            estimate = near_duplicates.jaccard_estimate(signatures[index], signatures[other])
            at_most = _upper_bound(estimate, n_hashes)
            if near_duplicates.containment(at_most, smaller, larger) > related_above:
                shared[other] = len(own & shingles[other])
        best = max(shared, key=shared.__getitem__, default=None)
        if best is not None and shared[best] > duplicate_above * len(own):
            duplicate_of.append(best)
            continue
        duplicate_of.append(None)
        for other, count in shared.items():
            if count > related_above * min(len(own), len(shingles[other])):
                unions.join(groups[other], groups[index])
        for bucket in mine:
            stays[bucket].append(index)
    return Overlaps(duplicate_of, [unions.name(group) for group in groups])


def shared_buckets(signatures: np.ndarray, rows: int) -> list[list[tuple[int, int]]]:
    """The buckets that each document shares with at least one other (locality-sensitive hashing).

    signatures: (documents, n_hashes). They are cut into bands of `rows` hashes; two documents fall
    into one bucket of a band if they agree in all of it. A pair of Jaccard index J meets in some
    bucket with probability 1 − (1 − J^rows)^(n_hashes / rows). Returns (band, bucket) pairs, a list
    a document.
    """
    found: list[list[tuple[int, int]]] = [[] for _ in signatures]
    for band in range(0, signatures.shape[1] - rows + 1, rows):
        _, bucket, size = np.unique(
            signatures[:, band : band + rows], axis=0, return_inverse=True, return_counts=True
        )
        bucket = bucket.reshape(-1)  # NumPy 2.0 alone gives it a second axis
        for document in np.flatnonzero(size[bucket] > 1).tolist():
            found[document].append((band, int(bucket[document])))
    return found


def _upper_bound(estimate: float, n_hashes: int) -> float:
    """A Jaccard index that the true one exceeds in about one case of 30,000 (Wilson, z = 4)."""
    z2 = 16 / n_hashes
    spread = math.sqrt(z2 * estimate * (1 - estimate) + z2 * z2 / 4)
    return (estimate + z2 / 2 + spread) / (1 + z2)


class _Unions:
    """Names that became one: each stands for the name of its union that came first."""

    def __init__(self, names: Sequence[str]) -> None:
        self._place = {name: place for place, name in reversed(list(enumerate(names)))}
        self._above = {name: name for name in names}

    def name(self, name: str) -> str:
        while self._above[name] != name:
            self._above[name] = name = self._above[self._above[name]]
        return name

    def join(self, one: str, other: str) -> None:
        first, second = sorted((self.name(one), self.name(other)), key=self._place.__getitem__)
        self._above[second] = first
