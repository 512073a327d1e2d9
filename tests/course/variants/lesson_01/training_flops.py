"""Mistakes in the cost of training, written apart from the casebook, for other models."""

from llama_mini.course.judge.exercise import Case, args

CASES = (
    Case("Chinchilla", given=args(70_000_000_000, 1_400_000_000_000), rtol=1e-9),
    Case("tiny", given=args(12_345, 678), rtol=1e-9),
    Case("13B", given=args(1.3015e10, 1e12), rtol=1e-9),
)


def body(lines: str) -> str:
    text = "\n".join(f"    {line}" for line in lines.split("\n"))
    return f"def training_flops(n_params: float, n_tokens: float) -> float:\n{text}\n"


VARIANTS = {
    "forward pass alone": [
        body("per_token = n_params + n_params\nreturn per_token * n_tokens"),
        body("return (n_params * n_tokens) * 2.0"),
    ],
    "four for the whole step": [
        body("forward = 2 * n_params * n_tokens\nreturn 2 * forward"),
        body("forward = backward = 2 * n_params * n_tokens\nreturn forward + backward"),
    ],
    "billions": [body("billions = n_params / 10**9\nreturn 6 * billions * n_tokens")],
    "counts taken for billions": [body("return 6e18 * n_params * n_tokens")],
    "a multiply-add counted as one": [
        body("forward = n_params * n_tokens\nbackward = 2 * forward\nreturn forward + backward")
    ],
    "the six counted twice": [
        body("macs = 6 * n_params * n_tokens\nreturn float(2 * macs)"),
    ],
    "a second forward pass": [
        body(
            "f = 2.0 * n_params * n_tokens\n"
            "backward, recompute = 2 * f, f\n"
            "return f + backward + recompute"
        )
    ],
    "one operation for each weight": [
        body("return math.exp(math.log(n_params) + math.log(n_tokens))")
    ],
    "one token only": [
        body("forward, backward = 2 * n_params, 4 * n_params\nreturn forward + backward")
    ],
    "a sum for a product": [body("return 6.0 * n_tokens + 6.0 * n_params")],
    "PF-days": [
        body(
            "flops = 6 * n_params * n_tokens\nseconds = flops / 10**15\nreturn seconds / 3600 / 24"
        )
    ],
}
