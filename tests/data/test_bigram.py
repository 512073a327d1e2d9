"""The bigram baseline: by hand, as whole distributions, and beside the other smoothing of pairs."""

import numpy as np
import pytest

from llama_mini.data.bigram import Bigram
from llama_mini.data.ccnet import ngram


def test_probabilities_are_those_computed_by_hand():
    # Pairs of 0 1 0 1 0 2 0: (0,1) twice, (1,0) twice, (0,2) once, (2,0) once; 3 is never seen.
    bigram = Bigram(np.array([0, 1, 0, 1, 0, 2, 0], dtype=np.uint16), vocab_size=4)
    discount = 2 / (2 + 2 * 2)
    assert bigram.discount == pytest.approx(discount)
    # 4 different pairs; before 0 stand two different tokens, before 1 and 2 one, before 3 none.
    backoff = np.array([2 + 1, 1 + 1, 1 + 1, 0 + 1]) / (4 + 4)
    after_0 = discount * 2 / 3 * backoff + np.array([0, 2 - discount, 1 - discount, 0]) / 3
    got = np.exp(-bigram.surprise(np.zeros(4, dtype=np.uint16), np.arange(4, dtype=np.uint16)))
    np.testing.assert_allclose(got, after_0, rtol=1e-12)
    unseen = np.exp(-bigram.surprise(np.full(4, 3), np.arange(4)))
    np.testing.assert_allclose(unseen, backoff, rtol=1e-12)


@pytest.mark.parametrize("discount", [None, 0.3, 1.0, 2.5])
@pytest.mark.parametrize("seed", range(3))
def test_every_context_has_a_distribution_without_zeros(seed, discount):
    tokens = np.random.default_rng(seed).integers(0, 12, size=200).astype(np.uint16)
    bigram = Bigram(tokens, 15, discount)
    previous, following = (axis.ravel() for axis in np.meshgrid(range(15), range(15)))
    table = np.exp(-bigram.surprise(previous, following)).reshape(15, 15)
    np.testing.assert_allclose(table.sum(axis=0), 1.0, rtol=1e-12)
    assert (table > 0).all()


def test_text_where_every_pair_repeats_still_leaves_room_for_the_unseen():
    bigram = Bigram(np.array([0, 1] * 10, dtype=np.uint16), vocab_size=3)
    assert np.isfinite(bigram.surprise(np.array([0]), np.array([2]))).all()


def test_ids_near_the_16_bit_limit_do_not_overflow():
    tokens = np.array([65535, 65534, 65535, 65533], dtype=np.uint16)
    bigram = Bigram(tokens, vocab_size=65536)
    seen = bigram.surprise(tokens[:1], tokens[1:2])
    assert seen < bigram.surprise(tokens[:1], np.array([7], dtype=np.uint16))


@pytest.mark.parametrize("discount", [0.3, 0.75, 1.0])
def test_both_smoothings_of_pairs_are_one_but_for_the_words_alone(discount):
    tokens = np.random.default_rng(5).integers(0, 12, size=300).astype(np.uint16)
    bigram = Bigram(tokens, 15, discount)
    pairs, times = np.unique(np.stack([tokens[:-1], tokens[1:]]), axis=1, return_counts=True)
    counts = dict(zip(map(tuple, pairs.T.tolist()), times.tolist(), strict=True))
    probability = ngram.kneser_ney(counts, discount)
    for previous in range(12):
        row = [following for pair, following in counts if pair == previous]
        left_over = discount * len(row) / sum(counts[previous, w] for w in row)
        for following in range(12):
            # One adds one to each count of contexts, the other takes D off and shares it evenly.
            before = sum(w == following for _, w in counts)
            added = (before + 1) / (len(counts) + 15)
            found = np.exp(-bigram.surprise(np.array([previous]), np.array([following])))[0]
            expected = probability((previous,), following) + left_over * (
                added - probability((), following)
            )
            assert found == pytest.approx(expected, rel=1e-12)
