"""Compute-optimal: the best split of a training budget between parameters and tokens."""

import textwrap

from llama_mini import scaling
from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args

_STEEP = scaling.ParametricFit(E=1.1, A=90.0, B=2500.0, alpha=0.25, beta=0.42)


def _function(body: str) -> str:
    return (
        "def compute_optimal(flops, fit):\n"
        + textwrap.indent(textwrap.dedent(body).strip(), "    ")
        + "\n"
    )


def _closed_form(
    scale: str = "(fit.alpha * fit.A / (fit.beta * fit.B)) ** (1 / (fit.alpha + fit.beta))",
    pairs: str = "flops / 6",
    exponent: str = "fit.beta / (fit.alpha + fit.beta)",
    n_tokens: str = "pairs / n_params",
    result: str = "n_params, n_tokens",
) -> str:
    """The closed form from the lines that differ; `pairs` is N·D."""
    return _function(
        f"scale = {scale}\npairs = {pairs}\nn_params = scale * pairs ** ({exponent})\n"
        f"n_tokens = {n_tokens}\nreturn {result}"
    )


EXERCISE = Exercise(
    symbol="llama_mini.scaling:compute_optimal",
    lesson=1,
    minutes=15,
    difficulty=3,
    prerequisites=("parametric_loss", "training_flops"),
    cases=(
        Case(
            "Gopher's budget by Chinchilla's constants",
            given=args(5.76e23, scaling.CHINCHILLA),
            rtol=1e-4,
        ),
        Case("LLaMA-7B's budget by the refit", given=args(4.04e22, scaling.EPOCH), rtol=1e-4),
        Case("a small budget and another law", given=args(1e15, _STEEP), rtol=1e-4),
    ),
    wrong_answers=(
        WrongAnswer(
            "the six forgotten",
            "You split flops = N·D. Training costs 6·N·D, so N·D is flops / 6.",
            _closed_form(pairs="flops"),
        ),
        WrongAnswer(
            "exponents swapped",
            "The exponents of N and D are the other way round. If more parameters pay off slowly "
            "(a small alpha), you need many more of them: N grows with beta / (alpha + beta).",
            _closed_form(exponent="fit.alpha / (fit.alpha + fit.beta)"),
        ),
        WrongAnswer(
            "scale upside down",
            "The factor of N is upside down: it is (alpha·A / (beta·B)) to the power 1 / (alpha + "
            "beta). The more the size costs in loss (a large A), the larger the model should be.",
            _closed_form(
                "(fit.beta * fit.B / (fit.alpha * fit.A)) ** (1 / (fit.alpha + fit.beta))"
            ),
        ),
        WrongAnswer(
            "the two losses made equal",
            "You make the two terms, A/N^alpha and B/D^beta, equal. At the minimum their slopes "
            "along the budget (against log N) are equal: differentiate, and alpha and beta come "
            "down as factors.",
            _closed_form("(fit.A / fit.B) ** (1 / (fit.alpha + fit.beta))"),
        ),
        WrongAnswer(
            "slopes against N and D themselves",
            "You make the slopes against N and against D equal, alpha·A/N^(alpha+1) and "
            "beta·B/D^(beta+1). But on a budget one more parameter does not cost one token: N and "
            "D change by the same *factor*. Compare the slopes against log N and log D, "
            "alpha·A/N^alpha and beta·B/D^beta.",
            _function(
                """
                low, high = 1.0, flops / 6
                for _ in range(200):
                    n = math.sqrt(low * high)
                    d = flops / 6 / n
                    by_size = fit.alpha * fit.A / n ** (fit.alpha + 1)
                    by_data = fit.beta * fit.B / d ** (fit.beta + 1)
                    low, high = (n, high) if by_size > by_data else (low, n)
                return n, flops / 6 / n
                """
            ),
        ),
        WrongAnswer(
            "no root in the scale",
            "The factor alpha·A / (beta·B) still has to be taken to the power 1 / (alpha + beta).",
            _closed_form("fit.alpha * fit.A / (fit.beta * fit.B)"),
        ),
        WrongAnswer(
            "twenty tokens a parameter",
            "You use the rule of thumb, 20 tokens for each parameter, whatever the law says. The "
            "answer must come from `fit`; the rule is not even what Chinchilla's own constants "
            "give.",
            _function("n_params = (flops / 120) ** 0.5\nreturn n_params, 20 * n_params"),
        ),
        WrongAnswer(
            "square roots",
            "Both exponents are 1/2 here. They are beta / (alpha + beta) for N and alpha / (alpha "
            "+ beta) for D, and only equal if alpha and beta are.",
            _closed_form(exponent="0.5"),
        ),
        WrongAnswer(
            "tokens before parameters",
            "The numbers are right and the order is not: return (n_params, n_tokens).",
            _closed_form(result="n_tokens, n_params"),
        ),
        WrongAnswer(
            "scale not inverted for the tokens",
            "N and D are both multiplied by the same factor, so together they miss the budget: "
            "6·N·D must be flops. Divide in D, or take D = flops / (6·N).",
            _closed_form(n_tokens="scale * pairs ** (fit.alpha / (fit.alpha + fit.beta))"),
        ),
        WrongAnswer(
            "tokens without the six",
            "D is flops / N here, which spends six times the budget: D = flops / (6·N).",
            _closed_form(n_tokens="flops / n_params"),
        ),
        WrongAnswer(
            "constants written in",
            "Your code uses the published constants whatever `fit` says. Read them from it: "
            "`fit.A`, `fit.alpha`, …",
            _closed_form("(0.34 * 406.4 / (0.28 * 410.7)) ** (1 / 0.62)", exponent="0.28 / 0.62"),
            also=(
                _closed_form(
                    "(0.3478 * 482.01 / (0.3658 * 2085.43)) ** (1 / 0.7136)",
                    exponent="0.3658 / 0.7136",
                ),
            ),
        ),
    ),
    alternatives=(
        Alternative(
            "both powers",
            _closed_form(n_tokens="pairs ** (fit.alpha / (fit.alpha + fit.beta)) / scale"),
        ),
        Alternative(
            "logarithms",
            _function(
                """
                a, b = fit.alpha, fit.beta
                log_pairs = math.log(flops) - math.log(6)
                log_n = (math.log(a * fit.A) - math.log(b * fit.B) + b * log_pairs) / (a + b)
                return math.exp(log_n), math.exp(log_pairs - log_n)
                """
            ),
        ),
        Alternative(
            "golden section",
            _function(
                """
                def loss(log_n):
                    n = math.exp(log_n)
                    return fit.A / n**fit.alpha + fit.B / (flops / 6 / n) ** fit.beta

                low, high, golden = 0.0, math.log(flops / 6), (math.sqrt(5) - 1) / 2
                for _ in range(80):
                    left, right = high - golden * (high - low), low + golden * (high - low)
                    low, high = (low, right) if loss(left) < loss(right) else (left, high)
                n_params = math.exp((low + high) / 2)
                return n_params, flops / (6 * n_params)
                """
            ),
        ),
        Alternative(
            "bisection on the slope",
            _function(
                """
                low, high = 1.0, flops / 6
                while high / low > 1 + 1e-12:
                    n = math.sqrt(low * high)
                    d = flops / 6 / n
                    if fit.alpha * fit.A * n**-fit.alpha > fit.beta * fit.B * d**-fit.beta:
                        low = n
                    else:
                        high = n
                return low, flops / 6 / low
                """
            ),
        ),
    ),
    hints=(
        "The budget ties the two: D = C / (6·N). Put that into the law, and the loss depends on N "
        "alone. Where is its slope zero?",
        "The slope is zero where alpha·A / N^alpha = beta·B / D^beta. With D = C / (6·N) this is "
        "a power of N on the left and the right; collect them.",
        "With G = (alpha·A / (beta·B)) ** (1 / (alpha + beta)): N = G · (C/6) ** (beta / (alpha + "
        "beta)), and D is what the budget leaves, C / (6·N).",
    ),
)
