"""Mistakes in rope_frequencies, in another hand, at sizes that the casebook does not use."""

from llama_mini.course.judge.exercise import Case, args

CASES = (
    Case("ten", given=args(10)),
    Case("sixty-four", given=args(64)),
    Case("theta", given=args(32, 1_000_000.0)),
    Case("a pair", given=args(2)),
)


def answer(body: str) -> str:
    """A function with type hints around its body, as an editor would leave it."""
    return (
        "def rope_frequencies(head_dim: int, theta: float = 10_000.0) -> Tensor:\n"
        "    n_pairs = head_dim // 2\n"
        "    i = torch.arange(n_pairs, dtype=torch.float32)\n"
        f"    {body}\n"
    )


VARIANTS = {
    "the 2 is missing": [
        answer("return torch.pow(theta, -i / head_dim)"),
        answer("return torch.tensor([1 / theta ** (j / head_dim) for j in range(n_pairs)])"),
        answer("return (-(i / head_dim) * math.log(theta)).exp()"),
    ],
    "twice the exponent": [
        answer("return 1 / torch.pow(theta, 2 * i / n_pairs)"),
        answer("return torch.tensor([theta ** (-4 * j / head_dim) for j in range(n_pairs)])"),
    ],
    "the minus is missing": [
        answer("return torch.pow(theta, i / n_pairs)"),
        answer("return torch.exp(i * 2 / head_dim * math.log(theta))"),
    ],
    "one for every dimension": [
        answer("return torch.pow(theta, -torch.arange(head_dim) / head_dim)"),
        answer(
            "f = torch.pow(theta, -i / n_pairs)\n    return torch.stack([f, f], dim=1).reshape(-1)"
        ),
        answer("return torch.pow(theta, -i / n_pairs).repeat(2)"),
    ],
    "theta is fixed": [
        answer("return torch.pow(10_000, -i / n_pairs)"),
        answer("theta = 1e4\n    return 1 / theta ** (i / n_pairs)"),
    ],
    "float64": [
        answer("return torch.pow(theta, -i.double() / n_pairs)"),
        answer(
            "return torch.tensor([theta ** (-2 * j / head_dim) for j in range(n_pairs)], "
            "dtype=torch.double)"
        ),
    ],
    "whole-number division": [
        answer("return torch.tensor([1 / theta ** (2 * j // head_dim) for j in range(n_pairs)])"),
        answer("return torch.pow(theta, -((2 * i) // head_dim))"),
    ],
    "ends at one over theta": [
        answer("return torch.logspace(0, -1, n_pairs, base=theta)"),
        answer("return 1 / torch.pow(theta, torch.linspace(0.0, 1.0, steps=n_pairs))"),
    ],
    "counted from 1": [
        answer("return torch.pow(theta, -(i + 1) / n_pairs)"),
        answer(
            "return torch.tensor([theta ** (-2 * j / head_dim) for j in range(1, n_pairs + 1)])"
        ),
    ],
    "degrees": [
        answer("return torch.pow(theta, -i / n_pairs) * 180 / math.pi"),
        answer("return torch.pow(theta, -i / n_pairs) * math.pi / 180"),
    ],
    "full turns": [
        answer("return torch.pow(theta, -i / n_pairs) * math.tau"),
        answer("return math.tau / torch.pow(theta, -i / n_pairs)"),
    ],
    "exp without the logarithm": [
        answer("return (-theta * i / n_pairs).exp()"),
        answer("return (-i / n_pairs).exp()"),
    ],
    "slowest first": [
        answer("return torch.pow(theta, -i / n_pairs)[torch.arange(n_pairs - 1, -1, -1)]"),
        answer(
            "return torch.tensor([theta ** (-2 * j / head_dim) for j in reversed(range(n_pairs))])"
        ),
    ],
    "a factor for a power": [
        answer("return (theta * (2 * i / head_dim)).reciprocal()"),
        answer("return -2 * i * theta / head_dim"),
    ],
    "returns nothing": [answer("f = torch.pow(theta, -i / n_pairs)")],
}
