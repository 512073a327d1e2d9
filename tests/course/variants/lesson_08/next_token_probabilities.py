"""Mistakes in putting the three knobs together, written apart from the casebook."""

import textwrap

import torch

from llama_mini.course.judge.exercise import Case, args, normal

_LEVEL = torch.tensor([0.14, 0.06, 0.17, 0.11, 0.19, 0.09, 0.04, 0.2])

CASES = (
    Case("temperature", given=args(normal(3, 10, seed=331), 1.9)),
    Case("k", given=args(normal(2, 2, 9, seed=332, scale=3.0), 0.8, k=4)),
    Case("p", given=args(normal(2, 2, 9, seed=333, scale=2.0), 1.5, p=0.6)),
    Case("three", given=args(normal(5, 12, seed=334, scale=2.0), 2.1, 0.7, 6)),
    # 0.2, 0.19, 0.17, 0.14 and 0.11 come first: 0.72 of all takes five, of the first four three.
    Case("level", given=args(_LEVEL.log() * 0.8, 0.8, 0.72, 4)),
    Case("greedy", given=args(normal(4, 5, seed=335), 0.0, 0.5, 2)),
)


def answer(body: str) -> str:
    lines = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return (
        "from llama_mini.generation import apply_temperature, top_k, top_p\n\n\n"
        "def next_token_probabilities(logits, temperature, p=1.0, k=None):\n"
        "    vocab = logits.shape[-1]\n"
        f"{lines}\n"
    )


VARIANTS = {
    "top-p before top-k": [
        answer("return top_k(top_p(apply_temperature(logits, temperature), p), k or vocab)"),
        answer(
            "q = apply_temperature(logits, temperature)\n"
            "keep = (top_p(q, p) > 0) & (top_k(q, k or vocab) > 0)\n"
            "q = q.masked_fill(~keep, 0)\nreturn q / q.sum(-1, keepdim=True)"
        ),
    ],
    "temperature last": answer(
        "q = top_p(top_k(apply_temperature(logits, 1.0), k or vocab), p)\n"
        "return apply_temperature(torch.log(q), temperature)"
    ),
    "temperature between the two": answer(
        "q = top_p(F.softmax(logits, -1), p)\n"
        "return top_k(apply_temperature(q.log(), temperature), k or vocab)"
    ),
    "no temperature": answer("return top_p(top_k(F.softmax(logits, -1), k or vocab), p)"),
    "no top-k": answer("return top_p(apply_temperature(logits, temperature), p)"),
    "no top-p": answer("return top_k(apply_temperature(logits, temperature), k or vocab)"),
    "either top-k or top-p": [
        answer(
            "q = apply_temperature(logits, temperature)\nreturn top_k(q, k) if k else top_p(q, p)"
        ),
        answer(
            "q = apply_temperature(logits, temperature)\n"
            "return top_p(q, p) if p < 1 else top_k(q, k or vocab)"
        ),
    ],
    "k of None is handed on": answer(
        "q = top_k(apply_temperature(logits, temperature), k)\nreturn q if p == 1 else top_p(q, p)"
    ),
    "cuts the logits": answer(
        "cut = logits.float() if k is None else top_k(logits.float(), k)\n"
        "return apply_temperature(cut, temperature)"
    ),
}
