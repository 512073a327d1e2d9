"""The feed-forward layer against transformers' own, and the width rule against exact fractions."""

import math
from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.llama.modeling_llama import LlamaMLP

from llama_mini import feedforward


def transformers_twin(layer: feedforward.FeedForward, dim: int, hidden: int) -> LlamaMLP:
    """The same weights under Hugging Face's names."""
    # A whole LlamaConfig would refuse odd widths, which matter to its attention alone.
    config = SimpleNamespace(
        hidden_size=dim, intermediate_size=hidden, mlp_bias=False, hidden_act="silu"
    )
    twin = LlamaMLP(config)
    ours = layer.state_dict()
    names = {"gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"}
    twin.load_state_dict({f"{its}.weight": ours[f"{mine}.weight"] for its, mine in names.items()})
    return twin


@given(
    dim=st.integers(1, 9),
    hidden=st.integers(1, 9),
    shape=st.lists(st.integers(0, 3), max_size=3),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_the_layer_equals_that_of_transformers_at_any_shape(dim, hidden, shape, seed):
    torch.manual_seed(seed)
    layer, x = feedforward.FeedForward(dim, hidden), torch.randn(*shape, dim)
    with torch.no_grad():
        ours, theirs = layer(x), transformers_twin(layer, dim, hidden)(x)
    assert ours.shape == x.shape
    torch.testing.assert_close(ours, theirs)


def test_exchanging_w1_and_w3_changes_the_result():
    torch.manual_seed(0)
    layer, x = feedforward.FeedForward(6, 8), torch.randn(4, 6)
    before = layer(x)
    layer.w1, layer.w3 = layer.w3, layer.w1
    assert (layer(x) - before).abs().max() > 0.01


@given(dim=st.integers(1, 20_000), multiple_of=st.integers(1, 2_000))
def test_the_width_is_the_smallest_multiple_from_two_thirds_of_four_dim(dim, multiple_of):
    width = feedforward.hidden_dim(dim, multiple_of)
    wanted = math.floor(Fraction(2, 3) * 4 * dim)
    assert isinstance(width, int) and width % multiple_of == 0
    assert wanted <= width < wanted + multiple_of


@pytest.mark.parametrize(("dim", "multiple_of"), [(0, 256), (-4, 256), (64, 0)])
def test_a_width_that_cannot_be_is_explained(dim, multiple_of):
    with pytest.raises(ValueError, match=f"got {dim} and {multiple_of}"):
        feedforward.hidden_dim(dim, multiple_of)
