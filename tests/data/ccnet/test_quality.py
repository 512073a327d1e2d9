"""Hashed n-grams that are the same everywhere, and the one minimum of logistic regression."""

import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_sources import prose

from llama_mini.data.ccnet import quality


def crc32(data: bytes) -> int:
    """CRC-32 bit by bit, as IEEE 802.3 defines it."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xEDB88320 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def test_words_and_pairs_of_neighbours_are_counted_in_the_buckets_of_their_crc():
    found = quality.hashed_ngrams("The cat\nthe  CAT\tsat", 1000)
    ngrams = ["the", "cat", "the", "cat", "sat", "the cat", "cat the", "the cat", "cat sat"]
    counts = np.zeros(1000)
    for bucket, count in Counter(crc32(ngram.encode()) % 1000 for ngram in ngrams).items():
        counts[bucket] = count
    np.testing.assert_allclose(found, counts / np.sqrt((counts**2).sum()), rtol=1e-7)
    assert found.dtype == np.float32 and found.shape == (1000,)


@given(st.text(), st.integers(1, 50))
def test_every_text_with_a_word_has_length_one(text, n_buckets):
    found = quality.hashed_ngrams(text, n_buckets)
    assert found.shape == (n_buckets,) and found.dtype == np.float32
    expected = 1 if text.split() else 0
    assert np.linalg.norm(found.astype(np.float64)) == pytest.approx(expected, abs=1e-6)
    assert (found >= 0).all()


def test_another_process_with_another_hash_seed_finds_the_same_buckets():
    code = (
        "from llama_mini.data.ccnet.quality import hashed_ngrams as f;"
        "import sys; sys.stdout.buffer.write(f('größer als der Himmel', 97).tobytes())"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
        assert run.stdout == quality.hashed_ngrams("größer als der Himmel", 97).tobytes()


def test_no_buckets_are_refused():
    with pytest.raises(ValueError, match="at least 1 bucket"):
        quality.hashed_ngrams("text", 0)


def loss(features, labels, weights, bias, penalty):
    """The objective in torch, float64, from torch's own cross-entropy."""
    logits = torch.as_tensor(features, dtype=torch.float64) @ weights + bias
    target = torch.as_tensor(labels, dtype=torch.float64)
    cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
    return cross_entropy + penalty / 2 * (weights**2).sum()


@pytest.fixture(scope="module")
def pages():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(60, 8)).astype(np.float32)
    noisy = features[:, 0] - 2 * features[:, 3] + generator.normal(size=60) > 0.5
    return features, noisy.astype(int)


@pytest.mark.parametrize("penalty", [1e-3, 0.1])
def test_the_gradient_of_the_objective_vanishes_at_the_answer(pages, penalty):
    weights, bias = quality.train_classifier(*pages, penalty=penalty, tolerance=1e-8)
    at = torch.tensor([*weights, bias], dtype=torch.float64, requires_grad=True)
    loss(*pages, at[:-1], at[-1], penalty).backward()
    assert at.grad.abs().max() < 1e-7


@pytest.mark.parametrize("penalty", [1e-3, 0.1])
def test_torchs_own_minimiser_ends_at_the_same_place(pages, penalty):
    at = torch.zeros(9, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [at], max_iter=1000, tolerance_grad=1e-10, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        value = loss(*pages, at[:-1], at[-1], penalty)
        value.backward()
        return value

    optimizer.step(closure)
    weights, bias = quality.train_classifier(*pages, penalty=penalty, tolerance=1e-8)
    # Both gradients are below 1e-8, and the loss curves by at least the penalty.
    np.testing.assert_allclose([*weights, bias], at.detach().numpy(), atol=1e-4 * 1e-3 / penalty)


def test_separable_pages_are_separated_and_stay_finite():
    features = np.array([[1.0, 0], [0.9, 0.2], [0, 1], [0.1, 0.8]], dtype=np.float32)
    weights, bias = quality.train_classifier(features, [1, 1, 0, 0])
    probability = quality.reference_probability(features, weights, bias)
    assert ((probability > 0.5) == [True, True, False, False]).all()
    assert np.isfinite(weights).all()
    assert quality.reference_probability(1e6 * features[2:3], weights, bias) == 0.0


def test_without_informative_features_the_answer_is_the_share_of_references():
    weights, bias = quality.train_classifier(np.zeros((4, 3)), [1, 0, 0, 0], tolerance=1e-10)
    np.testing.assert_array_equal(weights, 0)
    # An unpenalised bias is the log odds of one in four.
    assert bias == pytest.approx(np.log(1 / 3), rel=1e-8)


def test_two_kinds_of_prose_are_told_apart_on_pages_never_seen():
    english = [prose(seed, 5) for seed in range(40)]
    shouting = [f"Buy now! {prose(seed, 2)} Add to cart." for seed in range(100, 140)]
    rows = np.stack([quality.hashed_ngrams(text, 256) for text in english + shouting])
    labels = np.repeat([1, 0], 40)
    weights, bias = quality.train_classifier(rows[::2], labels[::2])
    found = quality.reference_probability(rows[1::2], weights, bias) > 0.5
    assert (found == labels[1::2]).all()
    again = quality.train_classifier(rows[::2], labels[::2])
    np.testing.assert_array_equal(again[0], weights)
    assert again[1] == bias


@pytest.mark.parametrize(
    ("shape", "labels", "penalty", "message"),
    [
        ((4, 2), [1, 0, 1], 1e-3, r"\(4, 2\) and \(3,\)"),
        ((3,), [1, 0, 1], 1e-3, "features is"),
        ((3, 2), [1, 1, 1], 1e-3, "both occur"),
        ((3, 2), [1, 0, -1], 1e-3, "both occur"),
        ((2, 2), [1, 0], 0, "penalty must be above 0"),
    ],
)
def test_what_has_no_answer_is_refused(shape, labels, penalty, message):
    with pytest.raises(ValueError, match=message):
        quality.train_classifier(np.zeros(shape), labels, penalty=penalty)
