"""The inference-aware optimum: the cheapest model of a given quality over its whole life."""

import textwrap

from llama_mini import scaling
from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args

# Four digits are asked for: a minimum is flat, and a search along it sees no more.
_DIGITS = {"rtol": 2e-4}


def _search(
    cost: str = "6 * n * d + 2 * n * inference_tokens",
    tokens: str = "(fit.B / left) ** (1 / fit.beta)",
    left: str = "loss - fit.E - fit.A / n**fit.alpha",
    result: str = "n, tokens(n)",
    low: str = "math.log(fit.A / (loss - fit.E)) / fit.alpha + 1e-9",
    rounds: int = 120,
) -> str:
    """Golden section over log N, from the lines that differ."""
    body = f"""
        def tokens(n):
            left = {left}
            return {tokens}

        def cost(log_n):
            n = math.exp(log_n)
            d = tokens(n)
            return {cost}

        low = {low}
        high, golden = low + 30, (math.sqrt(5) - 1) / 2
        for _ in range({rounds}):
            a, b = high - golden * (high - low), low + golden * (high - low)
            low, high = (low, b) if cost(a) < cost(b) else (a, high)
        n = math.exp((low + high) / 2)
        return {result}
    """
    return _function(body)


def _function(body: str) -> str:
    text = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return f"def inference_aware_optimum(loss, inference_tokens, fit):\n{text}\n"


def _cost_and_quality(answer, loss, inference_tokens, fit):
    """Whether the answer costs within 1 % of the cheapest and reaches the loss, as two words."""
    n_params, n_tokens = answer(loss, inference_tokens, fit)
    # A tenth of a per cent: what a rough search along the flat minimum still reaches.
    reached = fit.E + fit.A / n_params**fit.alpha + fit.B / n_tokens**fit.beta
    quality = "reached" if abs(reached / loss - 1) < 1e-3 else "missed"
    best = min(
        6 * n * scaling.tokens_for_loss(n, loss, fit) + 2 * n * inference_tokens
        for n in (10 ** (6 + k / 200) for k in range(1200))
    )
    cost = (6 * n_params * n_tokens + 2 * n_params * inference_tokens) / best
    return {"loss": quality, "cost": "low" if cost < 1.01 else "high"}


