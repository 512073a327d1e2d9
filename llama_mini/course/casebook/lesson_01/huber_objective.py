"""The objective of a fit: the Huber loss between predicted and observed log losses."""

import textwrap

import torch

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args

_THETA = torch.tensor([0.6, 6.2, 7.5, 0.35, 0.36], dtype=torch.float64)
_RUNS = (
    torch.tensor([4.4e7, 1.1e8, 3.0e8, 1.2e9, 7.1e9, 1.6e10], dtype=torch.float64),
    torch.tensor([2.0e10, 1.5e9, 6.0e9, 2.6e10, 1.0e10, 3.0e11], dtype=torch.float64),
    torch.tensor([3.02, 3.39, 2.86, 2.46, 2.51, 2.07], dtype=torch.float64),
)
# By name, so that no gradient is asked for: the runs are data.
_NAMED = dict(zip(("n_params", "n_tokens", "losses"), _RUNS, strict=True))
_TERMS = """
terms = [
    log_E.expand_as(losses),
    log_A - alpha * n_params.log(),
    log_B - beta * n_tokens.log(),
]
"""
_HUBER = "F.huber_loss(predicted, losses.log(), reduction='sum', delta=delta)"


def _function(
    order: str = "log_E, log_A, log_B, alpha, beta",
    terms: str = _TERMS,
    predicted: str = "torch.logsumexp(torch.stack(terms), dim=0)",
    result: str = _HUBER,
) -> str:
    """The whole function from the lines that differ."""
    body = f"{order} = theta\n{terms.strip()}\npredicted = {predicted}\nreturn {result}"
    return (
        "def huber_objective(theta, n_params, n_tokens, losses, delta=1e-3):\n"
        + textwrap.indent(body, "    ")
        + "\n"
    )


_NO_TERMS = "n, d = n_params, n_tokens"

