"""Fitting the law: the constants that explain a set of training runs."""

import textwrap

import torch
from torch import Tensor

from llama_mini import scaling
from llama_mini.course.judge.exercise import Alternative, Args, Case, Exercise, WrongAnswer


def _runs(
    law: scaling.ParametricFit, n_params: Tensor, n_tokens: Tensor, failed: float = 0.0
) -> Args:
    """Runs that follow a law exactly, but for every sixth, whose loss is higher by a share."""
    losses = law.E + law.A / n_params**law.alpha + law.B / n_tokens**law.beta
    losses[::6] *= 1 + failed
    return Args((n_params, n_tokens, losses))


def _powers_of_ten(count: int, seed: int, *ranges: tuple[float, float]) -> tuple[Tensor, ...]:
    """Numbers between 10 to the first and 10 to the second of a range, for each of the ranges."""
    random = torch.rand(
        len(ranges), count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return tuple(
        10 ** (low + (high - low) * row) for row, (low, high) in zip(random, ranges, strict=True)
    )


def _within_budgets(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Sizes, and the tokens that budgets of 10^18 to 3·10^21 FLOPs leave for them."""
    n_params, flops = _powers_of_ten(count, seed, (7.5, 10.1), (18, 21.5))
    return n_params, flops / (6 * n_params)


_OTHER = scaling.ParametricFit(E=1.2, A=150.0, B=900.0, alpha=0.28, beta=0.33)

_CLOSE = scaling.ParametricFit(E=1.5, A=300.0, B=800.0, alpha=0.3, beta=0.31)


_OBJECTIVE = "scaling.huber_objective(theta, n, d, loss) / 1e-6"
_RESULT = (
    "scaling.ParametricFit(theta[0].exp().item(), theta[1].exp().item(), theta[2].exp().item(), "
    "*theta[3:].tolist())"
)


def _descent(
    objective: str = _OBJECTIVE,
    result: str = _RESULT,
    columns: str = "n_params, n_tokens, losses",
    starts: str = "[(0.5, 6.0, 7.0, 0.35, 0.35)]",
    dtype: str = "torch.float64",
    options: str = (
        "max_iter=400, history_size=10, tolerance_grad=0, tolerance_change=0, "
        "line_search_fn='strong_wolfe'"
    ),
    best: str = "min(ends, key=lambda end: end[0])[1]",
) -> str:
    """L-BFGS from a few starts, from the lines that differ."""
    return textwrap.dedent(
        f"""
        from llama_mini import scaling


        def fit_parametric(n_params, n_tokens, losses):
            n, d, loss = (torch.as_tensor(column, dtype={dtype}) for column in ({columns}))

            def objective(theta):
                return {objective}

            ends = []
            for start in {starts}:
                theta = torch.tensor(start, dtype={dtype}, requires_grad=True)
                optimizer = torch.optim.LBFGS([theta], {options})

                def closure():
                    optimizer.zero_grad()
                    value = objective(theta)
                    value.backward()
                    return value

                optimizer.step(closure)
                ends.append((objective(theta).item(), theta.detach()))
            theta = {best}
            return {result}
        """
    ).lstrip()


# The most promising start first, as the exercise advises; and L-BFGS's own rules to stop.
_SORTED_STARTS = (
    "sorted(scaling.STARTS.tolist(), "
    "key=lambda start: objective(torch.tensor(start).to(loss)).item())"
)
_USUAL_RULES = "max_iter=500, history_size=10, line_search_fn='strong_wolfe'"

_PREDICTED = (
    "torch.logsumexp(torch.stack([theta[0].expand_as(loss), theta[1] - theta[3] * n.log(), "
    "theta[2] - theta[4] * d.log()]), 0)"
)

EXERCISE = Exercise(
    symbol="llama_mini.scaling:fit_parametric",
    lesson=1,
    minutes=25,
    difficulty=4,
    prerequisites=("huber_objective",),
    cases=(
        # All runs are chosen so that searches end soon: from the best three of `STARTS` together in
        # 300 to 450 evaluations. The first of them ends in a shallow valley here.
        Case(
            "runs that follow the refit exactly",
            given=_runs(scaling.EPOCH, *_within_budgets(30, seed=0)),
            truth=scaling.EPOCH,
            rtol=1e-3,
            points=2,
            seconds=30,
        ),
        # Here the third does.
        Case(
            "another law, and every sixth run failed",
            given=_runs(_OTHER, *_within_budgets(36, seed=2), failed=0.15),
            rtol=5e-3,
            seconds=30,
        ),
        Case(
            "a floor above half a nat",
            given=_runs(scaling.SARDANA, *_powers_of_ten(10, 21, (6, 10), (7.5, 11.5))),
            use=lambda answer, *runs: answer(*runs).E > 0.5,
            truth=scaling.SARDANA,
            seconds=30,
        ),
        # The closer the runs, the more of the digits cancel, and float32 has none to spare. From
        # each of the best three starts a search in float64 arrives.
        Case(
            "runs close together, to six digits",
            given=_runs(_CLOSE, *_powers_of_ten(24, 37, (6.5, 8.5), (9, 11))),
            truth=_CLOSE,
            rtol=1e-6,
            seconds=30,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "logarithms returned",
            "E, A and B are returned as logarithms, as theta has them. Take `exp` of the first "
            "three.",
            _descent(result="scaling.ParametricFit(*theta.tolist())"),
        ),
        WrongAnswer(
            "not at the minimum",
            "What you return is not at the minimum. L-BFGS's own tolerances stop a search early "
            "(the objective is tiny: divide it by delta² and set both tolerances to 0); so do few "
            "iterations, and float32. A single start may end in a shallow valley: take the best "
            "three, and keep the end with the *lowest* objective, neither the first nor the last.",
            _descent(
                objective="scaling.huber_objective(theta, n, d, loss) / len(loss)",
                starts="[(0.0, 5.0, 10.0, 0.5, 0.5)]",
                options=_USUAL_RULES,
            ),
            also=(
                _descent(
                    objective="scaling.huber_objective(theta, n, d, loss)",
                    starts=f"{_SORTED_STARTS}[:3]",
                    options=_USUAL_RULES,
                ),
                _descent(
                    starts=f"[{_SORTED_STARTS}[2], (0.5, 6.0, 7.0, 0.35, 0.35)]",
                    dtype="torch.float32",
                ),
                _descent(dtype="torch.float32"),
                # One start alone ends where the first or the last of three does.
                _descent(starts=f"{_SORTED_STARTS}[:1]"),
                _descent(starts=f"{_SORTED_STARTS}[2:3]"),
                _descent(
                    starts=f"{_SORTED_STARTS}[:3]", best="max(ends, key=lambda end: end[0])[1]"
                ),
            ),
            values_vary=True,
        ),
        WrongAnswer(
            "squared error",
            "You minimise the squared error, so failed runs pull the law towards them. Minimise "
            "`huber_objective`, which hardly hears them.",
            _descent(objective=f"((({_PREDICTED}) - loss.log()) ** 2).sum() * 1e4"),
            also=(
                _descent(objective="scaling.huber_objective(theta, n, d, loss, delta=1.0) * 1e4"),
            ),
        ),
        WrongAnswer(
            "parameters and tokens swapped",
            "Parameters and tokens are swapped on the way to the objective, so A and alpha came "
            "out as B and beta.",
            _descent(columns="n_tokens, n_params, losses"),
        ),
        WrongAnswer(
            "exponents swapped",
            "alpha and beta are swapped in what you return. The order is E, A, B, alpha, beta.",
            _descent(
                result=(
                    "scaling.ParametricFit(theta[0].exp().item(), theta[1].exp().item(), "
                    "theta[2].exp().item(), theta[4].item(), theta[3].item())"
                )
            ),
        ),
        WrongAnswer(
            "A and B swapped",
            "A and B are swapped in what you return. The order is E, A, B, alpha, beta.",
            _descent(
                result=(
                    "scaling.ParametricFit(theta[0].exp().item(), theta[2].exp().item(), "
                    "theta[1].exp().item(), *theta[3:].tolist())"
                )
            ),
        ),
        WrongAnswer(
            "E is forgotten",
            "Your law ends at zero: E is fixed at nothing. Text has a loss that no model gets "
            "below, and without it the exponents come out too small.",
            _descent(
                objective=(
                    "F.huber_loss(torch.logaddexp(theta[1] - theta[3] * n.log(), theta[2] - "
                    "theta[4] * d.log()), loss.log(), reduction='sum', delta=1e-3) * 1e6"
                ),
                starts="[(0.0, 3.0, 4.0, 0.1, 0.1)]",
                result=(
                    "scaling.ParametricFit(0.0, *theta[1:3].exp().tolist(), *theta[3:].tolist())"
                ),
            ),
            values_vary=True,
        ),
        WrongAnswer(
            "counts in billions",
            "The counts are divided by a billion first, so A and B come out in other units. Leave "
            "the counts as they are.",
            _descent(
                columns="n_params / 1e9, n_tokens / 1e9, losses",
                starts="[(0.5, 0.0, 0.0, 0.35, 0.35)]",
            ),
        ),
    ),
    alternatives=(
        Alternative(
            "several starts",
            _descent(starts="[(0.0, 5.0, 5.0, 0.5, 0.5), (1.0, 5.0, 10.0, 0.5, 0.5)]"),
        ),
        Alternative(
            "an objective in place",
            _descent(
                objective="1e6 * "
                f"F.huber_loss({_PREDICTED}, loss.log(), reduction='sum', delta=1e-3)"
            ),
        ),
        Alternative(
            "many steps",
            _descent(
                options=(
                    "max_iter=2000, history_size=30, tolerance_grad=1e-12, "
                    "tolerance_change=1e-16, line_search_fn='strong_wolfe'"
                )
            ),
        ),
    ),
    hints=(
        "A search needs three things: something to minimise (you have written it), a place to "
        "start, and a rule to stop. All three can go wrong.",
        "The objective is about 1e-4 or less near the minimum, and `torch.optim.LBFGS` takes such "
        "small slopes for none. Divide the objective by delta², and set `tolerance_grad=0, "
        "tolerance_change=0, line_search_fn='strong_wolfe'`, `max_iter=500`.",
        "For every row of `STARTS` compute the objective, and sort. From each of the best three: "
        "clone it, `requires_grad_()`, one `optimizer.step(closure)`. Keep the end with the "
        "lowest objective, and return `ParametricFit(exp, exp, exp, alpha, beta)` of its five "
        "numbers.",
    ),
)