EXERCISE = Exercise(
    symbol="llama_mini.scaling:inference_aware_optimum",
    lesson=1,
    minutes=25,
    difficulty=4,
    prerequisites=("parametric_loss", "training_flops"),
    cases=(
        Case(
            "a 13B model's quality, 2T tokens of use",
            given=args(2.04528, 2e12, scaling.SARDANA),
            points=2,
            **_DIGITS,
        ),
        Case(
            "Chinchilla's quality by the refit, 10T tokens of use",
            given=args(1.974, 1e13, scaling.EPOCH),
            **_DIGITS,
        ),
        Case("little use", given=args(2.3, 1e9, scaling.CHINCHILLA), **_DIGITS),
        Case("no use at all", given=args(2.1, 0, scaling.EPOCH), **_DIGITS),
        Case(
            "a modest quality, reached far below a billion parameters",
            given=args(3.0, 1e12, scaling.SARDANA),
            **_DIGITS,
        ),
        Case(
            "the cost, to one per cent", given=args(2.1, 5e12, scaling.EPOCH), use=_cost_and_quality
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "use is ignored",
            "That is the cheapest model to *train*. Add what its use costs, 2·N for each "
            "inference token, before you look for the minimum.",
            _search(cost="6 * n * d"),
        ),
        WrongAnswer(
            "one price for training and use",
            "A token of training and a token of use cost the same in your sum. Training runs "
            "forward and backward, 6·N; use only forward, 2·N.",
            _search(cost="6 * n * (d + inference_tokens)"),
            also=(_search(cost="2 * n * (d + inference_tokens)"),),
        ),
        WrongAnswer(
            "training without the six",
            "Training costs N·D here, without the six: 6·N·D.",
            _search(cost="n * d + 2 * n * inference_tokens"),
        ),
        WrongAnswer(
            "tokens before parameters",
            "The numbers are right and the order is not: return (n_params, n_tokens).",
            _search(result="tokens(n), n"),
        ),
        WrongAnswer(
            "use counted as data",
            "The inference tokens are in the n_tokens you return. It is the number of *training* "
            "tokens that is asked for.",
            _search(result="n, tokens(n) + inference_tokens"),
        ),
        WrongAnswer(
            "returns the cost",
            "You return what the best model costs. Return the model: (n_params, n_tokens).",
            _search(result="n, 6 * n * tokens(n) + 2 * n * inference_tokens"),
            also=(_search(result="6 * n * tokens(n) + 2 * n * inference_tokens"),),
        ),
        WrongAnswer(
            "returns a logarithm",
            "n_params is a logarithm of the size here. Take the exponential before you return it.",
            _search(result="math.log(n), tokens(n)"),
            also=(_search(result="math.log10(n), tokens(n)"),),
        ),
        WrongAnswer(
            "exponent alpha for the tokens",
            "The law is solved for D with the exponent alpha. Tokens have beta: D = (B / …) ** (1 "
            "/ beta).",
            _search(tokens="(fit.B / left) ** (1 / fit.alpha)"),
        ),
        WrongAnswer(
            "a search too coarse",
            "The cost is right to a per cent, and the model is not: near its minimum the cost is "
            "flat, so a coarse search ends anywhere along it. Search finer, or look for where the "
            "slope is zero.",
            _function(
                """
                best, least = None, math.inf
                for k in range(500):
                    n = 10 ** (6 + 6 * k / 500)
                    left = loss - fit.E - fit.A / n**fit.alpha
                    if left > 0:
                        d = (fit.B / left) ** (1 / fit.beta)
                        cost = 6 * n * d + 2 * n * inference_tokens
                        if cost < least:
                            best, least = (n, d), cost
                return best
                """
            ),
            values_vary=True,
        ),
        WrongAnswer(
            "sizes from a billion",
            "You search between fixed sizes, and the best model for a modest loss is smaller than "
            "all of them. Start just above the smallest size that reaches the loss, (A / (loss − "
            "E)) ** (1 / alpha).",
            _search(low="math.log(max(1e9, (fit.A / (loss - fit.E)) ** (1 / fit.alpha) + 1))"),
        ),
        WrongAnswer(
            "complex numbers",
            "Below the smallest size that reaches the loss, the bracket is negative and its root a "
            "complex number, which has no order. Start above the smallest size, (A / (loss − E)) "
            "** (1 / alpha), or skip the sizes whose bracket is not above 0.",
            _search(low="math.log(1e6)"),
            also=(
                _function(
                    """
                    def cost(n):
                        left = loss - fit.E - fit.A / n**fit.alpha
                        return 6 * n * (fit.B / left) ** (1 / fit.beta) + 2 * n * inference_tokens

                    return min((10 ** (6 + k / 999) for k in range(6000)), key=cost)
                    """
                ),
            ),
        ),
        WrongAnswer(
            "twenty tokens a parameter",
            "You take 20 training tokens for each parameter. That is a rule for the cheapest "
            "training; here the number of training tokens is free, and the size follows from the "
            "loss.",
            _function(
                """
                low, high = 1.0, 1e16
                for _ in range(200):
                    n = math.sqrt(low * high)
                    reached = fit.E + fit.A / n**fit.alpha + fit.B / (20 * n) ** fit.beta
                    low, high = (n, high) if reached > loss else (low, n)
                return n, 20 * n
                """
            ),
        ),
    ),
    alternatives=(
        Alternative("golden section", _search()),
        Alternative(
            "bisection on the slope of the cost",
            _function(
                """
                def tokens(n):
                    return (fit.B / (loss - fit.E - fit.A * n**-fit.alpha)) ** (1 / fit.beta)

                def slope(n):
                    d = tokens(n)
                    by_size = -fit.alpha * fit.A * n ** (-fit.alpha - 1)
                    by_data = -fit.beta * fit.B * d ** (-fit.beta - 1)
                    change = -by_size / by_data
                    return 6 * d + 6 * n * change + 2 * inference_tokens

                smallest = (fit.A / (loss - fit.E)) ** (1 / fit.alpha)
                low, high = 1e-7, 1e7
                for _ in range(200):
                    middle = math.sqrt(low * high)
                    falls = slope(smallest * (1 + middle)) < 0
                    low, high = (middle, high) if falls else (low, middle)
                n = smallest * (1 + low)
                return n, tokens(n)
                """
            ),
        ),
        Alternative(
            "a grid, and a finer one inside it",
            _function(
                """
                low, high = math.log((fit.A / (loss - fit.E)) ** (1 / fit.alpha)), math.log(1e14)
                for _ in range(12):
                    grid = torch.linspace(low, high, 202, dtype=torch.float64)[1:-1]
                    n = grid.exp()
                    d = (fit.B / (loss - fit.E - fit.A / n**fit.alpha)) ** (1 / fit.beta)
                    best = int((6 * n * d + 2 * n * inference_tokens).argmin())
                    step = (high - low) / 201
                    low, high = max(low, grid[best].item() - step), grid[best].item() + step
                return n[best].item(), d[best].item()
                """
            ),
        ),
        Alternative(
            "bisection on the log-odds of the share",
            _function(
                """
                excess = loss - fit.E

                def model(share):
                    n = (fit.A / (share * excess)) ** (1 / fit.alpha)
                    return n, (fit.B / ((1 - share) * excess)) ** (1 / fit.beta)

                def missing(x):
                    share = 1 / (1 + math.exp(-x))
                    _, d = model(share)
                    wanted = math.log1p(inference_tokens / (3 * d)) - math.log(fit.alpha / fit.beta)
                    return wanted - x

                low, high = -30.0, 30.0
                while high - low > 1e-11:
                    x = (low + high) / 2
                    low, high = (x, high) if missing(x) > 0 else (low, x)
                return model(1 / (1 + math.exp(-low)))
                """
            ),
        ),
    ),
    hints=(
        "The quality is fixed, so the size decides everything: from the loss and N follows how "
        "many tokens training needs. Then the cost depends on N alone.",
        "Solve the law for D: D = (B / (loss − E − A/N^alpha)) ** (1/beta), for sizes large "
        "enough that the bracket is positive. Then find the N with the least 6·N·D + "
        "2·N·inference_tokens.",
        "Search over log N with golden section or ternary search: the cost falls, then rises. Or "
        "split the excess loss − E into a share s for the size and 1 − s for the data; the "
        "minimum is where 3·D·(alpha·s / (beta·(1 − s)) − 1) equals the inference tokens, and "
        "bisection finds it.",
    ),
)
