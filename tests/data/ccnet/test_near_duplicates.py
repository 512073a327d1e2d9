"""MinHash against its definition in whole numbers, and its estimate against exact overlap."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_mini.data.ccnet import near_duplicates

GOLDEN = 0x9E3779B97F4A7C15
MASK = 2**64 - 1


def scramble(x: int) -> int:
    """The finaliser of SplitMix64 in Python's whole numbers."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def test_the_scrambler_gives_the_published_numbers_of_splitmix64():
    # The first outputs of the generator that starts at 1234567, as its implementations list them.
    states = np.array([(1234567 + k * GOLDEN) & MASK for k in (1, 2, 3)], dtype=np.uint64)
    kept = states.copy()
    assert near_duplicates.splitmix64(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]
    np.testing.assert_array_equal(states, kept)


@given(
    st.lists(st.integers(0, MASK), max_size=40),
    st.integers(1, 20),
    st.integers(0, MASK),
    st.randoms(use_true_random=False),
)
def test_a_signature_is_the_smallest_of_every_hash_whatever_the_order(
    numbers, n_hashes, seed, shuffle
):
    keys = [scramble((seed + (k + 1) * GOLDEN) & MASK) for k in range(n_hashes)]
    expected = [min((scramble(x ^ key) for x in numbers), default=MASK) for key in keys]
    signature = near_duplicates.minhash(set(numbers), n_hashes, seed)
    assert signature.dtype == np.uint64 and signature.tolist() == expected
    shuffled = numbers + numbers[:3]
    shuffle.shuffle(shuffled)
    assert near_duplicates.minhash(iter(shuffled), n_hashes, seed).tolist() == expected


def test_a_set_larger_than_one_block_is_hashed_whole():
    numbers = list(range(3000))
    halves = [near_duplicates.minhash(half, 16, 7) for half in (numbers[:1234], numbers[1234:])]
    whole = near_duplicates.minhash(numbers, 16, 7)
    np.testing.assert_array_equal(whole, np.minimum(*halves))
    assert min(scramble(x ^ scramble(7 + GOLDEN & MASK)) for x in numbers) == whole[0]


@pytest.mark.parametrize(("common", "only_a", "only_b"), [(50, 50, 50), (5, 95, 900), (90, 5, 5)])
def test_the_estimate_is_unbiased_with_the_spread_of_that_many_coins(common, only_a, only_b):
    draws = random.Random(common)
    n_hashes, seeds = 64, range(200)
    numbers = [draws.getrandbits(64) for _ in range(common + only_a + only_b)]
    a, b = set(numbers[: common + only_a]), set(numbers[:common] + numbers[common + only_a :])
    jaccard = len(a & b) / len(a | b)
    estimates = np.array(
        [
            near_duplicates.jaccard_estimate(
                near_duplicates.minhash(a, n_hashes, seed),
                near_duplicates.minhash(b, n_hashes, seed),
            )
            for seed in seeds
        ]
    )
    variance = jaccard * (1 - jaccard) / n_hashes
    assert abs(estimates.mean() - jaccard) < 4 * math.sqrt(variance / len(seeds))
    # A sample variance of n draws has a relative standard error of about √(2 / n) = 0.1.
    assert estimates.var(ddof=1) == pytest.approx(variance, rel=0.4)


def test_neighbouring_numbers_are_hashed_as_well_as_random_ones():
    a, b = range(0, 300), range(100, 400)
    estimate = near_duplicates.jaccard_estimate(
        near_duplicates.minhash(a, 4096, 1), near_duplicates.minhash(b, 4096, 1)
    )
    assert abs(estimate - 0.5) < 4 * math.sqrt(0.25 / 4096)


def test_equal_sets_agree_everywhere_disjoint_ones_nowhere_and_empty_ones_with_each_other():
    a = near_duplicates.minhash(range(10), 32, 0)
    b = near_duplicates.minhash(range(10, 20), 32, 0)
    nothing = near_duplicates.minhash([], 32, 0)
    assert near_duplicates.jaccard_estimate(a, a) == 1.0
    assert near_duplicates.jaccard_estimate(a, b) == 0.0
    assert near_duplicates.jaccard_estimate(a, nothing) == 0.0
    assert near_duplicates.jaccard_estimate(nothing, nothing) == 1.0
    assert (nothing == MASK).all()


def test_signatures_that_cannot_be_compared_are_refused():
    a = near_duplicates.minhash([1], 4, 0)
    with pytest.raises(ValueError, match=r"\(4,\) and \(3,\)"):
        near_duplicates.jaccard_estimate(a, a[:3])
    with pytest.raises(ValueError, match="same n_hashes"):
        near_duplicates.jaccard_estimate(a[:0], a[:0])
    with pytest.raises(ValueError, match="n_hashes=0"):
        near_duplicates.minhash([1], 0, 0)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_containment_follows_from_the_jaccard_index_and_the_sizes(common, only_a, only_b):
    if not common + only_a:
        assert near_duplicates.containment(0.0, 0, only_b) == 0.0
        return
    jaccard = common / (common + only_a + only_b)
    found = near_duplicates.containment(jaccard, common + only_a, common + only_b)
    assert found == pytest.approx(common / (common + only_a), abs=1e-12)
