"""The feed-forward layer against transformers' own, and the width rule against exact fractions."""

import math
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.llama.modeling_llama import LlamaMLP

from llama_mini import feedforward, slots
from llama_mini.config import ModelConfig
from llama_mini.model import Transformer
from llama_mini.weights.shapes import parameter_shapes


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


def test_the_width_that_a_config_states_goes_before_the_rule_and_a_learners_rule_counts():
    config = ModelConfig(dim=96, n_layers=1, n_heads=2, multiple_of=32)
    assert feedforward.hidden_width(config) == 256
    assert feedforward.hidden_width(replace(config, hidden_dim=100)) == 100
    try:
        slots.fill("llama_mini.feedforward:hidden_dim", lambda dim, multiple_of: dim + multiple_of)
        assert feedforward.hidden_width(config) == 128
        assert dict(parameter_shapes(config))["layers.0.feed_forward.w1.weight"] == (128, 96)
        assert Transformer(config).layers[0].feed_forward.w1.weight.shape == (128, 96)
    finally:
        slots.restore_all()


def test_the_rule_for_the_width_stands_in_one_place():
    # Whoever writes it out again would miss a width that is stated, or a learner's rule.
    package = Path(feedforward.__file__).parent
    for path in package.rglob("*.py"):
        if "casebook" not in path.parts:
            text = " ".join(path.read_text(encoding="utf-8").split())
            found = re.findall(r"hidden_dim or (?:feedforward\.)?hidden_dim\(", text)
            assert bool(found) == (path.name == "feedforward.py"), path
