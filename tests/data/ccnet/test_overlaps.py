"""Duplicates are dropped pair by pair; related documents share a group, however many there are."""

import random

import numpy as np
import pytest

from llama_mini.data.ccnet import near_duplicates
from llama_mini.data.ccnet.overlaps import find_overlaps, shared_buckets


def numbers(seed: int, count: int) -> set[int]:
    draws = random.Random(seed)
    return {draws.getrandbits(64) for _ in range(count)}


A, B, C = (numbers(seed, 100) for seed in range(3))


def some(numbers: set[int], count: int) -> set[int]:
    return set(sorted(numbers)[:count])


def test_a_document_that_overlaps_with_two_puts_all_three_in_one_group():
    both = some(A, 24) | some(B, 21) | some(C, 55)
    found = find_overlaps([A, B, both], ["a", "b", "c"])
    assert found.duplicate_of == [None, None, None]
    assert found.group == ["a", "a", "a"]


def test_a_union_takes_the_rest_of_its_groups_along():
    # Chapters of two books, of which one each overlaps; the other chapters follow.
    shared = some(A, 30) | some(B, 70)
    found = find_overlaps([numbers(7, 50), A, shared, numbers(8, 50)], ["x", "y", "z", "z"])
    assert found.group == ["x", "y", "y", "y"]


def test_more_than_half_in_one_earlier_document_is_a_duplicate_and_half_is_not():
    half = some(A, 50) | some(B, 50)
    more = some(A, 51) | some(B, 49)
    assert find_overlaps([A, half], "ab").duplicate_of == [None, None]
    assert find_overlaps([A, more], "ab").duplicate_of == [None, 0]
    # More than half is known, but from two documents: it stays, and joins them.
    patchwork = some(A, 40) | some(B, 40) | some(C, 20)
    found = find_overlaps([A, B, patchwork], "abc")
    assert found.duplicate_of == [None, None, None] and found.group == ["a", "a", "a"]


def test_duplicates_of_duplicates_are_not_dropped():
    # Each shares 60 of 100 with the one before it, and less than half with all others.
    run = sorted(numbers(5, 300))
    chain = [set(run[begin : begin + 100]) for begin in range(0, 201, 40)]
    found = find_overlaps(chain, list("abcdef"))
    assert found.duplicate_of == [None, 0, None, 2, None, 4]
    assert found.group[0] == found.group[2] == found.group[4] == "a"


def test_a_page_quoted_whole_in_a_later_book_is_in_the_group_of_the_book():
    book = some(A, 100) | numbers(9, 3000)
    found = find_overlaps([A, book], ["page", "book"])
    assert found.duplicate_of == [None, None] and found.group == ["page", "page"]
    assert find_overlaps([book, A], ["book", "page"]).duplicate_of == [None, 0]


def test_documents_without_shingles_are_no_copies_of_each_other():
    found = find_overlaps([set(), A, set(), set()], "abcd")
    assert found.duplicate_of == [None] * 4 and found.group == list("abcd")
    assert find_overlaps([], []).group == []


@pytest.mark.parametrize("thresholds", [(0.5, 0.1), (0.8, 0.3), (0.3, 0.3)])
@pytest.mark.parametrize("seed", range(15))
def test_it_decides_as_counting_every_pair_does(seed, thresholds):
    draws = random.Random(seed)
    pool = [sorted(numbers(k, 60)) for k in range(4)]
    documents = [
        {x for part in pool for x in part[: draws.choice([0, 0, 10, 20, 40, 60])]}
        for _ in range(12)
    ]
    groups = [draws.choice("pqrstuvwxyz") for _ in documents]
    found = find_overlaps(documents, groups, *thresholds)

    duplicate_above, related_above = thresholds
    stays: list[int] = []
    linked = {(a, b) for a in range(12) for b in range(12) if groups[a] == groups[b]}
    for i, own in enumerate(documents):
        common = [len(own & documents[j]) for j in stays]
        if own and common and max(common) > duplicate_above * len(own):
            assert found.duplicate_of[i] == stays[common.index(max(common))]
            continue
        assert found.duplicate_of[i] is None
        for j, count in zip(stays, common, strict=True):
            if count > related_above * min(len(own), len(documents[j])):
                linked |= {(i, j), (j, i)}
        stays.append(i)
    # Whoever can be reached over links is in one group, by squaring until nothing is added.
    reach = np.zeros((12, 12), dtype=bool)
    reach[tuple(zip(*linked, strict=True))] = True
    for _ in range(4):
        reach = reach @ reach
    for i in range(12):
        assert found.group[i] == groups[int(np.flatnonzero(reach[i])[0])]


def test_pairs_meet_in_a_bucket_as_often_as_banding_promises():
    jaccard, rows, n_hashes = 0.5, 2, 8
    met = 0
    for seed in range(400):
        common, one, other = (numbers(1000 + 3 * seed + k, 20) for k in range(3))
        pair = [common | some(one, 10), common | some(other, 10)]
        signatures = np.stack([near_duplicates.minhash(s, n_hashes, seed) for s in pair])
        first, second = shared_buckets(signatures, rows)
        assert first == second
        met += bool(first)
    promised = 1 - (1 - jaccard**rows) ** (n_hashes // rows)
    assert abs(met / 400 - promised) < 4 * (promised * (1 - promised) / 400) ** 0.5


def test_what_fills_the_slots_of_minhash_and_its_estimate_is_asked(monkeypatch):
    asked = []

    def minhash(shingles, n_hashes, seed, original=near_duplicates.minhash):
        asked.append("minhash")
        return original(shingles, n_hashes, seed)

    monkeypatch.setattr(near_duplicates, "minhash", minhash)
    monkeypatch.setattr(
        near_duplicates, "jaccard_estimate", lambda a, b: asked.append("estimate") or 0.0
    )
    assert find_overlaps([A, A], "ab", related_above=0.4).duplicate_of == [None, None]
    assert asked == ["minhash", "minhash", "estimate"]


@pytest.mark.parametrize("n_hashes", [1, 16])
def test_few_hashes_find_less_but_never_drop_what_counting_would_keep(n_hashes):
    half = some(A, 45) | some(B, 55)
    found = find_overlaps([A, half, B], "abc", n_hashes=n_hashes)
    assert found.duplicate_of[1] is None
    assert found.duplicate_of[2] in (None, 1)
