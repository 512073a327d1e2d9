"""The mistakes in FeedForward, written a second time, at shapes the casebook lacks."""

import torch

from llama_mini.course.casebook.lesson_06.feed_forward import _call
from llama_mini.course.judge.exercise import Case, args, normal


def weights(dim: int, hidden: int, seed: int) -> dict[str, torch.Tensor]:
    shapes = {"w1.weight": (hidden, dim), "w2.weight": (dim, hidden), "w3.weight": (hidden, dim)}
    return {
        name: normal(*shape, seed=seed + i, scale=0.6)
        for i, (name, shape) in enumerate(shapes.items())
    }


CASES = (
    Case(
        "batch",
        build=args(4, 12),
        state=weights(4, 12, 300),
        given=args(normal(3, 2, 4, seed=303)),
        use=_call(4, 12),
        gradients=True,
        another_device=True,
        ulps=32,
    ),
    Case(
        "vector",
        build=args(10, 14),
        state=weights(10, 14, 310),
        given=args(normal(10, seed=313)),
        use=_call(10, 14),
        ulps=32,
    ),
    Case(
        "narrow",
        build=args(7, 3),
        state=weights(7, 3, 320),
        given=args(normal(5, 7, seed=323)),
        use=_call(7, 3),
        ulps=32,
    ),
    Case(
        "large",
        build=args(4, 12),
        state=weights(4, 12, 330),
        given=args(normal(6, 4, seed=333, scale=9.0)),
        use=_call(4, 12),
        ulps=32,
    ),
    Case(
        "bf16",
        build=args(10, 12),
        state=weights(10, 12, 340),
        dtype=torch.bfloat16,
        given=args(normal(3, 10, seed=343, dtype=torch.bfloat16)),
        use=_call(10, 12),
    ),
)


def layer(result: str, *before: str, linear: str = "nn.Linear(a, b, bias=False)") -> str:
    """A layer as someone else writes it: a helper for the matrices, names for what they give."""
    lines = "".join(f"        {line}\n" for line in before)
    return (
        "class FeedForward(torch.nn.Module):\n"
        "    def __init__(self, dim: int, hidden: int):\n"
        "        super(FeedForward, self).__init__()\n"
        f"        def matrix(a, b):\n            return {linear}\n"
        "        self.w1, self.w3 = matrix(dim, hidden), matrix(dim, hidden)\n"
        "        self.w2 = matrix(hidden, dim)\n\n"
        "    def forward(self, x: Tensor) -> Tensor:\n"
        "        one, three = self.w1(x), self.w3(x)\n"
        f"{lines}        return {result}\n"
    )


RIGHT = "self.w2(three * one * one.sigmoid())"

VARIANTS = {
    "w1 and w3 exchanged": [
        layer("self.w2(F.silu(three).mul(one))"),
        layer(RIGHT, "one, three = three, one"),
    ],
    "ReLU gate": [
        layer("self.w2(one.clamp(min=0) * three)"),
        layer("self.w2(F.relu(one) * three)"),
    ],
    "GELU gate": [layer("self.w2(0.5 * one * (1 + torch.erf(one / 2**0.5)) * three)")],
    "GELU gate, by tanh": [layer("self.w2(nn.GELU(approximate='tanh')(one) * three)")],
    "sigmoid for SiLU": [layer("self.w2(three / (1 + torch.exp(-one)))")],
    "no curve": [layer("self.w2(torch.einsum('...h,...h->...h', one, three))")],
    "plain layer": [layer("self.w2(one * one.sigmoid())"), layer("self.w2(nn.SiLU()(one))")],
    "no gate": [layer("F.linear(three, self.w2.weight)")],
    "sum for the product": [layer("self.w2(torch.add(three, one * one.sigmoid()))")],
    "curve around the product": [layer("self.w2(h * h.sigmoid())", "h = three * one")],
    "curve around both": [
        layer("self.w2(a * b)", "a, b = (t * t.sigmoid() for t in (one, three))"),
    ],
    "curve at the end": [layer("y / (1 + (-y).exp())", "y = self.w2(one * three)")],
    "adds its input": [layer(RIGHT + " + x")],
    "biases": [
        layer(RIGHT, linear="nn.Linear(a, b)"),
        layer(RIGHT, linear="nn.Linear(a, b, True)"),
    ],
    "dim and hidden exchanged": [layer(RIGHT, linear="nn.Linear(b, a, bias=False)")],
    "w2 and w3 exchanged": [
        layer("self.w3(self.w2(x) * one * one.sigmoid())")
        .replace("self.w1, self.w3 = ", "self.w1, self.w2 = ")
        .replace("        self.w2 = matrix(hidden", "        self.w3 = matrix(hidden")
        .replace("one, three = self.w1(x), self.w3(x)", "one = self.w1(x)"),
        layer(RIGHT).replace(
            "        self.w2 = matrix(hidden, dim)",
            "        self.w2, self.w3 = matrix(dim, hidden), matrix(hidden, dim)",
        ),
    ],
    "bare parameters": [
        layer(
            "torch.einsum('...h,dh->...d', three * one * one.sigmoid(), self.w2)",
            linear="nn.Parameter(torch.empty(b, a).normal_(std=0.02))",
        ).replace("self.w1(x), self.w3(x)", "x @ self.w1.T, x @ self.w3.T"),
        layer(
            "torch.matmul(nn.SiLU()(one) * three, self.w2)",
            linear="nn.Parameter(torch.rand(a, b))",
        ).replace("self.w1(x), self.w3(x)", "x.matmul(self.w1), x.matmul(self.w3)"),
    ],
    "a width of its own": [
        layer(RIGHT).replace("__init__()\n", "__init__()\n        hidden = dim * 4\n"),
        layer(RIGHT).replace("__init__()\n", "__init__()\n        hidden = hidden * 2 // 3\n"),
    ],
    "other names": [
        layer(RIGHT).replace("self.w", "self.fc"),
        layer(RIGHT)
        .replace("self.w1", "self.gate")
        .replace("self.w2", "self.down")
        .replace("self.w3", "self.up"),
    ],
}
