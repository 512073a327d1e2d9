"""A language model of a reference, made of Kneser–Ney, grades other texts."""

import math

import pytest
from tiny_sources import prose

from llama_mini.data.ccnet import ngram
from llama_mini.data.ccnet.language_model import LanguageModel


def lower(text: str) -> list[str]:
    return text.lower().split()


@pytest.fixture(scope="module")
def reference() -> list[str]:
    return [prose(seed, 40) for seed in range(20)]


def test_text_like_the_reference_is_less_surprising_than_its_words_in_disorder(reference):
    model = LanguageModel(reference, lower)
    text = prose(100, 20)
    disorder = " ".join(sorted(text.split()))
    foreign = "der schnelle braune fuchs springt über den faulen hund"
    assert model.perplexity(text) < model.perplexity(disorder) < model.perplexity(foreign)


def test_the_perplexity_is_that_of_the_words_one_by_one():
    model = LanguageModel(["a b a c", "a b"], lower, order=2, discount=0.5)
    # Each text begins after a mark of its own, so (mark, a) is a pair seen twice.
    counts = {("", "a"): 2, ("a", "b"): 2, ("b", "a"): 1, ("a", "c"): 1}
    probability = ngram.kneser_ney(counts, 0.5)
    product = probability(("",), "a") * probability(("a",), "c") * probability(("c",), "new")
    assert model.perplexity("A C new") == pytest.approx(product ** (-1 / 3), rel=1e-12)


def test_both_sides_are_brought_into_the_same_form(reference):
    model = LanguageModel([text.upper() for text in reference], lower)
    text = prose(100, 20)
    assert model.perplexity(text.upper()) == model.perplexity(text)
    unlike = LanguageModel([text.upper() for text in reference], str.split)
    assert unlike.perplexity(text) > 10 * model.perplexity(text)


def test_only_the_first_words_of_a_text_count(reference):
    model = LanguageModel(reference, lower, max_words=30)
    words = prose(100, 20).split()
    assert len(words) > 40
    short = model.perplexity(" ".join(words[:30]))
    assert model.perplexity(" ".join([*words[:30], "something", "else"])) == short
    assert model.perplexity(" ".join(words[:29])) != short


def test_what_fills_the_slot_is_what_the_model_is_made_of(reference, monkeypatch):
    monkeypatch.setattr(ngram, "kneser_ney", lambda counts, discount: lambda context, token: 0.1)
    assert LanguageModel(reference, lower).perplexity("any words") == pytest.approx(10)
    monkeypatch.setattr(ngram, "perplexity", lambda score, n: (score, n))
    assert LanguageModel(reference, lower).perplexity("any words") == (-2, 2)


def test_nothing_to_read_is_said_and_nothing_to_score_is_infinitely_odd(reference):
    with pytest.raises(ValueError, match="no words"):
        LanguageModel(["", " "], lower)
    assert LanguageModel(reference, lower).perplexity(" \n") == math.inf
