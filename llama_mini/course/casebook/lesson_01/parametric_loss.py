"""The parametric loss: E + A / N^alpha + B / D^beta."""

from llama_mini import scaling
from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args


def _returns(expression: str) -> str:
    return f"def parametric_loss(n_params, n_tokens, fit):\n    return {expression}\n"


_STEEP = scaling.ParametricFit(E=1.1, A=90.0, B=2500.0, alpha=0.25, beta=0.42)

EXERCISE = Exercise(
    symbol="llama_mini.scaling:parametric_loss",
    lesson=1,
    minutes=5,
    difficulty=1,
    prerequisites=("training_flops",),
    cases=(
        Case("Chinchilla by its own law", given=args(70e9, 1.4e12, scaling.CHINCHILLA), rtol=1e-9),
        Case("LLaMA-7B by the refit", given=args(6_738_415_616, 10**12, scaling.EPOCH), rtol=1e-9),
        Case("a small model and another law", given=args(3.3e6, 6e6, _STEEP), rtol=1e-9),
    ),
    wrong_answers=(
        WrongAnswer(
            "no irreducible loss",
            "E is missing. However large the model and the data, text stays partly unpredictable: "
            "add `fit.E`.",
            _returns("fit.A / n_params**fit.alpha + fit.B / n_tokens**fit.beta"),
        ),
        WrongAnswer(
            "grows with size",
            "You multiply by N^alpha and D^beta, so a larger model would do worse. Divide by them.",
            _returns("fit.E + fit.A * n_params**fit.alpha + fit.B * n_tokens**fit.beta"),
        ),
        WrongAnswer(
            "parameters and tokens swapped",
            "A and alpha belong to the parameters, B and beta to the tokens; yours are the other "
            "way round.",
            _returns("fit.E + fit.A / n_tokens**fit.alpha + fit.B / n_params**fit.beta"),
        ),
        WrongAnswer(
            "exponents swapped",
            "alpha is the exponent of the parameters and beta that of the tokens; yours are the "
            "other way round.",
            _returns("fit.E + fit.A / n_params**fit.beta + fit.B / n_tokens**fit.alpha"),
        ),
        WrongAnswer(
            "one exponent for both",
            "Both terms have the exponent alpha. The tokens have one of their own, beta.",
            _returns("fit.E + fit.A / n_params**fit.alpha + fit.B / n_tokens**fit.alpha"),
        ),
        WrongAnswer(
            "constant inside the power",
            "That is Kaplan's way of writing it, (A/N)^alpha. In Chinchilla's law the constant "
            "stands outside the power: A / N^alpha.",
            _returns("fit.E + (fit.A / n_params) ** fit.alpha + (fit.B / n_tokens) ** fit.beta"),
        ),
        WrongAnswer(
            "terms multiplied",
            "The two terms are multiplied. They are separate causes of loss, a small model and "
            "little data, and add up.",
            _returns("fit.E + fit.A / n_params**fit.alpha * fit.B / n_tokens**fit.beta"),
        ),
        WrongAnswer(
            "counts in billions",
            "You divide the counts by a billion first. The constants were fitted to plain counts.",
            _returns(
                "fit.E + fit.A / (n_params / 1e9)**fit.alpha + fit.B / (n_tokens / 1e9)**fit.beta"
            ),
        ),
        WrongAnswer(
            "perplexity",
            "That is exp(loss), the perplexity. Return the loss itself, in nats per token.",
            _returns("math.exp(fit.E + fit.A / n_params**fit.alpha + fit.B / n_tokens**fit.beta)"),
        ),
        WrongAnswer(
            "bits",
            "That is in bits. The constants give nats; leave the division by log(2) out.",
            _returns(
                "(fit.E + fit.A / n_params**fit.alpha + fit.B / n_tokens**fit.beta) / math.log(2)"
            ),
        ),
        WrongAnswer(
            "constants written in",
            "Your code uses the published constants whatever `fit` says. Read them from it: "
            "`fit.E`, `fit.A`, …",
            _returns("1.69 + 406.4 / n_params**0.34 + 410.7 / n_tokens**0.28"),
            also=(_returns("1.8172 + 482.01 / n_params**0.3478 + 2085.43 / n_tokens**0.3658"),),
        ),
    ),
    alternatives=(
        Alternative(
            "negative exponents",
            _returns("fit.E + fit.A * n_params**-fit.alpha + fit.B * n_tokens**-fit.beta"),
        ),
        Alternative(
            "exponentials of logs",
            "def parametric_loss(n_params, n_tokens, fit):\n"
            "    size = math.exp(math.log(fit.A) - fit.alpha * math.log(n_params))\n"
            "    data = math.exp(math.log(fit.B) - fit.beta * math.log(n_tokens))\n"
            "    return size + data + fit.E\n",
        ),
        Alternative(
            "a sum over the two",
            "def term(scale, count, exponent):\n    return scale / math.pow(count, "
            "exponent)\n\n\ndef parametric_loss(n_params: float, n_tokens: float, fit) -> "
            "float:\n    return sum([fit.E, term(fit.A, n_params, fit.alpha), term(fit.B, "
            "n_tokens, fit.beta)])\n",
        ),
        Alternative(
            "torch in float64",
            "def parametric_loss(n_params, n_tokens, fit):\n    counts = torch.tensor([n_params, "
            "n_tokens], dtype=torch.float64)\n    powers = counts ** -torch.tensor([fit.alpha, "
            "fit.beta], dtype=torch.float64)\n    return fit.E + (torch.tensor([fit.A, fit.B], "
            "dtype=torch.float64) @ powers).item()\n",
        ),
    ),
    hints=(
        "Three causes of loss, added up: what no model can know, what this size cannot learn, "
        "what these data do not show.",
        "Each of the last two is a constant divided by a power: the constant A over N to the "
        "alpha, B over D to the beta.",
        "`fit.E + fit.A / n_params**fit.alpha + …`, and the same again for the tokens.",
    ),
)