EXERCISE = Exercise(
    symbol="llama_mini.scaling:huber_objective",
    lesson=1,
    minutes=15,
    difficulty=2,
    prerequisites=("parametric_loss",),
    cases=(
        Case("six runs", given=args(_THETA, **_NAMED), gradients=True, rtol=1e-9, points=2),
        Case("a wider delta", given=args(_THETA, *_RUNS, delta=0.03), rtol=1e-9),
        Case("one run", given=args(_THETA, *(column[:1] for column in _RUNS)), rtol=1e-9),
        Case(
            "constants far away, where exponentials overflow",
            given=args(torch.tensor([0.5, 900.0, 3.0, 0.3, 0.4], dtype=torch.float64), *_RUNS),
            rtol=1e-9,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "losses, not their logs",
            "The losses themselves are compared. The objective compares their logarithms, so that "
            "one per cent counts the same at a high loss as at a low one.",
            _function(
                predicted="torch.logsumexp(torch.stack(terms), dim=0).exp()",
                result=_HUBER.replace(".log()", ""),
            ),
        ),
        WrongAnswer(
            "log against plain",
            "The prediction is a log loss and the observed loss is not. Take `losses.log()`.",
            _function(result=_HUBER.replace(".log()", "")),
        ),
        WrongAnswer(
            "mean over the runs",
            "The runs are averaged, not summed. The minimum is in the same place, but the slopes "
            "are smaller by the number of runs, and a search that stops at a small slope stops "
            "earlier.",
            _function(result=_HUBER.replace("sum", "mean")),
        ),
        WrongAnswer(
            "squared error",
            "That is the squared error, without Huber's straight part: a single failed run far "
            "off the law would bend it. Beyond delta, errors count linearly.",
            _function(result="((predicted - losses.log()) ** 2).sum()"),
            also=(_function(result="0.5 * ((predicted - losses.log()) ** 2).sum()"),),
        ),
        WrongAnswer(
            "absolute error",
            "That is the absolute error. Within delta, Huber's loss is a parabola, error² / 2.",
            _function(result="(predicted - losses.log()).abs().sum()"),
        ),
        WrongAnswer(
            "a delta of its own",
            "The `delta` handed in is ignored. torch's default is 1, a thousand times the 1e-3 of "
            "this fit; pass it on.",
            _function(result=_HUBER.replace(", delta=delta", "")),
            also=(_function(result=_HUBER.replace("delta=delta", "delta=1e-3")),),
        ),
        WrongAnswer(
            "smooth L1",
            "`smooth_l1_loss` is Huber's loss divided by delta. Use `huber_loss`.",
            _function(
                result="F.smooth_l1_loss(predicted, losses.log(), reduction='sum', beta=delta)"
            ),
        ),
        WrongAnswer(
            "E, A and B taken as they are",
            "theta holds the *logarithms* of E, A and B. Your code uses them as if they were the "
            "constants themselves.",
            _function(
                terms=_NO_TERMS,
                predicted="torch.log(log_E + log_A / n**alpha + log_B / d**beta)",
            ),
        ),
        WrongAnswer(
            "plus for minus",
            "alpha·log N and beta·log D are added. A / N^alpha is a division: in logarithms, "
            "subtract.",
            _function(terms=_TERMS.replace("log_A - ", "log_A + ").replace("log_B - ", "log_B + ")),
        ),
        WrongAnswer(
            "logs added",
            "The three logarithms are added up, which multiplies the three terms. The law adds "
            "the terms: logsumexp.",
            _function(predicted="sum(terms)"),
        ),
        WrongAnswer(
            "theta in another order",
            "theta is (log E, log A, log B, alpha, beta), the order of `ParametricFit`. Yours is "
            "read in another.",
            _function(order="log_A, log_B, log_E, alpha, beta"),
            also=(
                _function(order="log_A, log_B, alpha, beta, log_E"),
                _function(order="log_E, log_A, alpha, log_B, beta"),
                _function(order="log_A, alpha, log_B, beta, log_E"),
            ),
        ),
        WrongAnswer(
            "exponents swapped",
            "alpha belongs to the parameters and beta to the tokens; yours are the other way "
            "round.",
            _function(order="log_E, log_A, log_B, beta, alpha"),
        ),
        WrongAnswer(
            "base 10",
            "The logarithms are to base 10. Use natural ones, `.log()`: theta and logsumexp do.",
            _function(
                terms=_TERMS.replace(".log()", ".log10()"),
                result=_HUBER.replace(".log()", ".log10()"),
            ),
            also=(
                _function(terms=_TERMS.replace(".log()", ".log10()")),
                _function(result=_HUBER.replace(".log()", ".log10()")),
            ),
        ),
        WrongAnswer(
            "rounded to float32",
            "Part of the prediction passes through float32, which keeps seven digits; near the "
            "minimum a search needs more. `torch.ones(…)` and `torch.zeros(…)` are float32: expand "
            "log E with `log_E.expand_as(losses)`.",
            _function(
                terms=_TERMS.replace("log_E.expand_as(losses)", "log_E * torch.ones(len(losses))")
            ),
            also=(
                _function(
                    terms=_TERMS.replace(
                        "log_E.expand_as(losses)", "log_E + torch.zeros(losses.shape)"
                    )
                ),
            ),
        ),
        WrongAnswer(
            "exponentials that overflow",
            "You take exponentials first and the logarithm of their sum after. exp(710) is "
            "already infinite in float64, and a search may well look there; `torch.logsumexp` "
            "never leaves the logarithms.",
            _function(predicted="torch.log(sum(term.exp() for term in terms))"),
        ),
    ),
    alternatives=(
        Alternative(
            "Huber by hand",
            _function(
                result="torch.where((predicted - losses.log()).abs() <= delta, "
                "(predicted - losses.log()) ** 2 / 2, "
                "delta * ((predicted - losses.log()).abs() - delta / 2)).sum()"
            ),
        ),
        Alternative(
            "logaddexp twice",
            _function(predicted="torch.logaddexp(terms[0], torch.logaddexp(terms[1], terms[2]))"),
        ),
        Alternative(
            "the criterion as a module",
            "def huber_objective(theta, n_params, n_tokens, losses, delta=1e-3):\n    e, a, b = "
            "theta[0], theta[1], theta[2]\n    size = a - theta[3] * torch.log(n_params)\n    "
            "data = b - theta[4] * torch.log(n_tokens)\n    predicted = torch.stack([e + "
            "torch.zeros_like(size), size, data], dim=-1).logsumexp(dim=-1)\n    return "
            "nn.HuberLoss(reduction='sum', delta=delta)(torch.log(losses), predicted)\n",
        ),
        Alternative(
            "run by run",
            "def huber_objective(theta, n_params, n_tokens, losses, delta=1e-3):\n    log_E, "
            "log_A, log_B, alpha, beta = theta.unbind()\n    total = theta.new_zeros(())\n    for "
            "n, d, loss in zip(n_params, n_tokens, losses):\n        terms = torch.stack([log_E, "
            "log_A - alpha * n.log(), log_B - beta * d.log()])\n        total = total + "
            "F.huber_loss(torch.logsumexp(terms, 0), loss.log(), delta=delta)\n    return total\n",
        ),
    ),
    hints=(
        "Work in logarithms from the start. What is log(A / N^alpha), in terms of log A, alpha "
        "and log N?",
        "The logarithm of a sum whose terms you have as logarithms is `torch.logsumexp` over the "
        "stack of them. log E is one number; expand it to one for each run first.",
        "`predicted = torch.logsumexp(torch.stack([log_E.expand_as(losses), …, …]), dim=0)`, and "
        "then `F.huber_loss(predicted, losses.log(), reduction='sum', delta=delta)`.",
    ),
)
