"""Schedule, optimizer, loss, batches: the parts of the recipe, against arithmetic done by hand."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_mini.config import CONFIGS
from llama_mini.model import Transformer
from llama_mini.training.recipe.loss import next_token_loss
from llama_mini.training.recipe.optimizer import adamw, parameter_groups, set_learning_rate
from llama_mini.training.recipe.schedule import learning_rate, warmup_length
from llama_mini.training.run.windows import Batches


class Counting:
    """Tokens 0, 1, 2, …: where a window was cut can be read off."""

    vocab_size, digest = 1 << 16, "counting"

    def __init__(self, n):
        self.tokens = np.arange(n, dtype=np.uint16)

    def __len__(self):
        return len(self.tokens)

    def read(self, start, count):
        assert 0 <= start and start + count <= len(self)
        return self.tokens[start : start + count]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.25),  # a quarter of four warm-up steps
        (1, 0.50),
        (3, 1.00),  # the peak
        (7, 0.1 + 0.9 * 0.5),  # half of the eight steps after it: cos(π/2) = 0
        (5, 0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2),  # a quarter: cos(π/4)
        (11, 0.1),  # the last
    ],
)
def test_the_schedule_has_the_values_computed_by_hand(step, expected):
    assert learning_rate(step, 1.0, 4, 12, 0.1) == pytest.approx(expected, rel=1e-12)


@settings(deadline=None)
@given(st.integers(2, 400), st.integers(1, 200))
def test_the_schedule_rises_once_falls_once_and_ends_at_the_final_fraction(total, wanted):
    warmup = warmup_length(wanted, total)
    rates = [learning_rate(step, 3e-3, warmup, total) for step in range(total)]
    top = rates.index(max(rates))
    assert max(rates) == 3e-3 and top == warmup - 1
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(3e-4, rel=1e-12)


@pytest.mark.parametrize("step", [-1, 12])
def test_a_step_outside_the_run_has_no_learning_rate(step):
    with pytest.raises(ValueError, match="12 updates"):
        learning_rate(step, 1.0, 4, 12)


def test_matrices_decay_and_norms_do_not():
    model = Transformer(CONFIGS["nano"])
    decaying, free = parameter_groups(model, 0.1)
    assert (decaying["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    names = {id(p): name for name, p in model.named_parameters()}
    assert {names[id(p)] for p in free["params"]} == {n for n in names.values() if "norm" in n}
    assert len(decaying["params"]) + len(free["params"]) == len(names)


def test_one_update_is_adamw_by_hand():
    # After one update the bias-corrected moments are g and g², so the step is lr · sign(g).
    weight = torch.nn.Parameter(torch.tensor([[2.0, -4.0]]))
    model = torch.nn.Module()
    model.weight = weight
    optimizer = adamw(model, lr=1.0, weight_decay=0.1)
    set_learning_rate(optimizer, 0.5)
    weight.grad = torch.tensor([[3.0, -0.2]])
    optimizer.step()
    decayed = torch.tensor([[2.0, -4.0]]) * (1 - 0.5 * 0.1)
    torch.testing.assert_close(weight.data, decayed - 0.5 * torch.tensor([[1.0, -1.0]]))


def test_the_optimizer_has_llamas_betas():
    assert adamw(Transformer(CONFIGS["nano"]), 1e-3).defaults["betas"] == (0.9, 0.95)


def test_the_loss_is_the_mean_surprise_in_nats():
    probabilities = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]])
    targets = torch.tensor([[0, 2]])
    expected = -(math.log(0.5) + math.log(0.8)) / 2
    assert next_token_loss(probabilities.log(), targets).item() == pytest.approx(expected, rel=1e-6)


def test_targets_are_the_next_tokens():
    inputs, targets = Batches(Counting(1000), 3, 8, seed=0).batch(5)
    assert inputs.shape == targets.shape == (3, 8)
    assert torch.equal(targets, inputs + 1)


def test_a_batch_depends_on_the_seed_and_the_step_alone():
    asked_in_order, asked_once = Batches(Counting(500), 4, 8, 7), Batches(Counting(500), 4, 8, 7)
    for step in range(40):
        expected = asked_in_order.batch(step)
    assert torch.equal(asked_once.batch(39)[0], expected[0])
    assert not torch.equal(Batches(Counting(500), 4, 8, 8).batch(39)[0], expected[0])


@settings(deadline=None)
@given(st.integers(20, 400), st.integers(1, 10), st.integers(0, 3))
def test_every_window_is_dealt_once_in_a_pass_and_none_leaves_the_split(n_tokens, seq_len, seed):
    batches = Batches(Counting(n_tokens), 1, seq_len, seed)
    firsts = [int(batches.batch(step)[0][0, 0]) for step in range(2 * batches.n_windows)]
    for one_pass in (firsts[: batches.n_windows], firsts[batches.n_windows :]):
        ordered = sorted(one_pass)
        assert all(b - a == seq_len for a, b in pairwise(ordered))


def test_too_little_text_for_one_window_is_said():
    with pytest.raises(ValueError, match="30 tokens, too few for one sequence of 16"):
        Batches(Counting(30), 1, 16, 0)
