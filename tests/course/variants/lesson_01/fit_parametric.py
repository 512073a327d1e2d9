"""Mistakes in the fit of the law, written apart from the casebook, on other runs."""

import textwrap

import torch

from llama_mini import scaling
from llama_mini.course.judge.exercise import Args, Case


def runs(law: scaling.ParametricFit, count: int, every: int = 0, factor: float = 1.0) -> Args:
    """Runs on a grid of sizes and token counts, some of which failed."""
    k = torch.arange(count, dtype=torch.float64)
    n_params = 10 ** (7.3 + 2.8 * (k * 0.618034 % 1))
    n_tokens = 10 ** (8.8 + 2.4 * (k * 0.754878 % 1))
    losses = law.E + law.A * n_params**-law.alpha + law.B * n_tokens**-law.beta
    if every:
        losses[::every] *= factor
    return Args((n_params, n_tokens, losses))


CASES = (
    Case(
        "one law",
        given=runs(scaling.ParametricFit(1.6, 700.0, 1500.0, 0.36, 0.34), 28),
        rtol=1e-3,
        seconds=30,
    ),
    Case("failures", given=runs(scaling.EPOCH, 40, 7, 1.12), rtol=5e-3, seconds=30),
    Case(
        "floor",
        given=runs(scaling.CHINCHILLA, 16),
        use=lambda answer, *columns: answer(*columns).E > 0.4,
        seconds=30,
    ),
)

PREDICTION = (
    "torch.logsumexp(torch.stack("
    "[t[0].expand_as(y), t[1] - t[3] * n.log(), t[2] - t[4] * d.log()]), 0)"
)


def body(
    prediction: str = PREDICTION,
    error: str = "F.huber_loss(p, y, reduction='sum', delta=1e-3) / 1e-6",
    data: str = "n, d = n_params, n_tokens",
    start: str = "0.4, 5.5, 6.5, 0.3, 0.33",
    result: str = "E=math.exp(e), A=math.exp(a), B=math.exp(b), alpha=al, beta=be",
    stop: str = "tolerance_grad=0.0, tolerance_change=0.0, ",
) -> str:
    return textwrap.dedent(
        f"""
        from torch.optim import LBFGS

        from llama_mini.scaling import ParametricFit

        def fit_parametric(n_params, n_tokens, losses):
            {data}
            y = losses.log()
            t = torch.tensor([{start}], dtype=torch.float64).requires_grad_(True)
            solver = LBFGS([t], {stop}max_iter=600, history_size=20, line_search_fn="strong_wolfe")

            def step():
                solver.zero_grad()
                p = {prediction}
                value = {error}
                value.backward()
                return value

            solver.step(step)
            e, a, b, al, be = t.tolist()
            return ParametricFit({result})
        """
    )


VARIANTS = {
    "logarithms returned": [body(result="e, a, b, al, be")],
    "not at the minimum": [
        body(stop="", error="F.huber_loss(p, y, delta=1e-3)"),
        body(stop="", error="F.huber_loss(p, y, reduction='sum', delta=1e-3)"),
        # A few hundred steps of Adam are no search either.
        textwrap.dedent(
            """
            from llama_mini import scaling

            def fit_parametric(n_params, n_tokens, losses):
                theta = torch.tensor([0.0, 5.0, 5.0, 0.5, 0.5]).double().requires_grad_()
                optimizer = torch.optim.Adam([theta], lr=0.01)
                for _ in range(200):
                    optimizer.zero_grad()
                    scaling.huber_objective(theta, n_params, n_tokens, losses).backward()
                    optimizer.step()
                E, A, B = theta[:3].exp().tolist()
                return scaling.ParametricFit(E, A, B, theta[3].item(), theta[4].item())
            """
        ),
    ],
    "squared error": [body(error="1e4 * F.mse_loss(p, y)")],
    "parameters and tokens swapped": [body(data="n, d = n_tokens, n_params")],
    "exponents swapped": [
        body(result="E=math.exp(e), A=math.exp(a), B=math.exp(b), alpha=be, beta=al")
    ],
    "A and B swapped": [body(result="math.exp(e), math.exp(b), math.exp(a), al, be")],
    "E is forgotten": [
        body(
            "torch.logaddexp(t[1] - t[3] * n.log(), t[2] - t[4] * d.log())",
            start="0.0, 2.5, 3.0, 0.1, 0.1",
            result="0.0, math.exp(a), math.exp(b), al, be",
        )
    ],
    "counts in billions": [
        body(data="n, d = n_params / 10**9, n_tokens / 10**9", start="0.4, -1.0, -1.0, 0.3, 0.3")
    ],
}
