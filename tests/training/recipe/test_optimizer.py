"""AdamW and clipping, against torch's own."""

import copy
import functools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_mini import slots
from llama_mini.training.recipe import optimizer
from llama_mini.training.recipe.clipping import clip_gradients
from llama_mini.training.recipe.optimizer import adamw_update

EPS32 = torch.finfo(torch.float32).eps
UPDATE = "llama_mini.training.recipe.optimizer:adamw_update"


@pytest.fixture(autouse=True)
def _given_back():
    yield
    slots.restore_all()


@settings(deadline=None)
@given(
    st.floats(1e-5, 0.5),
    st.floats(0, 0.99),
    st.floats(0, 0.999),
    st.floats(0, 0.5),
    st.sampled_from([1e-8, 1e-5, 1e-2]),
)
def test_twenty_updates_are_torchs_adamw(lr, beta1, beta2, weight_decay, eps):
    generator = torch.Generator().manual_seed(1)
    draw = functools.partial(torch.randn, 5, 3, generator=generator, dtype=torch.float64)
    theirs = torch.nn.Parameter(draw())
    torchs = torch.optim.AdamW(
        [theirs], lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay
    )
    ours, m, v = theirs.detach().clone(), *torch.zeros(2, 5, 3, dtype=torch.float64)
    for step in range(1, 21):
        gradient = draw() * 10.0 ** (step % 3 - 1)
        theirs.grad = gradient.clone()
        torchs.step()
        ours, m, v = adamw_update(ours, gradient, m, v, step, lr, (beta1, beta2), eps, weight_decay)
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(m, torchs.state[theirs]["exp_avg"], rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(v, torchs.state[theirs]["exp_avg_sq"], rtol=1e-11, atol=1e-12)


def test_an_update_leaves_what_it_was_given():
    given_ = [torch.randn(4) for _ in range(3)] + [torch.rand(4)]
    before = [tensor.clone() for tensor in given_]
    adamw_update(*given_, 3, 0.1, (0.9, 0.95), 1e-8, 0.1)
    assert all(torch.equal(*pair) for pair in zip(given_, before, strict=True))


def test_an_update_number_zero_is_refused():
    with pytest.raises(ValueError, match="counted from 1"):
        adamw_update(*torch.ones(4, 2), 0, 0.1, (0.9, 0.95), 1e-8, 0.1)


def network():
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))


def train(model, adamw, steps):
    generator = torch.Generator().manual_seed(4)
    for number in range(steps):
        optimizer.set_learning_rate(adamw, 0.01 / (number + 1))
        adamw.zero_grad()
        model(torch.randn(5, 6, generator=generator)).square().mean().backward()
        adamw.step()


def with_rounding(steps):
    # An update rounds a dozen times, and what it moves is at most a few lr of weights below 1.
    return {"rtol": 12 * steps * EPS32, "atol": 12 * steps * EPS32}


def test_a_learners_function_and_torchs_kernel_train_the_same_weights():
    fused, called = network(), []
    train(fused, optimizer.adamw(fused, 0.01), 20)

    @functools.wraps(adamw_update)
    def mine(*arguments):
        called.append(arguments[4])
        return adamw_update(*arguments)

    slots.fill(UPDATE, mine, source="mine")
    own = network()
    train(own, optimizer.adamw(own, 0.01), 20)
    assert called == [step for step in range(1, 21) for _ in range(4)]  # four parameters
    for one, other in zip(fused.parameters(), own.parameters(), strict=True):
        torch.testing.assert_close(one, other, **with_rounding(20))


@pytest.mark.parametrize("learner_first", [False, True])
def test_a_state_made_by_one_is_continued_by_the_other(learner_first):
    straight = network()
    train(straight, optimizer.adamw(straight, 0.01), 14)

    def mine(*arguments):
        return adamw_update(*arguments)

    model = network()
    adamw = optimizer.adamw(model, 0.01)
    generator = torch.Generator().manual_seed(4)
    for number in range(14):
        if (number < 7) == learner_first:
            slots.fill(UPDATE, mine, source="mine")
        else:
            slots.restore_all()
        if number == 7:  # through a file's worth of state, into an optimizer of another process
            state = copy.deepcopy(adamw.state_dict())
            adamw = optimizer.adamw(model, 0.01)
            adamw.load_state_dict(state)
        optimizer.set_learning_rate(adamw, 0.01 / (number + 1))
        adamw.zero_grad()
        model(torch.randn(5, 6, generator=generator)).square().mean().backward()
        adamw.step()
    for one, other in zip(straight.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(one, other, **with_rounding(14))


shapes = st.lists(st.lists(st.integers(1, 5), max_size=3), min_size=1, max_size=5)


@settings(deadline=None)
@given(shapes, st.floats(1e-3, 1e3), st.integers(0, 5))
def test_clipping_is_torchs_clip_grad_norm(shapes, max_norm, seed):
    torch.manual_seed(seed)
    parameters = [torch.nn.Parameter(torch.zeros(shape)) for shape in shapes]
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape)
    ours = [parameter.grad.clone() for parameter in parameters]
    expected = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    norm = clip_gradients(ours, max_norm)
    assert norm == pytest.approx(expected.item(), rel=8 * EPS32)
    for mine, parameter in zip(ours, parameters, strict=True):
        torch.testing.assert_close(mine, parameter.grad, rtol=16 * EPS32, atol=0)


def test_clipping_works_in_place_and_only_above_the_limit():
    gradients = [torch.tensor([3.0]), torch.tensor([[4.0]])]
    assert clip_gradients(iter(gradients), 10.0) == 5.0
    assert [g.item() for g in gradients] == [3.0, 4.0]
    assert clip_gradients(gradients, 1.0) == 5.0
    assert [g.item() for g in gradients] == pytest.approx([0.6, 0.8], rel=1e-6)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_the_norm_tells_of_a_number_that_is_none(bad):
    assert not math.isfinite(clip_gradients([torch.ones(3), torch.tensor([1.0, bad])], 1.0))


@pytest.mark.parametrize(("gradients", "max_norm"), [([torch.ones(2)], 0.0), ([], 1.0)])
def test_clipping_to_nothing_or_of_nothing_is_refused(gradients, max_norm):
    with pytest.raises(ValueError, match="max_norm above 0 and one gradient"):
        clip_gradients(gradients, max_norm)
