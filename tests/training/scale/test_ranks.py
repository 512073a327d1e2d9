"""All processes together read what one would have read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_mini.training.scale import ranks


@given(step=st.integers(0, 10_000), share=st.integers(1, 40), world_size=st.integers(1, 40))
def test_the_ranks_in_order_read_the_batch_of_one_process(step, share, world_size):
    batch_size = share * world_size
    dealt = [ranks.windows_of_rank(step, batch_size, r, world_size) for r in range(world_size)]
    assert [len(windows) for windows in dealt] == [share] * world_size
    assert [number for windows in dealt for number in windows] == list(
        range(step * batch_size, (step + 1) * batch_size)
    )


def test_one_process_reads_it_all():
    assert ranks.windows_of_rank(3, 4, 0, 1) == [12, 13, 14, 15]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0, 6, 0, 4), "6 sequences does not divide over 4 processes"),
        ((0, 0, 0, 1), "0 sequences"),
        ((0, 4, 2, 2), "ranks 0 to 1; got 2"),
        ((0, 4, -1, 2), "ranks 0 to 1; got -1"),
        ((-1, 4, 0, 2), "got step -1"),
    ],
)
def test_what_cannot_be_dealt_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        ranks.windows_of_rank(*arguments)
