"""Mistakes in the inference-aware optimum, written apart from the casebook, for other models."""

import textwrap

from llama_mini import scaling
from llama_mini.course.casebook import EXERCISES
from llama_mini.course.judge.exercise import Case, args

_DIGITS = {"rtol": 2e-4}
_COST = next(case for case in EXERCISES["inference_aware_optimum"].cases if case.use is not None)

CASES = (
    Case("33B's quality", given=args(1.999, 4e12, scaling.EPOCH), **_DIGITS),
    Case("printed constants", given=args(2.05, 3e12, scaling.CHINCHILLA), **_DIGITS),
    Case("some use", given=args(2.4, 3e10, scaling.SARDANA), **_DIGITS),
    Case("none", given=args(2.2, 0, scaling.CHINCHILLA), **_DIGITS),
    Case("modest", given=args(3.2, 5e11, scaling.EPOCH), **_DIGITS),
    Case("cost", given=args(2.2, 6e11, scaling.SARDANA), use=_COST.use),
)


def body(lines: str) -> str:
    text = textwrap.indent(textwrap.dedent(lines).strip(), "    ")
    return f"def inference_aware_optimum(loss, inference_tokens, fit):\n{text}\n"


def nested_grids(
    cost: str = "6 * n * d + 2 * n * inference_tokens",
    power: str = "1 / fit.beta",
    result: str = "best_n, best_d",
    low: str = "smallest * 1.0000001",
) -> str:
    return body(
        f"""
        def data(n):
            return (fit.B / (loss - fit.E - fit.A * n**-fit.alpha)) ** ({power})

        smallest = (fit.A / (loss - fit.E)) ** (1 / fit.alpha)
        low, high = {low}, smallest * 1e9
        for _ in range(16):
            ratio = (high / low) ** (1 / 60)
            sizes = [low * ratio**k for k in range(61)]
            costs = []
            for n in sizes:
                d = data(n)
                costs.append({cost})
            k = costs.index(min(costs))
            low, high = sizes[max(k - 1, 0)], sizes[min(k + 1, 60)]
        best_n = sizes[k]
        best_d = data(best_n)
        return {result}
        """
    )


VARIANTS = {
    "use is ignored": [
        nested_grids(cost="n * d"),
        body(
            """
            a, b, excess = fit.alpha, fit.beta, loss - fit.E
            n = (fit.A * (a + b) / (b * excess)) ** (1 / a)
            d = (fit.B * (a + b) / (a * excess)) ** (1 / b)
            return n, d
            """
        ),
    ],
    "one price for training and use": [nested_grids(cost="n * d + n * inference_tokens")],
    "training without the six": [nested_grids(cost="n * (d + 2 * inference_tokens)")],
    "tokens before parameters": [nested_grids(result="best_d, best_n")],
    "use counted as data": [nested_grids(result="best_n, inference_tokens + best_d")],
    "returns the cost": [
        nested_grids(result="best_n, 2 * best_n * (3 * best_d + inference_tokens)"),
        nested_grids(result="2 * best_n * (3 * best_d + inference_tokens)"),
    ],
    "returns a logarithm": [nested_grids(result="math.log(best_n), best_d")],
    "exponent alpha for the tokens": [nested_grids(power="1 / fit.alpha")],
    "a search too coarse": [
        body(
            """
            sizes = torch.logspace(7, 12, 400, dtype=torch.float64)
            left = loss - fit.E - fit.A / sizes**fit.alpha
            sizes = sizes[left > 0]
            tokens = (fit.B / left[left > 0]) ** (1 / fit.beta)
            k = torch.argmin(6 * sizes * tokens + 2 * sizes * inference_tokens)
            return sizes[k].item(), tokens[k].item()
            """
        )
    ],
    "sizes from a billion": [
        nested_grids(low="max(smallest * 1.0000001, 10**9)"),
        body(
            """
            def data(n):
                left = loss - fit.E - fit.A / n**fit.alpha
                return (fit.B / left) ** (1 / fit.beta) if left > 0 else math.inf

            low, high = math.log(1e9), math.log(1e12)
            while high - low > 1e-12:
                third = (high - low) / 3
                costs = [
                    n * (6 * data(n) + 2 * inference_tokens)
                    for n in (math.exp(low + third), math.exp(high - third))
                ]
                if costs[0] > costs[1] or costs[0] == math.inf:
                    low += third
                else:
                    high -= third
            return math.exp(low), data(math.exp(low))
            """
        ),
    ],
    "complex numbers": [
        nested_grids(low="1e6"),
        body(
            """
            best = None
            n = 1e6
            while n < 1e12:
                d = (fit.B / (loss - fit.E - fit.A / n**fit.alpha)) ** (1 / fit.beta)
                cost = 6 * n * d + 2 * n * inference_tokens
                if best is None or cost < best[0]:
                    best = cost, n, d
                n *= 1.01
            return best[1:]
            """
        ),
    ],
    "twenty tokens a parameter": [
        body(
            """
            n = 1e6
            step = 2.0
            while step > 1 + 1e-9:
                m = n * step
                while fit.E + fit.A / m**fit.alpha + fit.B / (20 * m) ** fit.beta > loss:
                    n, m = m, m * step
                step = math.sqrt(step)
            return n, n * 20
            """
        )
    ],
}
