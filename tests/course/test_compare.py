"""Comparing snapshots: equal up to rounding, exact about everything else."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llama_mini.course.judge.compare import Tolerance, compare, unravel
from llama_mini.course.judge.snapshot import failure, snapshot


@dataclass
class Fit:
    A: float
    alpha: float


def difference(expected, given_value, **tolerance):
    return compare(snapshot(expected), snapshot(given_value), Tolerance(**tolerance)).difference


VALUES = [
    3,
    2.5,
    "text",
    True,
    None,
    b"bytes",
    [1, 2.0, "three"],
    (1, [2, {"a": 3}]),
    {"a": torch.ones(2), 3: "x"},
    {("l", "o"): 7},
    {1, 2},
    Fit(1.0, 0.5),
    torch.tensor([1.0, math.nan, math.inf, -math.inf]),
    torch.tensor([1 + 2j]),
    torch.tensor([[True, False]]),
    torch.tensor(3, dtype=torch.uint8),
    torch.empty(0, 3),
    torch.empty(2, 3, device="meta"),
    failure(ValueError("a note that a case made")),
    failure(IndexError()),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_every_value_equals_a_copy_of_itself_and_none_of_the_others(value):
    assert difference(value, value) is None
    others = [other for other in VALUES if other is not value]
    assert all(difference(value, other) is not None for other in others)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_the_tolerance_follows_the_rounding_of_the_dtype(dtype):
    one = torch.ones(4, dtype=dtype)
    step = torch.finfo(dtype).eps
    off = one.clone()
    off[2] += 4 * step
    # |1| plus the root mean square, 1: a tolerance of 3 units allows an error of 6.
    assert difference(one, off, ulps=3) is None
    found = difference(one, off, ulps=1)
    assert (found.kind, found.first_index) == ("values", (2,))
    assert found.ratio == pytest.approx(2)
    assert found.largest_error == 4 * step


def test_a_relative_tolerance_replaces_the_rounding():
    assert difference(100.0, 101.0, rtol=0.01) is None
    assert difference(100.0, 104.0, rtol=0.01).kind == "values"
    assert difference({"a": 1.0}, {"a": 2.0}, rtol=0.01).where == "['a']"


def test_what_is_wrong_is_said_in_words():
    x = torch.zeros(2, 3)
    assert difference(x, torch.zeros(3, 2)).text == "has shape (3, 2); expected (2, 3)"
    assert difference(x, x.double()).text == "is float64; expected float32"
    assert difference(x, x.to("meta")).kind == "device"
    assert "return" in difference(x, None).text
    assert "numpy" in difference(x, x.numpy()).text
    assert ".item()" in difference(2.0, torch.tensor(2.0)).text
    assert difference([1, 2], (1, 2)).kind == "type"
    assert difference([1, 2, 3], [1, 2]).kind == "length"
    assert difference({"a": 1}, {"b": 1}).text == "lacks 'a' and has 'b' too many"
    assert difference(3, 3.0).kind == "type"
    assert difference(3.0, 3) is None
    assert difference(3.0, np.float64(3.0)) is None
    assert difference(1, True).kind == "type"
    assert difference(None, -1).text == "is the int -1; expected None"
    assert difference(1, "one").text == "is the str 'one'; expected the int 1"
    assert difference([1], object()).text == "is an object; expected a list of 1"


def test_an_error_that_a_case_noted_is_said_to_have_been_raised():
    noted = {"a": failure(IndexError("list index out of range"))}
    assert difference(noted, {"a": failure(IndexError("in other words"))}) is None
    other = {"a": failure(KeyError())}
    assert difference(noted, other, equal_types=False) is None
    found = difference({"a": None}, noted)
    assert (found.kind, found.text) == ("raises", "raised IndexError; expected None")
    assert difference(noted, {"a": 3}).text == "is the int 3; expected an IndexError"
    assert difference(noted, other).text == "raised KeyError; expected an IndexError"


def test_none_from_one_of_several_calls_may_come_from_a_lookup():
    assert ".get" not in difference(0, None).text
    assert ".get" in difference({"a": 0}, {"a": None}).text


def test_a_tensor_subclass_that_claims_to_equal_everything_is_no_tensor():
    class Sly(torch.Tensor):
        def __eq__(self, other):
            return True

        __hash__ = None

        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            return True

    found = difference(torch.ones(2), torch.zeros(2).as_subclass(Sly))
    assert found.kind == "type"
    assert "subclass" in found.text


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_unravel_is_the_inverse_of_flattening(shape, data):
    tensor = torch.arange(math.prod(shape)).view(shape)
    index = data.draw(st.integers(0, tensor.numel() - 1))
    assert tensor[unravel(index, tuple(shape))] == index


def test_a_whole_number_and_an_equal_float_match_where_types_do_not_count():
    assert difference(3, 3.0).kind == "type"
    assert difference([3], [3.0], equal_types=False) is None
    assert difference(3, 3.5, equal_types=False).kind == "values"
