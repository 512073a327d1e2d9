"""Mistakes with the temperature, written apart from the casebook, at other shapes."""

import textwrap

import torch

from llama_mini.course.judge.exercise import Case, args, normal

CASES = (
    Case(
        "batch",
        given=args(normal(3, 2, 5, 11, seed=301, scale=2.0), 1.7),
        another_device=True,
    ),
    Case("row", given=args(normal(13, seed=302), 0.4)),
    Case("cold", given=args(normal(4, 2, 5, seed=303), 0.0)),
    Case("cold tie", given=args(torch.tensor([[3.0, -1.0, 3.0, 3.0, 2.0]]), 0.0)),
    Case("bf16", given=args(normal(5, 24, seed=304, scale=4.0, dtype=torch.bfloat16), 1.3)),
    Case("large", given=args(torch.tensor([[150.0, -90.0, 149.5, 148.0]]), 0.25), rtol=2e-4),
)


def answer(body: str) -> str:
    lines = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return f"def apply_temperature(logits: Tensor, temperature: float) -> Tensor:\n{lines}\n"


def warm(expression: str) -> str:
    """Right at temperature 0, and `expression` elsewhere."""
    return answer(
        "if temperature <= 0.0:\n"
        "    first = torch.max(logits, dim=-1, keepdim=True).indices\n"
        "    return torch.zeros_like(logits, dtype=torch.float32).scatter_(-1, first, 1.0)\n"
        f"wide = logits.to(torch.float32)\nreturn {expression}"
    )


def cold(expression: str) -> str:
    """Right elsewhere, and `expression` at temperature 0."""
    return answer(
        "wide = logits.to(torch.float32)\n"
        "if temperature > 0:\n    return F.softmax(wide / temperature, dim=-1)\n"
        f"return {expression}"
    )


VARIANTS = {
    "multiplies by the temperature": warm("F.softmax(temperature * wide, -1)"),
    "divides the probabilities": [
        warm("wide.softmax(-1).div(temperature)"),
        warm("F.softmax(wide, dim=-1) * (1 / temperature)"),
    ],
    "no temperature": [
        warm("(wide - wide.logsumexp(-1, keepdim=True)).exp()"),
        warm("F.normalize(wide.softmax(-1) / temperature, p=1, dim=-1)"),
    ],
    "softmax taken twice": [
        warm("F.softmax(F.softmax(wide, -1).div(temperature), -1)"),
        warm("(wide / temperature).softmax(-1).softmax(-1)"),
    ],
    "divides by zero": answer(
        "scaled = logits.float().div(temperature)\n"
        "weights = (scaled - scaled.max(-1, keepdim=True).values).exp()\n"
        "return weights / weights.sum(-1, keepdim=True)"
    ),
    "ties share at temperature 0": [
        answer(
            "if temperature == 0:\n    temperature = 1e-8\n"
            "return F.softmax(logits.float() / temperature, -1)"
        ),
        cold("(wide >= wide.max(-1, keepdim=True).values).to(torch.float32)"),
    ],
    "a token at temperature 0": [
        cold("torch.max(wide, dim=-1).indices"),
        cold("wide.topk(1).indices"),
    ],
    "softmax over the wrong axis": [
        warm("nn.Softmax(dim=0)(wide / temperature)"),
        warm("F.softmax(wide / temperature, 1)"),
    ],
    "softmax over everything": warm(
        "(wide / temperature - torch.logsumexp((wide / temperature).reshape(-1), 0)).exp()"
    ),
    "rounded in bfloat16": [
        warm("F.softmax(logits.div(temperature), -1).to(torch.float32)"),
        warm("F.softmax(logits / temperature, -1, dtype=torch.float32)"),
    ],
    "stays in bfloat16": [
        warm("F.softmax(logits / temperature, -1)"),
        warm("F.softmax(wide / temperature, -1).to(logits.dtype)"),
    ],
    "returns logits": warm("wide.div(temperature)"),
    "log-probabilities": warm("F.softmax(wide / temperature, -1).clamp(min=1e-45).log()")
    .replace("F.softmax", "F.log_softmax")
    .replace(".clamp(min=1e-45).log()", ""),
    "exp overflows": warm(
        "(wide / temperature).exp() / (wide / temperature).exp().sum(-1, keepdim=True)"
    ),
    "edits its input": answer(
        "if temperature == 0:\n"
        "    return F.one_hot(logits.argmax(-1), logits.size(-1)).float()\n"
        "logits /= temperature\nreturn logits.float().softmax(-1)"
    ),
}
