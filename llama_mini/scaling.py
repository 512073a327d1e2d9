"""Scaling laws: what a lower loss costs in parameters, tokens and FLOPs.

Numbers are counts: parameters, tokens, floating-point operations. Losses are nats per token.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from numbers import Real

import torch
from torch import Tensor
from torch.nn import functional as F


def _is_finite(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _demand_positive(**amounts: float) -> None:
    for name, amount in amounts.items():
        if not _is_finite(amount) or amount <= 0:
            raise ValueError(f"{name} must be a finite number above 0; got {amount!r}.")


def _demand_at_least_zero(**amounts: float) -> None:
    for name, amount in amounts.items():
        if not _is_finite(amount) or amount < 0:
            raise ValueError(f"{name} must be a finite number of at least 0; got {amount!r}.")


@dataclass(frozen=True)
class ParametricFit:
    """The constants of L(N, D) = E + A / N^alpha + B / D^beta, for N parameters and D tokens.

    E: what no model can get below, in nats per token. A, alpha: what a finite size adds.
    B, beta: what finite data add. Source: Chinchilla (Hoffmann et al. 2022), equation 2.
    Raises ValueError unless E is at least 0 and the others are above 0.
    """

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            allowed = _is_finite(value) and (value > 0 or (value == 0 and field.name == "E"))
            if not allowed:
                bound = "at least 0" if field.name == "E" else "above 0"
                raise ValueError(f"{field.name} must be a finite number {bound}; got {value!r}.")


# Four readings of the same experiments; lesson 01 shows how far apart their advice is.
CHINCHILLA = ParametricFit(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
"""Hoffmann et al. 2022, as printed: every constant rounded."""

CHINCHILLA_UNROUNDED = ParametricFit(E=1.6934, A=406.4, B=410.7, alpha=0.3392, beta=0.2849)
"""E and the exponents with the digits of the same paper's TeX source; A and B as printed."""

SARDANA = ParametricFit(E=1.69, A=406.4, B=410.7, alpha=0.336, beta=0.283)
"""The constants that Sardana et al. 2024 (arXiv 2401.00448) use for their worked cases."""

