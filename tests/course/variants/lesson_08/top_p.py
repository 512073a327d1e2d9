"""Mistakes with top-p, written apart from the casebook, at other shapes."""

import textwrap

import torch

from llama_mini.course.judge.exercise import Case, args, normal

CASES = (
    Case("batch", given=args(normal(3, 2, 11, seed=321, scale=1.2).softmax(-1), 0.66)),
    Case("row", given=args(torch.tensor([0.22, 0.08, 0.05, 0.36, 0.12, 0.17]), 0.65)),
    Case(
        "sure",
        given=args(torch.tensor([[0.1, 0.05, 0.85], [0.3, 0.36, 0.34], [0.62, 0.2, 0.18]]), 0.45),
    ),
    Case(
        "many",
        given=args(torch.stack([torch.full((8,), 0.125), normal(8, seed=322).softmax(-1)]), 0.93),
    ),
    Case(
        "one",
        given=args(normal(3, 5, seed=323, scale=1.5).softmax(-1)),
        use=lambda answer, q: [answer(q, 1.0), answer(q, 0.55)],
    ),
)


def answer(body: str) -> str:
    lines = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return f"def top_p(probabilities: Tensor, p: float) -> Tensor:\n{lines}\n"


def ordered(keep: str, end: str = "return q / q.sum(-1, keepdim=True)") -> str:
    """In the order of a sort, `keep` says who stays; then back to the vocabulary's order."""
    return answer(
        "order = probabilities.argsort(-1, descending=True)\n"
        "q = probabilities.gather(-1, order)\n"
        "total = torch.cumsum(q, -1)\n"
        "place = torch.arange(q.shape[-1]).expand_as(q)\n"
        f"keep = {keep}\n"
        "q = torch.where(keep, q, torch.zeros_like(q))\n"
        f"q = q.gather(-1, order.argsort(-1))\n{end}"
    )


BEFORE = "(F.pad(total, (1, 0))[..., :-1] <= p)"

VARIANTS = {
    "drops the crossing token": [ordered("total <= p"), ordered("~(total > p)")],
    "keeps the first alone, then drops the crossing token": ordered("(total <= p) | (place == 0)"),
    "keeps one too many": ordered(f"(place < {BEFORE}.sum(-1, keepdim=True) + 1)"),
    "the least likely first": answer(
        "values, indices = torch.sort(probabilities)\n"
        "before = F.pad(values.cumsum(-1), (1, 0))[..., :-1]\n"
        "values = values * (before <= p)\n"
        "q = torch.zeros_like(values).scatter(-1, indices, values)\n"
        "return q / q.sum(-1, keepdim=True)"
    ),
    "no sort": answer(
        "before = F.pad(torch.cumsum(probabilities, -1), (1, 0))[..., :-1]\n"
        "q = probabilities * (before <= p)\nreturn q / q.sum(-1, keepdim=True)"
    ),
    "not renormalised": ordered(BEFORE, "return q"),
    "one sum for all rows": ordered(BEFORE, "return q / torch.sum(q)"),
    "in sorted order": answer(
        "q = probabilities.sort(-1, descending=True).values\n"
        "before = F.pad(q.cumsum(-1), (1, 0))[..., :-1]\n"
        "q = q * (before <= p)\nreturn q / q.sum(-1, keepdim=True)"
    ),
    "a mask in sorted order": answer(
        "q = probabilities.sort(-1, descending=True).values\n"
        "keep = F.pad(q.cumsum(-1), (1, 0))[..., :-1] <= p\n"
        "q = probabilities * keep\nreturn q / q.sum(-1, keepdim=True)"
    ),
    "gathered, not scattered": [
        answer(
            "q, indices = torch.sort(probabilities, dim=-1, descending=True)\n"
            "q = q * (F.pad(q.cumsum(-1), (1, 0))[..., :-1] <= p)\n"
            "q = q / q.sum(-1, keepdim=True)\nreturn torch.gather(q, -1, indices)"
        ),
        answer(
            "order = probabilities.argsort(-1, descending=True)\n"
            "q = probabilities.gather(-1, order)\n"
            "keep = F.pad(q.cumsum(-1), (1, 0))[..., :-1] <= p\n"
            "q = probabilities * keep.gather(-1, order)\nreturn q / q.sum(-1, keepdim=True)"
        ),
    ],
    "compares each probability with p": [
        answer("q = probabilities * (probabilities > p)\nreturn q / q.sum(-1, keepdim=True)"),
        answer(
            "q = probabilities.masked_fill(probabilities < 1 - p, 0)\n"
            "return q / q.sum(-1, keepdim=True)"
        ),
    ],
    "relative to the likeliest": [
        answer(
            "least = p * probabilities.max(-1, keepdim=True).values\n"
            "q = probabilities.masked_fill(probabilities < least, 0)\n"
            "return q / q.sum(-1, keepdim=True)"
        )
    ],
    "a share of the vocabulary": [
        ordered("place < max(1, math.floor(p * q.shape[-1]))"),
        ordered("place < math.ceil(p * q.shape[-1])"),
    ],
    "adds up over the batch": [
        answer(
            "values, indices = probabilities.sort(-1, descending=True)\n"
            "values = values * (values.cumsum(0) - values <= p)\n"
            "q = torch.zeros_like(values).scatter(-1, indices, values)\n"
            "return q / q.sum(-1, keepdim=True)"
        ),
        answer(
            "values, indices = probabilities.sort(-1, descending=True)\n"
            "total = values.reshape(-1).cumsum(0).reshape(values.shape)\n"
            "values = values * (total - values <= p)\n"
            "q = torch.zeros_like(values).scatter(-1, indices, values)\n"
            "return q / q.sum(-1, keepdim=True)"
        ),
    ],
    "takes probabilities for logits": answer(
        "q, indices = F.softmax(probabilities, -1).sort(-1, descending=True)\n"
        "q = q * (F.pad(q.cumsum(-1), (1, 0))[..., :-1] <= p)\n"
        "return torch.zeros_like(q).scatter(-1, indices, q / q.sum(-1, keepdim=True))"
    ),
    "softmax instead of a division": ordered(
        BEFORE, "return torch.where(q > 0, q, -math.inf).softmax(-1)"
    ),
    "edits its input": answer(
        "values, indices = probabilities.sort(-1, descending=True)\n"
        "dropped = F.pad(values.cumsum(-1), (1, 0))[..., :-1] > p\n"
        "probabilities[dropped.gather(-1, indices.argsort(-1))] = 0\n"
        "return probabilities / probabilities.sum(-1, keepdim=True)"
    ),
}
