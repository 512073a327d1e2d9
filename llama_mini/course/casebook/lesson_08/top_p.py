"""top_p: keep each row's likeliest tokens, up to a share of the probability."""

import textwrap

import torch
from torch import Tensor

from llama_mini.course.judge.exercise import Alternative, Case, Exercise, WrongAnswer, args, normal


def _chances(*shape: int, seed: int) -> Tensor:
    """Probabilities, some rows surer than others."""
    return torch.softmax(normal(*shape, seed=seed, scale=1.5), dim=-1)


def _top_p(body: str) -> str:
    """The function, from its body."""
    lines = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return f"def top_p(probabilities, p):\n{lines}\n"


def _sorted(
    dropped: str = "values.cumsum(dim=-1) - values > p",
    end: str = "return kept / kept.sum(dim=-1, keepdim=True)",
    descending: bool = True,
) -> str:
    """The usual way; what is dropped, in sorted order, and what is returned, vary."""
    return _top_p(
        f"values, indices = probabilities.sort(dim=-1, descending={descending})\n"
        f"dropped = {dropped}\n"
        "values = values.masked_fill(dropped, 0.0)\n"
        f"kept = torch.zeros_like(probabilities).scatter(-1, indices, values)\n{end}"
    )


def _where(condition: str) -> str:
    """Without a sort: a condition on each probability."""
    return _top_p(
        f"kept = torch.where({condition}, probabilities, 0.0)\n"
        "return kept / kept.sum(dim=-1, keepdim=True)"
    )


