"""Three buckets, and on which side equality falls."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_mini.data.ccnet import buckets

ENGLISH = (340.0, 520.0)  # CCNet's own cut-offs


@pytest.mark.parametrize(
    ("perplexity", "bucket"),
    [
        (1.0, "head"),
        (math.nextafter(340.0, 0), "head"),
        (340.0, "middle"),
        (math.nextafter(520.0, 0), "middle"),
        (520.0, "tail"),
        (1e6, "tail"),
        (math.inf, "tail"),
    ],
)
def test_a_perplexity_at_a_cut_off_falls_to_the_worse_side(perplexity, bucket):
    assert buckets.head_middle_tail(perplexity, ENGLISH) == bucket


def test_equal_cut_offs_leave_the_middle_empty():
    assert buckets.head_middle_tail(9.9, (10, 10)) == "head"
    assert buckets.head_middle_tail(10, (10, 10)) == "tail"


def test_cut_offs_the_wrong_way_round_and_no_number_are_refused():
    with pytest.raises(ValueError, match=r"got \(520, 340\)"):
        buckets.head_middle_tail(400, (520, 340))
    with pytest.raises(ValueError, match="not a number"):
        buckets.head_middle_tail(math.nan, ENGLISH)
    with pytest.raises(ValueError, match="got none"):
        buckets.cutoffs_of([])


@given(st.integers(10, 300), st.randoms(use_true_random=False))
def test_the_buckets_hold_thirty_thirty_and_forty_percent(count, random):
    perplexities = [float(n) for n in range(count)]
    random.shuffle(perplexities)
    cutoffs = buckets.cutoffs_of(perplexities)
    found = [buckets.head_middle_tail(p, cutoffs) for p in perplexities]
    for bucket, share in [("head", 0.3), ("middle", 0.3), ("tail", 0.4)]:
        assert abs(found.count(bucket) - share * count) <= 1.5
