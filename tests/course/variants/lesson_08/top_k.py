"""Mistakes with top-k, written apart from the casebook, at other shapes."""

import textwrap

import torch

from llama_mini.course.judge.exercise import Case, args, normal

CASES = (
    Case("batch", given=args(normal(3, 4, 12, seed=311).softmax(-1), 5), another_device=True),
    Case("row", given=args(normal(10, seed=312).softmax(-1), 2)),
    Case("one", given=args(normal(5, 7, seed=313).softmax(-1), 1)),
    Case(
        "equals",
        given=args(torch.tensor([[0.1, 0.3, 0.1, 0.1, 0.3, 0.1], [1 / 6] * 6]), 3),
        use=lambda answer, q, k: answer(q, k).sort(dim=-1).values,
    ),
    Case(
        "large k",
        given=args(normal(3, 4, seed=314).softmax(-1)),
        use=lambda answer, q: [answer(q, 9), answer(q, 3)],
    ),
)


def answer(body: str) -> str:
    lines = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return f"def top_k(probabilities: Tensor, k: int) -> Tensor:\n{lines}\n"


def ranked(condition: str, end: str = "return q / q.sum(-1, keepdim=True)") -> str:
    """By the rank of each token, 0 for the likeliest."""
    return answer(
        "rank = probabilities.argsort(-1, descending=True).argsort(-1)\n"
        f"q = torch.where({condition}, probabilities, torch.zeros_like(probabilities))\n{end}"
    )


VARIANTS = {
    "keeps one too many": ranked("rank <= k"),
    "keeps one too few": ranked("rank < k - 1"),
    "keeps all equals": answer(
        "ordered = probabilities.sort(-1, descending=True).values\n"
        "least = ordered[..., min(k, ordered.size(-1)) - 1].unsqueeze(-1)\n"
        "q = probabilities.masked_fill(probabilities < least, 0)\n"
        "return q / q.sum(-1, keepdim=True)"
    ),
    "not renormalised": [ranked("rank < k", "return q"), ranked("k > rank", "return q.clone()")],
    "one sum for all rows": ranked("rank < k", "return q.div(torch.sum(q))"),
    "the k values alone": [
        answer(
            "q = probabilities.sort(-1, descending=True).values[..., :k]\n"
            "return q / q.sum(-1, keepdim=True)"
        ),
        answer("return probabilities.sort(-1, descending=True)[0][..., :k]"),
    ],
    "in sorted order": answer(
        "k = min(k, probabilities.shape[-1])\n"
        "q = torch.zeros_like(probabilities)\n"
        "q[..., :k] = probabilities.topk(k).values\n"
        "return F.normalize(q, p=1, dim=-1)"
    ),
    "a mask in sorted order": answer(
        "keep = torch.arange(probabilities.shape[-1], device=probabilities.device) < k\n"
        "q = probabilities * keep\nreturn q / q.sum(-1, keepdim=True)"
    ),
    "gathered, not scattered": [
        answer(
            "best = torch.topk(probabilities, min(k, probabilities.shape[-1]))\n"
            "q = best.values / best.values.sum(-1, keepdim=True)\n"
            "return torch.gather(q, -1, best.indices)"
        ),
        answer(
            "order = probabilities.argsort(-1, descending=True)\n"
            "q = probabilities.gather(-1, order)\n"
            "q = q * (torch.arange(q.shape[-1], device=q.device) < k)\n"
            "q = q / q.sum(-1, keepdim=True)\nreturn q.gather(-1, order)"
        ),
    ],
    "one cut for all rows": answer(
        "k = min(k, probabilities.numel())\n"
        "q = torch.zeros_like(probabilities).view(-1)\n"
        "best = probabilities.reshape(-1).argsort(descending=True)[:k]\n"
        "q[best] = probabilities.reshape(-1)[best]\n"
        "q = q.view_as(probabilities)\nreturn q / q.sum(-1, keepdim=True)"
    ),
    "keeps the least likely": answer(
        "rank = probabilities.argsort(-1).argsort(-1)\n"
        "q = probabilities * (rank < k)\nreturn q / q.sum(-1, keepdim=True)"
    ),
    "k beyond the vocabulary fails": answer(
        "best = torch.topk(probabilities, k)\n"
        "q = torch.zeros_like(probabilities)\nq.scatter_(-1, best.indices, best.values)\n"
        "return q / q.sum(-1, keepdim=True)"
    ),
    "softmax instead of a division": ranked(
        "rank < k", "return q.masked_fill(rank >= k, -math.inf).softmax(-1)"
    ),
    "dropped tokens come back": ranked("rank < k", "return q.softmax(-1)"),
    "edits its input": answer(
        "rank = probabilities.argsort(-1, descending=True).argsort(-1)\n"
        "probabilities[rank >= k] = 0\n"
        "return probabilities / probabilities.sum(-1, keepdim=True)"
    ),
}