EXERCISE = Exercise(
    symbol="llama_mini.generation:top_p",
    lesson=8,
    minutes=20,
    difficulty=3,
    prerequisites=("top_k",),
    # No case has a sum that meets p exactly: there both rules in use would be right. None runs on
    # the meta device: a walk that stops early is slow and correct, and needs numbers to compare.
    cases=(
        Case(
            "a batch of positions",
            given=args(_chances(2, 3, 9, seed=21), 0.72),
            points=2,
        ),
        Case("one row", given=args(torch.tensor([0.05, 0.4, 0.1, 0.3, 0.15]), 0.75)),
        Case(
            "a first token above p",
            given=args(torch.tensor([[0.1, 0.8, 0.06, 0.04], [0.3, 0.28, 0.16, 0.26]]), 0.5),
        ),
        Case(
            "sure and unsure rows",
            given=args(
                torch.tensor(
                    [
                        [0.01, 0.02, 0.94, 0.01, 0.02],
                        [0.21, 0.19, 0.2, 0.18, 0.22],
                        [0.5, 0.03, 0.02, 0.44, 0.01],
                    ]
                ),
                0.91,
            ),
        ),
        Case(
            "a p of 1, then 0.4",
            given=args(_chances(2, 6, seed=22)),
            use=lambda answer, q: (answer(q, 1.0), answer(q, 0.4)),
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "drops the crossing token",
            "The token that carries the sum past p is dropped. It stays: compare p with the sum "
            "*before* each token, which is `cumsum - values`. Yours is left with nothing, and "
            "with nan, where the first token alone has more than p.",
            _sorted("values.cumsum(dim=-1) > p"),
            also=(_sorted("values.cumsum(dim=-1) >= p"),),
        ),
        WrongAnswer(
            "keeps the first alone, then drops the crossing token",
            "The likeliest token is always kept, but where more are needed the one that carries "
            "the sum past p is dropped. It stays as well: compare p with the sum *before* it.",
            _sorted("(values.cumsum(dim=-1) > p) & (torch.arange(values.shape[-1]) > 0)"),
        ),
        WrongAnswer(
            "keeps one too many",
            "One token more than needed is kept: the one that crosses p, and another after it. A "
            "token is dropped as soon as those before it have more than p.",
            _sorted(
                "F.pad((values.cumsum(dim=-1) - values > p).float(), (1, -1)).bool()",
            ),
        ),
        WrongAnswer(
            "the least likely first",
            "The sum starts from the least likely tokens, so the likeliest is dropped first. Sort "
            "with `descending=True`.",
            _sorted(descending=False),
        ),
        WrongAnswer(
            "no sort",
            "The sum runs through the vocabulary in the order of token numbers. Sort each row "
            "first, the likeliest in front.",
            _where("probabilities.cumsum(dim=-1) - probabilities <= p"),
        ),
        WrongAnswer(
            "not renormalised",
            "The kept probabilities no longer sum to 1. Divide each row by the sum of what is "
            "left in it.",
            _sorted(end="return kept"),
        ),
        WrongAnswer(
            "one sum for all rows",
            "The kept probabilities are divided by the sum over the whole tensor. Each row has "
            "its own: `sum(dim=-1, keepdim=True)`.",
            _sorted(end="return kept / kept.sum()"),
        ),
        WrongAnswer(
            "in sorted order",
            "The probabilities come back sorted, so they belong to the wrong tokens. Every token "
            "keeps its place: `scatter` puts values back at their indices.",
            _sorted(end="return values / values.sum(dim=-1, keepdim=True)"),
        ),
        WrongAnswer(
            "a mask in sorted order",
            "The mask is in sorted order and is laid over the unsorted probabilities. Put the "
            "sorted values, or the mask, back with `scatter` and the indices of the sort.",
            _sorted(
                end="kept = probabilities.masked_fill(dropped, 0.0)\n"
                "return kept / kept.sum(dim=-1, keepdim=True)"
            ),
        ),
        WrongAnswer(
            "gathered, not scattered",
            "`gather` applies the sorting a second time; `scatter` undoes it. Put each value back "
            "at its index: `torch.zeros_like(probabilities).scatter(-1, indices, values)`.",
            _sorted(
                end="kept = values.gather(-1, indices)\n"
                "return kept / kept.sum(dim=-1, keepdim=True)"
            ),
            also=(
                _sorted(
                    end="kept = probabilities.masked_fill(dropped.gather(-1, indices), 0.0)\n"
                    "return kept / kept.sum(dim=-1, keepdim=True)"
                ),
            ),
        ),
        WrongAnswer(
            "compares each probability with p",
            "Each probability is compared with p by itself. p is a share of the *sum*: sort the "
            "row, add up, and stop when more than p is collected.",
            _where("probabilities >= p"),
            also=(_where("probabilities > p"), _where("probabilities >= 1 - p")),
        ),
        WrongAnswer(
            "relative to the likeliest",
            "Tokens are compared with p times the largest probability: that is another method, "
            "min-p. Top-p adds up probabilities from the likeliest on.",
            _where("probabilities >= p * probabilities.amax(dim=-1, keepdim=True)"),
            also=(_where("probabilities >= (1 - p) * probabilities.amax(-1, keepdim=True)"),),
        ),
        WrongAnswer(
            "a share of the vocabulary",
            "A share p of the *tokens* is kept, the same number in every row. Top-p collects a "
            "share p of the probability, which takes few tokens in a sure row.",
            _sorted("torch.arange(values.shape[-1]) >= max(1, int(p * values.shape[-1]))"),
            also=(
                _sorted("torch.arange(values.shape[-1]) >= math.ceil(p * values.shape[-1])"),
                _sorted("torch.arange(values.shape[-1]) >= max(1, round(p * values.shape[-1]))"),
            ),
        ),
        WrongAnswer(
            "adds up over the batch",
            "The cumulative sum runs across rows. Each row collects its own p: `cumsum(dim=-1)`.",
            _sorted("values.cumsum(dim=0) - values > p"),
            also=(
                _sorted("values.flatten().cumsum(0).view(values.shape) - values > p"),
                _sorted("values.cumsum(dim=-2) - values > p"),
            ),
        ),
        WrongAnswer(
            "takes probabilities for logits",
            "A softmax is taken of the input first, as if it held logits. These are probabilities "
            "already, and a second softmax makes them nearly even.",
            _top_p("probabilities = torch.softmax(probabilities, dim=-1)\n")
            + textwrap.indent(textwrap.dedent(_sorted().split("\n", 1)[1]), "    "),
        ),
        WrongAnswer(
            "softmax instead of a division",
            "A softmax is taken of the kept probabilities, which changes their odds. They are "
            "probabilities already: divide them by their sum.",
            _sorted(end="return torch.softmax(kept.masked_fill(kept == 0, float('-inf')), dim=-1)"),
        ),
    ),
    alternatives=(
        Alternative(
            "the sum shifted by one",
            _top_p(
                "values, indices = torch.sort(probabilities, descending=True)\n"
                "before = F.pad(values.cumsum(dim=-1)[..., :-1], (1, 0))\n"
                "values = torch.where(before > p, 0.0, values)\n"
                "values = values / values.sum(dim=-1, keepdim=True)\n"
                "return torch.empty_like(probabilities).scatter(-1, indices, values)"
            ),
        ),
        Alternative(
            "at least p instead of more than p",
            _sorted("values.cumsum(dim=-1) - values >= p"),
        ),
        Alternative(
            "the mask put back",
            _top_p(
                "order = probabilities.argsort(dim=-1, descending=True)\n"
                "values = probabilities.gather(-1, order)\n"
                "dropped = values.cumsum(dim=-1) - values > p\n"
                "dropped = dropped.gather(-1, order.argsort(dim=-1))\n"
                "kept = probabilities.masked_fill(dropped, 0.0)\n"
                "return kept / kept.sum(dim=-1, keepdim=True)"
            ),
        ),
        Alternative(
            "from the least likely",
            _top_p(
                "values, indices = probabilities.double().sort(dim=-1)\n"
                "dropped = values.cumsum(dim=-1) < 1 - p - 1e-9\n"
                "values = values.masked_fill(dropped, 0.0)\n"
                "kept = torch.zeros_like(probabilities.double()).scatter(-1, indices, values)\n"
                "return (kept / kept.sum(dim=-1, keepdim=True)).float()"
            ),
        ),
        Alternative(
            "a walk through each row",
            "def walk(row: Tensor, p: float) -> Tensor:\n"
            "    kept, collected = torch.zeros_like(row), 0.0\n"
            "    for index in row.argsort(descending=True):\n"
            "        if collected > p:\n"
            "            break\n"
            "        kept[index] = row[index]\n"
            "        collected = collected + row[index]\n"
            "    return kept / kept.sum()\n\n\n"
            "def top_p(probabilities: Tensor, p: float) -> Tensor:\n"
            "    rows = probabilities.flatten(0, -2) if probabilities.ndim > 1 else "
            "probabilities[None]\n"
            "    return torch.stack([walk(row, p) for row in rows]).view(probabilities.shape)\n",
        ),
    ),
    hints=(
        "Sort each row, the likeliest first, and keep the indices. For each token: how much was "
        "collected before it?",
        "`values.cumsum(dim=-1) - values` is what the tokens before have together. Where that is "
        "more than p, the token goes. Then put what is left back with `scatter`, and divide.",
        "`values.masked_fill(values.cumsum(dim=-1) - values > p, 0.0)`, then "
        "`torch.zeros_like(probabilities).scatter(-1, indices, values)`, then divide by the sum.",
    ),
)
