"""Whole groups go to validation until it has enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_mini.data.mixing import split


def test_groups_are_taken_in_order_until_there_is_enough():
    sizes = {"a": 40, "b": 30, "c": 50, "d": 1}
    assert split.choose_groups(sizes, 70, ["a", "b", "c", "d"]) == {"a", "b"}
    assert split.choose_groups(sizes, 71, ["a", "b", "d", "c"]) == {"a", "b", "d"}


def test_a_group_that_overshoots_by_more_than_half_is_passed_over_and_the_next_is_asked():
    sizes = {"huge": 1000, "just": 150, "above": 151, "small": 60}
    assert split.choose_groups(sizes, 100, ["huge", "above", "small", "just"]) == {"small"}
    assert split.choose_groups(sizes, 100, ["huge", "just", "small"]) == {"just"}


def test_where_all_overshoot_the_smallest_goes_and_its_name_decides_a_tie():
    assert split.choose_groups({"b": 20, "c": 10, "a": 10}, 1, ["b", "c", "a"]) == {"a"}
    assert split.choose_groups({"b": 20, "a": 10}, 0, ["b", "a"]) == {"a"}


@given(
    st.dictionaries(st.text(max_size=3), st.integers(0, 100), min_size=1, max_size=20),
    st.integers(1, 500),
    st.randoms(use_true_random=False),
)
def test_validation_never_has_more_than_half_too_much_unless_a_single_group_forces_it(
    sizes, wanted, random
):
    order = sorted(sizes)
    random.shuffle(order)
    chosen = split.choose_groups(sizes, wanted, order)
    taken = sum(sizes[group] for group in chosen)
    if taken > 1.5 * wanted:
        assert len(chosen) == 1 and taken == min(sizes.values())
    if taken < wanted:
        # Whoever stayed behind did not fit when asked: what was taken then was no more than now.
        assert all(taken + sizes[g] > 1.5 * wanted for g in sizes.keys() - chosen)


def test_no_groups_are_refused():
    with pytest.raises(ValueError, match="no groups"):
        split.choose_groups({}, 10, [])
