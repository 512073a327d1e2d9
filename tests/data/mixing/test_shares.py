"""Tokens per source add up, and epochs are those of LLaMA's table."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_mini.data.mixing import shares

LLAMA = {
    "commoncrawl": 67.0,
    "c4": 15.0,
    "github": 4.5,
    "wikipedia": 4.5,
    "books": 4.5,
    "arxiv": 2.5,
    "stackexchange": 2.0,
}
# LLaMA, Table 1: the epochs of the runs on 1.4 trillion tokens.
EPOCHS = {
    "commoncrawl": 1.10,
    "c4": 1.06,
    "github": 0.64,
    "wikipedia": 2.45,
    "books": 2.23,
    "arxiv": 1.06,
    "stackexchange": 1.03,
}

weights = st.dictionaries(
    st.text(max_size=3), st.floats(0, 1e6) | st.integers(0, 100), min_size=1, max_size=12
).filter(lambda table: sum(table.values()) > 0)


@given(weights, st.integers(0, 10**15))
def test_the_parts_add_up_and_none_is_off_by_a_whole_token(table, total):
    tokens = shares.tokens_per_source(table, total)
    assert list(tokens) == list(table)
    assert sum(tokens.values()) == total
    whole = sum(map(Fraction, table.values()))
    for source, share in table.items():
        assert abs(tokens[source] - total * Fraction(share) / whole) < 1
        assert share or not tokens[source]


@given(weights, st.integers(0, 10**9))
def test_nobody_who_lost_more_goes_without_while_another_gains(table, total):
    tokens = shares.tokens_per_source(table, total)
    whole = sum(map(Fraction, table.values()))
    loss = {source: total * Fraction(share) / whole % 1 for source, share in table.items()}
    gained = {s for s in table if tokens[s] > total * Fraction(table[s]) / whole}
    for winner in gained:
        for other in table.keys() - gained:
            assert loss[winner] >= loss[other]
            if loss[winner] == loss[other]:
                assert list(table).index(winner) < list(table).index(other)


def test_equal_losses_are_made_good_in_the_order_of_the_table():
    assert shares.tokens_per_source({"b": 1, "a": 1, "c": 1}, 5) == {"b": 2, "a": 2, "c": 1}


def test_parts_that_come_out_whole_stay_as_they_are():
    total = 1_400_000_000_000
    assert shares.tokens_per_source(LLAMA, total) == {
        source: int(share * 14_000_000_000) for source, share in LLAMA.items()
    }
    # Rounded down in floating point, 0.29 · 100 would be 28.
    assert shares.tokens_per_source({"a": 29, "b": 71}, 100) == {"a": 29, "b": 71}


def test_percents_and_fractions_of_one_mean_the_same():
    scaled = {source: share / 128 for source, share in LLAMA.items()}
    assert shares.tokens_per_source(scaled, 999) == shares.tokens_per_source(LLAMA, 999)


def test_llamas_table_is_reproduced_for_both_lengths_of_training():
    # What the paper calls epochs is tokens seen / tokens there are; so the latter follow from it.
    available = {s: round(1.4e12 * LLAMA[s] / 100 / EPOCHS[s]) for s in LLAMA}
    epochs = shares.epochs_for_shares(available, LLAMA, 1_400_000_000_000)
    assert epochs == pytest.approx(EPOCHS, rel=1e-9)
    # RedPajama rebuilt the sources: 878 billion tokens of its crawl, 24 billion of Wikipedia.
    assert available["commoncrawl"] == pytest.approx(878e9, rel=0.1)
    assert available["wikipedia"] == pytest.approx(24e9, rel=0.1)
    shorter = shares.epochs_for_shares(available, LLAMA, 1_000_000_000_000)
    assert {s: round(e, 2) for s, e in shorter.items()} == {
        "commoncrawl": 0.79,
        "c4": 0.76,
        "github": 0.46,
        "wikipedia": 1.75,
        "books": 1.59,
        "arxiv": 0.76,
        "stackexchange": 0.74,
    }


@given(weights, st.integers(1, 10**9))
def test_epochs_times_what_is_there_is_the_whole_mix(table, total):
    available = dict.fromkeys(table, 1000)
    epochs = shares.epochs_for_shares(available, table, total)
    assert math.fsum(epochs.values()) * 1000 == pytest.approx(total, rel=1e-9)


def test_a_source_without_share_is_never_read_and_one_without_text_cannot_be():
    assert shares.epochs_for_shares({"a": 5}, {"a": 1, "b": 0}, 10) == {"a": 2.0, "b": 0.0}
    for available in ({"a": 5}, {"a": 5, "b": 0}):
        with pytest.raises(ValueError, match="source b has a share"):
            shares.epochs_for_shares(available, {"a": 1, "b": 1}, 10)


@pytest.mark.parametrize("table", [{}, {"a": 0}, {"a": 2, "b": -1}])
def test_shares_that_are_none_are_refused(table):
    with pytest.raises(ValueError, match="not all 0"):
        shares.tokens_per_source(table, 10)
    with pytest.raises(ValueError, match="not all 0"):
        shares.epochs_for_shares({"a": 1, "b": 1}, table, 10)
    with pytest.raises(ValueError, match="0 tokens or more"):
        shares.tokens_per_source({"a": 1}, -1)
