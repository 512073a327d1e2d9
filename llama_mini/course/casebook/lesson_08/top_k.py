"""top_k: keep the k likeliest tokens of each row."""

import textwrap

import torch
from torch import Tensor

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal


def _chances(*shape: int, seed: int) -> Tensor:
    """Probabilities, some rows surer than others."""
    return torch.softmax(normal(*shape, seed=seed, scale=1.5), dim=-1)


def _top_k(body: str) -> str:
    """The function, from its body."""
    lines = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return f"def top_k(probabilities, k):\n{lines}\n"


def _kept(k: str = "k", end: str = "return kept / kept.sum(dim=-1, keepdim=True)") -> str:
    """The usual way with `topk` and `scatter`; how many are kept, and what is returned, vary."""
    return _top_k(
        f"k = min({k}, probabilities.shape[-1])\n"
        "values, indices = probabilities.topk(k, dim=-1)\n"
        f"kept = torch.zeros_like(probabilities).scatter(-1, indices, values)\n{end}"
    )


def _above(condition: str) -> str:
    """A threshold: `least` is the k-th largest of each row."""
    return _top_k(
        "least = probabilities.topk(min(k, probabilities.shape[-1]), dim=-1).values[..., -1:]\n"
        f"kept = torch.where({condition}, probabilities, 0.0)\n"
        "return kept / kept.sum(dim=-1, keepdim=True)"
    )


