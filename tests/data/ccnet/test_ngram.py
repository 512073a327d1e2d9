"""Kneser–Ney against its definition, counted naively and exactly, and against another code."""

import itertools
import math
from collections import Counter, defaultdict
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_mini.data.ccnet import ngram

UNKNOWN = "never seen"


def count(tokens, n):
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def exact(counts, discount, context, token):
    """The definition, with lists instead of tables and fractions instead of floating point."""
    n = len(next(iter(counts)))
    context = tuple(context)[max(0, len(context) - n + 1) :]

    def c(gram):
        if len(gram) == n:
            return counts.get(gram, 0)
        size = len(gram) + 1
        ends = {longer[n - size :] for longer in counts}
        return sum(1 for longer in ends if longer[1:] == gram)

    vocabulary = {gram[-1] for gram in counts}
    after = {word: c((*context, word)) for word in vocabulary}
    total = sum(after.values())
    if context:
        lower = exact(counts, discount, context[1:], token)
    else:
        lower = Fraction(1, len(vocabulary) + 1)
    if not total:
        return lower
    kinds = sum(1 for times in after.values() if times)
    direct = max(after.get(token, 0) - discount, Fraction(0))
    return direct / total + discount * kinds / total * lower


texts = st.lists(st.sampled_from("abcd"), min_size=4, max_size=30)


@settings(max_examples=60, deadline=None)
@given(texts, st.integers(1, 4), st.sampled_from([Fraction(1, 4), Fraction(3, 4), Fraction(1)]))
def test_every_probability_is_that_of_the_definition(text, n, discount):
    counts = count(text, n)
    probability = ngram.kneser_ney(counts, float(discount))
    contexts = {gram[:-1][k:] for gram in counts for k in range(n)} | {
        ("z",),
        ("z",) * n,
        (*"abcd",),
    }
    for context in contexts:
        for token in [*"abcd", UNKNOWN]:
            expected = float(exact(counts, discount, context, token))
            assert probability(context, token) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(texts, st.integers(1, 4), st.floats(0.01, 1))
def test_after_any_context_the_probabilities_add_up_to_one(text, n, discount):
    counts = count(text, n)
    probability = ngram.kneser_ney(counts, discount)
    vocabulary = {gram[-1] for gram in counts}
    for context in [(), ("z",), ("a", "z", "b"), *(gram[:-1] for gram in counts), tuple(text)]:
        table = [probability(context, token) for token in [*vocabulary, UNKNOWN]]
        assert math.fsum(table) == pytest.approx(1, rel=1e-12)
        assert min(table) > 0


def test_san_francisco_is_a_frequent_word_in_one_place_only():
    # The reason for counting contexts: "Francisco" is frequent, yet follows "San" alone.
    text = "San Francisco . " * 8 + "a cup . the cup . my cup . one cup . "
    probability = ngram.kneser_ney(count(text.split(), 2), 0.75)
    assert text.count("Francisco") == 2 * text.count("cup")
    assert probability(("unseen",), "Francisco") < probability(("unseen",), "cup")
    assert probability(("San",), "Francisco") > 0.9


def test_bigrams_agree_with_nltks_formula_on_top_of_the_same_unigrams():
    # NLTK: alpha = max(c - D, 0) / total, gamma = D * kinds / total, as its own two lines have it.
    text = "the cat sat on the mat and the cat ran to the mat on the hill".split()
    probability = ngram.kneser_ney(count(text, 2), 0.6)
    following = defaultdict(Counter)
    for first, second in itertools.pairwise(text):
        following[first][second] += 1
    for first, seen in following.items():
        for word in set(text):
            alpha = max(seen[word] - 0.6, 0) / seen.total()
            gamma = 0.6 * len(seen) / seen.total()
            expected = alpha + gamma * probability((), word)
            assert probability((first,), word) == pytest.approx(expected, rel=1e-12)


def test_a_long_context_counts_by_its_end_and_counts_stay_as_they_are():
    counts = count("abcabdabcabc", 3)
    before = dict(counts)
    probability = ngram.kneser_ney(counts, 0.5)
    assert probability(tuple("ddddab"), "c") == probability(tuple("ab"), "c")
    probability(("x", "y"), "z")
    assert counts == before


@pytest.mark.parametrize(
    "counts", [{}, {("a",): 1, ("a", "b"): 1}, {("a", "b"): 0}, {(): 3}, {("a",): -1}]
)
def test_counts_that_are_none_are_refused(counts):
    with pytest.raises(ValueError, match="n-grams of one length"):
        ngram.kneser_ney(counts, 0.5)


@pytest.mark.parametrize("discount", [0, -0.5, 1.01, math.nan])
def test_a_discount_out_of_range_is_refused(discount):
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        ngram.kneser_ney({("a", "b"): 1}, discount)


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=50))
def test_perplexity_is_the_inverse_of_the_geometric_mean(probabilities):
    score = math.fsum(map(math.log10, probabilities))
    product = math.prod(map(Fraction, probabilities))
    expected = math.exp(
        -(math.log(product.numerator) - math.log(product.denominator)) / len(probabilities)
    )
    assert ngram.perplexity(score, len(probabilities)) == pytest.approx(expected, rel=1e-9)


def test_a_uniform_choice_among_v_tokens_has_perplexity_v():
    assert ngram.perplexity(5 * math.log10(1 / 520), 5) == pytest.approx(520, rel=1e-12)
    assert ngram.perplexity(0.0, 7) == 1.0
    assert ngram.perplexity(-math.inf, 3) == math.inf
    with pytest.raises(ValueError, match="at least 1; got 0"):
        ngram.perplexity(0.0, 0)
