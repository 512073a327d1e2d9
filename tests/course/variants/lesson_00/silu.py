# ruff: noqa: E501  (source text of single lines)
"""The mistakes in silu, written a second time in other ways, on inputs the casebook lacks."""

import torch

from llama_mini.course.judge.exercise import Case, args, normal

CASES = (
    Case("a line", given=args(torch.linspace(-5, 5, 21)), gradients=True, another_device=True),
    Case("far out", given=args(torch.tensor([[-200.0, 120.0], [-90.0, 95.0]]))),
    Case("a matrix", given=args(normal(5, 3, seed=101, scale=2.0))),
    Case("bfloat16", given=args(normal(2, 7, seed=102, dtype=torch.bfloat16)), ulps=2),
)

VARIANTS = {
    "the sigmoid alone": ["def silu(x):\n    return x.sigmoid()", "silu = nn.Sigmoid()"],
    "ReLU": [
        "silu = F.relu",
        "def silu(x):\n    return torch.where(x > 0, x, torch.zeros_like(x))",
    ],
    "GELU": ["def silu(x):\n    return F.gelu(x)", "silu = nn.GELU()"],
    "GELU, by tanh": [
        "def silu(x):\n"
        "    return x / 2 * (1 + torch.tanh(0.7978845608 * (x + 0.044715 * torch.pow(x, 3))))"
    ],
    "a steeper sigmoid": [
        "BETA = 1.702\ndef silu(x):\n    return x / (1 + (-BETA * x).exp())",
        "def silu(x, beta=2.0):\n    return x * torch.sigmoid(beta * x)",
    ],
    "tanh for the sigmoid": ["def silu(x):\n    gate = x.tanh()\n    return gate * x"],
    "Mish": ["def silu(x):\n    return F.mish(x)"],
    "the sign turned round": [
        "def sigmoid(x):\n    return 1 / (1 + torch.exp(x))\ndef silu(x):\n    return x * sigmoid(x)",
        "def silu(x):\n    return x * (1 - torch.sigmoid(x))",
    ],
    "a rounded e": [
        "E = 2.718\ndef silu(x):\n    return x * (1 / (1 + torch.pow(E, -x)))",
        "def silu(x):\n    power = 2.72 ** (-x)\n    return x * (1 + power).reciprocal()",
    ],
    "math.exp": [
        "def sigma(z):\n    return (1 + math.exp(-z)) ** -1\ndef silu(x):\n    return x * sigma(x)",
    ],
    "the sigmoid of a square": ["def silu(x):\n    return torch.sigmoid(x * x).mul(x)"],
    "overwrites what the gradient needs": [
        "def silu(x):\n    gate = x.sigmoid()\n    gate *= x\n    return gate",
        "def silu(x):\n    return torch.sigmoid(x).mul_(x)",
    ],
    "exp overflows": [
        "def silu(x):\n    power = torch.e ** x\n    return x * (power / (1 + power))",
        "def silu(x):\n    return (x * x.exp()).div(1 + x.exp())",
    ],
    "softmax for the sigmoid": [
        "def silu(x):\n    p = F.softmax(x, dim=x.ndim - 1)\n    return p * x"
    ],
    "added, not multiplied": ["def silu(x):\n    return x.sigmoid() + x"],
    "hard swish": [
        "def silu(x):\n    return F.hardswish(x)",
        "def silu(x):\n    return x * F.relu6(x + 3) / 6",
    ],
    "edits its input": [
        "def silu(x):\n    x *= torch.sigmoid(x)\n    return x",
        "def silu(x):\n    return x.mul_(torch.sigmoid(x))",
    ],
    "no gradient": [
        "def silu(x):\n    with torch.no_grad():\n        return x * torch.sigmoid(x)",
        "def silu(x):\n    x = x.detach()\n    return x * torch.sigmoid(x)",
    ],
    "wrong gradient": ["def silu(x):\n    return x * torch.sigmoid(x).detach()"],
    "bound to one device": [
        "def silu(x):\n    ones = torch.ones(x.shape, dtype=x.dtype)\n    return x / (ones + torch.exp(-x))",
        "def silu(x):\n    return x * torch.sigmoid(x).cpu()",
    ],
    "wrong dtype": [
        "def silu(x):\n    wide = x.float()\n    return wide * torch.sigmoid(wide)",
    ],
    "returns nothing": ["def silu(x):\n    y = x * torch.sigmoid(x)"],
    "returns its input": ["def silu(x):\n    x * torch.sigmoid(x)\n    return x"],
}
