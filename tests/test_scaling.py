"""Scaling laws, against worked cases in the literature and against brute force."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from llama_mini import scaling
from llama_mini.scaling import (
    CHINCHILLA,
    CHINCHILLA_UNROUNDED,
    EPOCH,
    SARDANA,
    ParametricFit,
)

GOPHER_FLOPS = 5.76e23
LLAMA_7B_FLOPS = 4.04e22

fits = st.builds(
    ParametricFit,
    E=st.floats(0.0, 3.0),
    A=st.floats(10.0, 5000.0),
    B=st.floats(10.0, 5000.0),
    alpha=st.floats(0.2, 0.6),
    beta=st.floats(0.2, 0.6),
)


def runs(fit, count=40, noise=0.0, seed=0):
    """Sizes, tokens and losses of training runs that follow a law, up to relative noise."""
    generator = torch.Generator().manual_seed(seed)
    random = torch.rand(2, count, generator=generator, dtype=torch.float64)
    n_params = 10 ** (7.6 + 2.6 * random[0])
    n_tokens = 10 ** (18 + 3.5 * random[1]) / (6 * n_params)
    errors = torch.randn(count, generator=generator, dtype=torch.float64)
    losses = fit.E + fit.A / n_params**fit.alpha + fit.B / n_tokens**fit.beta
    return n_params, n_tokens, losses * (1 + noise * errors)


# What training costs


@pytest.mark.parametrize(
    ("n_params", "n_tokens", "flops"),
    [
        (6_738_415_616, 1.0e12, 4.04e22),
        (13_015_864_320, 1.0e12, 7.81e22),
        (32_528_943_616, 1.4e12, 2.73e23),
        (65_285_660_672, 1.4e12, 5.48e23),
        (70e9, 1.4e12, 5.88e23),
    ],
)
def test_the_published_models_cost_six_flops_a_parameter_and_token(n_params, n_tokens, flops):
    assert scaling.training_flops(n_params, n_tokens) == pytest.approx(flops, rel=2e-3)


def test_a_counter_of_flops_sees_six_a_weight_and_token():
    tokens, width, layers = 32, 16, 5
    stack = nn.Sequential(*[nn.Linear(width, width, bias=False) for _ in range(layers)])
    x = torch.randn(tokens, width, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        stack(x).sum().backward()
    n_params = sum(parameter.numel() for parameter in stack.parameters())
    assert counter.get_total_flops() == scaling.training_flops(n_params, tokens)


def test_a_counter_of_flops_sees_two_a_weight_and_token_in_use():
    stack = nn.Sequential(nn.Linear(8, 24, bias=False), nn.Linear(24, 8, bias=False))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        stack(torch.randn(7, 8))
    assert counter.get_total_flops() == scaling.inference_flops(2 * 8 * 24, 7)


# The law


@pytest.mark.parametrize(
    ("n_params", "n_tokens", "loss"),
    [
        (6.738e9, 1.0e12, 2.086),
        (13.016e9, 1.0e12, 2.049),
        (32.53e9, 1.4e12, 1.999),
        (65.29e9, 1.4e12, 1.976),
        (70e9, 1.4e12, 1.974),
        (175e9, 0.3e12, 2.009),
    ],
)
def test_the_refit_predicts_the_losses_of_known_models(n_params, n_tokens, loss):
    assert round(scaling.parametric_loss(n_params, n_tokens, EPOCH), 3) == loss


def test_endless_size_and_data_leave_the_irreducible_loss():
    assert scaling.parametric_loss(1e60, 1e60, CHINCHILLA) == pytest.approx(CHINCHILLA.E)


@given(fits, st.floats(1e6, 1e12), st.floats(1e8, 1e14))
def test_tokens_for_loss_undoes_parametric_loss(fit, n_params, n_tokens):
    loss = scaling.parametric_loss(n_params, n_tokens, fit)
    again = scaling.tokens_for_loss(n_params, loss, fit)
    # The tokens' share of the loss is small, so its rounding weighs loss / share times as much.
    share = fit.B / n_tokens**fit.beta
    assert again == pytest.approx(n_tokens, rel=1e-15 * 20 * loss / share / fit.beta)


def test_a_loss_that_a_size_never_reaches_needs_endless_tokens():
    floor = CHINCHILLA.E + CHINCHILLA.A / 1e9**CHINCHILLA.alpha
    assert scaling.tokens_for_loss(1e9, floor - 0.01, CHINCHILLA) == math.inf


# Compute-optimal


@pytest.mark.parametrize(
    ("fit", "flops", "billions", "tokens_per_param"),
    [
        (CHINCHILLA, GOPHER_FLOPS, 32, 93),
        (CHINCHILLA_UNROUNDED, GOPHER_FLOPS, 40, 59),
        (SARDANA, GOPHER_FLOPS, 42, 55),
        (EPOCH, GOPHER_FLOPS, 72, 18),
        (CHINCHILLA, LLAMA_7B_FLOPS, 9.7, 72),
        (CHINCHILLA_UNROUNDED, LLAMA_7B_FLOPS, 12.0, 47),
        (SARDANA, LLAMA_7B_FLOPS, 12.4, 44),
        (EPOCH, LLAMA_7B_FLOPS, 18.5, 20),
    ],
)
def test_the_famous_constants_do_not_give_the_famous_twenty(fit, flops, billions, tokens_per_param):
    n_params, n_tokens = scaling.compute_optimal(flops, fit)
    digits = 1 if isinstance(billions, float) else 0
    assert round(n_params / 1e9, digits) == billions
    assert round(n_tokens / n_params) == tokens_per_param


def test_ten_times_the_compute_grows_the_refit_model_by_its_exponent():
    small, large = (scaling.compute_optimal(flops, EPOCH)[0] for flops in (1e21, 1e22))
    assert math.log10(large / small) == pytest.approx(0.5126, abs=5e-5)


@given(fits, st.floats(1e18, 1e26))
def test_the_optimum_spends_the_budget_where_the_loss_has_no_slope(fit, flops):
    n_params, n_tokens = scaling.compute_optimal(flops, fit)
    assert 6 * n_params * n_tokens == pytest.approx(flops)
    step = torch.zeros((), dtype=torch.float64, requires_grad=True)
    on_size = fit.A / (n_params * step.exp()) ** fit.alpha
    on_data = fit.B / (n_tokens / step.exp()) ** fit.beta
    (slope,) = torch.autograd.grad(on_size + on_data, step)
    assert abs(slope.item()) < 1e-10 * (on_size + on_data).item()


@given(fits, st.floats(1e18, 1e26), st.floats(0.1, 10.0))
def test_no_other_split_of_the_budget_has_a_lower_loss(fit, flops, factor):
    n_params, n_tokens = scaling.compute_optimal(flops, fit)
    lowest = scaling.parametric_loss(n_params, n_tokens, fit)
    other = scaling.parametric_loss(factor * n_params, n_tokens / factor, fit)
    assert other >= lowest * (1 - 1e-14)


# Fitting


def by_hand(theta, n_params, n_tokens, losses, delta):
    """Chinchilla's equation 3 run by run, with no logsumexp and no library's Huber loss."""
    e, a, b, alpha, beta = theta
    total = 0.0
    for n, d, loss in zip(n_params, n_tokens, losses, strict=True):
        predicted = math.log(math.exp(e) + math.exp(a) / n**alpha + math.exp(b) / d**beta)
        error = abs(predicted - math.log(loss))
        total += error**2 / 2 if error <= delta else delta * (error - delta / 2)
    return total


@pytest.mark.parametrize("delta", [1e-3, 0.05])
@pytest.mark.parametrize("theta", [(0.6, 6.0, 7.6, 0.35, 0.37), (0.0, 5.0, 10.0, 0.5, 0.0)])
def test_the_objective_is_the_papers_equation(theta, delta):
    columns = runs(EPOCH, count=7, noise=0.01)
    value = scaling.huber_objective(torch.tensor(theta, dtype=torch.float64), *columns, delta=delta)
    assert value.shape == ()
    expected = by_hand(theta, *(column.tolist() for column in columns), delta)
    assert value.item() == pytest.approx(expected, rel=1e-10)


def test_the_objective_and_its_slope_are_finite_far_away():
    theta = torch.tensor([0.0, 2000.0, -2000.0, 0.1, 3.0], dtype=torch.float64, requires_grad=True)
    value = scaling.huber_objective(theta, *runs(EPOCH, count=3))
    value.backward()
    assert value.isfinite() and theta.grad.isfinite().all()


@pytest.mark.parametrize(
    "law",
    [
        CHINCHILLA,
        EPOCH,
        ParametricFit(E=0.5, A=50, B=3000, alpha=0.2, beta=0.5),
        ParametricFit(E=2.5, A=5e4, B=300, alpha=0.6, beta=0.25),
        ParametricFit(E=1.0, A=1e6, B=1e6, alpha=0.8, beta=0.8),
    ],
    ids=lambda law: f"E={law.E}",
)
def test_a_fit_finds_the_law_that_made_noiseless_runs(law):
    found = scaling.fit_parametric(*runs(law))
    for name in ("E", "A", "B", "alpha", "beta"):
        assert getattr(found, name) == pytest.approx(getattr(law, name), rel=1e-6), name


@settings(max_examples=8, deadline=None)
@given(
    st.builds(
        ParametricFit,
        E=st.floats(1.0, 2.5),
        A=st.floats(100.0, 2000.0),
        B=st.floats(100.0, 5000.0),
        alpha=st.floats(0.25, 0.5),
        beta=st.floats(0.25, 0.5),
    )
)
def test_a_fit_predicts_other_runs_of_the_same_law(law):
    found = scaling.fit_parametric(*runs(law, count=30))
    for flops in (1e20, GOPHER_FLOPS):
        wanted = scaling.compute_optimal(flops, law)
        assert scaling.compute_optimal(flops, found) == pytest.approx(wanted, rel=1e-4)


def test_no_constants_near_a_noisy_fit_are_better():
    columns = runs(EPOCH, count=60, noise=2e-3)
    fit = scaling.fit_parametric(*columns)
    best = torch.tensor(
        [math.log(fit.E), math.log(fit.A), math.log(fit.B), fit.alpha, fit.beta],
        dtype=torch.float64,
    )
    lowest = scaling.huber_objective(best, *columns)
    generator = torch.Generator().manual_seed(0)
    for size in (1e-5, 1e-4, 1e-3, 1e-2):
        for _ in range(50):
            step = size * torch.randn(5, generator=generator, dtype=torch.float64)
            assert scaling.huber_objective(best + step, *columns) > lowest


def test_a_tenth_of_failed_runs_hardly_moves_the_fit():
    n_params, n_tokens, losses = runs(EPOCH, count=50, noise=1e-4)
    losses[::10] *= 1.05
    found = scaling.fit_parametric(n_params, n_tokens, losses)
    assert found.beta / (found.alpha + found.beta) == pytest.approx(0.5126, abs=0.01)


def test_a_fit_is_the_same_for_lists_for_any_order_and_every_time():
    columns = runs(EPOCH, count=12, noise=1e-3)
    copies = [column.clone() for column in columns]
    first = scaling.fit_parametric(*columns)
    assert first == scaling.fit_parametric(*(column.tolist() for column in columns))
    assert all(torch.equal(a, b) for a, b in zip(columns, copies, strict=True))
    reversed_runs = scaling.fit_parametric(*(column.flip(0) for column in columns))
    assert reversed_runs.alpha == pytest.approx(first.alpha, rel=1e-4)


# The whole life of a model


def life(n_params, n_tokens, inference_tokens):
    return scaling.training_flops(n_params, n_tokens) + scaling.inference_flops(
        n_params, inference_tokens
    )


def test_two_trillion_tokens_of_use_make_a_13b_model_a_7b_model():
    # The worked case of Sardana et al. 2024: 1.7e22 FLOPs saved, 17 %.
    n_tokens = 577e9
    loss = scaling.parametric_loss(13e9, n_tokens, SARDANA)
    smaller_tokens = scaling.tokens_for_loss(7e9, loss, SARDANA)
    assert smaller_tokens == pytest.approx(1.24e12, rel=5e-3)
    before, after = life(13e9, n_tokens, 2e12), life(7e9, smaller_tokens, 2e12)
    assert before == pytest.approx(9.70e22, rel=1e-3)
    assert after == pytest.approx(8.01e22, rel=1e-3)
    assert round(100 * (1 - after / before), 1) == 17.4
    best = scaling.inference_aware_optimum(loss, 2e12, SARDANA)
    assert best[0] == pytest.approx(7e9, rel=0.01)
    assert life(*best, 2e12) <= after


@given(fits, st.floats(1e19, 1e25))
def test_without_use_the_optimum_is_the_compute_optimal_one(fit, flops):
    n_params, n_tokens = scaling.compute_optimal(flops, fit)
    loss = scaling.parametric_loss(n_params, n_tokens, fit)
    # How much of the loss's rounding reaches the optimum depends on how near E it is.
    rel = 1e-13 * loss / (loss - fit.E) + 1e-10
    found = scaling.inference_aware_optimum(loss, 0, fit)
    assert found == pytest.approx((n_params, n_tokens), rel=rel)


@given(fits, st.floats(1e19, 1e25), st.floats(1e9, 1e14), st.floats(0.5, 2.0))
def test_no_other_size_reaches_the_loss_for_less(fit, flops, inference_tokens, factor):
    loss = scaling.parametric_loss(*scaling.compute_optimal(flops, fit), fit)
    n_params, n_tokens = scaling.inference_aware_optimum(loss, inference_tokens, fit)
    assert scaling.parametric_loss(n_params, n_tokens, fit) == pytest.approx(loss, rel=1e-9)
    other = scaling.tokens_for_loss(factor * n_params, loss, fit)
    if math.isfinite(other):
        cost = life(n_params, n_tokens, inference_tokens)
        assert life(factor * n_params, other, inference_tokens) >= cost * (1 - 1e-6)


@given(fits, st.floats(1e19, 1e25), st.floats(1e9, 1e13), st.floats(1.5, 100.0))
def test_more_use_asks_for_a_smaller_model_on_more_tokens(fit, flops, inference_tokens, factor):
    loss = scaling.parametric_loss(*scaling.compute_optimal(flops, fit), fit)
    some = scaling.inference_aware_optimum(loss, inference_tokens, fit)
    more = scaling.inference_aware_optimum(loss, factor * inference_tokens, fit)
    assert more[0] <= some[0] and more[1] >= some[1]


# Bad input


@pytest.mark.parametrize("bad", [0, -1.0, math.nan, math.inf, "7B", None, True])
def test_a_count_that_makes_no_sense_is_named(bad):
    with pytest.raises(ValueError, match="n_params must be a finite number above 0"):
        scaling.training_flops(bad, 1e12)
    with pytest.raises(ValueError, match="n_tokens must be a finite number above 0"):
        scaling.parametric_loss(7e9, bad, EPOCH)
    with pytest.raises(ValueError, match="flops must be a finite number above 0"):
        scaling.compute_optimal(bad, EPOCH)


def test_constants_that_make_no_sense_are_named():
    with pytest.raises(ValueError, match=r"alpha must be a finite number above 0; got -0\.3"):
        ParametricFit(E=1.7, A=400, B=400, alpha=-0.3, beta=0.3)
    with pytest.raises(ValueError, match="E must be a finite number at least 0; got nan"):
        ParametricFit(E=math.nan, A=400, B=400, alpha=0.3, beta=0.3)


def test_a_loss_below_the_floor_is_refused():
    with pytest.raises(ValueError, match=r"E = 1\.8172"):
        scaling.inference_aware_optimum(1.8, 1e12, EPOCH)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([], [], []), "at least five runs; got 0"),
        (([1e8], [1e9], [3.0]), "at least five runs; got 1"),
        (([1e8] * 5, [1e9] * 5, [3.0] * 4), "equal length"),
        (([1e8] * 6, [1e9, 2e9, 3e9] * 2, [3.0] * 6), "n_params has 1 different value;"),
        (([1e8, 2e8, 3e8] * 2, [1e9, 2e9] * 3, [3.0] * 6), "n_tokens has 2 different values;"),
        (([1e8, 2e8, 3e8] * 2, [1e9, 2e9, 3e9] * 2, [3.0] * 5 + [-1]), "losses must be"),
    ],
)
def test_runs_that_cannot_be_fitted_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        scaling.fit_parametric(*columns)