EXERCISE = Exercise(
    symbol="llama_mini.generation:top_k",
    lesson=8,
    minutes=15,
    difficulty=2,
    prerequisites=("apply_temperature",),
    cases=(
        Case(
            "a batch of positions",
            given=args(_chances(2, 3, 9, seed=11), 4),
            another_device=True,
            points=2,
        ),
        Case("one row", given=args(_chances(8, seed=12), 3)),
        Case("one token left", given=args(_chances(3, 6, seed=13), 1)),
        Case(
            "equals, how many and with what chance",
            given=args(torch.tensor([[0.2] * 5, [0.15, 0.15, 0.4, 0.15, 0.15]]), 2),
            use=lambda answer, q, k: answer(q, k).sort(dim=-1, descending=True).values,
        ),
        Case(
            "a k larger than the vocabulary, then 2",
            given=args(_chances(2, 5, seed=14)),
            use=lambda answer, q: (answer(q, 50), answer(q, 2)),
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "keeps one too many",
            "k + 1 tokens are kept in each row. Count again: a threshold at the first dropped "
            "value, or a place that starts at 0, is one off.",
            _kept("k + 1"),
        ),
        WrongAnswer(
            "keeps one too few",
            "k - 1 tokens are kept in each row, and with k = 1 none, which divides zero by zero. "
            "The k-th largest stays: compare with >=, not >, if you use a threshold at all.",
            _kept("k - 1"),
            also=(_above("probabilities > least"),),
        ),
        WrongAnswer(
            "keeps all equals",
            "A threshold keeps every token as likely as the k-th, which may be more than k. Take "
            "the k indices that `topk` gives, and keep these.",
            _above("probabilities >= least"),
        ),
        WrongAnswer(
            "not renormalised",
            "The kept probabilities no longer sum to 1. Divide each row by the sum of what is "
            "left in it.",
            _kept(end="return kept"),
        ),
        WrongAnswer(
            "one sum for all rows",
            "The kept probabilities are divided by the sum over the whole tensor. Each row has "
            "its own: `sum(dim=-1, keepdim=True)`.",
            _kept(end="return kept / kept.sum()"),
        ),
        WrongAnswer(
            "the k values alone",
            "You return k numbers for each row, without saying whose they are. The result has the "
            "shape of the input: put each value back at its index, and 0 everywhere else.",
            _top_k(
                "values = probabilities.topk(min(k, probabilities.shape[-1]), dim=-1).values\n"
                "return values / values.sum(dim=-1, keepdim=True)"
            ),
            also=(
                _top_k(
                    "values = probabilities.topk(min(k, probabilities.shape[-1]), dim=-1).values\n"
                    "return values"
                ),
            ),
        ),
        WrongAnswer(
            "in sorted order",
            "The probabilities come back sorted, so they belong to the wrong tokens. Every token "
            "keeps its place: `scatter` puts values back at their indices.",
            _top_k(
                "values = probabilities.sort(dim=-1, descending=True).values\n"
                "values[..., k:] = 0\n"
                "return values / values.sum(dim=-1, keepdim=True)"
            ),
        ),
        WrongAnswer(
            "a mask in sorted order",
            "The first k places of the vocabulary are kept, not the k likeliest tokens. Take the "
            "mask back to the tokens with the indices of the sort.",
            _top_k(
                "kept = probabilities.clone()\n"
                "kept[..., k:] = 0\n"
                "return kept / kept.sum(dim=-1, keepdim=True)"
            ),
        ),
        WrongAnswer(
            "gathered, not scattered",
            "`gather` applies the sorting a second time; `scatter` undoes it. Put each value back "
            "at its index: `torch.zeros_like(probabilities).scatter(-1, indices, values)`.",
            _top_k(
                "values, indices = probabilities.topk(min(k, probabilities.shape[-1]), dim=-1)\n"
                "kept = values.gather(-1, indices)\n"
                "return kept / kept.sum(dim=-1, keepdim=True)"
            ),
            also=(
                _top_k(
                    "values, indices = probabilities.sort(dim=-1, descending=True)\n"
                    "values[..., k:] = 0\n"
                    "kept = values.gather(-1, indices)\n"
                    "return kept / kept.sum(dim=-1, keepdim=True)"
                ),
            ),
        ),
        WrongAnswer(
            "one cut for all rows",
            "The k largest are looked for in the whole tensor, so sure rows take the places of "
            "unsure ones. Each row keeps k of its own: `topk(k, dim=-1)`.",
            _top_k(
                "flat = probabilities.flatten()\n"
                "values, indices = flat.topk(min(k, len(flat)))\n"
                "kept = torch.zeros_like(flat).scatter(0, indices, values)\n"
                "kept = kept.view(probabilities.shape)\n"
                "return kept / kept.sum(dim=-1, keepdim=True)"
            ),
            also=(
                _top_k(
                    "flat = probabilities.flatten()\n"
                    "least = flat.topk(min(k, len(flat))).values[-1]\n"
                    "kept = torch.where(probabilities >= least, probabilities, 0.0)\n"
                    "return kept / kept.sum(dim=-1, keepdim=True)"
                ),
            ),
        ),
        WrongAnswer(
            "keeps the least likely",
            "The smallest probabilities are kept. Sort with `descending=True`, or leave `topk` "
            "at its default, `largest=True`.",
            _top_k(
                "k = min(k, probabilities.shape[-1])\n"
                "values, indices = probabilities.topk(k, dim=-1, largest=False)\n"
                "kept = torch.zeros_like(probabilities).scatter(-1, indices, values)\n"
                "return kept / kept.sum(dim=-1, keepdim=True)"
            ),
        ),
        WrongAnswer(
            "k beyond the vocabulary fails",
            "`topk` cannot take more than there is. A larger k keeps everything: "
            "`min(k, probabilities.shape[-1])`.",
            _top_k(
                "values, indices = probabilities.topk(k, dim=-1)\n"
                "kept = torch.zeros_like(probabilities).scatter(-1, indices, values)\n"
                "return kept / kept.sum(dim=-1, keepdim=True)"
            ),
        ),
        WrongAnswer(
            "softmax instead of a division",
            "A softmax is taken of the kept probabilities, which changes their odds. They are "
            "probabilities already: divide them by their sum.",
            _kept(end="return torch.softmax(kept.masked_fill(kept == 0, float('-inf')), dim=-1)"),
        ),
        WrongAnswer(
            "dropped tokens come back",
            "The softmax of 0 is not 0, so every dropped token has a chance again. Divide the kept "
            "probabilities by their sum instead.",
            _kept(end="return torch.softmax(kept, dim=-1)"),
        ),
    ),
    alternatives=(
        Alternative(
            "a sort and a rank",
            _top_k(
                "order = probabilities.argsort(dim=-1, descending=True)\n"
                "rank = order.argsort(dim=-1)\n"
                "kept = probabilities * (rank < k)\n"
                "return kept / kept.sum(dim=-1, keepdim=True)"
            ),
        ),
        Alternative(
            "renormalised before it is put back",
            _top_k(
                "values, indices = probabilities.topk(min(k, probabilities.size(-1)))\n"
                "result = torch.zeros_like(probabilities)\n"
                "result.scatter_(-1, indices, values / values.sum(-1, keepdim=True))\n"
                "return result"
            ),
        ),
        Alternative(
            "a mask of what is dropped",
            _top_k(
                "dropped = probabilities.argsort(dim=-1, descending=True)[..., k:]\n"
                "kept = probabilities.scatter(-1, dropped, 0.0)\n"
                "return kept / einops.reduce(kept, '... vocab -> ... 1', 'sum')"
            ),
        ),
        Alternative(
            "row by row",
            "def one_row(row, k):\n"
            "    likeliest = row.sort(descending=True).indices[:k]\n"
            "    kept = torch.zeros_like(row)\n"
            "    kept[likeliest] = row[likeliest]\n"
            "    return kept / kept.sum()\n\n\n"
            "def top_k(probabilities: Tensor, k: int) -> Tensor:\n"
            "    rows = probabilities.reshape(-1, probabilities.shape[-1])\n"
            "    cut = torch.stack([one_row(row, k) for row in rows])\n"
            "    return cut.reshape(probabilities.shape)\n",
        ),
    ),
    hints=(
        "Which tokens are the k likeliest of a row? You need their indices, not only their values: "
        "the result keeps every token in its place.",
        "`probabilities.topk(k, dim=-1)` gives values and indices. Begin with zeros of the full "
        "shape, and put the values back with `scatter`. Mind a k that is too large.",
        "`kept = torch.zeros_like(probabilities).scatter(-1, indices, values)`, then divide by "
        "`kept.sum(dim=-1, keepdim=True)`.",
    ),
)
