"""Mistakes in the parametric loss, written apart from the casebook, for other models and laws."""

from llama_mini import scaling
from llama_mini.course.judge.exercise import Case, args

CASES = (
    Case("GPT-3", given=args(175e9, 300e9, scaling.CHINCHILLA), rtol=1e-9),
    Case("LLaMA-65B", given=args(65_285_660_672, 1_400_000_000_000, scaling.EPOCH), rtol=1e-9),
    Case(
        ("small"),
        given=args(1e5, 2e7, scaling.ParametricFit(0.9, 60.0, 700.0, 0.22, 0.31)),
        rtol=1e-9,
    ),
)


def body(lines: str) -> str:
    text = "\n".join(f"    {line}" for line in lines.split("\n"))
    return (
        f"def parametric_loss(n_params, n_tokens, fit):\n"
        f"    E, A, B = fit.E, fit.A, fit.B\n"
        f"    a, b = fit.alpha, fit.beta\n"
        f"{text}\n"
    )


VARIANTS = {
    "no irreducible loss": [body("return A * n_params ** (-a) + B * n_tokens ** (-b)")],
    "grows with size": [body("return E + A * math.pow(n_params, a) + B * math.pow(n_tokens, b)")],
    "parameters and tokens swapped": [
        body(
            "n_params, n_tokens = n_tokens, n_params\nreturn E + A / n_params**a + B / n_tokens**b"
        )
    ],
    "exponents swapped": [body("b, a = a, b\nreturn E + A / n_params**a + B / n_tokens**b")],
    "one exponent for both": [
        body("return E + sum(c / n**a for c, n in ((A, n_params), (B, n_tokens)))")
    ],
    "constant inside the power": [
        body("return E + math.pow(A / n_params, a) + math.pow(B / n_tokens, b)")
    ],
    "terms multiplied": [
        body("size = A / n_params**a\ndata = B / n_tokens**b\nreturn E + size * data")
    ],
    "counts in billions": [
        body("n, d = n_params * 1e-9, n_tokens * 1e-9\nreturn E + A * n**-a + B * d**-b")
    ],
    "perplexity": [body("loss = E + A / n_params**a + B / n_tokens**b\nreturn math.e**loss")],
    "bits": [body("loss = E + A / n_params**a + B / n_tokens**b\nreturn loss * math.log2(math.e)")],
    "constants written in": [
        "def parametric_loss(N, D, fit=None):\n    return 1.69 + 406.4 * N**-0.34 + 410.7 * "
        "D**-0.28\n"
    ],
}
