"""Mistakes in the compute-optimal split, written apart from the casebook, at other budgets."""

import textwrap

from llama_mini import scaling
from llama_mini.course.judge.exercise import Case, args

CASES = (
    Case("a large budget", given=args(3e25, scaling.CHINCHILLA), rtol=1e-4),
    Case("65B's budget", given=args(5.484e23, scaling.EPOCH), rtol=1e-4),
    Case(
        ("another law"),
        given=args(7e17, scaling.ParametricFit(0.9, 60.0, 700.0, 0.22, 0.31)),
        rtol=1e-4,
    ),
)


def body(lines: str) -> str:
    text = textwrap.indent(textwrap.dedent(lines).strip(), "    ")
    return (
        f"def compute_optimal(flops, fit):\n"
        f"    A, B, alpha, beta = fit.A, fit.B, fit.alpha, fit.beta\n"
        f"{text}\n"
    )


def in_logs(
    log_g: str = "math.log(alpha * A / (beta * B)) / (alpha + beta)",
    log_c: str = "math.log(flops / 6)",
    a: str = "beta / (alpha + beta)",
    result: str = "math.exp(log_n), math.exp(log_c - log_n)",
) -> str:
    return body(
        f"log_g = {log_g}\nlog_c = {log_c}\na = {a}\nlog_n = log_g + a * log_c\nreturn {result}"
    )


VARIANTS = {
    "the six forgotten": [in_logs(log_c="math.log(flops)")],
    "exponents swapped": [
        body(
            """
            G = (alpha * A / beta / B) ** (1 / (alpha + beta))
            a, b = alpha / (alpha + beta), beta / (alpha + beta)
            return G * (flops / 6) ** a, (flops / 6) ** b / G
            """
        )
    ],
    "scale upside down": [
        in_logs("-math.log(alpha * A / (beta * B)) / (alpha + beta)"),
        body(
            """
            G = ((beta * B) / (alpha * A)) ** (1 / (alpha + beta))
            a = beta / (alpha + beta)
            return G * (flops / 6) ** a, (flops / 6) ** (1 - a) / G
            """
        ),
    ],
    "the two losses made equal": [
        body(
            """
            low, high = 1.0, flops / 6
            for _ in range(300):
                n = (low * high) ** 0.5
                if A / n**alpha > B / (flops / 6 / n) ** beta:
                    low = n
                else:
                    high = n
            return n, flops / 6 / n
            """
        )
    ],
    "slopes against N and D themselves": [
        in_logs(
            log_g="math.log(alpha * A / (beta * B)) / (alpha + beta + 2)",
            a="(beta + 1) / (alpha + beta + 2)",
        )
    ],
    "no root in the scale": [
        in_logs("math.log(alpha) + math.log(A) - math.log(beta) - math.log(B)")
    ],
    "twenty tokens a parameter": [
        body("n = math.sqrt(flops / (6 * 20))\nd = 20.0 * n\nreturn n, d"),
    ],
    "square roots": [in_logs(a="1 / 2")],
    "tokens before parameters": [in_logs(result="math.exp(log_c - log_n), math.exp(log_n)")],
    "scale not inverted for the tokens": [
        body(
            """
            G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
            a, b = beta / (alpha + beta), alpha / (alpha + beta)
            return tuple(G * (flops / 6) ** power for power in (a, b))
            """
        )
    ],
    "tokens without the six": [in_logs(result="math.exp(log_n), flops / math.exp(log_n)")],
    "constants written in": [
        body(
            "A, B, alpha, beta = 406.4, 410.7, 0.34, 0.28\n"
            "G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))\n"
            "n = G * (flops / 6) ** (beta / (alpha + beta))\n"
            "return n, flops / 6 / n"
        )
    ],
}
