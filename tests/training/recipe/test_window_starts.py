"""Where windows begin: a deal of cards that every process repeats."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_mini.training.recipe.batches import window_starts


def test_the_starts_are_those_that_runs_were_made_with():
    # Written down from the code that runs before this function were trained by.
    assert window_starts(0, 5, 16, 0).tolist() == [45, 77, 61, 13, 29]
    assert window_starts(2, 4, 100, 7).tolist() == [28, 228, 128, 328]


@settings(deadline=None)
@given(st.integers(0, 5), st.integers(1, 50), st.integers(1, 40), st.integers(0, 9))
def test_a_pass_deals_every_window_once_from_one_offset(epoch, n_windows, seq_len, seed):
    starts = window_starts(epoch, n_windows, seq_len, seed)
    assert starts.shape == (n_windows,) and starts.dtype == np.int64
    offset = starts.min()
    assert 0 <= offset < seq_len
    assert sorted(starts) == [offset + seq_len * n for n in range(n_windows)]


@pytest.mark.parametrize("wrong", [(-1, 4, 8, 0), (0, 0, 8, 0), (0, 4, 0, 0), (0, 4, 8, -1)])
def test_what_is_no_pass_is_refused(wrong):
    with pytest.raises(ValueError, match="1 window of 1 token at least"):
        window_starts(*wrong)