EPOCH = ParametricFit(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
"""Besiroglu et al. 2024 (arXiv 2404.10102): the data of the paper's figure, fitted again."""

HUBER_DELTA = 1e-3
"""Errors of log loss above this count linearly, so that a failed run cannot bend the law."""


def training_flops(n_params: float, n_tokens: float) -> float:
    """The floating-point operations of training n_params parameters on n_tokens tokens: 6·N·D.

    Each weight meets each token in one multiplication and one addition on the way forward, and in
    twice as many on the way back. Raises ValueError unless both are above 0.
    Source: Kaplan et al. 2020, §2.1; it leaves out attention's scores, which depend on the length.
    """
    _demand_positive(n_params=n_params, n_tokens=n_tokens)
    return 6.0 * n_params * n_tokens


def inference_flops(n_params: float, n_tokens: float) -> float:
    """The floating-point operations of running n_params parameters on n_tokens tokens: 2·N·D."""
    _demand_positive(n_params=n_params)
    _demand_at_least_zero(n_tokens=n_tokens)
    return 2.0 * n_params * n_tokens


def parametric_loss(n_params: float, n_tokens: float, fit: ParametricFit) -> float:
    """The loss that the law predicts, E + A / N^alpha + B / D^beta, in nats per token.

    n_params and n_tokens are counts, not billions. `fit` has the constants E, A, B, alpha, beta.
    Raises ValueError unless both counts are above 0. Source: Chinchilla, equation 2.
    """
    _demand_positive(n_params=n_params, n_tokens=n_tokens)
    return fit.E + fit.A / n_params**fit.alpha + fit.B / n_tokens**fit.beta


def tokens_for_loss(n_params: float, loss: float, fit: ParametricFit) -> float:
    """The tokens after which a model of n_params parameters reaches `loss` nats per token.

    Infinite if the model is too small to reach it. Raises ValueError unless n_params is above 0.
    """
    _demand_positive(n_params=n_params)
    left_for_data = loss - fit.E - fit.A / n_params**fit.alpha
    return (fit.B / left_for_data) ** (1 / fit.beta) if left_for_data > 0 else math.inf


def compute_optimal(flops: float, fit: ParametricFit) -> tuple[float, float]:
    """The parameters and tokens that give the lowest loss for a training budget of 6·N·D FLOPs.

    Returns (n_params, n_tokens), not rounded: the minimum of `parametric_loss` where
    6·n_params·n_tokens = flops, which has a closed form.
    Raises ValueError unless flops is above 0. Source: Chinchilla, equation 4.
    """
    _demand_positive(flops=flops)
    exponents = fit.alpha + fit.beta
    scale = (fit.alpha * fit.A / (fit.beta * fit.B)) ** (1 / exponents)
    n_params = scale * (flops / 6) ** (fit.beta / exponents)
    n_tokens = (flops / 6) ** (fit.alpha / exponents) / scale
    return n_params, n_tokens


def huber_objective(
    theta: Tensor, n_params: Tensor, n_tokens: Tensor, losses: Tensor, delta: float = HUBER_DELTA
) -> Tensor:
    """How badly constants explain training runs: the Huber loss between log losses, summed.

    theta (5,) = log E, log A, log B, alpha, beta; n_params, n_tokens, losses (runs,), all float64
    → a tensor of shape (). The predicted log loss is logsumexp(log E, log A - alpha·log N,
    log B - beta·log D), which stays finite wherever a search may look.
    Source: Chinchilla, equation 3.
    """
    log_E, log_A, log_B, alpha, beta = theta
    terms = [
        log_E.expand_as(losses),
        log_A - alpha * n_params.log(),
        log_B - beta * n_tokens.log(),
    ]
    predicted = torch.logsumexp(torch.stack(terms), dim=0)  # (runs,)
    return F.huber_loss(predicted, losses.log(), reduction="sum", delta=delta)


# Where the search for theta begins: every combination of these.
STARTS = torch.cartesian_prod(
    torch.tensor([0.0, 1.0], dtype=torch.float64),  # log E
    torch.tensor([0.0, 5.0, 10.0, 15.0], dtype=torch.float64),  # log A
    torch.tensor([0.0, 5.0, 10.0, 15.0], dtype=torch.float64),  # log B
    torch.tensor([0.25, 0.5, 1.0], dtype=torch.float64),  # alpha
    torch.tensor([0.25, 0.5, 1.0], dtype=torch.float64),  # beta
)
_STARTS = STARTS  # answers kept before it was public import it


def fit_parametric(
    n_params: Sequence[float] | Tensor,
    n_tokens: Sequence[float] | Tensor,
    losses: Sequence[float] | Tensor,
) -> ParametricFit:
    """The constants that explain training runs best: those of the lowest `huber_objective`.

    Three sequences of equal length: for each run its parameters, its tokens and its final loss in
    nats per token. L-BFGS runs in float64 from the most promising starts of a grid, and the best
    end wins; the same runs always give the same constants. Raises ValueError for fewer than five
    runs, fewer than three different sizes or token counts, or a number that is not above 0.
    Source: Chinchilla, §3.3.
    """
    n, d, observed = _as_runs(n_params, n_tokens, losses)

    def objective(theta: Tensor) -> Tensor:
        # A good fit has an objective near 1e-4, flatter than L-BFGS can feel. In units of delta²
        # it has the same minimum and a slope.
        return huber_objective(theta, n, d, observed) / HUBER_DELTA**2

    def descend(start: Tensor) -> Tensor:
        theta = start.clone().requires_grad_()
        # Its own rules would stop it where the valley is flat, long before the bottom.
        optimizer = torch.optim.LBFGS(
            [theta],
            max_iter=500,
            history_size=10,  # twice the unknowns; each step works through all of it
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            optimizer.zero_grad()
            value = objective(theta)
            value.backward()
            return value

        optimizer.step(closure)
        return theta.detach()

    starts = sorted(STARTS, key=lambda start: objective(start).item())
    ends = [descend(start) for start in starts[:3]]
    log_E, log_A, log_B, alpha, beta = min(ends, key=lambda end: objective(end).item()).tolist()
    return ParametricFit(math.exp(log_E), math.exp(log_A), math.exp(log_B), alpha, beta)


def inference_aware_optimum(
    loss: float, inference_tokens: float, fit: ParametricFit
) -> tuple[float, float]:
    """The model that reaches `loss` for the fewest FLOPs, 6·N·D to train and 2·N·D_inf to use.

    loss in nats per token; inference_tokens (D_inf) is how many tokens it will read and write in
    use, 0 or more. Returns (n_params, n_tokens), the training tokens, not rounded. Raises
    ValueError unless loss is above fit.E, which no model reaches.
    Source: Sardana et al. 2024 (arXiv 2401.00448).
    """
    _demand_positive(loss=loss)
    _demand_at_least_zero(inference_tokens=inference_tokens)
    excess = loss - fit.E
    if excess <= 0:
        raise ValueError(
            f"No model reaches a loss of {loss}: the law ends at E = {fit.E}. Ask for more than E."
        )
    # Size and data share the excess loss. At the lowest cost, the inference tokens that pay for a
    # model of this share are 3·D·(alpha·share / (beta·(1 - share)) - 1): none at the share of the
    # cheapest training, ever more towards 1. So halve the interval until it is a point.
    low, high = fit.beta / (fit.alpha + fit.beta), 1.0
    for _ in range(50):
        share = (low + high) / 2
        n_params = (fit.A / (share * excess)) ** (1 / fit.alpha)
        n_tokens = (fit.B / ((1 - share) * excess)) ** (1 / fit.beta)
        pays_from = 3 * n_tokens * (fit.alpha * share / (fit.beta * (1 - share)) - 1)
        low, high = (share, high) if pays_from < inference_tokens else (low, share)
    return n_params, n_tokens


def _as_runs(*columns: Sequence[float] | Tensor) -> list[Tensor]:
    names = ("n_params", "n_tokens", "losses")
    tensors = [torch.as_tensor(column, dtype=torch.float64).detach() for column in columns]
    shapes = {name: tuple(t.shape) for name, t in zip(names, tensors, strict=True)}
    if len(set(shapes.values())) > 1 or tensors[0].ndim != 1:
        raise ValueError(f"A fit needs three lists of equal length, one entry a run; got {shapes}.")
    if len(tensors[0]) < 5:
        raise ValueError(f"Five constants need at least five runs; got {len(tensors[0])}.")
    for name, tensor in zip(names, tensors, strict=True):
        if bad := [value for value in tensor.tolist() if not (math.isfinite(value) and value > 0)]:
            raise ValueError(f"{name} must be finite numbers above 0; got {bad[0]} among them.")
    for name, tensor in zip(names[:2], tensors, strict=False):
        if (different := len(tensor.unique())) < 3:
            raise ValueError(
                f"{name} has {different} different value{'s' * (different > 1)}; a power law and "
                "its floor need at least three. Add runs that differ in it."
            )
    return tensors
