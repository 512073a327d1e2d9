"""Mistakes in the objective of a fit, written apart from the casebook, on other runs."""

import textwrap

import torch

from llama_mini.course.judge.exercise import Case, args

_THETA = torch.tensor([0.3, 5.1, 6.9, 0.31, 0.34], dtype=torch.float64)
_RUNS = (
    torch.tensor([2.0e7, 9.0e7, 5.0e8, 2.2e9], dtype=torch.float64),
    torch.tensor([9.0e9, 3.0e9, 4.0e10, 8.0e9], dtype=torch.float64),
    torch.tensor([2.6, 2.66, 2.0, 2.05], dtype=torch.float64),
)

CASES = (
    Case("four runs", given=args(_THETA, *_RUNS, delta=0.02), rtol=1e-9),
    Case("the usual delta", given=args(_THETA, *_RUNS), gradients=True, rtol=1e-9),
    Case("two runs", given=args(_THETA, *(column[1:3] for column in _RUNS)), rtol=1e-9),
    Case(
        "far away",
        given=args(torch.tensor([0.1, 2.0, 1200.0, 0.2, 0.5], dtype=torch.float64), *_RUNS),
        rtol=1e-9,
    ),
)


def body(lines: str) -> str:
    text = textwrap.indent(textwrap.dedent(lines).strip(), "    ")
    return f"def huber_objective(theta, n_params, n_tokens, losses, delta=0.001):\n{text}\n"


def by_hand(
    predict: str = "torch.logaddexp(e + 0 * x, torch.logaddexp(a - al * x, b - be * y))",
    unpack: str = "e, a, b, al, be = theta.unbind()",
    target: str = "torch.log(losses)",
    total: str = "torch.where(r <= delta, r * r / 2, delta * (r - delta / 2)).sum()",
    logs: str = "x, y = torch.log(n_params), torch.log(n_tokens)",
) -> str:
    return body(f"{unpack}\n{logs}\nr = ({predict} - {target}).abs()\nreturn {total}")


VARIANTS = {
    "losses, not their logs": [
        by_hand("(torch.exp(e) + torch.exp(a - al * x) + torch.exp(b - be * y))", target="losses")
    ],
    "log against plain": [by_hand(target="losses")],
    "mean over the runs": [
        by_hand(total="torch.where(r <= delta, r * r / 2, delta * (r - delta / 2)).mean()"),
        body(
            """
            e, a, b, al, be = theta
            size, data = a - al * n_params.log(), b - be * n_tokens.log()
            grid = torch.stack([e.repeat(len(losses)), size, data], 1)
            return F.huber_loss(torch.logsumexp(grid, 1), losses.log(), delta=delta)
            """
        ),
    ],
    "squared error": [by_hand(total="r.square().sum()"), by_hand(total="(r @ r) / 2")],
    "absolute error": [by_hand(total="r.sum()")],
    "a delta of its own": [
        by_hand(total="torch.where(r <= 1, r * r / 2, r - 0.5).sum()"),
        by_hand(total="torch.where(r <= 1e-3, r * r / 2, 1e-3 * (r - 5e-4)).sum()"),
    ],
    "smooth L1": [by_hand(total="torch.where(r < delta, r * r / 2 / delta, r - delta / 2).sum()")],
    "E, A and B taken as they are": [
        by_hand("(e + a * n_params**-al + b * n_tokens**-be).log()"),
    ],
    "plus for minus": [
        by_hand("torch.logsumexp(torch.stack([e.expand_as(x), a + al * x, b + be * y]), 0)")
    ],
    "logs added": [by_hand("(e + (a - al * x) + (b - be * y))")],
    "theta in another order": [
        by_hand(unpack="a, b, e, al, be = theta.unbind()"),
        by_hand(unpack="a, b, al, be, e = theta.unbind()"),
    ],
    "exponents swapped": [by_hand(unpack="e, a, b, be, al = theta.unbind()")],
    "base 10": [
        by_hand(
            logs="x, y = torch.log10(n_params), torch.log10(n_tokens)",
            target="torch.log10(losses)",
        )
    ],
    "rounded to float32": [
        by_hand("torch.logsumexp(torch.stack([torch.ones(len(x)) * e, a - al * x, b - be * y]), 0)")
    ],
    "exponentials that overflow": [
        by_hand(
            "torch.log(torch.exp(e) + torch.exp(a) / n_params**al + torch.exp(b) / n_tokens**be)"
        )
    ],
}
